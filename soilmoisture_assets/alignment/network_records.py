"""Records of a network's stations on their way into a study: put beside each other on one axis.

Belongs here: from a record per station to arrays of all stations. Not here: where records come from (sources/), the
choice of depth and the checks (station_series.py).
"""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.time_steps import spacing
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.stations import STATION_COORDINATES, in_layer
from soilmoisture_assets.study import Study


def stack_records(
    records: Mapping[str, xr.Dataset], stations: xr.Dataset, study: Study, today: dt.date | None = None
) -> xr.Dataset:
    """Put the records of all stations on one axis, one in memory at a time.

    Parameters
    ----------
    records : by station, as ``sources.source.Network`` gives them.
    stations : table with coordinates on ``station``; the result has its stations in its order.
    today : the day up to which an open study goes on.

    Returns
    -------
    ``soil_moisture`` (station, depth, time) of the depths in the study's layer, a depth as often as a station has
    sensors there, and every other variable of the records (station, time), float32, NaN where missing, on every hour or
    day of the axis; ``problem`` (station): why a station has nothing, else empty. Coordinates of ``stations``.

    Raises
    ------
    SourceError : there is no record, or none has a depth in the layer.
    """
    if not records:
        raise SourceError("not one station has a record.\n  Run it again; see what became of each under raw.")
    names, period = [str(name) for name in stations.station.values], study.axis_period(today)
    problems = ["" if name in records else "no raw record" for name in names]
    levels = {name: _levels(record, study) for name, record in records.items()}
    found: xr.Dataset | None = None
    for row, name in enumerate(names):
        if name not in records:
            continue
        record = records[name].load()
        if found is None:
            found = _empty(record, names, period.first, period.last, sorted(set().union(*levels.values())), study)
            places = pd.Index(found.depth.values)
        own = record.sel(time=period.contains(record.time.values))
        columns = found.indexes["time"].get_indexer(own.indexes["time"])
        for variable, values in own.data_vars.items():
            if "depth" in values.dims:
                moisture = values.transpose("depth", "time").values
                for (depth, sensor), level in levels[name].items():
                    at = int(np.flatnonzero(places == depth)[sensor])
                    found[variable].values[row, at, columns] = moisture[level]
            else:
                found[variable].values[row, columns] = values.values
    assert found is not None
    places = {name: stations[name].variable for name in STATION_COORDINATES}
    text = ("station", np.array(problems, dtype=object), {"long_name": "why the station has no series"})
    return found.assign(problem=text).assign_coords(places)


def _levels(record: xr.Dataset, study: Study) -> dict[tuple[float, int], int]:
    """The rows of a record in the study's layer, by depth and number of the sensor at this depth."""
    layer, found = study.target, dict[tuple[float, int], int]()
    for row, depth in enumerate(record.depth.values.astype(float).tolist()):
        if in_layer(depth, depth, layer.depth_from, layer.depth_to):
            found[depth, sum(known == depth for known, _ in found)] = row
    return found


def _empty(
    record: xr.Dataset,
    names: list[str],
    first: pd.Timestamp,
    last: pd.Timestamp,
    levels: list[tuple[float, int]],
    study: Study,
) -> xr.Dataset:
    """Arrays of all stations without a value, with the variables of one of their records."""
    interval = spacing(record.time.values, study.target.source)
    times = pd.date_range(first + interval, last, freq=interval, unit="ns")
    if not levels:
        layer = study.target
        raise SourceError(
            f"{layer.source}: no depth between {layer.depth_from} and {layer.depth_to} m; it has "
            f"{', '.join(f'{depth:g}' for depth in record.depth.values)} m.\n"
            "  Set target.depth_from and target.depth_to to hold one."
        )
    sizes = {"station": len(names), "depth": len(levels), "time": len(times)}
    variables = {}
    for name, values in record.data_vars.items():
        dims = ("station", *(["depth"] if "depth" in values.dims else []), "time")
        empty = np.full([sizes[each] for each in dims], np.nan, dtype="float32")
        variables[name] = (dims, empty, values.attrs)
    depth = ("depth", [depth for depth, _ in levels], record.depth.attrs)
    return xr.Dataset(variables, {"station": np.array(names, dtype=object), "depth": depth, "time": times})
