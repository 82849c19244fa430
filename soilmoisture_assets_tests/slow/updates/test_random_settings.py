"""Forty changes of a study's settings, each followed by a run: what counts is what a fresh run makes, and only what
depends on the change is made again."""

import multiprocessing
import shutil
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import LEAST, Made, Place, counted, recorded
from soilmoisture_assets_tests.slow.updates.changes import FIRST, changes

COUNT, SEED = 40, 4
LAYERS = frozenset({"raw", "cube", "models", "analysis"})
EVERY = LAYERS | {"figures", "report"}
WITH_FIGURES = {0, len(FIRST), COUNT - 1}
"""Changes after which figures and report are made too: they take as long as everything else together."""

Counted = Mapping[str, str]


def fresh(settings: Mapping[str, Any], root: Path, layers: Collection[str]) -> tuple[Counted, Made]:
    """What counts after a run from nothing, in a process of its own."""
    study, place = Study.model_validate(settings), Place(root)
    made = place.run(study, layers)
    found = counted(place.deployment(study), layers)
    place.close()
    shutil.rmtree(root)
    return found, made


def needless(before: Counted, after: Counted, made: Made, study: Study) -> list[str]:
    """What was made again though it had been made so already."""
    addresses = [
        f"{study.name}/{path}" + (f", partition {name}" if name else "")
        for path, names in made.partitions.items()
        for name in names or [None]
    ]
    return [each for each in addresses if each in before and _fingerprint(before, each) == _fingerprint(after, each)]


def _fingerprint(found: Counted, address: str) -> str:
    return found.get(address, " ").split()[1]


@dataclass
class Step:
    """One change, what counted after it, and the fresh run that it is compared with."""

    what: str
    counted: Counted
    stored: set[str]
    made: Made
    anew: Future[tuple[Counted, Made]]

    def faults(self) -> Iterator[str]:
        found, made = self.anew.result()
        print(f"{self.what}: made {self.made.count} of {made.count}", flush=True)
        for address in sorted(found.keys() | self.counted.keys()):
            if found.get(address) != self.counted.get(address):
                yield f"{self.what}: {address}\n  is    {self.counted.get(address)}\n  fresh {found.get(address)}"
        yield from (f"{self.what}: {each} is stored and does not count" for each in sorted(self.stored - found.keys()))
        for run, ended in (("the run", self.made), ("the fresh run", made)):
            if ended.errors or ended.failed:
                yield f"{self.what}: {run} ended with {ended.errors} {ended.failed}"


@pytest.mark.timeout(3 * 3600)
def test_every_change_of_settings_ends_in_what_a_fresh_run_makes_and_makes_nothing_else(tmp_path: Path):
    place = Place(tmp_path / "chain")
    made = place.run(Study.model_validate(LEAST), EVERY)
    assert (made.errors, made.failed) == ([], {})
    wrong: list[str] = []
    steps: list[Step] = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as beside:
        for number, (change, settings) in enumerate(changes(LEAST, COUNT, SEED)):
            layers = EVERY if number in WITH_FIGURES else LAYERS
            what = f"{number}. " + ", ".join(f"{key} = {value}" for key, value in change.items())
            study = Study.model_validate(settings)
            anew = beside.submit(fresh, settings, tmp_path / str(number), layers)
            before = counted(place.deployment(study), layers)
            made = place.run(study, layers)
            deployment = place.deployment(study)
            after = counted(deployment, layers)
            wrong += [f"{what}: made {each} for nothing" for each in needless(before, after, made, study)]
            steps.append(Step(what, after, recorded(deployment, layers), made, anew))
            while steps and steps[0].anew.done():
                wrong += steps.pop(0).faults()
        for step in steps:
            wrong += step.faults()
    assert not wrong, "\n".join(wrong)
