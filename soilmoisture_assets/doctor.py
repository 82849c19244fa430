"""What a study needs and whether it is there: files, credentials, reachable services.

Belongs here: checks made before anything is written, each with the fix. Not here: printing them (cli.py).
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing a study needs: whether it is there, and what to do if it is not."""

    what: str
    ok: bool
    state: str
    fix: str = ""


def check_inputs(study: Study, settings: Settings, assets: Collection[tuple[str, ...]]) -> None:
    """Read what the study names on this machine before a run writes anything.

    Parameters
    ----------
    assets : keys of the assets to be made, as tuples; only what they read themselves is checked.

    Raises
    ------
    SoilMoistureError : the first thing that is missing or cannot be used; names the file and the fix.
    """
    for need in _needs(study, settings):
        if any(key[: len(need.asset)] == need.asset for key in assets):
            need.check()


def diagnose(study: Study, settings: Settings) -> list[Finding]:
    """Every file, credential and service of the study, each with its state."""
    findings = []
    for need in _needs(study, settings):
        try:
            findings.append(Finding(need.what, True, need.check()))
        except SoilMoistureError as error:
            state, _, fix = str(error).partition("\n")
            findings.append(Finding(need.what, False, state, fix.strip()))
    if study.sandbox:
        return [*findings, Finding("services", True, "embedded sandbox on loopback (synthetic data)")]
    return findings + [_reach(what, url) for what, url in _service_urls(study, settings).items()]


def ismn_archive(study: Study, settings: Settings) -> Path:
    """The ISMN archive of a study that is no sandbox. Raises SourceError where none is named or it is not there."""
    named = study.target.path or settings.ismn_archive
    if named is None:
        raise SourceError(
            "no ISMN archive is named.\n  Download one from https://ismn.earth (free account) and set "
            "SOILMOISTURE_ISMN_ARCHIVE, or target.path in the study, to the zip or its folder."
        )
    if not Path(named).exists():
        raise SourceError(f"{named}: no such ISMN archive.\n  Correct SOILMOISTURE_ISMN_ARCHIVE or target.path.")
    return Path(named)


@dataclass(frozen=True)
class _Need:
    """Something on this machine that an asset reads, and how to see whether it is there."""

    asset: tuple[str, ...]
    what: str
    check: Callable[[], str]


def _needs(study: Study, settings: Settings) -> Iterator[_Need]:
    if study.target.source == "file":
        yield _Need(("cube", "target"), "target file", lambda: _read_target(study))
    elif not study.sandbox:
        yield _Need(("raw", "ismn"), "ISMN archive", lambda: str(ismn_archive(study, settings)))
    if study.dynamic_inputs.source == "file":
        yield _Need(("cube", "dynamic_inputs"), "dynamic inputs file", lambda: _read_dynamic_inputs(study))
    elif study.era5.access == "files":
        yield _Need(("raw", "era5"), "ERA5 folder", lambda: _era5_folder(study))
    elif not study.sandbox:
        yield _Need(("raw", "era5", "delivery"), "CDS credentials", lambda: _cds_credentials(settings))
    if study.static_attributes.source == "file":
        yield _Need(("cube", "static_attributes"), "static attributes file", lambda: _read_static_attributes(study))
    elif not study.sandbox:
        yield _Need(("raw", "modis"), "Earth Engine credentials", lambda: _earthengine_credentials(settings))


def _read_target(study: Study) -> str:
    from soilmoisture_assets.alignment.station_files import read_target_file

    found = read_target_file(str(study.target.path), study.target, study.period, study.domain)
    return f"{study.target.path}: {found.sizes['station']} stations"


def _read_dynamic_inputs(study: Study) -> str:
    from soilmoisture_assets.alignment.station_files import read_dynamic_inputs_file

    source = study.dynamic_inputs
    found = read_dynamic_inputs_file(str(source.path), source.variables, source, study.period, study.domain)
    return f"{source.path}: {', '.join(map(str, found.data_vars))}"


def _read_static_attributes(study: Study) -> str:
    from soilmoisture_assets.alignment.station_files import read_static_attributes_file

    source = study.static_attributes
    found = read_static_attributes_file(str(source.path), source.variables, study.domain)
    return f"{source.path}: {', '.join(map(str, found.data_vars))}"


def _era5_folder(study: Study) -> str:
    folder = Path(str(study.era5.folder))
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of ERA5 files.\n  Correct era5.folder in the study.")
    return str(folder)


def _cds_credentials(settings: Settings) -> str:
    if settings.cds_key is not None:
        return "SOILMOISTURE_CDS_KEY"
    if os.environ.get("CDSAPI_KEY"):
        return "CDSAPI_KEY"
    rc_file = Path(os.environ.get("CDSAPI_RC", "~/.cdsapirc")).expanduser()
    if rc_file.exists():
        return str(rc_file)
    raise SourceError(
        "no credentials for the Copernicus Climate Data Store.\n  Make a free account at "
        "https://cds.climate.copernicus.eu, accept the licence of ERA5 there, and set SOILMOISTURE_CDS_KEY to your key."
    )


def _earthengine_credentials(settings: Settings) -> str:
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


def _service_urls(study: Study, settings: Settings) -> dict[str, str]:
    urls = {}
    if study.dynamic_inputs.source == "era5" and study.era5.access != "files":
        urls["CDS"] = settings.cds_url or "https://cds.climate.copernicus.eu/api"
    if study.static_attributes.source == "services":
        urls["SoilGrids"] = settings.soilgrids_url
        urls["EPQS"] = settings.elevation_url
    return urls


def _reach(what: str, url: str) -> Finding:
    import requests

    try:
        answer = requests.get(url, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        return Finding(what, False, f"{url}: {type(error).__name__}", "Check the network, or try again later.")
    ok = answer.status_code < 500
    return Finding(what, ok, f"{url}: HTTP {answer.status_code}", "" if ok else "The service is down; try again later.")
