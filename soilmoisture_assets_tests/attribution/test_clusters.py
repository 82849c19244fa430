"""Driver clusters on stations whose groups are plain to see."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.attribution.clusters import driver_clusters
from soilmoisture_assets.errors import StationError

KINDS = np.repeat([0, 1, 2], 8)
CENTRES = np.array([[9.0, 1, 1], [1, 6, 1], [1, 1, 4.0]])


def shap_of(kinds: np.ndarray) -> xr.Dataset:
    random = np.random.default_rng(2)
    one = CENTRES[kinds] + random.normal(0, 0.1, (len(kinds), 3))
    values = np.stack([one, one * 1.5], axis=1)
    unlike = np.full((*values.shape[:2], 2), 50.0) * random.random((len(kinds), 2, 2))
    return xr.Dataset(
        {"mean_absolute_shap": (("station", "window", "feature"), np.concatenate([values, unlike], axis=2) / 1000)},
        coords={
            "station": [f"NET__{i:02d}" for i in range(len(kinds))],
            "latitude": ("station", np.linspace(30, 45, len(kinds))),
            "window": [24, 72],
            "feature": ["precipitation", "temperature", "shortwave", "clay", "calendar"],
            "feature_kind": ("feature", ["dynamic"] * 3 + ["static", "dynamic"]),
            "feature_group": ("feature", ["dynamic"] * 3 + ["physical", "calendar"]),
        },
        attrs={"experiment": "drivers"},
    )


def test_the_groups_that_are_there_are_found_in_every_window_under_the_same_number():
    found = driver_clusters(shap_of(KINDS))
    assert found.driver.values.tolist() == ["precipitation", "temperature", "shortwave"]
    for window in (24, 72):
        own = found.cluster.sel(window=window).values
        assert [len(set(own[kind == KINDS])) for kind in range(3)] == [1, 1, 1]
        assert len(set(own)) == 3
    np.testing.assert_array_equal(found.cluster.sel(window=24), found.cluster.sel(window=72))
    assert (found.silhouette > 0.8).all()
    assert found.stations_in.values.tolist() == [[8, 8, 8], [8, 8, 8]]


def test_strength_keeps_its_unit():
    found = driver_clusters(shap_of(KINDS)).sel(window=24)
    rainy = int(found.cluster.values[0])
    assert float(found.strength.sel(group=rainy, driver="precipitation")) == pytest.approx(0.009, abs=2e-4)


def test_too_few_stations_are_refused():
    with pytest.raises(StationError, match="too few stations for 3 clusters: 3"):
        driver_clusters(shap_of(np.array([0, 1, 2])))
