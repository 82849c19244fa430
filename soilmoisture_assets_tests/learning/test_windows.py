import numpy as np
import torch
import xarray as xr

from soilmoisture_assets.alignment.splits import TEST, TRAIN
from soilmoisture_assets.learning.windows import Runs, build_windows
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study


def test_only_a_missing_target_drops_a_lead(cube: xr.Dataset, study: Study):
    gappy = cube.copy(deep=True)
    gappy["temperature"][0, 50:200] = np.nan
    gappy["soil_moisture_antecedent"][0, 50:200] = np.nan
    gappy["soil_moisture"][0] = 0.2
    gappy["soil_moisture"][0, 102] = np.nan
    windows = build_windows(gappy, Experiment.HINDCAST, study)
    first = windows.runs(np.array([0]), TRAIN, 1)
    _, _, weight = windows.targets(first.as_batch(), 1, TRAIN)
    assert len(first) == 365 - 1 - 2  # the first step lies 1 behind the start of the period, and leads end within it
    kept = dict(zip(first.first.tolist(), weight[0, :, 0].tolist(), strict=True))
    assert kept[100] == [1, 0, 1]
    assert kept[101] == [0, 1, 1]
    assert kept[99] == [1, 1, 0]
    assert kept[150] == [1, 1, 1]


def test_no_window_spans_a_change_of_sensor(cube: xr.Dataset, study: Study):
    replaced = cube.copy(deep=True)
    replaced["sensor"][0, 100:] = np.where(replaced["sensor"][0, 100:] >= 0, 1, -1)
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        replaced[name][0, 90:110] = 0.2
    replaced["sensor"][0, 90:100], replaced["sensor"][0, 100:110] = 0, 1
    start = Runs(*(torch.tensor([[value]]) for value in (0, 98)))
    weights = {
        experiment: build_windows(replaced, experiment, study).targets(start, 1, TRAIN)[2].flatten().tolist()
        for experiment in (Experiment.HINDCAST, Experiment.DRIVERS)
    }
    assert weights[Experiment.HINDCAST] == [1, 0, 0]
    assert weights[Experiment.DRIVERS] == [1, 1, 1]


def test_runs_hold_every_start_of_a_split_once(cube: xr.Dataset):
    for step in ("24h", "12h"):
        study = small_study(step)
        windows = build_windows(small_cube(study), Experiment.FORECAST, study)
        for shift in (None, np.array([3, 5])):
            runs = windows.runs(np.array([0, 2]), TEST, 8, shift)
            starts = runs.first[:, None].numpy() + np.arange(8) * study.steps_per_day
            inside = (starts >= 0) & (starts < windows.steps)
            labels = windows.start_split[0, windows.pad : windows.pad + windows.steps].numpy()
            label = np.where(inside, labels[np.clip(starts, 0, windows.steps - 1)], 0)
            held = [
                (row, start)
                for row, line, ok in zip(runs.row.tolist(), starts, label == TEST, strict=True)
                for start in line[ok].tolist()
            ]
            assert len(held) == len(set(held)) == 2 * (labels == TEST).sum()


def test_a_sample_holds_the_days_up_to_its_start_and_the_weather_of_its_leads(cube: xr.Dataset, study: Study):
    windows = build_windows(cube, Experiment.HINDCAST, study)

    inputs = windows.inputs(Runs(torch.tensor([[1]]), torch.tensor([[200]])), 2, torch.zeros(1, 1, 8))
    pad, days = windows.pad, windows.shape.context_days
    assert torch.equal(inputs.history[0, 0, days - 1], windows.history[1, pad + 200])
    assert torch.equal(inputs.history[0, 0, days], windows.history[1, pad + 201])
    assert torch.equal(inputs.future[0, 0, 1, 2], windows.future[1, pad + 204])


def test_a_forecast_sees_no_future_weather_and_drivers_see_no_moisture(cube: xr.Dataset, study: Study):
    assert set(build_windows(cube, Experiment.FORECAST, study).future_sources) == {"calendar"}
    assert "soil_moisture" not in build_windows(cube, Experiment.DRIVERS, study).history_sources
    assert not build_windows(cube, Experiment.DRIVERS, study).base.any()
