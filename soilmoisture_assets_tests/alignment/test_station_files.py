"""Which depth of a station file is used."""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.station_files import choose_depth


def test_the_depth_nearest_the_preferred_wins_among_those_half_as_complete_as_the_best():
    times = pd.date_range("2015-01-02", periods=10, freq="D")
    values = np.full((3, 3, 10), 0.2)
    values[1, 1, 4:] = np.nan  # 0.05 m has 4 of 10: too few
    values[2] = 0.9  # nothing within the limits
    layer = xr.DataArray(
        values,
        dims=("station", "depth", "time"),
        coords={"station": ["a", "b", "c"], "depth": [0.02, 0.05, 0.10], "time": times},
        name="soil_moisture",
    )
    chosen = choose_depth(layer, preferred_depth=0.05)
    assert chosen.depth.values[:2].tolist() == [0.05, 0.02]
    assert np.isnan(chosen.depth.values[2])
    assert chosen.soil_moisture.dims == ("station", "time")


def test_of_two_depths_equally_near_the_more_complete_wins_as_in_an_archive():
    values = np.full((1, 2, 10), 0.2)
    values[0, 0, :3] = np.nan
    layer = xr.DataArray(
        values,
        dims=("station", "depth", "time"),
        coords={"station": ["a"], "depth": [0.0254, 0.0746], "time": pd.date_range("2015-01-02", periods=10)},
        name="soil_moisture",
    )
    assert choose_depth(layer, preferred_depth=0.05).depth.values.tolist() == [0.0746]
