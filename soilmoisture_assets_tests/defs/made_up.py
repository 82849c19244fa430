"""A study with a few assets of a test's own, made in real runs. Not here: tests."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
import pandas as pd

from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.defs.partitions import stations_of
from soilmoisture_assets.defs.runs import Outcome, bring_up_to_date, launch
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.io_managers import io_managers
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import Store
from soilmoisture_assets.store.graph import Asset, Graph, Input
from soilmoisture_assets.study import load_study

STATIONS = ["a", "b", "c"]
TABLE, SERIES, MEAN = "raw/ismn/stations", "raw/ismn/soil_moisture", "analysis/mean"


class OwnDeployment(Deployment):
    """The demo study on a store of a test's own, with these assets in place of its own."""

    def __init__(self, folder: Path, assets: list[Asset], today: dt.date | None = None) -> None:
        settings = Settings(data_dir=str(folder), study="demo", today=today)
        super().__init__(load_study("demo"), settings, Store(folder))
        self.graph = Graph(assets, lambda include: self.study.model_dump(mode="json", include=include))


class Bench:
    """A deployment, its definitions and a Dagster instance: makes its assets as the command line does."""

    def __init__(
        self, folder: Path, assets: list[Asset], makes: Mapping[str, Make], instance: dg.DagsterInstance
    ) -> None:
        self.instance = instance
        self.deployment = OwnDeployment(folder / "data", assets)
        self.definitions = dg.Definitions(
            [step(self.deployment, [path], make) for path, make in makes.items()],
            resources=io_managers(self.deployment),
            executor=dg.in_process_executor,
        )

    def run(self, *wanted: str, stations: tuple[str, ...] = (), force: bool = False) -> dict[str, list[str]]:
        """Bring assets (all, if none is named) up to date; the partitions that were made of each, failed or not."""
        return {path: names for paths, names, _ in self.outcomes(*wanted, stations=stations, force=force)
                for path in paths}  # fmt: skip

    def outcomes(
        self, *wanted: str, stations: tuple[str, ...] = (), force: bool = False
    ) -> list[tuple[tuple[str, ...], list[str], Outcome]]:
        """The same with how each run ended."""
        return [
            (paths, names, outcome)
            for paths, names, outcome in bring_up_to_date(
                self.deployment, self.definitions, self.instance, wanted or list(self.deployment.graph),
                stations=stations, force=force,
            )
            if outcome is not None
        ]  # fmt: skip

    def launch(self, path: str, names: list[str]) -> Outcome:
        """One run that makes these partitions of an asset, up to date or not."""
        return launch(self.deployment, self.definitions, self.instance, [path], names)

    def dagster_stations(self) -> list[str]:
        """The stations that the web UI shows as partitions."""
        return sorted(self.instance.get_dynamic_partitions(str(stations_of(self.deployment.study).name)))


def table_of(names: Callable[[], list[str]]) -> Make:
    """Makes the station table."""

    def make(work: Work) -> Iterator[Made]:
        found = names()
        yield Made(pd.DataFrame({"station": found}).set_index("station").to_xarray(), names=tuple(found))

    return make


def each(result: Callable[[str], Made]) -> Make:
    """Makes the partitions of a run one by one."""

    def make(work: Work) -> Iterator[Made]:
        yield from (result(name) for name in work.partitions)

    return make


def mean(work: Work) -> Iterator[Made]:
    """A table with the mean of every series that counts."""
    series = work.given()["series"]
    yield Made(pd.DataFrame({"station": list(series), "mean": [series[name].x.mean() for name in series]}))


def moisture(name: str, value: float = 1.0) -> Made:
    return Made(pd.DataFrame({"x": [value]}), name)


def assets(names_file: Path) -> list[Asset]:
    """A station table made from a file, a series per station of it, and their means."""
    return [
        Asset(TABLE, ".nc", "Stations.", files=(str(names_file),)),
        Asset(SERIES, ".csv", "A series per station.", partitions="station", names_from=TABLE),
        Asset(MEAN, ".csv", "Their means.", inputs={"series": Input(SERIES)}),
    ]


@contextlib.contextmanager
def bench(folder: Path, series: Make | None = None, names: list[str] | None = None) -> Iterator[Bench]:
    """The three assets on an instance of their own; the stations (a, b and c) stand in ``stations.txt``."""
    file = folder / "stations.txt"
    if not file.exists():
        file.write_text(" ".join(names or STATIONS))
    makes = {TABLE: table_of(lambda: file.read_text().split()), SERIES: series or each(moisture), MEAN: mean}
    with dg.instance_for_test() as instance:
        yield Bench(folder, assets(file), makes, instance)
