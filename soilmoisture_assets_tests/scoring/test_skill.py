from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets import scores
from soilmoisture_assets.alignment.splits import valid_starts
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.scoring.skill import SkillTables, markdown, skill_tables, summarise_by
from soilmoisture_assets_tests.methods.worlds import small_cube, small_study

STUDY = small_study(experiments=("forecast",))
LEADS = [24, 48, 72]
ERRORS = {"persistence": 0.05, "climatology": 0.08, "ridge": 0.03}


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return small_cube(STUDY, stations=8)


def observed(cube: xr.Dataset, starts: np.ndarray) -> np.ndarray:
    wanted = [cube.soil_moisture_scored.sel(time=starts + np.timedelta64(lead, "h")).values for lead in LEADS]
    return np.stack(wanted, axis=-1)


def made_baselines(cube: xr.Dataset) -> xr.Dataset:
    """Each method is the observation plus noise of its own size, growing with lead; 0.2 where nothing is observed."""
    labels = valid_starts(cube.split.values, 3)
    inside = labels > 1
    starts = cube.time.values[inside]
    draws = np.random.default_rng(0)
    truth = np.nan_to_num(observed(cube, starts), nan=0.2)
    growing = np.array([1, 1.5, 2])
    forecasts = [truth + error * growing * draws.normal(size=truth.shape) for error in ERRORS.values()]
    return xr.Dataset(
        {"soil_moisture_forecast": (("forecaster", "station", "start", "lead"), np.stack(forecasts).astype("float32"))},
        coords={
            "forecaster": list(ERRORS),
            "station": cube.station.values,
            "start": starts,
            "lead": np.array(LEADS, dtype="int32"),
            "split": ("start", labels[inside]),
        },
    ).expand_dims(experiment=["forecast"])


def made_model(cube: xr.Dataset, starts: np.ndarray, error: float = 0.01) -> xr.Dataset:
    truth = np.nan_to_num(observed(cube, starts), nan=0.2)
    centre = truth + error * np.random.default_rng(1).normal(size=truth.shape)
    quantiles = centre[..., None] + error * np.array([-1.2816, 0, 1.2816])
    return xr.Dataset(
        {"soil_moisture_forecast": (("station", "start", "lead", "quantile"), quantiles.astype("float32"))},
        coords={"station": cube.station.values, "start": starts, "lead": LEADS, "quantile": [0.1, 0.5, 0.9]},
        attrs={"experiment": "forecast", "method": "regional_model"},
    )


@pytest.fixture(scope="module")
def tables(cube: xr.Dataset) -> SkillTables:
    baselines = made_baselines(cube)
    return skill_tables([made_model(cube, baselines.start.values)], baselines, cube, STUDY)


def test_scores_are_those_of_the_observations_at_start_plus_lead(cube: xr.Dataset, tables: SkillTables):
    baselines = made_baselines(cube)
    inside = baselines.split.values == 3
    truth = observed(cube, baselines.start.values[inside])[..., 1]
    ridge = baselines.soil_moisture_forecast.sel(experiment="forecast", forecaster="ridge", lead=48).values
    found = tables.skill.sel(split="test", experiment="forecast", forecaster="ridge", lead=48)
    np.testing.assert_allclose(found.r2, scores.r2(truth, ridge[:, inside]), rtol=1e-5)
    np.testing.assert_allclose(found.rmse, 0.045, rtol=0.2)


def test_every_method_is_scored_on_the_same_pairs(cube: xr.Dataset):
    baselines = made_baselines(cube)
    model = made_model(cube, baselines.start.values)
    model["soil_moisture_forecast"][2, ::2] = np.nan
    skill = skill_tables([model], baselines, cube, STUDY).skill
    n = skill.n.sel(split="test", experiment="forecast", lead=24)
    assert (n.max("forecaster") == n.min("forecaster")).all()
    assert n.isel(station=2).max() < 0.6 * n.isel(station=3).max()


def test_a_method_that_is_missing_at_a_station_does_not_empty_the_sample_of_the_others(cube: xr.Dataset):
    baselines = made_baselines(cube)
    model = made_model(cube, baselines.start.values)
    model["soil_moisture_forecast"][2] = np.nan
    tables = skill_tables([model], baselines, cube, STUDY)
    at_two = tables.skill.r2.isel(station=2).sel({"split": "test", "experiment": "forecast", "lead": 24})
    assert np.isnan(at_two.sel(forecaster="regional_model"))
    assert np.isfinite(at_two.sel(forecaster="ridge"))
    assert set(tables.summary.stations) == {6}  # eight, less the held-out one and the one without a model


def test_starts_that_a_model_lacks_are_scored_for_nobody(cube: xr.Dataset, tables: SkillTables):
    baselines = made_baselines(cube)
    fewer = made_model(cube, baselines.start.values[:-100])
    n = skill_tables([fewer], baselines, cube, STUDY).skill.n.sel(split="test", forecaster="ridge")
    assert (n < tables.skill.n.sel(split="test", forecaster="ridge")).all()


def test_no_common_start_is_an_error_that_says_what_to_do(cube: xr.Dataset):
    baselines = made_baselines(cube)
    elsewhere = made_model(cube, baselines.start.values).assign_coords(
        start=baselines.start.values + np.timedelta64(1, "h")
    )
    with pytest.raises(StudyError, match="share no start"):
        skill_tables([elsewhere], baselines, cube, STUDY)


def test_values_outside_the_valid_range_are_not_scored(cube: xr.Dataset, tables: SkillTables):
    spiked = cube.copy(deep=True)
    spiked["soil_moisture_scored"][3, -200:-100] = 0.9
    baselines = made_baselines(cube)
    skill = skill_tables([made_model(cube, baselines.start.values)], baselines, spiked, STUDY).skill
    pick = {"split": "test", "experiment": "forecast", "forecaster": "ridge", "lead": 24}
    assert skill.n.sel(pick)[3] < tables.skill.n.sel(pick)[3] - 60
    assert skill.rmse.sel(pick)[3] < 0.06


def test_a_window_pools_the_leads_up_to_it(tables: SkillTables):
    pick = {"split": "test", "experiment": "forecast", "forecaster": "ridge"}
    by_lead, by_window = tables.skill.sel(pick), tables.skill_windows.sel(pick)
    assert by_window.window.values.tolist() == [24, 48, 72]
    np.testing.assert_allclose(by_window.r2.sel(window=24), by_lead.r2.sel(lead=24))
    np.testing.assert_array_equal(by_window.n.sel(window=72), by_lead.n.sum("lead"))
    squares = (by_lead.rmse**2 * by_lead.n).sum("lead") / by_lead.n.sum("lead")
    np.testing.assert_allclose(by_window.rmse.sel(window=72), np.sqrt(squares), rtol=1e-4)


def test_skill_against_itself_is_zero_and_against_a_worse_method_positive(tables: SkillTables):
    part = tables.skill.sel({"split": "test", "experiment": "forecast", "lead": 24})
    np.testing.assert_allclose(part.skill_vs_persistence.sel(forecaster="persistence"), 0, atol=1e-6)
    ridge = part.skill_vs_persistence.sel(forecaster="ridge")
    np.testing.assert_allclose(ridge, 1 - 0.03**2 / 0.05**2, atol=0.15)


def test_methods_with_quantiles_have_coverage_and_pinball_loss(tables: SkillTables):
    part = tables.skill.sel({"split": "test", "experiment": "forecast", "lead": 24})
    np.testing.assert_allclose(part.coverage_80.sel(forecaster="regional_model"), 0.8, atol=0.08)
    assert np.isfinite(part.pinball_loss.sel(forecaster="regional_model")).all()
    assert np.isnan(part.coverage_80.sel(forecaster="ridge")).all()


def test_the_summary_has_a_row_per_method_and_lead_without_held_out_stations(tables: SkillTables):
    rows = tables.summary.query("split == 'test' and lead_hours == 48").set_index("method")
    assert list(rows.index) == ["persistence", "climatology", "ridge", "regional_model"]
    assert set(rows.stations) == {7}
    skill = tables.skill.r2.sel(split="test", experiment="forecast", forecaster="ridge", lead=48)
    assert rows.median_r2["ridge"] == pytest.approx(float(skill[1:].median()))
    assert rows.low["ridge"] <= rows.median_r2["ridge"] <= rows.high["ridge"]
    assert set(tables.held_out.stations) == {1}


def test_groups_split_the_stations(tables: SkillTables, cube: xr.Dataset):
    by_network = summarise_by(tables.skill, cube.network)
    assert by_network.groupby("group").stations.max().to_dict() == {"NET": 4, "OTHER": 4}
    by_cover = summarise_by(tables.skill, cube.land_cover, {10: "grassland"})
    assert set(by_cover.group) == {"grassland"}


def test_markdown_has_a_line_per_method(tables: SkillTables):
    text = markdown(tables.summary, "test")
    assert "| method | 24 h | 48 h | 72 h |" in text
    assert sum(line.startswith("| ridge |") for line in text.splitlines()) == 1


def test_tables_survive_a_netcdf_file(tables: SkillTables, tmp_path: Path):
    tables.skill.to_netcdf(tmp_path / "skill.nc")
    with xr.open_dataset(tmp_path / "skill.nc") as stored:
        xr.testing.assert_equal(stored.load(), tables.skill)


def test_a_group_of_one_station_has_medians_and_no_intervals(tables: SkillTables):
    group = xr.DataArray(["A", *["B"] * 7], dims="station", coords={"station": tables.skill["station"].values})
    found = summarise_by(tables.skill, group).set_index("group")
    alone, others = found.loc["A"], found.loc["B"]
    assert set(alone["stations"]) == {1}
    assert alone[["low", "high", "behind_low", "behind_high"]].isna().all(axis=None)
    assert np.isfinite(alone["median_r2"]).all()
    assert (others["low"] < others["high"]).all()
    assert "nan" not in markdown(alone)
