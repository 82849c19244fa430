"""Hourly series of a source that needs no assets of its own: one month asked for, and what came looked at.

Belongs here: what every ``fetch`` must give, checked. Not here: the request (source.py), ERA5, whose deliveries and
grids are assets (era5/).
"""

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, TimeAxisError
from soilmoisture_assets.metadata.variables import VARIABLES, convert_units, said_by_source
from soilmoisture_assets.sources.source import SeriesRequest, Source


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
    where = f"source '{source.name}', {request.month}"
    if source.fetch is None:
        raise SourceError(f"{where}: it gives no series by month.\n  Its declaration needs 'fetch'.")
    try:
        came = source.fetch(request)
    except SoilMoistureError:
        raise
    except Exception as error:  # whatever code that is not ours raises
        raise SourceError(f"{where}: could not be fetched ({type(error).__name__}: {error}).") from error
    for name in request.variables:
        if name not in came or {*came[name].dims} != {"station", "time"} or not {"station", "time"} <= {*came.indexes}:
            raise SourceError(f"{where}: no '{name}' (station, time) with these coordinates came.\n  Mend its 'fetch'.")
    if not np.array_equal(came.indexes["time"].values, request.hours.values):
        raise TimeAxisError(
            f"{where}: the hours are not those of the month.\n  Give {request.hours[0]:%Y-%m-%dT%H:%M} to "
            f"{request.hours[-1]:%Y-%m-%dT%H:%M}, each labelled by its end, NaN where nothing is known."
        )
    stations = request.stations["station"].values
    if absent := sorted(set(stations.tolist()) - set(came["station"].values.tolist())):
        raise SourceError(
            f"{where}: station '{absent[0]}' is missing.\n  Give every station, NaN where nothing is known."
        )
    came = came.sel(station=stations)
    series = {}
    for name in request.variables:
        values = convert_units(came[name].transpose("station", "time").astype("float32"), VARIABLES[name], where)
        said = {"source": source.title} | said_by_source(came[name])
        series[name] = (("station", "time"), values.values, VARIABLES[name].attributes() | said)
    on_station = {name: c for name, c in request.stations.coords.items() if c.dims == ("station",)}
    time = ("time", request.hours, {"standard_name": "time", "long_name": "end of the hour"})
    return xr.Dataset(series, on_station | {"time": time})
