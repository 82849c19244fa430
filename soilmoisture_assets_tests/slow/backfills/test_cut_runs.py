"""The same stations give the same models and forecasts however they are cut into runs, and whatever the number of
threads hardly others; forecasts of some stations cost what these cost."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import torch

from soilmoisture_assets.defs.models import forecasts, networks
from soilmoisture_assets.defs.runs import launch
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.io_managers import io_managers
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import Place, from_files

STATIONS, CUTS, THREADS = 30, (1, 5, 30), (1, 2)
MODEL, UNCALIBRATED, FORECAST = (
    f"models/{name}_forecast" for name in ("station_model", "uncalibrated_forecast", "station_forecast")
)
MOST_DIFFERENT = 1e-4
"""m3 m-3."""


@dataclass
class Outcome:
    """What the runs of one number of threads made: checksums and seconds by cut and asset, and what it says."""

    checksums: dict[int, dict[str, dict[str, str]]] = field(default_factory=dict)
    seconds: dict[int, dict[str, float]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    forecasts: dict[str, np.ndarray] = field(default_factory=dict)


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    """By number of threads, all of it trained and forecast in one run, in runs of five and in a run each."""
    folder = tmp_path_factory.mktemp("cut")
    settings = from_files(folder, STATIONS)
    settings["domain"] = settings["domain"] | {"north": 50.0}
    settings["model"] = settings["model"] | {"regional_epochs": 2, "station_epochs": 4}
    study, found = Study.model_validate(settings), {}
    for threads in THREADS:
        with pytest.MonkeyPatch.context() as patch, threads_of_torch(threads):
            patch.setenv("SOILMOISTURE_THREADS", str(threads))
            found[threads] = _outcome(study, folder / f"threads_{threads}")
    return found


def _outcome(study: Study, root: Path) -> Outcome:
    place, outcome = Place(root), Outcome()
    ended = place.run(study, ("raw", "cube", "models"))
    assert (ended.errors, ended.failed) == ([], {})
    deployment = place.deployment(study)
    definitions = dg.Definitions(  # those of the models alone: the job of all assets takes seconds to make for each run
        [*networks.assets(deployment), *forecasts.assets(deployment)],
        resources=io_managers(deployment),
        executor=dg.in_process_executor,
    )
    names = deployment.current(MODEL)
    assert len(names) == STATIONS
    for cut in CUTS:
        outcome.seconds[cut] = {}
        for path in (MODEL, UNCALIBRATED, FORECAST):
            before = deployment.view().entries(path)
            started = time.monotonic()
            for first in range(0, STATIONS, cut):
                ran = launch(deployment, definitions, place.instance, [path], names[first : first + cut])
                assert (ran.error, ran.failed_partitions) == (None, {})
            outcome.seconds[cut][path] = time.monotonic() - started
            after = deployment.view().entries(path)
            assert [name for name in names if after[name].generation != before[name].generation + 1] == []
        outcome.checksums[cut] = {path: _checksums(deployment, path) for path in (MODEL, UNCALIBRATED, FORECAST)}
    for name in names:
        outcome.epochs[name] = deployment.read(MODEL, name).metadata["best_epoch"]
        with deployment.read(FORECAST, name) as found:
            outcome.forecasts[name] = found.soil_moisture_forecast.values
    place.close()
    return outcome


def _checksums(deployment: Deployment, path: str) -> dict[str, str]:
    return {str(name): entry.checksum for name, entry in deployment.view().current(path).items()}


@pytest.mark.parametrize("threads", THREADS)
def test_models_and_forecasts_are_the_same_bits_however_they_are_cut_into_runs(
    outcomes: dict[int, Outcome], threads: int
):
    in_one, *others = (outcomes[threads].checksums[cut] for cut in sorted(CUTS, reverse=True))
    assert all(len(each) == STATIONS for each in in_one.values())
    for other in others:
        assert other == in_one


def test_another_number_of_threads_chooses_the_same_epochs_and_forecasts_hardly_otherwise(
    outcomes: dict[int, Outcome],
):
    one, two = (outcomes[threads] for threads in THREADS)
    assert one.epochs == two.epochs
    assert len(set(one.epochs.values())) > 1  # not all by rule
    different = max(float(np.nanmax(np.abs(one.forecasts[name] - two.forecasts[name]))) for name in one.forecasts)
    same = sum(one.checksums[STATIONS][MODEL][name] == two.checksums[STATIONS][MODEL][name] for name in one.epochs)
    print(f"threads 1 and 2: forecasts differ by {different:.1e} m3 m-3; {same} of {STATIONS} models are the same bits")
    assert different <= MOST_DIFFERENT


def test_forecasts_of_some_stations_cost_what_these_cost(outcomes: dict[int, Outcome]):
    seconds = outcomes[1].seconds
    told = "; ".join(
        f"runs of {cut}: " + ", ".join(f"{path} {each:.1f} s" for path, each in own.items())
        for cut, own in seconds.items()
    )
    print(f"load {os.getloadavg()[0]:.1f}, {STATIONS} stations, {told}")
    for path in (UNCALIBRATED, FORECAST):
        assert seconds[5][path] < 3 * seconds[30][path]  # it was seven times where each forecast all to calibrate
