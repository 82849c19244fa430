"""Time axes of sources: intervals and gaps."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import TimeAxisError
from soilmoisture_assets.sources.time_axis import regular, spacing


def test_the_interval_of_an_axis_with_gaps_is_found_and_the_gaps_become_missing():
    daily = pd.to_datetime(["2015-01-01", "2015-01-02", "2015-01-05"])
    assert spacing(daily.values, "file") == pd.Timedelta("1D")
    record = xr.Dataset({"x": ("time", [1.0, 2.0, 3.0])}, coords={"time": daily})
    assert np.isnan(regular(record, pd.Timedelta("1D")).x.values).tolist() == [False, False, True, True, False]


def test_an_interval_that_does_not_hold_is_refused():
    with pytest.raises(TimeAxisError, match="2015-01-04 12:00"):
        spacing(np.array(["2015-01-01", "2015-01-02", "2015-01-04T12:00"], "datetime64[ns]"), "file")
