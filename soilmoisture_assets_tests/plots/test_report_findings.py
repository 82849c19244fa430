"""What the report says first: sentences of made-up stores whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.plots.report_findings import findings, newest_forecast
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.plots import made_up

DEMO = load_study("demo")

Row = tuple[str, float, float, float, float, float, float]
COMBINED: Row = ("combined", 0.8, 0.7, 0.85, 0.0, 0.0, 0.0)
RIDGE_APART: Row = ("ridge", 0.6, 0.5, 0.7, 0.2, 0.1, 0.3)
RIDGE_ALIKE: Row = ("ridge", 0.78, 0.7, 0.84, 0.02, -0.01, 0.05)


def summary(*rows: Row, lead: int = 72) -> pd.DataFrame:
    names = "method median_r2 low high behind_best behind_low behind_high".split()
    return pd.DataFrame(rows, columns=names).assign(
        split="test", experiment="forecast", lead_hours=lead, stations=31
    )  # fmt: skip


def calibration(share: float, low: float, high: float) -> pd.DataFrame:
    row = {"experiment": "forecast", "method": "combined", "split": "test", "lead_hours": 72, "coverage_80": share}
    return pd.DataFrame([row | {"low": low, "high": high}])


def test_nothing_stored_is_no_sentence():
    assert findings(DEMO) == []


def test_the_data_are_counted_and_called_synthetic():
    cube = made_up.cube(3)
    cube["soil_moisture_scored"][:] = np.nan
    cube["soil_moisture_scored"][:, ::4] = 0.2
    [said] = findings(DEMO, cube=cube)
    assert said.startswith("3 synthetic stations from 2017-01-01 to 2019-12-31 in steps of 12 h, of which 25 % were")
    assert "SYNTHETIC data: nothing here says anything about the real world." in said
    [real] = findings(load_study("conus"), cube=cube)
    assert "ynthetic" not in real
    assert "SYNTHETIC" not in real


def test_steps_after_the_splits_do_not_count_as_unobserved():
    cube = made_up.cube(2)
    cube["soil_moisture_scored"][:] = 0.2
    cube["soil_moisture_scored"][:, -100:] = np.nan
    cube["split"][-100:] = 0
    [said] = findings(DEMO, cube=cube)
    assert "of which 100 % were observed" in said


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (
            (RIDGE_APART, COMBINED),
            "the best of the simple methods, ridge, has 0.60 [0.50, 0.70] and is behind it by 0.20 [0.10, 0.30]: apart "
            "by paired bootstrap.",
        ),
        ((RIDGE_ALIKE, COMBINED), "is behind it by 0.02 [−0.01, 0.05]: not apart by paired bootstrap."),
        (
            (("ridge", 0.9, 0.8, 0.95, 0.0, 0.0, 0.0), ("combined", 0.8, 0.7, 0.85, 0.1, 0.04, 0.2)),
            "and the combined forecast is behind it by 0.10 [0.04, 0.20]: apart by paired bootstrap.",
        ),
        (
            (
                RIDGE_APART,
                ("regional_model", 0.81, 0.7, 0.85, 0.0, 0.0, 0.0),
                ("combined", 0.8, 0.7, 0.85, 0.01, -0.01, 0.02),
            ),
            "The best of all is the regional model: the combined forecast is behind it by 0.01 [−0.01, 0.02]: not "
            "apart by paired bootstrap, ridge by 0.20 [0.10, 0.30]: apart by paired bootstrap.",
        ),
        ((COMBINED,), "(experiment forecast, test split)."),
    ],
    ids=["apart", "alike", "behind", "neither is best", "alone"],
)  # fmt: skip
def test_the_combined_forecast_is_told_apart_from_the_best_simple_method_or_not(rows: tuple[Row, ...], end: str):
    [said] = findings(DEMO, skill_summary=summary(*rows))
    assert said.startswith("72 h ahead, the combined forecast has a median R² of 0.80 [0.70, 0.85] over 31 stations")
    assert said.endswith(end)


def test_skill_is_told_of_the_last_lead_of_the_experiment_that_can_be_issued():
    early = summary(("combined", 0.95, 0.9, 0.97, 0.0, 0.0, 0.0), lead=12)
    drivers = summary(("combined", 0.99, 0.98, 1.0, 0.0, 0.0, 0.0)).assign(experiment="drivers")
    [said] = findings(DEMO, skill_summary=pd.concat([drivers, early, summary(COMBINED)]))
    assert "0.80 [0.70, 0.85]" in said
    assert "0.9" not in said


def test_skill_is_told_of_issued_weather_where_a_study_has_it_and_never_of_the_upper_bound_before_it():
    study, rows = load_study("uscrn"), []
    for number, experiment in enumerate(study.model.experiments):
        own = ("combined", 0.5 + number / 10, 0.4, 0.9, 0.0, 0.0, 0.0)
        rows.append(summary(own).assign(experiment=experiment.value))
    [said] = findings(study, skill_summary=pd.concat(rows))
    assert "0.70 [0.40, 0.90]" in said
    assert "(experiment issued, test split)" in said
    assert load_study("conus").headline == "forecast"


@pytest.mark.parametrize(
    ("share", "low", "high", "end"),
    [(0.8, 0.79, 0.81, "as they are made to."), (0.7, 0.65, 0.75, "too narrow."), (0.9, 0.85, 0.95, "too wide.")],
)
def test_intervals_are_said_to_hold_what_they_hold(share: float, low: float, high: float, end: str):
    [said] = findings(DEMO, calibration=calibration(share, low, high))
    assert f"hold {100 * share:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of the observations 72 h ahead" in said
    assert said.endswith(end)


def test_of_a_single_station_no_interval_is_told_and_nothing_is_told_apart():
    no = np.nan
    ridge = ("ridge", 0.72, no, no, 0.0, no, no)
    rows = summary(ridge, ("combined", 0.71, no, no, 0.01, no, no)).assign(stations=1)
    skill, held = findings(DEMO, skill_summary=rows, calibration=calibration(0.81, no, no))
    assert "has an R² of 0.71 at the one station (" in skill
    assert skill.endswith("the combined forecast is behind it by 0.01: one station does not say what is chance.")
    assert "hold 81 % of the observations" in held
    assert held.endswith("one station does not say what is chance.")


def test_leading_groups_come_in_order_with_intervals_and_are_no_causes():
    group = ["antecedent", "calendar", "dynamic", "physical"]
    strength = np.array([0.02, 0.001, 0.03, 0.004])
    shap = xr.Dataset(
        {"group_shap_of_seed": (("seed", "station", "window", "group"), np.tile(strength, (3, 5, 2, 1)))},
        coords={"window": [24, 72], "group": group},
    )
    [said] = findings(DEMO, shap={"forecast": shap})
    assert said == (
        "72 h ahead, the forecast of experiment forecast goes most with weather (30.0 [30.0, 30.0], rank 1); "
        "antecedent soil moisture (20.0 [20.0, 20.0], rank 2); soil, physical (4.0 [4.0, 4.0], rank 3): mean |SHAP| "
        "over 5 stations and 3 seeds of the regional network in 10⁻³ m³ m⁻³ [95 % bootstrap interval]. That is "
        "an association that the model uses, not a cause."
    )


def test_of_one_station_and_seed_no_rank_is_told():
    strength = np.array([0.02, 0.03])
    shap = xr.Dataset(
        {"group_shap_of_seed": (("seed", "station", "window", "group"), np.tile(strength, (1, 1, 2, 1)))},
        coords={"window": [24, 72], "group": ["antecedent", "dynamic"]},
    )
    [said] = findings(DEMO, shap={"forecast": shap})
    assert "goes most with weather (30.0, rank open); antecedent soil moisture (20.0, rank open): mean |SHAP|" in said


def test_the_newest_forecast_says_when_it_starts_and_how_many_stations_it_is_of():
    latest = made_up.latest_forecast(6)
    latest["age"][:] = [0.0, 12.0, 24.0, 36.0, 240.0, 0.0]
    start, starts, observed = newest_forecast(latest)
    assert start == pd.Timestamp("2019-12-30T12:00")
    assert starts == "The newest forecast, of 6 stations up to 72 h ahead, starts at 2019-12-30 12:00 UTC"
    assert observed == "4 of 6 stations had been observed within the day before that."
