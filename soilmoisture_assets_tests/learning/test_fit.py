import numpy as np
import pytest
import torch
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning import program
from soilmoisture_assets.learning.fit import fit_regional, fit_stations
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import initial_parameters
from soilmoisture_assets.learning.predict import forecast
from soilmoisture_assets.learning.program import STARTS, Program, sample_loss
from soilmoisture_assets.learning.windows import Runs, build_windows, windows_of_strangers
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study


def rmse(forecasts: xr.Dataset) -> float:
    error = forecasts.soil_moisture_forecast.sel(quantile=0.5) - forecasts.soil_moisture_observed
    return float(np.sqrt((error.where(forecasts.split == 3) ** 2).mean()))


def test_a_hindcast_beats_persistence_on_stations_that_dry_and_fill_with_rain():
    study = small_study(regional_epochs=8)
    cube = small_cube(study, stations=6)
    found = forecast(cube, fit_regional(cube, Experiment.HINDCAST, study, threads=1), study)
    last = cube["soil_moisture_antecedent"].interpolate_na("time", "nearest").sel(time=found.start).values
    persistence = found.copy()
    persistence["soil_moisture_forecast"] = xr.zeros_like(found.soil_moisture_forecast) + last[:, :, None, None]
    assert rmse(found) < 0.75 * rmse(persistence)


def test_station_models_keep_the_regional_model_where_nothing_is_better(
    cube: xr.Dataset, models: dict[Experiment, Model], study: Study
):
    fits = {fit.station: fit for fit in fit_stations(cube, models[Experiment.HINDCAST], study, ["NET__s0", "NET__s1"])}
    for fit in fits.values():
        assert fit.model is not None
        assert fit.failure is None
        assert fit.model.metadata["validation_loss"] <= fit.model.metadata["regional_validation_loss"]
        assert fit.model.metadata["fallback"] == (fit.model.metadata["best_epoch"] == 0)


def test_a_station_that_is_asked_for_alone_gets_the_same_bits_as_with_others(
    cube: xr.Dataset, models: dict[Experiment, Model], study: Study
):
    regional = models[Experiment.FORECAST]
    together = {fit.station: fit.model for fit in fit_stations(cube, regional, study, ["NET__s0", "NET__s1"])}
    (alone,) = fit_stations(cube, regional, study, ["NET__s1"])
    for name, value in alone.model.parameters.items():
        assert torch.equal(value, together["NET__s1"].parameters[name])


def test_a_station_that_cannot_be_trained_says_why_and_harms_no_other(study: Study):
    cube = small_cube(study, stations=6)
    cube["soil_moisture"][0] = np.nan
    cube["soil_moisture"][1, 40:] = np.nan
    cube["soil_moisture"][1, :20] = np.nan
    cube["soil_moisture_antecedent"][1] = cube["soil_moisture"][1]
    cube["soil_moisture"][2] = 0.25
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        cube[name][4, 100:110] = np.nan
    cube["soil_moisture_antecedent"][3, 50] = np.inf
    cube["precipitation"][3, 60] = np.inf
    regional = fit_regional(cube, Experiment.FORECAST, study, threads=1)
    fits = {fit.station: fit for fit in fit_stations(cube, regional, study, [*cube.station.values, "NET__other"])}
    reasons = {name: fit.failure for name, fit in fits.items() if fit.failure}
    assert set(reasons) == {"NET__s0", "NET__s1", "NET__s5", "NET__other"}
    assert "0 training windows" in reasons["NET__s0"]
    assert "fewer than 60" in reasons["NET__s1"]
    gappy = fits["NET__s4"].metadata
    assert gappy["dropped_starts"] >= 8  # the starts whose three leads lie in the ten missing days
    assert gappy["training_starts"] + gappy["dropped_starts"] == 362
    assert "held out" in reasons["NET__s5"]
    assert "not in the station cube" in reasons["NET__other"]
    for name in ("NET__s2", "NET__s3", "NET__s4"):
        assert all(torch.isfinite(value).all() for value in fits[name].model.parameters.values())
        assert set(fits[name].model.scaler.moisture) == {name}  # or checkpoints of all would grow with their square


def test_a_station_with_one_observed_value_gets_the_regional_model_and_says_so(study: Study):
    cube = small_cube(study)
    one = cube.copy(deep=True)
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        one[name][0, :365] = np.nan
        one[name][0, 200] = 0.2
    regional = fit_regional(one, Experiment.DRIVERS, study, threads=1)
    (fit,) = fit_stations(one, regional, study, ["NET__s0"])
    assert fit.model is None
    assert "3 training windows, fewer than 60 (model.min_windows): regional model used" in str(fit.failure)
    assert np.isfinite(forecast(one, regional, study, ["NET__s0"]).soil_moisture_forecast).all()


def test_a_held_out_station_changes_no_parameter(cube: xr.Dataset, study: Study, models: dict[Experiment, Model]):
    changed = cube.copy(deep=True)
    for name in ("soil_moisture", "soil_moisture_antecedent", "precipitation", "slope"):
        changed[name][3] = 0.9
    again = fit_regional(changed, Experiment.HINDCAST, study, threads=1)
    for name, value in models[Experiment.HINDCAST].parameters.items():
        assert torch.equal(value, again.parameters[name]), name


def test_a_held_out_station_has_no_identity(models: dict[Experiment, Model]):
    model = models[Experiment.HINDCAST]
    assert model.identity_index(["NET__s0", "NET__s2", "NET__s3", "NET__x"]).tolist() == [1, 3, 0, 0]
    assert model.parameters["identity"].shape[1] == 4


@pytest.mark.parametrize("experiment", [Experiment.FORECAST, Experiment.HINDCAST])
def test_training_shows_stations_as_the_network_will_see_unknown_ones(
    experiment: Experiment, cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    scaler = models[experiment].scaler
    strangers = windows_of_strangers(build_windows(cube, experiment, study, scaler), cube, study)
    renamed = cube.assign_coords(station=["NEW__a", *cube.station.values[1:]])
    unknown = build_windows(renamed, experiment, study, scaler)
    for name in ("history", "future", "static", "neighbours", "base", "target", "weight", "mean", "spread", "change"):
        np.testing.assert_array_equal(getattr(strangers, name)[0], getattr(unknown, name)[0], err_msg=name)


def test_a_cube_without_training_data_is_refused(cube: xr.Dataset, study: Study):
    empty = cube.copy(deep=True)
    empty["soil_moisture"][:] = np.nan
    with pytest.raises(StationError, match="training"):
        fit_regional(empty, Experiment.DRIVERS, study)


def test_a_cube_without_validation_data_is_refused_instead_of_keeping_random_weights(cube: xr.Dataset, study: Study):
    unstopped = cube.copy(deep=True)
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        unstopped[name][:, cube.split.values == 2] = np.nan
    with pytest.raises(StationError, match="validation"):
        fit_regional(unstopped, Experiment.DRIVERS, study)


def test_a_station_without_validation_data_gets_no_random_model_of_its_own(
    cube: xr.Dataset, models: dict[Experiment, Model]
):
    unstopped = cube.copy(deep=True)
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        unstopped[name][0, cube.split.values == 2] = np.nan
    scratch = small_study(station_training="from_scratch")
    fits = list(fit_stations(unstopped, models[Experiment.DRIVERS], scratch, ["NET__s0", "NET__s1"]))
    assert fits[0].model is None
    assert "no finite validation loss" in str(fits[0].failure)
    assert fits[1].model is not None


def test_the_loss_is_least_at_the_true_quantiles():
    sample = torch.randn(20000, generator=torch.Generator().manual_seed(0))
    low, high = np.quantile(sample, 0.1), np.quantile(sample, 0.9)

    def loss(*quantiles: float) -> float:
        return float(sample_loss(torch.tensor(quantiles).expand(len(sample), 3), sample).mean())

    best = loss(low, 0.0, high)
    for other in ((low - 0.3, 0, high), (low + 0.3, 0, high), (low, 0, high + 0.3), (low, 0.3, high), (low, 0, 0.5)):
        assert loss(*other) > best


def test_a_gradient_that_is_not_finite_moves_no_weight(cube: xr.Dataset, study: Study):
    windows = build_windows(cube, Experiment.HINDCAST, study)
    runs = Runs.stack([windows.runs(np.array([row]), TRAIN, STARTS) for row in (0, 1)])
    parameters = initial_parameters(windows.shape, 2, torch.Generator().manual_seed(0))
    parameters["head.scale"][0] = torch.inf
    program = Program(
        windows,
        windows.shape,
        parameters,
        lambda epoch: runs,
        runs,
        lambda runs: torch.zeros_like(runs.row),
        8,
        1e-3,
        1,
        torch.Generator(),
    )
    before = program.parameters["0.up"].detach().clone()
    program.step(program.optimiser(), runs, 1e-3)
    after = program.parameters["0.up"].detach()
    assert torch.allclose(after[0], before[0], rtol=1e-4)  # weights decay and do nothing else
    assert not torch.allclose(after[1], before[1], rtol=1e-2)
    assert torch.isfinite(after).all()


def test_products_in_bfloat16_leave_loss_and_gradients_of_a_wide_network_nearly_the_same(
    cube: xr.Dataset, monkeypatch: pytest.MonkeyPatch
):
    study = small_study(preset="reference")
    windows = build_windows(cube, Experiment.HINDCAST, study)
    runs = Runs.stack([windows.runs(np.array([0]), TRAIN, STARTS)]).columns(0, 4)

    def loss_and_gradient(in_bfloat16: bool) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16)
        monkeypatch.setattr(program, "training_precision", lambda device, width: chosen)
        parameters = initial_parameters(windows.shape, 1, torch.Generator().manual_seed(0))
        one = Program(
            windows,
            windows.shape,
            parameters,
            lambda epoch: runs,
            runs,
            lambda runs: torch.zeros_like(runs.row),
            8,
            1e-3,
            1,
            torch.Generator(),
        )
        loss, _ = one.losses(one.parameters, runs, TRAIN, False)
        loss.sum().backward()
        assert all(value.dtype == value.grad.dtype == torch.float32 for value in one.parameters.values())
        return loss.detach(), torch.cat([value.grad.flatten() for value in one.parameters.values()])

    (exact, gradient), (rough, near) = loss_and_gradient(False), loss_and_gradient(True)
    assert rough != exact
    torch.testing.assert_close(rough, exact, rtol=0.01, atol=0)
    assert torch.cosine_similarity(gradient, near, dim=0) > 0.999


def test_progress_tells_epochs_and_validation_loss(cube: xr.Dataset, study: Study):
    lines: list[tuple[int, int, str]] = []
    fit_regional(cube, Experiment.FORECAST, study, progress=lambda *line: lines.append(line), threads=1)
    epochs = lines[0][1]
    assert epochs > study.model.regional_epochs == 2  # as many as make the fewest updates
    assert [line[:2] for line in lines] == [(each, epochs) for each in range(1, len(lines) + 1)]
    assert all("validation" in line[2] for line in lines)


def test_short_memory_makes_batches_smaller_and_training_still_ends(
    cube: xr.Dataset, study: Study, monkeypatch: pytest.MonkeyPatch
):
    whole, widths = Program.step, []

    def step(self: Program, optimiser: torch.optim.Optimizer, runs: Runs, rate: float):
        if runs.row.shape[1] > 5:
            raise torch.OutOfMemoryError("out of memory")
        widths.append(runs.row.shape[1])
        return whole(self, optimiser, runs, rate)

    monkeypatch.setattr(Program, "step", step)
    model = fit_regional(cube, Experiment.FORECAST, study, threads=1)
    assert max(widths) <= 5
    assert all(torch.isfinite(value).all() for value in model.parameters.values())
