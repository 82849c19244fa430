"""MODIS land cover over Earth Engine. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    if not study.sandbox:
        yield Need("raw/modis", "Earth Engine credentials", lambda: _credentials(settings))


def _credentials(settings: Settings) -> str:
    if settings.earthengine_project is None:
        raise SourceError(
            "no Earth Engine project is named.\n  Register one at https://code.earthengine.google.com/register and set "
            "SOILMOISTURE_EARTHENGINE_PROJECT."
        )
    file = settings.earthengine_service_account_file
    if file is not None:
        if not file.exists():
            raise SourceError(f"{file}: no such key file.\n  Correct SOILMOISTURE_EARTHENGINE_SERVICE_ACCOUNT_FILE.")
        return str(file)
    user = Path("~/.config/earthengine/credentials").expanduser()
    if not user.exists():
        raise SourceError(
            "no Earth Engine credentials.\n  Run `earthengine authenticate` once, or set "
            "SOILMOISTURE_EARTHENGINE_SERVICE_ACCOUNT_FILE to the key file of a service account."
        )
    return str(user)


SOURCE = Source(
    name="modis",
    title="MODIS land cover (MCD12Q1 v061)",
    offers={"static": ("land_cover",)},
    step="1Y",
    place="points",
    citation="Friedl and Sulla-Menashe 2022, MCD12Q1 v061, doi:10.5067/MODIS/MCD12Q1.061",
    licence="NASA EOSDIS: open",
    account="an Earth Engine project; `earthengine authenticate`, or a service account",
    needs=_needs,
    url=lambda settings: settings.earthengine_url,
    sandbox="earthengine",
)
