"""The combined forecast: its weights, what it is made of, what it may know."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.methods.combination import combination_of, combined, with_combined
from soilmoisture_assets.methods.weighting import FOLDS, weights

STARTS = pd.date_range("2018-01-01", "2019-12-31", freq="D", unit="ns")
LEADS = [24, 48]
STATIONS = ["NET__a", "NET__b", "NET__c"]


def errors_of(*spreads: float, count: int = 20_000) -> np.ndarray:
    """Mean products of independent errors."""
    drawn = np.random.default_rng(0).normal(size=(len(spreads), count)) * np.array(spreads)[:, None]
    return drawn @ drawn.T / count


def test_weights_of_much_data_fall_with_the_squared_error():
    found = weights(errors_of(1.0, 2.0), blocks=10_000)
    np.testing.assert_allclose(found, [0.8, 0.2], atol=0.02)


def test_two_methods_that_err_alike_are_worth_one():
    products = errors_of(1.0, 1.0)
    alike = products[np.ix_([0, 0, 1], [0, 0, 1])]
    found = weights(alike, blocks=1e9)
    assert found[:2].sum() == pytest.approx(0.5, abs=0.02)


def test_little_data_weighs_by_own_errors_alone_and_none_weighs_alike():
    errors = errors_of(1.0, 1.0, 3.0)
    np.testing.assert_allclose(weights(errors, blocks=1e-9), 1 / 3, atol=1e-3)
    found = weights(errors, blocks=3)
    np.testing.assert_allclose(found[:2], 0.5, atol=0.03)
    assert found[2] < 0.03


def test_weights_are_shares_and_nothing_small_is_kept():
    for seed in range(20):
        drawn = np.random.default_rng(seed)
        mixed = drawn.normal(size=(9, 9)) @ drawn.normal(size=(9, 400))
        found = weights(mixed @ mixed.T / 400, blocks=50)
        assert found.sum() == pytest.approx(1)
        assert ((found == 0) | (found > 0.009)).all()


def test_what_is_missing_leaves_its_weight_to_the_others():
    forecasts = np.array([[0.1, np.nan, np.nan], [0.3, 0.3, np.nan]])
    np.testing.assert_allclose(combined(forecasts, np.full((2, 3), 0.5)), [0.2, 0.3, np.nan])


def study_of(noise: dict[str, float], seed: int = 0) -> tuple[xr.Dataset, dict[str, xr.Dataset], xr.Dataset]:
    """Baselines, forecasts of the networks and a cube: truth, and methods that miss it by independent noise."""
    drawn = np.random.default_rng(seed)
    validation = STARTS.year == 2018
    block = np.arange(len(STARTS)) // 28
    coordinates = {
        "start": STARTS,
        "lead": LEADS,
        "split": ("start", np.where(validation, 2, 3)),
        "calibration": ("start", (validation & (block % 2 == 1)).astype("int8")),
    }
    truth = drawn.normal(0.25, 0.05, (len(STATIONS), len(STARTS), len(LEADS)))
    forecasts = {name: truth + drawn.normal(0, spread, truth.shape) for name, spread in noise.items()}
    networks = [name for name in noise if name.endswith(("model", "weather"))]
    simple = [name for name in noise if name not in networks]
    baselines = xr.Dataset(
        {"soil_moisture_forecast": (("forecaster", "station", "start", "lead"), [forecasts[name] for name in simple])},
        {"forecaster": simple, "station": STATIONS, "start": STARTS, "lead": LEADS, "experiment": "hindcast"},
    )
    stored = {}
    for row, station in enumerate(STATIONS):
        centre = np.stack([forecasts[name][row] for name in networks])[:, None]
        quantiles = centre[..., None] + np.array([-0.02, 0.0, 0.03])
        stored[station] = xr.Dataset(
            {
                "soil_moisture_forecast": (("forecaster", "station", "start", "lead", "quantile"), quantiles),
                "soil_moisture_observed": (("station", "start", "lead"), truth[row][None]),
            },
            coordinates | {"forecaster": networks, "station": [station], "quantile": [0.1, 0.5, 0.9]},
            {"experiment": "hindcast"},
        )
    time = pd.date_range("2016-01-01", "2017-12-31", freq="D", unit="ns")
    cube = xr.Dataset(
        {
            "soil_moisture": (("station", "time"), drawn.normal(0.25, 0.05, (len(STATIONS), len(time)))),
            "split": ("time", np.full(len(time), 1)),
            "held_out": ("station", [0, 0, 0]),
        },
        {"station": STATIONS, "time": time},
    )
    return baselines, stored, cube


NOISE = {"persistence": 0.02, "ridge": 0.03, "regional_model": 0.03, "station_model": 0.02}


def rmse(dataset: xr.Dataset, name: str) -> float:
    centre = dataset["soil_moisture_forecast"].sel(quantile=0.5, forecaster=name)
    return float(np.sqrt(((centre - dataset["soil_moisture_observed"]) ** 2).mean()))


def test_the_combination_is_better_than_each_method_and_has_the_intervals_of_the_networks():
    baselines, stored, cube = study_of(NOISE)
    combination = combination_of(baselines, stored, cube)
    assert combination["forecaster"].values.tolist() == list(NOISE)
    found = with_combined(stored["NET__b"], baselines, combination)
    assert found["forecaster"].values.tolist() == ["regional_model", "station_model", "combined"]
    assert rmse(found, "combined") < 0.8 * min(rmse(found, name) for name in ("regional_model", "station_model"))
    quantiles = found["soil_moisture_forecast"].sel(forecaster="combined")
    np.testing.assert_allclose(quantiles.diff("quantile").isel(start=3, lead=0).values[0], [0.02, 0.03], atol=1e-6)


@pytest.mark.parametrize(("noise", "weight"), [(0.004, 1.0), (0.05, 0.0)])
def test_where_the_weather_ahead_is_worth_nothing_the_forecast_without_it_stands_in_the_place_of_the_others(
    noise: float, weight: float
):
    baselines, stored, cube = study_of(NOISE | {"without_weather": noise})
    combination = combination_of(baselines, stored, cube)
    assert (combination["weight"].sel(forecaster="without_weather") == weight).all()
    found = with_combined(stored["NET__b"], baselines, combination)["soil_moisture_forecast"]
    if weight:
        centre = found.sel(quantile=0.5)
        together, without = (centre.sel(forecaster=name) for name in ("combined", "without_weather"))
        np.testing.assert_allclose(together, without, atol=1e-6)


def test_a_start_is_forecast_with_weights_that_do_not_know_it():
    baselines, stored, cube = study_of(NOISE)
    before = with_combined(stored["NET__a"], baselines, combination_of(baselines, stored, cube))
    block = slice("2018-01-01", "2018-02-25")  # the first that chose and the first that is fitted on
    for each in stored.values():
        each["soil_moisture_observed"].loc[{"start": block}] += 0.1
    combination = combination_of(baselines, stored, cube)
    after = with_combined(stored["NET__a"], baselines, combination)
    assert set(combination["position"].sel(start=block).values) == {0}
    changed = before["soil_moisture_forecast"] != after["soil_moisture_forecast"]
    changed = changed.sel(forecaster="combined").any(["station", "lead", "quantile"])
    same_fold = combination["position"] == 0
    assert not changed.where(same_fold, False).any()
    assert changed.sel(start="2019").all()
    assert set(combination["position"].sel(start="2018").values) == set(range(FOLDS))


def test_the_level_of_a_station_is_corrected_by_what_it_was_missed_by():
    baselines, stored, cube = study_of(dict.fromkeys(NOISE, 0.001))
    for forecasts in (
        baselines["soil_moisture_forecast"].sel(station="NET__b"),
        stored["NET__b"]["soil_moisture_forecast"],
    ):
        forecasts += 0.06  # one station is forecast too wet, by all methods alike
    combination = combination_of(baselines, stored, cube)
    blocks = 14  # of the validation year
    taken_off = combination["level_error"].isel(fit=FOLDS)
    np.testing.assert_allclose(taken_off.sel(station="NET__b"), 0.06 * blocks / (blocks + 6), rtol=0.02)
    np.testing.assert_allclose(taken_off.sel(station="NET__a"), 0, atol=1e-3)
    found = with_combined(stored["NET__b"], baselines, combination)
    later = slice("2019-01-01", "2019-01-20")
    assert rmse(found.sel(start=later), "combined") == pytest.approx(0.06 * 6 / (blocks + 6), rel=0.05)


def test_of_less_than_a_year_as_much_less_of_the_level_is_taken_off():
    baselines, stored, cube = study_of(dict.fromkeys(NOISE, 0.001))
    whole = combination_of(baselines, stored, cube)
    for each in stored.values():
        each["soil_moisture_forecast"] += 0.06
    baselines["soil_moisture_forecast"] += 0.06
    of_a_year = combination_of(baselines, stored, cube)["level_error"].isel(fit=FOLDS)
    for name, each in stored.items():
        in_summer = (each["split"] != 2) | (each["start"].dt.month >= 7)
        stored[name] = each.assign(soil_moisture_observed=each["soil_moisture_observed"].where(in_summer))
    of_half = combination_of(baselines, stored, cube)["level_error"].isel(fit=FOLDS)
    assert float(np.abs(whole["level_error"]).max()) < 1e-3
    blocks = 8  # with an observation
    np.testing.assert_allclose(of_half, 0.06 * blocks / (blocks + 6) * blocks * 28 / 365, rtol=0.02)
    assert (of_half < 0.7 * of_a_year).all()


def test_the_level_of_a_station_without_a_record_stays():
    baselines, stored, cube = study_of(NOISE)
    known = {name: stored[name] for name in STATIONS[:2]}
    combination = combination_of(baselines, known, cube)
    without = combination.assign(level_error=0 * combination["level_error"])
    found = with_combined(stored["NET__c"], baselines, combination)
    xr.testing.assert_identical(found, with_combined(stored["NET__c"], baselines, without))


def test_nothing_of_held_out_stations_weighs():
    baselines, stored, cube = study_of(NOISE)
    cube["held_out"][2] = 1
    before = combination_of(baselines, stored, cube)
    stored["NET__c"]["soil_moisture_observed"][:] = 0.9
    xr.testing.assert_identical(combination_of(baselines, stored, cube), before)


@pytest.mark.parametrize("experiment", ["drivers", "hindcast"])
def test_a_later_start_is_forecast_with_what_had_been_seen_by_then(experiment: str):
    baselines, stored, cube = study_of(NOISE)
    stored = {name: each.assign_attrs(experiment=experiment) for name, each in stored.items()}
    before = with_combined(stored["NET__a"], baselines, combination_of(baselines, stored, cube))
    observed_from = pd.Timestamp("2019-06-01")
    for each in stored.values():
        targets = each["start"] + each["lead"].astype("timedelta64[h]")
        each["soil_moisture_observed"] += 0.3 * (targets >= observed_from)
    after = with_combined(stored["NET__a"], baselines, combination_of(baselines, stored, cube))
    changed = before["soil_moisture_forecast"] != after["soil_moisture_forecast"]
    changed = changed.sel(forecaster="combined").any(["station", "lead", "quantile"])
    assert not changed.sel(start=slice(None, "2019-05-31")).any()
    assert changed.sel(start=slice("2019-08-01", None)).all()


@pytest.mark.parametrize("experiment", ["drivers", "hindcast"])
def test_forecasts_stay_when_a_month_of_newer_data_arrives(experiment: str):
    baselines, stored, cube = study_of(NOISE)

    def until(end: str) -> xr.DataArray:
        known = {}
        for name, each in stored.items():
            part = each.sel(start=slice(None, end)).assign_attrs(experiment=experiment)
            seen = part["start"] + part["lead"].astype("timedelta64[h]") <= pd.Timestamp(end)
            known[name] = part.assign(soil_moisture_observed=part["soil_moisture_observed"].where(seen))
        combination = combination_of(baselines, known, cube)
        return with_combined(known["NET__a"], baselines, combination)["soil_moisture_forecast"]

    before = until("2019-08-20")
    xr.testing.assert_identical(until("2019-09-20").sel(start=before["start"]), before)


def test_the_weights_of_a_later_year_follow_its_errors_and_do_not_jump():
    baselines, stored, cube = study_of(NOISE)
    noise = np.random.default_rng(1).normal(0, 0.1, len(STARTS))
    for station in STATIONS:  # in the later year one method fails
        failing = stored[station]["soil_moisture_forecast"].loc[{"forecaster": "station_model", "start": "2019"}]
        failing += xr.DataArray(noise, {"start": STARTS}).sel(start="2019")
    combination = combination_of(baselines, stored, cube)
    weight = combination["weight"].sel(forecaster="station_model")
    assert (weight.isel(fit=FOLDS) > 0.25).all()
    assert (weight.isel(fit=-1) < 0.5 * weight.isel(fit=FOLDS)).all()
    position = combination["position"].sel(start="2019")
    assert float(position[0]) == FOLDS
    assert float(position.diff("start").min()) >= 0
    assert float(position.diff("start").max()) == pytest.approx(1 / 28)


def test_a_station_weighs_methods_by_its_own_errors_the_more_of_them_are_known():
    baselines, stored, cube = study_of(NOISE)
    better = baselines["soil_moisture_forecast"].sel(station="NET__a", forecaster="persistence")
    better[:] = stored["NET__a"]["soil_moisture_observed"][0] + 0.1 * (better - better.mean())
    combination = combination_of(baselines, stored, cube)
    own, others = (
        combination["station_weight"].sel(station=name, forecaster="persistence", lead=24)
        for name in ("NET__a", "NET__b")
    )
    more = (own - others).values
    assert more[FOLDS] > 0.02
    assert more[-1] > 1.2 * more[FOLDS]


def test_where_no_moisture_is_seen_nothing_that_was_observed_later_moves_the_forecasts_of_its_station():
    baselines, stored, cube = study_of(NOISE)
    stored = {name: each.assign_attrs(experiment="drivers") for name, each in stored.items()}

    def forecast(of: str) -> xr.DataArray:
        combination = combination_of(baselines, stored, cube)
        return with_combined(stored[of], baselines, combination)["soil_moisture_forecast"].sel(forecaster="combined")

    before, of_other = forecast("NET__a"), forecast("NET__b")
    stored["NET__a"]["soil_moisture_observed"].loc[{"start": "2019"}] += 0.1
    np.testing.assert_allclose(forecast("NET__a"), before, atol=1e-6)
    assert float(np.abs(forecast("NET__b") - of_other).max()) > 1e-4


def test_the_level_follows_what_is_seen_of_a_station():
    def level(experiment: str) -> xr.DataArray:
        baselines, stored, cube = study_of(dict.fromkeys(NOISE, 0.001))
        stored = {name: each.assign_attrs(experiment=experiment) for name, each in stored.items()}
        stored["NET__b"]["soil_moisture_observed"].loc[{"start": "2019"}] -= 0.06  # another sensor
        return combination_of(baselines, stored, cube)["level_error"].sel(station="NET__b")

    followed = level("hindcast")
    np.testing.assert_allclose(followed.isel(fit=-1), 0.03 * 27 / (27 + 6), rtol=0.1)
    np.testing.assert_allclose(followed.isel(fit=FOLDS), 0, atol=1e-3)
    np.testing.assert_allclose(level("drivers"), 0, atol=1e-3)


def test_a_station_without_a_model_of_its_own_is_combined_with_the_regional_one():
    baselines, stored, cube = study_of(NOISE)
    combination = combination_of(baselines, stored, cube)
    lacking = stored["NET__a"].sel(forecaster=["regional_model"])
    found = with_combined(lacking, baselines, combination)
    assert found["forecaster"].values.tolist() == ["regional_model", "combined"]
    assert np.isfinite(found["soil_moisture_forecast"]).all()


def test_without_a_block_to_fit_on_the_starts_that_chose_say_the_weights():
    baselines, stored, cube = study_of(NOISE)
    stored = {name: each.assign_coords(calibration=0 * each["calibration"]) for name, each in stored.items()}
    weight = combination_of(baselines, stored, cube)["weight"].isel(fit=FOLDS)
    assert float(weight.sel(forecaster="station_model").mean()) > 0.25


def test_where_no_moisture_is_seen_few_blocks_weigh_methods_more_alike_and_many_do_not():
    def spread_of_weights(experiment: str, months: int) -> float:
        baselines, stored, cube = study_of(NOISE)
        kept = slice(int((STARTS - STARTS[0]).days.searchsorted(30 * months)))
        few = {name: each.isel(start=kept).assign_attrs(experiment=experiment) for name, each in stored.items()}
        combination = combination_of(baselines, dict(list(few.items())[:1]), cube)
        return float(combination["weight"].isel(fit=FOLDS).std("forecaster").mean())

    assert spread_of_weights("drivers", 6) < 0.8 * spread_of_weights("hindcast", 6)
    assert spread_of_weights("drivers", 12) > 0.8 * spread_of_weights("hindcast", 12)


def test_without_any_observation_all_methods_weigh_the_same():
    baselines, stored, cube = study_of(NOISE)
    for each in stored.values():
        each["soil_moisture_observed"][:] = np.nan
    np.testing.assert_allclose(combination_of(baselines, stored, cube)["weight"], 0.25)


def test_a_station_that_lacks_a_method_weighs_nothing_and_is_combined_from_the_others():
    baselines, stored, cube = study_of(NOISE)
    alone = {name: stored[name] for name in ("NET__a", "NET__b")}
    before = combination_of(baselines, alone, cube)
    baselines["soil_moisture_forecast"].loc[{"station": "NET__c", "forecaster": "ridge"}] = np.nan
    xr.testing.assert_identical(combination_of(baselines, stored, cube), before)
    assert np.isfinite(with_combined(stored["NET__c"], baselines, before)["soil_moisture_forecast"]).all()
