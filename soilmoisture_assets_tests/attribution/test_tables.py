"""Results as rows."""

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.tables import long_table


def test_a_row_says_where_it_belongs_and_what_was_found():
    dataset = xr.Dataset(
        {
            "effect": (("window", "feature"), [[1.0, np.nan], [3.0, 4.0]]),
            "significant": (("window", "feature"), [[1.0, np.nan], [0.0, 1.0]]),
            "change": ("feature", [2.0, 0.0]),
        },
        coords={"window": [24, 72], "feature": ["clay", "slope"], "units": ("feature", ["%", "degree"]), "score": "r2"},
    )
    table = long_table(dataset, "window", "feature")
    assert table.columns.tolist() == ["window", "feature", "units", "effect", "significant"]
    assert table.values.tolist() == [
        [24, "clay", "%", 1.0, 1.0],
        [72, "clay", "%", 3.0, 0.0],
        [72, "slope", "degree", 4.0, 1.0],
    ]
