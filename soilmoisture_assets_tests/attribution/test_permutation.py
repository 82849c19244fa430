"""Permutation importance: what does not matter does no harm when shuffled."""

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.permutation import permutation_importance, rank_agreement
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained


def test_nothing_matters_to_a_model_that_forecasts_the_mean_of_the_record(cube, study):
    found = permutation_importance(cube, untrained(cube, study, Experiment.DRIVERS, silent=True), study)
    assert float(np.abs(found.forecast_change).max()) == 0
    assert float(np.abs(found.permutation_importance).max()) == 0
    assert float(found.rmse.min()) > 0


def test_shuffling_what_the_network_reads_changes_its_forecast(cube, study):
    found = permutation_importance(cube, untrained(cube, study, Experiment.FORECAST), study)
    change = found.forecast_change.sel(window=24)
    assert float(change.sel(feature="soil_moisture")) > float(change.sel(feature="slope"))


def test_rank_agreement_is_one_for_the_same_order():
    features = ["a", "b", "c", "d"]
    shap = xr.Dataset(
        {"mean_absolute_shap": (("station", "window", "feature"), [[[4.0, 3, 2, 1], [1, 2, 3, 4]]])},
        coords={"window": [24, 72], "feature": features},
    )
    permutation = xr.Dataset(
        {
            "permutation_importance": (("window", "feature"), [[9.0, 7, 5, 3], [9, 7, 5, 3]]),
            "forecast_change": (("window", "feature"), [[9.0, 7, 5, 3], [3, 5, 7, 9]]),
        },
        coords={"window": [24, 72], "feature": features},
    )
    np.testing.assert_allclose(rank_agreement(shap, permutation), [1, -1])
    np.testing.assert_allclose(rank_agreement(shap, permutation, "forecast_change"), [1, 1])
