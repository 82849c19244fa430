"""Which method stands for a station wherever one forecast, one factor or one score of it is shown."""

from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, StationError
from soilmoisture_assets.scoring.gathering import (
    best_forecasts,
    best_scores,
    gather,
    gather_each,
    newest_interval_factors,
    scores_of,
    station_scores,
)
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.methods.worlds import small_study

VALUE = {"ridge": 0.1, "regional_model": 0.2, "station_model": 0.3}
STARTS = np.array(["2017-01-01", "2017-01-02"], dtype="datetime64[ns]")


def of_station(name: str, methods: Sequence[str], *, unknown: Sequence[str] = ()) -> xr.Dataset:
    """Stored forecasts of a station; every value says which method it is from."""
    values = np.array([np.nan if method in unknown else VALUE[method] for method in methods], dtype="float32")
    shape = (len(methods), 1, len(STARTS), 1, 3)
    growing = np.arange(len(STARTS), dtype="float32")[:, None, None]
    return xr.Dataset(
        {
            "soil_moisture_forecast": (
                ("forecaster", "station", "start", "lead", "quantile"),
                np.broadcast_to(values[:, None, None, None, None], shape).copy(),
            ),
            "soil_moisture_observed": (("station", "start", "lead"), np.full((1, len(STARTS), 1), 0.25, "float32")),
            "interval_factor": (
                ("forecaster", "station", "start", "lead", "side"),
                np.broadcast_to(10 * values[:, None, None, None, None] + growing, (*shape[:-1], 2)).copy(),
            ),
        },
        coords={
            "forecaster": list(methods), "station": [name], "start": STARTS, "lead": [24],
            "quantile": [0.1, 0.5, 0.9], "split": ("start", np.array([3, 3], "int8")), "latitude": ("station", [40.0]),
        },
        attrs={"experiment": "forecast"},
    )  # fmt: skip


STORED = {
    "A": of_station("A", ["regional_model", "station_model"]),
    "B": of_station("B", ["regional_model"]),
    "C": of_station("C", ["regional_model"]),
}


def test_a_station_without_a_model_of_its_own_is_represented_by_the_regional_one():
    best = best_forecasts(STORED)
    assert best.station.values.tolist() == ["A", "B", "C"]
    assert best.forecaster.values.tolist() == ["station_model", "regional_model", "regional_model"]
    np.testing.assert_allclose(best.soil_moisture_forecast.isel(start=0, lead=0, quantile=1), [0.3, 0.2, 0.2])
    assert best.attrs == {"method": "regional_model", "experiment": "forecast"}


def test_a_model_that_forecasts_nothing_at_a_station_does_not_speak_for_it():
    stored = {"A": of_station("A", ["regional_model", "station_model"], unknown=["station_model"])}
    assert best_forecasts(stored).forecaster.values.tolist() == ["regional_model"]


def test_gathering_a_method_takes_the_stations_that_have_it():
    own = gather(STORED, "station_model")
    assert own.station.values.tolist() == ["A"]
    assert own.attrs == {"method": "station_model", "experiment": "forecast"}
    assert "forecaster" not in own.coords
    assert own.soil_moisture_forecast.dims == ("station", "start", "lead", "quantile")
    assert {"split", "latitude"} <= set(own.coords)


def test_every_method_that_is_stored_is_gathered_known_or_not():
    stored = STORED | {"D": of_station("D", ["regional_model"]).assign_coords(forecaster=["unheard_of"])}
    assert [each.attrs["method"] for each in gather_each(stored)] == ["regional_model", "station_model", "unheard_of"]


def test_the_newest_factors_are_those_of_the_method_that_speaks():
    factors = newest_interval_factors(STORED)
    assert factors.dims == ("station", "lead", "side")
    np.testing.assert_allclose(factors.isel(lead=0, side=0), [4.0, 3.0, 3.0])


def test_nothing_stored_is_an_error_that_says_what_to_do():
    for ask in (best_forecasts, newest_interval_factors, lambda stored: gather(stored, "ridge")):
        with pytest.raises(
            SourceError, match=r"Make it with: soilmoisture run --select '\+key:\"models/station_forecast_\*\"'"
        ):
            ask({})


def skill() -> xr.Dataset:
    r2 = np.array([[0.1, 0.1, 0.1, np.nan], [0.5, 0.5, np.nan, np.nan], [0.7, np.nan, np.nan, np.nan]])
    values = r2[None, None, :, :, None] + np.zeros((1, 1, 1, 1, 2))
    dims = ("split", "experiment", "forecaster", "station", "lead")
    return xr.Dataset(
        {"r2": (dims, values), "skill_vs_persistence": (dims, values * np.nan)},
        coords={
            "split": ["test"], "experiment": ["forecast"], "forecaster": list(VALUE), "station": list("ABCD"),
            "lead": [12, 24],
        },
    )  # fmt: skip


def test_each_station_is_scored_by_the_method_that_speaks_among_those_with_a_score():
    best = best_scores(skill().sel(split="test", experiment="forecast"))
    np.testing.assert_allclose(best.r2.isel(lead=0), [0.7, 0.5, 0.1, np.nan])
    assert best.forecaster.values[:3].tolist() == ["station_model", "regional_model", "ridge"]


def test_stations_are_compared_by_the_scores_that_are_defined():
    study = small_study(experiments=("forecast",), horizon="24h", windows=["24h"])
    scores = station_scores(skill(), Experiment.FORECAST, study)
    assert list(scores) == ["r2"]
    assert scores["r2"].dims == ("station", "window")
    np.testing.assert_allclose(scores["r2"].isel(window=0), [0.7, 0.5, 0.1, np.nan])


def test_stations_without_a_single_score_are_not_compared():
    study = small_study(experiments=("forecast",), horizon="24h", windows=["24h"])
    with pytest.raises(StationError, match="no station has a score of 'forecast' on test data"):
        station_scores(skill() * np.nan, Experiment.FORECAST, study)


def test_forecasts_find_the_scores_of_whoever_made_them():
    r2 = skill().r2.sel(split="test", experiment="forecast", lead=24)
    np.testing.assert_allclose(scores_of(r2, best_forecasts(STORED)), [0.7, 0.5, np.nan])
    np.testing.assert_allclose(scores_of(r2, gather(STORED, "regional_model")), [0.5, 0.5, np.nan])
