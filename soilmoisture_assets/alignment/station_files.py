"""Station files on their way into a study: which of a station's depths is used.

Belongs here: the choice of depth for records that are whole series per depth. Not here: reading the files
(sources/station_files/files.py), sensors and depths of ISMN archives (depth.py).
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES


def choose_depth(soil_moisture: xr.DataArray, preferred_depth: float, until: pd.Timestamp | None = None) -> xr.Dataset:
    """Choose one depth per station: the one nearest the preferred, if it has half of the best depth's valid values.

    Parameters
    ----------
    soil_moisture : (station, depth, time) m3 m-3; values outside the registry's limits are not valid.
    preferred_depth : m.
    until : last stamp that is looked at; None: all.

    Returns
    -------
    Dataset with ``soil_moisture`` (station, time) and ``depth`` (station) [m], NaN for a station without a valid value.
    """
    variable = VARIABLES["soil_moisture"]
    judged = soil_moisture.sel(time=slice(None, until))
    valid = ((judged >= variable.valid_min) & (judged <= variable.valid_max)).sum("time")
    enough = (valid > 0) & (2 * valid >= valid.max("depth"))
    distance = abs(soil_moisture.depth - preferred_depth).where(enough, np.inf)
    chosen = distance.argmin("depth")
    depth = soil_moisture.depth.isel(depth=chosen).where(valid.max("depth") > 0)
    series = soil_moisture.isel(depth=chosen).drop_vars("depth")
    return series.to_dataset(name="soil_moisture").assign(
        depth=("station", depth.values, {"units": "m", "positive": "down", "long_name": "depth of the record in use"})
    )
