"""The hourly series of a study: soil moisture with its checks and dynamic inputs of all stations, before steps.

Belongs here: putting the series of several sources, each at its own interval, on one axis, and finding them again.
Not here: how a source's series are made (target.py, station_series.py, collocation.py), steps (station_series.py).

The axis has the finest interval of the sources, from the start of the period on. A variable of a coarser source has
values at its own stamps and nothing between; its attribute ``interval`` says how far they are apart.
"""

import datetime as dt
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.time_steps import HOUR, spacing
from soilmoisture_assets.errors import TimeAxisError
from soilmoisture_assets.study import Period, Study

INTERVAL = "interval"
BATCH = 32
"""Stations that are worked on together: hourly arrays of more need memory, of fewer time."""


def align_hourly(
    soil_moisture: xr.Dataset,
    inputs: Mapping[str, xr.Dataset | Iterable[xr.Dataset]],
    study: Study,
    today: dt.date | None = None,
) -> xr.Dataset:
    """Put soil moisture and dynamic inputs of all stations on one axis, before steps.

    Parameters
    ----------
    soil_moisture : (station, time) checked series with ``sensor`` and ``quality_flag``, of
        :func:`target.checked_from_ismn` or :func:`station_series.file_target`.
    inputs : series (station, time) by source, whole, or in parts that follow each other (months), which are in memory
        one at a time. A variable comes from the first source that has it, or from each that is named for it, under
        the names of :func:`hourly_names`. Stations without a row in ``soil_moisture`` are left out.
    today : the day up to which an open study goes on.

    Returns
    -------
    (station, time): everything of ``soil_moisture`` and the study's dynamic inputs, each with attribute ``interval``;
    missing is NaN (sensor -1, flag 0). (station): what is said of stations, and the coordinates of both, those of the
    soil moisture first. The axis ends with the reach; that of an open study with its newest value, if that is later
    than the period.

    Raises
    ------
    TimeAxisError : a series is not regular, or the stamps of one lie between those of another.
    """
    period, stations = study.axis_period(today), soil_moisture.indexes["station"]
    placed = [_on_own_axis(soil_moisture, stations, period, "target")]
    open_to_all = [name for name in study.dynamic_inputs.variables if not study.dynamic_inputs.order(name)]
    for source, series in inputs.items():
        parts = [series] if isinstance(series, xr.Dataset) else series
        ordered = {name: hourly_names(study, name) for name in study.dynamic_inputs.variables}
        named = {name: names[source] for name, names in ordered.items() if source in names}
        named |= {name: name for name in open_to_all}
        if (own := _end_to_end(parts, list(named), stations, period, source)) is not None:
            placed.append(own.rename({name: named[name] for name in named if name in own}))
            open_to_all = [name for name in open_to_all if name not in own]
    intervals = [spacing(own.time.values, "hourly") for own in placed]
    finest = min(intervals)
    if any(interval % finest != pd.Timedelta(0) for interval in intervals):
        raise TimeAxisError(
            f"hourly: series every {' and every '.join(map(str, intervals))} have no common axis.\n"
            "  Give hourly or daily values."
        )
    last = period.last
    if study.reach == "open":
        last = max([study.period.last, *(newest_value(own) for own in placed)])
    axis = pd.date_range(period.first + finest, last, freq=finest, unit="ns")
    aligned = xr.Dataset(coords={"station": soil_moisture.station})
    for own, interval in zip(placed, intervals, strict=True):
        if interval == finest:
            own = own.isel(time=slice(0, len(axis)))
        else:
            own = own.reindex(time=axis, fill_value=_missing(own))
        timed = {n: v.assign_attrs({INTERVAL: f"{interval // HOUR}h"}) for n, v in own.data_vars.items() if _timed(v)}
        said = {n: v for n, v in own.data_vars.items() if not _timed(v) and n not in aligned}
        places = {n: c.variable for n, c in own.coords.items() if "station" in c.dims and n not in aligned.coords}
        aligned = aligned.assign_coords(places).assign({n: v.variable for n, v in (timed | said).items()})
    stamps = ("time", axis, {"standard_name": "time", "long_name": "end of the interval"})
    return aligned.assign_coords(time=stamps)


def hourly_names(study: Study, variable: str) -> dict[str, str]:
    """Under which names the series of a dynamic input are, by source in order of preference: its own name first."""
    order = study.dynamic_inputs.order(variable)
    return {source: f"{variable}_of_{source}" if rank else variable for rank, source in enumerate(order)}


def newest_value(series: xr.Dataset) -> pd.Timestamp:
    """The last stamp at which any station has a value of any variable; the earliest possible where there is none."""
    newest = pd.Timestamp.min
    for values in series.data_vars.values():
        if _timed(values) and values.dtype.kind == "f":
            there = np.flatnonzero(np.isfinite(values.transpose("station", "time").values).any(axis=0))
            if len(there):
                newest = max(newest, pd.Timestamp(series.time.values[there[-1]]))
    return newest


def at_own_interval(hourly: xr.Dataset, names: Sequence[Hashable]) -> xr.Dataset:
    """Take variables of one source back out of the hourly series, as that source had them."""
    found = hourly[list(names)]
    interval = next(pd.Timedelta(v.attrs[INTERVAL]) for v in found.data_vars.values() if INTERVAL in v.attrs)
    times = hourly.time.values
    own = (times - times.astype("datetime64[D]")) % interval.to_timedelta64() == np.timedelta64(0)
    if not own.all():
        found = found.isel(time=np.flatnonzero(own))
    variables = {name: values.variable.copy(deep=False) for name, values in found.data_vars.items()}
    for variable in variables.values():
        variable.attrs = {name: value for name, value in variable.attrs.items() if name != INTERVAL}
    return found.assign(variables)


def by_interval(hourly: xr.Dataset, names: Iterable[str]) -> list[list[str]]:
    """The names in groups of one interval."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(hourly[name].attrs[INTERVAL], []).append(name)
    return list(groups.values())


def in_batches(series: xr.Dataset) -> Iterator[xr.Dataset]:
    """A few stations after the other, in memory."""
    for first in range(0, series.sizes["station"], BATCH):
        yield series.isel(station=slice(first, first + BATCH)).load()


def _end_to_end(
    parts: Iterable[xr.Dataset], wanted: Sequence[str], stations: pd.Index, period: Period, source: str
) -> xr.Dataset | None:
    """Parts put one after the other; coordinates of a station are those of the last part that has it."""
    joined: dict[Hashable, xr.Variable] = {}
    axis = pd.DatetimeIndex([])
    places = said = xr.Dataset()
    for part in parts:
        names = [name for name in wanted if name in part.data_vars]
        if not names:
            continue
        if not joined:
            axis = _axis(part, period, source)
            places = _coordinates(part)
            said = part[[name for name, values in part.data_vars.items() if not _timed(values)]]
            said = said.reindex(station=stations, fill_value=_missing(said))
        inside, columns = _columns(part, axis, period, source)
        rows = part.indexes["station"].get_indexer(stations)
        there = np.flatnonzero(rows >= 0)
        for name in names:
            if name not in joined:
                empty = np.full((len(stations), len(axis)), np.nan, dtype="float32")
                joined[name] = xr.Variable(("station", "time"), empty, part[name].attrs)
            values = part[name].transpose("station", "time").values
            joined[name].values[np.ix_(there, columns)] = values[np.ix_(rows[there], inside)]
        own = _coordinates(part)
        places = own if places.identical(own) else own.combine_first(places)
    if not joined:
        return None
    placed = places.reindex(station=stations)
    return said.assign(joined).assign_coords(time=axis).assign_coords(placed.data_vars)


def _on_own_axis(series: xr.Dataset, stations: pd.Index, period: Period, origin: str) -> xr.Dataset:
    axis = _axis(series, period, origin)
    inside, _ = _columns(series, axis, period, origin)
    if len(inside) < series.sizes["time"]:
        series = series.isel(time=inside)
    return series.reindex(station=stations, time=axis, fill_value=_missing(series), copy=False)


def _axis(series: xr.Dataset, period: Period, origin: str) -> pd.DatetimeIndex:
    """Every stamp that a series of this interval can have in the period."""
    interval = spacing(series.time.values, origin)
    return pd.date_range(period.first + interval, period.last, freq=interval, unit="ns")


def _columns(series: xr.Dataset, axis: pd.DatetimeIndex, period: Period, origin: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the stamps in the period, and their places on the axis."""
    inside = np.flatnonzero(period.contains(series.time.values))
    columns = axis.get_indexer(pd.DatetimeIndex(series.time.values[inside]))
    if (columns < 0).any():
        stamp = pd.Timestamp(series.time.values[inside[int(np.argmax(columns < 0))]])
        raise TimeAxisError(
            f"{origin}: stamp {stamp} does not lie on the axis {axis[0]}, {axis[1]}, ... of the study.\n"
            "  Give hourly values at full hours, daily values at midnight."
        )
    return inside, columns


def _coordinates(part: xr.Dataset) -> xr.Dataset:
    """Coordinates of the stations as variables."""
    named = part.coords.to_dataset().reset_coords()
    return named[[name for name, values in named.data_vars.items() if values.dims == ("station",)]]


def _timed(values: xr.DataArray) -> bool:
    return "time" in values.dims


def _missing(series: xr.Dataset) -> dict[Hashable, object]:
    """What each variable holds where it has nothing."""
    kinds: dict[str, object] = {"f": np.nan, "O": "", "U": ""}
    return {n: -1 if n == "sensor" else kinds.get(v.dtype.kind, 0) for n, v in series.variables.items()}
