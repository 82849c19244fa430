"""The International Soil Moisture Network: archives as downloaded. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import HWSD_VARIABLES
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def ismn_archive(study: Study, settings: Settings) -> Path:
    """The ISMN archive of a study that is no sandbox. Raises SourceError where none is named or it is not there."""
    named = study.target.path or settings.ismn_archive
    if named is None:
        raise SourceError(
            "no ISMN archive is named.\n  Download one from https://ismn.earth (free account) and set "
            "SOILMOISTURE_ISMN_ARCHIVE, or target.path in the study, to the zip or its folder. A study without archive "
            "and account: soilmoisture run --study uscrn"
        )
    if not Path(named).exists():
        raise SourceError(f"{named}: no such ISMN archive.\n  Correct SOILMOISTURE_ISMN_ARCHIVE or target.path.")
    return Path(named)


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    def listed() -> str:
        from soilmoisture_assets.sources.ismn.archive import station_files
        from soilmoisture_assets.sources.ismn.members import Members

        path = ismn_archive(study, settings)
        with Members(path) as members:
            return f"{path}: {len(station_files(members)):,} station files"

    if not study.sandbox:
        yield Need("raw/ismn", "ISMN archive", listed)


SOURCE = Source(
    name="ismn",
    title="International Soil Moisture Network",
    offers={"target": ("soil_moisture",), "static": (*HWSD_VARIABLES, "climate_2007", "climate_2017")},
    step="1h",
    place="stations",
    citation="Dorigo et al. 2021, The International Soil Moisture Network, doi:10.5194/hess-25-5749-2021; "
    "cite also each network used (Metadata.xml of the archive)",
    licence="ISMN terms and conditions: scientific use, no redistribution",
    account='free account at https://ismn.earth; download "header + values" or CEOP',
    needs=_needs,
)
