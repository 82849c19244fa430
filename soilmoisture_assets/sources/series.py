"""Series of a source that needs no assets of its own, hourly or as forecast: a month asked for, and what came.

Belongs here: what every ``fetch`` must give, checked. Not here: the request (source.py), ERA5, whose deliveries and
grids are assets (era5/).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, TimeAxisError
from soilmoisture_assets.metadata.coordinates import START
from soilmoisture_assets.metadata.variables import VARIABLES, convert_units, said_by_source
from soilmoisture_assets.sources.source import IssuedRequest, SeriesRequest, Source

_AXES = {"time": "hours", "start": "times of issue", "lead": "leads"}


def fetch_month(source: Source, request: SeriesRequest) -> xr.Dataset:
    """Ask a source for one month and see that it is what was asked for.

    Returns
    -------
    The request's variables as (station, time) float32 in the registry's units, NaN where missing; stations and their
    coordinates as in the request, ``time`` the ends of the hours of the month (:attr:`SeriesRequest.hours`).

    Raises
    ------
    SourceError : the source has no ``fetch``, it failed, or a variable or station asked for is not in what came.
    TimeAxisError : the hours are not those of the month. UnitsError : units that cannot be converted.
    """
    if source.fetch is None:
        raise SourceError(
            f"source '{source.name}', {request.month}: it gives no series by month.\n  Its declaration needs 'fetch'."
        )
    time = {"standard_name": "time", "long_name": "end of the hour"}
    return _checked(source.name, source.title, source.fetch, request, {"time": (request.hours, time)})


def fetch_issued(source: Source, request: IssuedRequest) -> xr.Dataset:
    """Ask a source for the weather that it forecast in one month, and see that it is what was asked for.

    Returns
    -------
    As :func:`fetch_month`, (station, start, lead): ``start`` is when it was issued (:attr:`IssuedRequest.issue_times`),
    ``lead`` the hours from then to the end of the step that is forecast.

    Raises
    ------
    As :func:`fetch_month`.
    """
    if source.issued is None:
        raise SourceError(
            f"source '{source.name}', {request.month}: it keeps no forecasts.\n  Its declaration needs 'issued'."
        )
    start = START | {"long_name": "time of issue"}
    lead = {"standard_name": "forecast_period", "long_name": "time from issue to the end of the step", "units": "hours"}
    axes = {
        "start": (request.issue_times, start),
        "lead": (pd.Index(np.array(request.lead_hours, dtype="int32")), lead),
    }
    return _checked(source.name, source.issued.title, source.issued.fetch, request, axes)


def _checked(
    source: str,
    title: str,
    fetch: Callable[[Any], xr.Dataset],
    request: SeriesRequest,
    axes: Mapping[str, tuple[pd.Index, Mapping[str, str]]],
) -> xr.Dataset:
    where, dims = f"source '{source}', {request.month}", ("station", *axes)
    try:
        came = fetch(request)
    except SoilMoistureError:
        raise
    except Exception as error:  # whatever code that is not ours raises
        raise SourceError(f"{where}: could not be fetched ({type(error).__name__}: {error}).") from error
    for name in request.variables:
        if name not in came or {*came[name].dims} != {*dims} or not {*dims} <= {*came.indexes}:
            raise SourceError(
                f"{where}: no '{name}' ({', '.join(dims)}) with these coordinates came.\n  Mend its 'fetch'."
            )
    for axis, (labels, _) in axes.items():
        if not np.array_equal(came.indexes[axis].values, labels.values):
            raise TimeAxisError(
                f"{where}: the {_AXES[axis]} are not those of the month.\n  Give "
                f"{_label(labels[0])} to {_label(labels[-1])}, each labelled by its end, NaN where nothing is known."
            )
    stations = request.stations["station"].values
    if absent := sorted(set(stations.tolist()) - set(came["station"].values.tolist())):
        raise SourceError(
            f"{where}: station '{absent[0]}' is missing.\n  Give every station, NaN where nothing is known."
        )
    came = came.sel(station=stations)
    series = {}
    for name in request.variables:
        values = convert_units(came[name].transpose(*dims).astype("float32"), VARIABLES[name], where)
        said = {"source": title} | said_by_source(came[name])
        series[name] = (dims, values.values, VARIABLES[name].attributes() | said)
    on_station = {name: c for name, c in request.stations.coords.items() if c.dims == ("station",)}
    return xr.Dataset(series, on_station | {axis: (axis, labels, said) for axis, (labels, said) in axes.items()})


def _label(label: Any) -> str:
    return f"{label:%Y-%m-%dT%H:%M}" if isinstance(label, pd.Timestamp) else str(label)
