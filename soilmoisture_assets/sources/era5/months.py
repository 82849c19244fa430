"""ERA5 from the Climate Data Store, month by month: requests, deliveries, and which months to ask for again.

Belongs here: what to request for a month, the delivery file, its hours, the refresh rule.
Not here: the queue (cds_queue.py), file formats (formats.py), values at stations (alignment/collocation.py).

A stored month covers (its start, the next start], so that the step ending at 00:00 on the 1st is whole. A grid request
therefore asks for the days of the month and the first day of the next one; all but its 00:00 is left out again.
"""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable
from soilmoisture_assets.sources import variables_of
from soilmoisture_assets.sources.era5.cds_queue import CdsQueue, CdsRequest, Log
from soilmoisture_assets.sources.era5.delivery import (
    assemble,
    assemble_points,
    cells_in,
    check_content,
    requested_on,
)
from soilmoisture_assets.sources.era5.formats import Era5Folder, normalise
from soilmoisture_assets.sources.era5.parts import FINAL, PRELIMINARY, UNKNOWN
from soilmoisture_assets.sources.era5.variables import GEOPOTENTIAL, LAND_SEA_MASK, request_names
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.time_axis import month_hours
from soilmoisture_assets.study import Domain, Period, Study

GRID_DATASET = "reanalysis-era5-single-levels"
POINT_DATASET = "reanalysis-era5-single-levels-timeseries"
LATENCY_DAYS = 5
"""ERA5T appears five days behind real time (ECMWF)."""
MONTHS_PRELIMINARY = 3
"""Final data replace ERA5T two to three months later (ECMWF): calendar months before now that may be preliminary."""
HALF_A_CELL = 0.125 + 1e-6
"""Degrees; the service takes the nearest cell of its grid of 0.25 degrees."""
_INVARIANT_HOUR = dt.date(2017, 1, 1)


@dataclass(frozen=True)
class MonthDelivery:
    """What became of a month: the delivery in place, or why there is none."""

    month: str
    path: Path | None = None
    error: SoilMoistureError | None = None


def months_to_refresh(
    today: dt.date,
    stored: Mapping[str, float],
    period: Period,
    latency_days: int = LATENCY_DAYS,
) -> list[str]:
    """Months to request on a day: the newest one that has hours, the one before it where it is not stored yet, and
    every stored month still preliminary. Nothing else: older months that are missing are for a backfill.

    Parameters
    ----------
    stored : share of preliminary hours (0 ... 1) of every stored month.
    period : days that the axis may cover on that day (``Study.axis_period``).

    Returns
    -------
    months as ``2017-03``, ascending.
    """
    start, end = pd.Period(period.start, "M"), pd.Period(period.end, "M")
    newest = pd.Period(today - dt.timedelta(days=latency_days), "M")
    shares = {pd.Period(month, "M"): share for month, share in stored.items()}
    wanted = {month for month, share in shares.items() if share > 0} | {newest}
    if newest - 1 not in shares:
        wanted.add(newest - 1)
    return [f"{m:%Y-%m}" for m in sorted(wanted) if start <= m <= end]


def newest_hour(series: xr.Dataset) -> pd.Timestamp | None:
    """The last stamp of (station, time) series that has a value; None where nothing is published yet."""
    name = next(iter(series.data_vars))
    there = series[name].notnull().any("station").values
    return pd.Timestamp(series["time"].values[there][-1]) if there.any() else None


def due_until(today: dt.date, period: Period, oldest_days: int) -> pd.Timestamp:
    """The hour up to which ERA5 should be stored on a day: ``oldest_days`` back, or the end of the last month.

    ``period`` as for :func:`months_to_refresh`.
    """
    return min(pd.Timestamp(today) - pd.Timedelta(days=oldest_days), month_hours(f"{period.end:%Y-%m}")[-1])


def is_overdue(month: str, today: dt.date) -> bool:
    """Whether a month that is still preliminary should have become final: it takes three months after its last hour."""
    return pd.Period(month, "M") < pd.Period(today, "M") - MONTHS_PRELIMINARY - 1


class Era5Client:
    """Fetches months of ERA5, several at a time; the parameters are those of CdsQueue."""

    def __init__(
        self,
        url: str | None,
        key: str | None,
        state_dir: Path,
        *,
        at_once: int = 4,
        poll_seconds: float = 1.0,
        patience: Patience | None = None,
        log: Log = lambda line: None,
    ) -> None:
        self._queue = CdsQueue(
            url, key, Path(state_dir), at_once=at_once, poll_seconds=poll_seconds, patience=patience, log=log
        )

    def fetch_months(
        self,
        targets: Mapping[str, Path],
        *,
        domain: Domain,
        variables: Sequence[str],
        resolution: float = 0.25,
        today: dt.date | None = None,
    ) -> Iterator[MonthDelivery]:
        """Fetch the grid of a domain for several months.

        Parameters
        ----------
        targets : where the delivery of each month goes (a ZIP of NetCDF files, as delivered).
        variables : names of the registry.
        resolution : degrees; the grid lies on multiples of it and reaches beyond the domain by less than one cell.
        today : what is published by then is requested; None: the clock's day (UTC).

        Yields a MonthDelivery as each month arrives. A month that fails does not hinder the others.

        Raises
        ------
        SourceError : no credentials, or the licence has not been accepted.
        """
        months: dict[CdsRequest, str] = {}
        area = _area(domain, resolution)
        for month in targets:
            try:
                days = _published_days(month, today)
            except SourceUnavailable as error:
                yield MonthDelivery(month, error=error)
                continue
            months[_grid_request(_key(month), days, request_names(variables), area, resolution)] = month
        for outcome in self._queue.fetch(list(months), self._checked(today), _split):
            month = months[outcome.request]
            if outcome.error is not None:
                yield MonthDelivery(month, error=outcome.error)
                continue
            assemble(targets[month], outcome.files)
            yield MonthDelivery(month, targets[month])
            self._queue.forget(outcome)  # only now: if the caller is killed before it noted the month, no job is lost

    def fetch_points(
        self,
        targets: Mapping[str, Path],
        *,
        stations: xr.Dataset,
        variables: Sequence[str],
        today: dt.date | None = None,
        keep: bool = False,
    ) -> Iterator[MonthDelivery]:
        """Fetch point series for several months: one request per station and run of consecutive months, no grid.

        Parameters
        ----------
        targets : where the delivery of each month goes: a ZIP with a folder ``station=<id>`` per station.
        stations : coordinates station, latitude and longitude on ``station``. The service takes the nearest cell.
        keep : do not ask again for stations that deliveries in place already hold with final hours.

        Yields a MonthDelivery for each month once all its stations have arrived; what arrived is kept for the next run
        if this one ends early or a station fails.
        """
        published = []
        for month in sorted(targets, key=lambda m: pd.Period(m, "M")):
            try:
                _published_days(month, today)
                published.append(month)
            except SourceUnavailable as error:
                yield MonthDelivery(month, error=error)
        wanted = stations["station"].values.tolist()
        for run in _consecutive(published):
            held = set.intersection(*(_settled_stations(targets[m], m, stations) for m in run)) if keep else set()
            days = (_published_days(run[0], today)[0], _published_days(run[-1], today)[1])
            requests = {
                _point_request(station, float(latitude), float(longitude), days, request_names(variables)): station
                for station, latitude, longitude in zip(
                    wanted, stations["latitude"].values, stations["longitude"].values, strict=True
                )
                if station not in held
            }
            outcomes = list(self._queue.fetch(list(requests), self._checked(today), _split))
            failed = [outcome.error for outcome in outcomes if outcome.error]
            if failed:
                text = f"{len(failed)} of {len(requests)} stations could not be fetched.\n  First: {failed[0]}"
                yield from (MonthDelivery(month, error=SourceUnavailable(f"{month}: {text}")) for month in run)
                continue
            files = {requests[outcome.request]: outcome.files for outcome in outcomes}
            assemble_points({_key(m): targets[m] for m in run}, wanted, files, _today(today))
            yield from (MonthDelivery(month, targets[month]) for month in run)
            for outcome in outcomes:
                self._queue.forget(outcome)

    def fetch_invariants(self, target: Path, *, domain: Domain, resolution: float = 0.25) -> Path:
        """Fetch land-sea mask and height of the cells of a domain once; read them with ``read_invariants``."""
        names = [LAND_SEA_MASK.request_name, GEOPOTENTIAL.request_name]
        request = _grid_request(
            "invariants", (_INVARIANT_HOUR, _INVARIANT_HOUR), names, _area(domain, resolution), resolution, ["00:00"]
        )
        for outcome in self._queue.fetch([request], self._checked(None), _split):
            if outcome.error:
                raise outcome.error
            assemble(target, outcome.files)
            self._queue.forget(outcome)
        return target

    @staticmethod
    def _checked(today: dt.date | None) -> Callable[[CdsRequest, Path], None]:
        return lambda request, file: check_content(file, request.inputs, _today(today))


def normalise_month(delivery: Path, month: str, variables: Sequence[str]) -> xr.Dataset:
    """Exactly the hours of a month from its delivery.

    Returns
    -------
    as :func:`formats.normalise`, on :func:`month_hours`; NaN and ``expver`` 0 where not yet published. Where the
    files do not say, hours of a delivery count as preliminary until final data may be expected (MONTHS_PRELIMINARY).
    """
    unmarked = _unmarked(delivery, month)
    return normalise(delivery, variables, hours=month_hours(month), unmarked=unmarked, of_single_hours=True)


def month_of_folder(folder: Era5Folder, month: str, variables: Sequence[str], domain: Domain) -> xr.Dataset:
    """Exactly the hours of a month from the user's own files that hold them.

    Returns
    -------
    as :func:`formats.normalise`, cut to the domain.

    Raises
    ------
    SourceError : they cannot serve; where other files of the folder cannot be read, these may be why, and are named.
    """
    left_out: list[str] = []
    files, hours = folder.months.get(_key(month), []), month_hours(month)
    try:
        found = normalise(files, variables, hours=hours, domain=domain, left_out=left_out)
    except SourceError as error:
        others = [reason for reason in (*folder.left_out, *left_out) if reason != str(error)]
        if not others:
            raise
        raise SourceError("\n  ".join([str(error), "Left out of the folder:", *others])) from error
    if left_out:
        lines = [*str(found.attrs.get("notes", "")).splitlines(), *(f"left out: {_line(each)}" for each in left_out)]
        found.attrs["notes"] = "\n".join(lines)
    return found


def _line(text: str) -> str:
    return " ".join(text.split())


def axis_months(study: Study, newest: str) -> list[str]:
    """Months that a study asks of its files; of an open one those up to the newest that there is."""
    axis = study.axis_period()
    months = [f"{month:%Y-%m}" for month in pd.period_range(axis.start, axis.end, freq="M")]
    return [month for month in months if month <= newest] if study.reach == "open" else months


def judge_month(folder: Era5Folder, month: str, study: Study) -> tuple[str, list[str]]:
    """Why a month of the user's files cannot be made, empty where it can, and what is lost on the way."""
    try:
        found = month_of_folder(folder, month, variables_of(study, "era5"), study.domain)
    except SoilMoistureError as error:
        return str(error), []
    return "", str(found.attrs.get("notes", "")).splitlines()


def _unmarked(delivery: Path, month: str) -> int:
    requested = requested_on(delivery)
    if requested is None:
        return UNKNOWN
    return PRELIMINARY if pd.Period(month, "M") >= pd.Period(requested, "M") - MONTHS_PRELIMINARY else FINAL


def _settled_stations(delivery: Path, month: str, stations: xr.Dataset) -> set[str]:
    """Stations that need not be fetched again: those that a delivery that counts as final has, where they are now."""
    cells = cells_in(delivery)
    if not cells or _unmarked(delivery, month) != FINAL:
        return set()
    names, *places = (stations[name].values.tolist() for name in ("station", "latitude", "longitude"))
    now = dict(zip(names, zip(*places, strict=True), strict=True))
    return {
        name
        for name, cell in cells.items()
        if name in now and abs(cell[0] - now[name][0]) <= HALF_A_CELL and _apart(cell[1], now[name][1]) <= HALF_A_CELL
    }


def _apart(longitude: float, other: float) -> float:
    """Degrees between two meridians, the short way round."""
    return abs((longitude - other + 180) % 360 - 180)


def _key(month: str) -> str:
    return f"{pd.Period(month, 'M'):%Y-%m}"


def _today(today: dt.date | None) -> dt.date:
    return today or dt.datetime.now(dt.UTC).date()


def _consecutive(months: Sequence[str]) -> list[list[str]]:
    """Runs of months that follow each other; the months are ascending."""
    runs: list[list[str]] = []
    for month in months:
        if runs and pd.Period(month, "M") == pd.Period(runs[-1][-1], "M") + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return runs


def _published_days(month: str, today: dt.date | None) -> tuple[dt.date, dt.date]:
    """First and last day to request for a month. Raises SourceUnavailable where none is published yet."""
    first = pd.Period(month, "M").start_time
    newest = _today(today) - dt.timedelta(days=LATENCY_DAYS)
    if newest < first.date():
        raise SourceUnavailable(
            f"{month}: not published yet; ERA5 reaches {newest} today.\n  The daily schedule will ask for it in time."
        )
    return first.date(), min((first + pd.offsets.MonthBegin(1)).date(), newest)


def _area(domain: Domain, resolution: float) -> list[float]:
    """North, west, south, east on multiples of the resolution, outwards, so that every station has cells around it.

    An area across the date line has its east below its west ("areas can be defined to wrap around the globe": ECMWF,
    keyword "area" of MARS, which serves ERA5 to the Climate Data Store).
    """
    north, east = (math.ceil(v / resolution - 1e-9) * resolution for v in (domain.north, domain.west + domain.width))
    south, west = (math.floor(v / resolution + 1e-9) * resolution for v in (domain.south, domain.west))
    east = min(east, west + 360.0 - resolution)  # around the globe no meridian comes twice
    east = east - 360.0 if east > 180.0 else east
    return [round(v, 6) for v in (min(north, 90.0), west, max(south, -90.0), east)]


def _grid_request(
    month: str,
    days: tuple[dt.date, dt.date],
    names: list[str],
    area: list[float],
    resolution: float,
    hours: list[str] | None = None,
) -> CdsRequest:
    inputs: dict[str, Any] = {
        "product_type": ["reanalysis"],
        "variable": names,
        "date": [f"{days[0]}/{days[1]}"],
        "time": hours or [f"{hour:02d}:00" for hour in range(24)],
        "area": area,
        "grid": [resolution, resolution],
        "data_format": "netcdf",
        "download_format": "zip",
    }
    return CdsRequest(f"grid-{month}-{_digest(inputs)}", GRID_DATASET, inputs)


def _point_request(
    station: str, latitude: float, longitude: float, days: tuple[dt.date, dt.date], names: list[str]
) -> CdsRequest:
    if longitude > 180.0 - HALF_A_CELL:  # the service looks for the nearest meridian from -180 to 179.75 on a line
        longitude = -180.0
    inputs: dict[str, Any] = {
        "variable": names,
        "location": {"longitude": round(longitude, 5), "latitude": round(latitude, 5)},
        "date": [f"{days[0]}/{days[1]}"],
        "data_format": "csv",
    }
    return CdsRequest(f"point-{station}-{_digest(inputs)}", POINT_DATASET, inputs)


def _digest(inputs: dict[str, Any]) -> str:
    """Part of a request's name: another request never takes up the job of this one."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:10]


def _split(request: CdsRequest) -> list[CdsRequest]:
    """Two requests that make up one: halves of its days, or of its variables where it is one day."""
    first, last = (dt.date.fromisoformat(day) for day in request.inputs["date"][0].split("/"))
    names = request.inputs["variable"]
    if last > first:
        middle = first + (last - first) // 2
        changes = [{"date": [f"{first}/{middle}"]}, {"date": [f"{middle + dt.timedelta(days=1)}/{last}"]}]
    elif len(names) > 1:
        changes = [{"variable": names[: len(names) // 2]}, {"variable": names[len(names) // 2 :]}]
    else:
        return []
    return [
        CdsRequest(f"{request.name}-{number}", request.dataset, request.inputs | change)
        for number, change in enumerate(changes, start=1)
    ]
