"""ERA5 from the Climate Data Store, or from files already downloaded. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.era5.variables import ERA5_VARIABLES
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    if study.era5.access == "files":
        yield Need("raw/era5", "ERA5 folder", lambda: _folder(study))
        yield Need("", "ERA5 months", lambda: _months(study))
    elif not study.sandbox:
        yield Need("raw/era5/delivery", "CDS credentials", lambda: _credentials(settings))


def _folder(study: Study) -> str:
    folder = Path(str(study.era5.folder))
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of ERA5 files.\n  Correct era5.folder in the study.")
    return str(folder)


def _months(study: Study) -> str:
    """Make every month of the study's axis as a run does, and keep none."""
    from soilmoisture_assets.sources.era5.formats import months_in_files
    from soilmoisture_assets.sources.era5.months import axis_months, judge_month

    folder = months_in_files(_folder(study))
    months = axis_months(study, max(folder.months))
    judged = {month: judge_month(folder, month, study) for month in months}
    failed = {month: reason for month, (reason, _) in judged.items() if reason}
    if failed:
        month, reason = next(iter(failed.items()))
        raise SourceError(f"{len(failed)} of {len(months)} months cannot be made, {month} first: {reason}")
    notes = [f"{month}: {note}" for month, (_, lost) in judged.items() for note in lost]
    return "\n".join([f"{len(months)} months, {months[0]} to {months[-1]}", *folder.left_out, *notes])


def _credentials(settings: Settings) -> str:
    from soilmoisture_assets.sources.era5.account import cds_account

    key = settings.cds_key.get_secret_value() if settings.cds_key else None
    return cds_account(settings.cds_url, key).where


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.era5.cds_queue import probe
    from soilmoisture_assets.sources.era5.months import GRID_DATASET, POINT_DATASET

    if study.era5.access != "files":
        key = settings.cds_key.get_secret_value() if settings.cds_key else None
        dataset = POINT_DATASET if study.era5.access == "timeseries" else GRID_DATASET
        yield Need("raw/era5", "CDS", lambda: probe(settings.cds_url, key, dataset))


SOURCE = Source(
    name="era5",
    title="ERA5",
    offers={"dynamic": tuple(ERA5_VARIABLES)},
    step="1h",
    place="grid",
    citation="Hersbach et al. 2020, The ERA5 global reanalysis, doi:10.1002/qj.3803; "
    "contains modified Copernicus Climate Change Service information",
    licence="Copernicus licence (CC BY 4.0)",
    account="free account at https://cds.climate.copernicus.eu; accept the ERA5 licence there",
    needs=_needs,
    probes=_probes,
    url=lambda settings: settings.cds_url,
    sandbox="cds",
)
