"""Station files on their way into a study: which of a station's depths is used.

Belongs here: the choice of depth for records that are whole series per depth. Not here: reading the files
(sources/station_files/files.py), sensors and depths of ISMN archives (depth.py).
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.depth import Position, choose_position
from soilmoisture_assets.metadata.variables import VARIABLES


def choose_depth(soil_moisture: xr.DataArray, preferred_depth: float, until: pd.Timestamp | None = None) -> xr.Dataset:
    """Choose one depth per station by the rules of :mod:`depth`.

    Parameters
    ----------
    soil_moisture : (station, depth, time) m3 m-3; values outside the registry's limits are not valid.
    preferred_depth : m.
    until : last stamp that is looked at; None: all.

    Returns
    -------
    Dataset with ``soil_moisture`` (station, time) and ``depth`` (station) [m], NaN for a station without a valid value.
    """
    judged = soil_moisture.sel(time=slice(None, until))
    valid = VARIABLES["soil_moisture"].allows(judged).sum("time").transpose("station", "depth").values
    depths = soil_moisture.depth.values.astype(float)
    chosen = [
        choose_position([Position(d, d, (row,), int(n), True) for row, (d, n) in enumerate(counted)], preferred_depth)
        for counted in (list(zip(depths, own, strict=True)) for own in valid)
    ]
    rows = xr.DataArray([position.sensors[0] for position in chosen], dims="station")
    series = soil_moisture.isel(depth=rows).drop_vars("depth")
    depth = [position.middle if position.good_hours else np.nan for position in chosen]
    return series.to_dataset(name="soil_moisture").assign(
        depth=("station", depth, {"units": "m", "positive": "down", "long_name": "depth of the record in use"})
    )
