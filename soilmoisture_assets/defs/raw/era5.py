"""Raw ERA5 by month: the delivery as it came, the normalised grid, and the series at the stations.

Not here: the client and the formats (sources/era5/), taking a grid to points (alignment/collocation.py),
when months are asked for again (defs/refresh.py).
"""

import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError, SourceUnavailable
from soilmoisture_assets.sources import variables_of
from soilmoisture_assets.store.records import State

if TYPE_CHECKING:
    from soilmoisture_assets.sources.era5.months import Era5Client, MonthDelivery

DELIVERY, INVARIANTS = "raw/era5/delivery", "raw/era5/invariants"
HOURLY, STATION_SERIES = "raw/era5/hourly", "raw/era5/station_series"
LEFT_OUT, WITHOUT_CELL = "left_out", "stations_without_cell"
"""Metadata: files of the user's folder that cannot be read, stations that lie outside of what was given."""
SANDBOX_POLL_SECONDS = 0.05


def month_assets(deployment: Deployment) -> list[str]:
    """The assets that are made month by month, in their order; none where the study has no ERA5."""
    return [path for path in (DELIVERY, HOURLY, STATION_SERIES) if path in deployment.graph]


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of ERA5, where the study takes weather from it."""
    months = month_assets(deployment)
    if not months:
        return []
    shared = [step(deployment, [INVARIANTS], _invariants)] if INVARIANTS in deployment.graph else []
    return [*shared, step(deployment, months, _months, name=f"{deployment.study.name}__era5_months")]


def _client(work: Work, urls: Mapping[str, str | None], log: Any) -> "Era5Client":
    from soilmoisture_assets.sources.era5.months import Era5Client

    key = work.settings.cds_key.get_secret_value() if work.settings.cds_key else None
    sandbox = work.study.sandbox
    return Era5Client(
        urls["era5"],
        "sandbox" if sandbox else key,
        work.workspace("raw", "era5", "requests"),
        poll_seconds=SANDBOX_POLL_SECONDS if sandbox else work.settings.cds_poll_seconds,
        patience=work.deployment.patience,
        log=log,
    )


def _invariants(work: Work) -> Iterator[Made]:
    """Fetched once, or read from the user's own files; there may be none in these."""
    era5, study = work.study.era5, work.study
    if era5.access == "files":
        from soilmoisture_assets.sources.era5.formats import months_in_files, read_invariants

        files = {file for files in months_in_files(Path(str(era5.folder))).months.values() for file in files}
        found = read_invariants(sorted(files), study.domain)
        if found is None:
            yield Made(left_out=f"{era5.folder} has no land-sea mask")
        else:
            yield Made(found)
        return
    path = work.workspace("raw", "era5") / ".invariants.zip"
    with work.services() as urls:
        _client(work, urls, work.log).fetch_invariants(path, domain=study.domain, resolution=era5.resolution)
    yield Made(path)
    path.unlink()


def _months(work: Work) -> Iterator[Made]:
    """Fetch each month, normalise it and take it to the stations; what is made of a month is stored before the next."""
    months, report = work.partitions, work.progress
    made = _Months(work)
    if DELIVERY not in work.assets:
        for done, month in enumerate(months, start=1):
            report(done, len(months), month)
            yield from made.of(month)
        return
    log = _QueueLog(work)
    folder = work.workspace("raw", "era5", "deliveries")
    with work.services() as urls:
        for done, fetched in enumerate(_fetched(work, _client(work, urls, log), months, folder), start=1):
            report(done, len(months), fetched.month)
            if fetched.path is None:
                passing = isinstance(fetched.error, SourceUnavailable)
                yield Made(partition=fetched.month, failure=str(fetched.error), asset=DELIVERY, passing=passing)
                continue
            asked = {"asked_on": str(work.deployment.today())}
            yield Made(fetched.path, fetched.month, DELIVERY, metadata=log.of(fetched) | asked)
            fetched.path.unlink()
            yield from made.of(fetched.month)


def _fetched(work: Work, client: "Era5Client", months: list[str], folder: Path) -> Iterator["MonthDelivery"]:
    """Months as they arrive, several in the queue at a time; a request that is queued already is resumed."""
    study, today = work.study, work.deployment.today()
    targets = {month: folder / f"{month}.zip" for month in months}
    variables = variables_of(study, "era5")
    if study.era5.access == "timeseries":
        for month, target in targets.items():
            if not target.exists() and (held := _stored_alike(work, month)):
                shutil.copyfile(held, target)  # stations it holds with final hours are not asked for again
        stations = work.given(DELIVERY, months[0])["stations"]
        yield from client.fetch_points(targets, stations=stations, variables=variables, keep=True, today=today)
        return
    yield from client.fetch_months(
        targets, domain=study.domain, variables=variables, resolution=study.era5.resolution, today=today
    )


def _stored_alike(work: Work, month: str) -> Path | None:
    """The delivery of a month that is stored, where it was asked for with the same settings, of whatever stations."""
    record = work.deployment.store.record(work.deployment.address(DELIVERY, month))
    if record is None or record.state is not State.STORED:
        return None
    graph = work.view.graph
    alike = (record.code, record.settings["read"]) == (graph[DELIVERY].code, graph.settings(DELIVERY))
    return work.deployment.store.path(record.address) if alike else None


class _Months:
    """What is made of the months in place: the hourly fields and the series at the stations, as far as chosen.

    What all months share is read once.
    """

    def __init__(self, work: Work) -> None:
        from soilmoisture_assets.sources.era5.formats import months_in_files

        self._work, self._era5 = work, work.study.era5
        self._in_files = months_in_files(Path(str(self._era5.folder))) if self._era5.access == "files" else None
        for line in self._in_files.left_out if self._in_files else ():
            work.context.log.warning(f"left out: {line}")

    @cached_property
    def _invariants(self) -> xr.Dataset | None:
        from soilmoisture_assets.sources.era5.formats import read_invariants

        if INVARIANTS not in self._work.deployment.graph or not self._work.deployment.is_current(INVARIANTS):
            return None
        stored = self._work.deployment.read(INVARIANTS)
        return read_invariants(stored) if isinstance(stored, Path) else stored.load()

    @cached_property
    def _stations(self) -> xr.Dataset:
        return self._work.given(STATION_SERIES)["stations"].load()

    def of(self, month: str) -> Iterator[Made]:
        """Results of one month, each to be stored before the next is asked for."""
        for path, make in ((HOURLY, self._hourly), (STATION_SERIES, self._series)):
            if path in self._work.assets:
                try:
                    found, metadata = make(month)
                except SoilMoistureError as error:
                    yield Made(partition=month, failure=str(error), asset=path)
                    return
                yield Made(found, month, path, metadata=metadata)

    def _hourly(self, month: str) -> tuple[xr.Dataset, dict[str, Any]]:
        from soilmoisture_assets.sources.era5.formats import preliminary_share
        from soilmoisture_assets.sources.era5.months import month_of_folder, normalise_month

        study, variables = self._work.study, variables_of(self._work.study, "era5")
        if self._in_files:
            found = month_of_folder(self._in_files, month, variables, study.domain)
        else:
            found = normalise_month(self._work.given(HOURLY, month)["delivery"], month, variables)
        notes = found.attrs.get("notes", "")
        for line in notes.splitlines():
            self._work.log(f"{HOURLY} {month[:7]}: {line}")
        left_out = list(self._in_files.left_out) if self._in_files else []
        left_out += [line.removeprefix("left out: ") for line in notes.splitlines() if line.startswith("left out: ")]
        share = preliminary_share(found)
        return found, {"hours": found.sizes["time"], "preliminary_share": share, "notes": notes, LEFT_OUT: left_out}

    def _series(self, month: str) -> tuple[xr.Dataset, dict[str, Any]]:
        from soilmoisture_assets.alignment.collocation import collocate

        era5 = self._era5
        with self._work.given(STATION_SERIES, month)["hourly"] as hourly:
            found = collocate(
                hourly, self._stations, era5.interpolation, self._invariants, era5.lapse_rate_correction
            ).load()
        outside = found.station.values[found.cell_latitude.isnull().values].astype(str).tolist()
        if outside:
            self._work.context.log.warning(
                f"{STATION_SERIES} {month[:7]}: no cell of ERA5 at {', '.join(outside)}: outside of what was given"
            )
        return found, {"stations": found.sizes["station"], WITHOUT_CELL: outside}


class _QueueLog:
    """Passes each line of the queue on to the run's log and keeps it for the month it is about."""

    def __init__(self, work: Work) -> None:
        self._work, self._points = work, work.study.era5.access == "timeseries"
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        self._work.log(line)
        self._lines.append(line)

    def of(self, fetched: "MonthDelivery") -> dict[str, Any]:
        """What the web UI shows of a delivery beside its size: how its jobs went through the queue."""
        own = [line for line in self._lines if self._points or fetched.month[:7] in line.partition(":")[0]]
        return {"queue": "\n".join(f"- {line}" for line in own[-30:])}
