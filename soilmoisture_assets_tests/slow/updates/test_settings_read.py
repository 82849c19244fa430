"""Every setting that the making of an asset reads is one that the asset names: what is read unnamed would go unnoticed
when it changes."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from pydantic import BaseModel

from soilmoisture_assets.defs import making
from soilmoisture_assets.defs.making import Made, Make, Work
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import LEAST, Place, from_files, of_network
from soilmoisture_assets_tests.slow.updates.changes import changed

MACHINERY = ("deployment.py", "graph.py", "timeline.py", "making.py", "services.py")
"""What these read says where a thing is kept, which partitions there are and how a service is reached. What they add to
a thing itself is in the settings of every dataset (assets.py)."""

INDIFFERENT: Mapping[str, str] = {
    "name": "names where a thing is",
    **dict.fromkeys(
        ("target.path", "dynamic_inputs.path", "static_attributes.path"), "a file, which counts by what it is itself"
    ),
}
"""Settings that change no bytes of an asset by being read."""


class Reads:
    """Which settings of a study are read, by the assets that are being made."""

    def __init__(self, study: Study) -> None:
        self.of: dict[str, set[str]] = defaultdict(set)
        self.making: tuple[str, ...] = ()
        self._names: dict[int, str] = {}
        self._name(study, "")

    def _name(self, section: BaseModel, name: str) -> None:
        self._names[id(section)] = name
        for each in type(section).model_fields:
            value = object.__getattribute__(section, each)
            if isinstance(value, BaseModel):
                self._name(value, f"{name}{each}.")

    def __call__(self, section: BaseModel, name: str, value: Any) -> None:
        where = self._names.get(id(section))
        if not self.making or where is None or name not in type(section).model_fields:
            return
        if not isinstance(value, BaseModel) and not _by_machinery(sys._getframe(2)):
            for path in self.making:
                self.of[path].add(where + name)

    def watched(self, work: Work, make: Make) -> Make:
        def made(work: Work) -> Iterator[Made]:
            results = iter(make(work))
            while True:
                self.making = tuple(work.assets)
                try:
                    found = next(results)
                except StopIteration:
                    return
                finally:
                    self.making = ()
                yield found

        return made


def _by_machinery(frame: FrameType | None) -> bool:
    """Whether what reads is, below the function that makes the asset, the machinery around it."""
    while frame is not None and frame.f_code.co_name != "made":
        if Path(frame.f_code.co_filename).name in MACHINERY:
            return True
        frame = frame.f_back
    return False


def leaves(section: BaseModel, include: Any, name: str = "") -> set[str]:
    """Dotted names of the single settings that pydantic's ``include`` chooses."""
    wanted = type(section).model_fields if include is True else include
    found = set()
    for each in wanted:
        value = object.__getattribute__(section, each)
        inner = include[each] if isinstance(include, Mapping) else True
        found |= leaves(value, inner, f"{name}{each}.") if isinstance(value, BaseModel) else {name + each}
    return found


def least(folder: Path) -> dict[str, Any]:
    return changed(
        LEAST, {"model.experiments": ("drivers", "forecast"), "target.other_variables": ("soil_temperature",)}
    )


def open_points(folder: Path) -> dict[str, Any]:
    return changed(LEAST, {"era5.access": "timeseries", "reach": "open", "model.station_training": "from_scratch"})


def scan(folder: Path) -> dict[str, Any]:
    return of_network("scan")


def uscrn(folder: Path) -> dict[str, Any]:
    return of_network("uscrn")


def network_and_more(folder: Path) -> dict[str, Any]:
    order = {"temperature": "awdb", "precipitation": "awdb", "shortwave": ("awdb", "open_meteo")}
    return changed(of_network("scan"), {"dynamic_inputs.source": order, "reach": "open"})


def issuing(folder: Path) -> dict[str, Any]:
    forecasts = {"source": "open_meteo", "start": "2017-12-01"}
    return changed(LEAST, {"model.experiments": ("forecast", "issued"), "issued_weather": forecasts, "reach": "open"})


OF_SOURCES = ("raw", "cube")
"""Layers in which it matters where values come from; the others are made from the cube of any study."""


@pytest.mark.parametrize(
    ("settings", "layers"),
    [
        *((each, None) for each in (least, open_points, from_files, issuing)),
        *((each, OF_SOURCES) for each in (scan, uscrn, network_and_more)),
    ],
)
def test_an_asset_names_every_setting_that_is_read_while_it_is_made(
    settings: Callable[[Path], dict[str, Any]],
    layers: tuple[str, ...] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    study = Study.model_validate(settings(tmp_path))
    reads, section = Reads(study), Study.__base__

    def reading(self: BaseModel, name: str) -> Any:
        value = object.__getattribute__(self, name)
        reads(self, name, value)
        return value

    monkeypatch.setattr(section, "__getattribute__", reading)
    for name in ("_store_whole", "_store_each"):
        store = getattr(making, name)
        monkeypatch.setattr(making, name, lambda work, make, store=store: store(work, reads.watched(work, make)))
    place = Place(tmp_path / "data")
    made = place.run(study, layers)
    assert (made.errors, made.failed) == ([], {})
    graph, unnamed, unread = place.deployment(study).graph, {}, {}
    for path in graph:
        chosen = leaves(study, graph[path].settings) | leaves(study, graph[path].reaching)
        in_path = {"target.source"} if path.startswith(f"raw/{study.target.source}/") else set()
        unnamed[path] = reads.of[path] - chosen - INDIFFERENT.keys() - in_path
        unread[path] = chosen - reads.of[path]
    print("\nnamed and not read:")
    for path, names in unread.items():
        if names and path in reads.of:
            print(f"  {path}: {', '.join(sorted(names))}")
    found = {path: sorted(names) for path, names in unnamed.items() if names}
    assert not found, found
