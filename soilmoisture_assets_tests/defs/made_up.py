"""A study with a few assets of a test's own, made in real runs. Not here: tests."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.making import WANTED_TAG, Made, Make, Work, step
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

    def __init__(self, folder: Path, assets: list[Asset], *, sandbox: bool = True) -> None:
        study = load_study("demo").model_copy(update={"sandbox": sandbox})
        super().__init__(study, Settings(data_dir=str(folder), study="demo"), Store(folder))
        self.graph = Graph(assets, lambda include: study.model_dump(mode="json", include=include))


class Bench:
    """A deployment, its definitions and a Dagster instance: makes its assets as the command line does."""

    def __init__(
        self,
        folder: Path,
        makes: Sequence[tuple[Asset, Make]],
        instance: dg.DagsterInstance,
        checks: Callable[[Deployment], list[dg.AssetChecksDefinition]] | None = None,
        *,
        sandbox: bool = True,
    ) -> None:
        self.instance = instance
        self.deployment = OwnDeployment(folder / "data", [asset for asset, _ in makes], sandbox=sandbox)
        self.definitions = dg.Definitions(
            [step(self.deployment, [asset.path], make) for asset, make in makes],
            asset_checks=checks(self.deployment) if checks else None,
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


def know_stations(deployment: Deployment, names: Sequence[str]) -> None:
    """Store the station table of a sandbox study, and what it is made from, without making any of it."""
    for path, value in (("raw/ismn/archive", b"zip"), ("raw/ismn/scan", {})):
        deployment.publish(path, value, deployment.expected(path, None, deployment.view()))
    expected = deployment.expected(deployment.places, None, deployment.view())
    deployment.publish(deployment.places, xr.Dataset(), expected, names=tuple(names), parts={"places": "0" * 16})


def wanted_by(deployment: Deployment, request: dg.RunRequest, every: Sequence[str]) -> list[str]:
    """The partitions that a run is asked for, among all in Dagster's order."""
    if key := request.tags.get(WANTED_TAG):
        return deployment.kept_list(key)
    ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    first, last = map(list(every).index, ends)
    return list(every[first : last + 1])


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


@contextlib.contextmanager
def bench(
    folder: Path,
    series: Make | None = None,
    averaged: Make = mean,
    *,
    more: Sequence[tuple[Asset, Make]] = (),
    kept: bool = False,
    checks: Callable[[Deployment], list[dg.AssetChecksDefinition]] | None = None,
) -> Iterator[Bench]:
    """A station table, a series per station and their means, on an instance of their own.

    The stations (a, b and c) stand in ``stations.txt``, from which the table is made.
    """
    file = folder / "stations.txt"
    file.write_text(" ".join(STATIONS))
    series_of = {"names_from": TABLE, "partitions": "station", "kept": kept}
    makes = [
        (Asset(TABLE, ".nc", "Stations.", files=(str(file),)), table_of(lambda: file.read_text().split())),
        (Asset(SERIES, ".csv", "A series per station.", **series_of), series or each(moisture)),
        (Asset(MEAN, ".csv", "Their means.", inputs={"series": Input(SERIES)}), averaged),
        *more,
    ]
    with dg.instance_for_test() as instance:
        yield Bench(folder, makes, instance, checks)
