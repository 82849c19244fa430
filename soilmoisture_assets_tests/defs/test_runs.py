"""What a run takes up, and how it ends when a service is down, answers in part, or the user stops it."""

import datetime as dt
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import xarray as xr
from dagster._utils.interrupts import check_captured_interrupt, pop_captured_interrupt

from soilmoisture_assets.defs.checks import failures, raw
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import Made, Make, Work
from soilmoisture_assets.defs.order import Order, Stage, side_by_side, stages
from soilmoisture_assets.defs.partitions import stations_of
from soilmoisture_assets.defs.workers import _Shared, sharing
from soilmoisture_assets.errors import Interrupted, SourceError, SourceUnavailable, StudyError
from soilmoisture_assets.interrupts import interruptible
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.soilgrids.rest import fetch_points
from soilmoisture_assets.store.graph import Asset, Graph, Input
from soilmoisture_assets.store.records import State
from soilmoisture_assets_tests.defs.made_up import (
    MEAN,
    SERIES,
    STATIONS,
    TABLE,
    Bench,
    bench,
    each,
    moisture,
)

SHOWN, PROPERTIES = "figures/shown", "raw/soilgrids/properties"


def stored(folder: Path, path: str) -> Path:
    [file] = (folder / "data" / "demo").glob(f"{path}.*")
    return file


def copy(work: Work) -> Iterator[Made]:
    yield Made(work.given()["mean"])


def test_what_is_up_to_date_is_not_made_again(tmp_path: Path):
    with bench(tmp_path) as place:
        assert place.run() == {TABLE: [], SERIES: STATIONS, MEAN: []}
        assert place.run() == {}
        assert place.run(SERIES, force=True) == {SERIES: STATIONS}


def test_a_store_that_was_deleted_is_made_again_and_what_follows_if_it_came_out_otherwise(tmp_path: Path):
    value = [1.0]
    with bench(tmp_path, each(lambda name: moisture(name, value[-1]))) as place:
        place.run()
        stored(tmp_path, f"{SERIES}/b").unlink()
        assert place.deployment.current(SERIES) == ["a", "c"]
        assert place.run() == {SERIES: ["b"]}
        stored(tmp_path, f"{SERIES}/b").unlink()
        value.append(2.0)
        assert place.run() == {SERIES: ["b"], MEAN: []}
        assert place.deployment.read(MEAN).set_index("station")["mean"].to_dict() == {"a": 1, "b": 2, "c": 1}


def test_what_is_made_from_a_deleted_store_is_made_with_it_in_one_run(tmp_path: Path):
    shown = Asset(SHOWN, ".csv", "A copy.", inputs={"mean": Input(MEAN)})
    with bench(tmp_path, more=[(shown, copy)]) as place:
        place.run()
        stored(tmp_path, SHOWN).unlink()
        assert [paths for paths, _, _ in place.outcomes()] == [(SHOWN,)]
        stored(tmp_path, MEAN).unlink()
        assert [paths for paths, _, _ in place.outcomes()] == [(MEAN, SHOWN)]


def test_what_is_made_from_something_left_out_is_left_out_with_it_once_and_for_all(tmp_path: Path):
    def nothing(work: Work) -> Iterator[Made]:
        yield Made(left_out="too few stations")

    shown = Asset(SHOWN, ".csv", "A copy.", inputs={"mean": Input(MEAN)})
    with bench(tmp_path, averaged=nothing, more=[(shown, copy)]) as place:
        assert place.run() == {TABLE: [], SERIES: STATIONS, MEAN: [], SHOWN: []}
        reasons = {each.asset: each.reason for each in place.deployment.reasons(State.LEFT_OUT)}
        assert reasons == {MEAN: "too few stations", SHOWN: f"{MEAN} is left out"}
        for path, reason in reasons.items():  # as the web UI shows it
            event = place.instance.get_latest_materialization_event(asset_key(place.deployment.study, path))
            assert event is not None
            assert event.asset_materialization is not None
            assert event.asset_materialization.metadata["left out"].value == reason
        assert place.run() == {}


def test_where_nobody_can_say_which_stations_there_are_what_follows_is_passed_over(tmp_path: Path):
    with bench(tmp_path) as place:
        (tmp_path / "stations.txt").unlink()
        [(made, _, outcome)] = place.outcomes()
        assert made == (TABLE,)
        assert outcome.error is not None


@pytest.mark.parametrize("path", [TABLE, f"{SERIES}/b", MEAN])
def test_a_damaged_object_is_made_again_by_the_next_run(path: str, tmp_path: Path):
    with bench(tmp_path) as place:
        place.run()
        file = stored(tmp_path, path)
        whole = file.read_bytes()
        file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        assert list(place.run()) == [path.removesuffix("/b")]
        assert file.read_bytes() == whole
        assert place.deployment.reasons(State.FAILED) == []


def test_a_station_that_left_the_study_is_withdrawn_and_comes_back_when_it_does(tmp_path: Path):
    with bench(tmp_path) as place:
        place.run()
        (tmp_path / "stations.txt").write_text("a c")
        assert place.run() == {TABLE: [], MEAN: []}
        assert place.deployment.current(SERIES) == ["a", "c"]
        assert place.dagster_stations() == ["a", "c"]
        assert list(place.deployment.read(MEAN).station) == ["a", "c"]
        with pytest.raises(SourceError, match=r"is withdrawn \(no longer among the stations of the study"):
            place.deployment.read(SERIES, "b")
        (tmp_path / "stations.txt").write_text("a b c d")
        assert place.run() == {TABLE: [], SERIES: ["b", "d"], MEAN: []}
        assert place.dagster_stations() == ["a", "b", "c", "d"]


def test_what_takes_a_service_or_training_keeps_its_object_while_it_is_withdrawn(tmp_path: Path):
    with bench(tmp_path, kept=True) as place:
        place.run()
        (tmp_path / "stations.txt").write_text("a c")
        place.run()
        assert place.deployment.current(SERIES) == ["a", "c"]
        (tmp_path / "stations.txt").write_text("a b c")
        assert place.run() == {TABLE: [], MEAN: []}
        assert place.deployment.current(SERIES) == STATIONS


def test_a_station_that_failed_and_left_is_in_no_table_and_no_check(tmp_path: Path):
    with bench(tmp_path, each(lambda name: Made(partition=name, failure="broken") if name == "b" else moisture(name)),
               checks=failures.checks) as place:  # fmt: skip
        place.run(TABLE, SERIES)
        assert [each.partition for each in place.deployment.reasons(State.FAILED)] == ["b"]
        assert "| b | broken |" in check_of(place, SERIES)
        (tmp_path / "stations.txt").write_text("a c")
        assert place.run(TABLE, SERIES) == {TABLE: []}
        assert place.deployment.reasons(State.FAILED) == []


def check_of(place: Bench, path: str) -> str:
    """The table of failures that the web UI shows at an asset."""
    key = dg.AssetCheckKey(asset_key(place.deployment.study, path), "no_station_failed")
    [record] = place.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    evaluation = record.event.asset_check_evaluation
    assert evaluation is not None
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    return str(evaluation.description)


def test_an_interrupt_ends_the_run_and_keeps_what_is_stored(tmp_path: Path):
    def stopped(work: Work) -> Iterator[Made]:
        yield moisture("a")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        yield moisture("b")

    with bench(tmp_path, stopped) as place:
        [_, (paths, _, outcome)] = place.outcomes()
        assert paths == (SERIES,)
        assert str(outcome.error).startswith("interrupted")
        assert place.deployment.current(SERIES) == ["a"]


def all_of(runs: Sequence[Iterator[Any]]) -> Callable[[Collection[int]], Iterator[tuple[int, Iterator[Any]]]]:
    """Begin all at once, and none later."""
    left = enumerate(runs)
    return lambda running: left


def test_an_interrupt_ends_all_runs_that_go_on_side_by_side():
    ended = []

    def run(name: str) -> Iterator[Any]:
        yield name
        while not check_captured_interrupt():  # as Dagster's executor looks, whose runs take it down
            time.sleep(0.01)
        pop_captured_interrupt()
        ended.append(name)

    late = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    late.start()
    with pytest.raises(Interrupted), interruptible():
        list(side_by_side(all_of([run(name) for name in "ab"]), 2))
    assert sorted(ended) == ["a", "b"]
    assert not check_captured_interrupt()


def test_runs_side_by_side_are_told_as_they_come_and_a_fault_of_one_is_raised_when_the_others_have_ended():
    begun, ended = threading.Event(), []

    def waiting() -> Iterator[Any]:
        yield "first"
        begun.wait(10)
        ended.append("waiting")
        yield "last"

    def failing() -> Iterator[Any]:
        yield "second"
        begun.set()
        raise ValueError("a fault")

    told: list[Any] = []
    with pytest.raises(ValueError, match="a fault"):
        told.extend(side_by_side(all_of([waiting(), failing()]), 2))
    assert {"first", "second"} <= set(told)
    assert ended == ["waiting"]
    with sharing():
        assert _Shared(4) - 0 == 4  # none is kept for a run that does not come


def test_a_service_that_is_dead_to_one_asset_is_not_asked_for_the_next(tmp_path: Path):
    tried = []

    def asking(work: Work) -> Iterator[Made]:
        clock = work.deployment.patience.of("a service")
        with clock.asking():
            tried.append(work.assets)
            raise clock.over("it is silent")
        yield Made()

    makes = [(Asset(path, ".nc", "From a service."), asking) for path in (PROPERTIES, "raw/soilgrids/others")]
    with dg.instance_for_test() as instance:
        place = Bench(tmp_path, makes, instance)
        for commands in (1, 2):
            [(_, _, outcome)] = place.outcomes()
            assert len(tried) == commands
            assert "a service: it is silent; no usable answer within 10 minutes" in str(outcome.error)
            assert "a service: not asked again" in str(outcome.error)


def test_a_station_that_a_service_did_not_answer_for_is_a_warning_that_says_what_to_do(tmp_path: Path):
    places = xr.Dataset(
        coords={"station": ["a", "b"], "latitude": ("station", [40.0, 41.0]), "longitude": ("station", [-99.0, -98.0])}
    )
    day = dt.date(2019, 1, 1)
    with Sandbox(World(1, -125, -66, 24, 50, day, day, 1)) as sandbox, dg.instance_for_test() as instance:

        def properties(work: Work) -> Iterator[Made]:
            answers = work.workspace("answers")
            yield Made(fetch_points(places, answers, sandbox.urls["soilgrids"], 1e6, backoff=0.01))

        place = Bench(tmp_path, [(Asset(PROPERTIES, ".nc", "From a service."), properties)], instance, raw.checks)
        sandbox.add_fault(Fault("soilgrids", "500", times=99, path_contains="lat=41.0"))
        [(_, _, outcome)] = place.outcomes()
        [warning] = outcome.warnings
        assert outcome.error is None
        assert "1 station without an answer" in warning
        again = place.deployment.command("run", "--force", "--select", f'key:"{PROPERTIES}"')
        assert warning.endswith(f"ask again with: {again}")
        sandbox.clear_faults()
        [(_, _, outcome)] = place.outcomes(force=True)
        assert outcome.warnings == []


def test_what_follows_a_failing_asset_is_not_made(tmp_path: Path):
    def broken(work: Work) -> Iterator[Made]:
        raise SourceError("nothing to average.\n  Bring more.")
        yield Made()

    shown = Asset(SHOWN, ".csv", "A copy.", inputs={"mean": Input(MEAN)})
    with bench(tmp_path, more=[(shown, copy)], averaged=broken) as place:
        *_, (paths, _, outcome) = place.outcomes()
        assert paths == (MEAN, SHOWN)
        assert outcome.error == "nothing to average.\n  Bring more."  # without Dagster's wrapping
        assert not place.deployment.is_current(SHOWN)


def test_what_does_not_need_what_failed_is_made_and_what_does_is_passed_over_in_silence(tmp_path: Path):
    def broken(work: Work) -> Iterator[Made]:
        raise SourceUnavailable("nobody is there.\n  Try later.")
        yield Made()

    more = [
        (Asset("raw/soilgrids/properties", ".csv", "Of a service that is down."), broken),
        (Asset("cube/own", ".csv", "Needs it.", inputs={"mean": Input("raw/soilgrids/properties")}), copy),
        (Asset("cube/beside", ".csv", "In the same run, of the stations.", inputs={"mean": Input(MEAN)}), copy),
        (Asset("models/own", ".csv", "Of each.", inputs={"x": Input("cube/own")}, names_from=TABLE,
               partitions="station"), each(moisture)),
        (Asset("analysis/last", ".csv", "After these.", inputs={"x": Input("models/own")}), copy),
        (Asset(SHOWN, ".csv", "Of the mean.", inputs={"mean": Input("cube/beside")}), copy),
    ]  # fmt: skip
    with bench(tmp_path, more=more) as place:
        outcomes = place.outcomes()
        assert [outcome.error for _, _, outcome in outcomes if outcome.error] == ["nobody is there.\n  Try later."]
        assert {path for path in place.deployment.graph if place.deployment.view().current(path)} == {
            TABLE, SERIES, MEAN, "cube/beside", SHOWN,
        }  # fmt: skip


def test_only_the_stations_that_are_named_are_made(tmp_path: Path):
    with bench(tmp_path) as place:
        place.run(TABLE)
        assert place.run(SERIES, stations=("b",)) == {SERIES: ["b"]}
        with pytest.raises(StudyError, match=r"unknown station 'bb'\.\n  Did you mean: b"):
            place.run(SERIES, stations=("bb",))
        with pytest.raises(StudyError, match="unknown station 'bb'"):  # before what is of no station is made
            place.run(MEAN, stations=("bb",))


def test_stations_that_dagster_was_not_told_of_are_made(tmp_path: Path):
    with bench(tmp_path) as place:
        place.run(TABLE)
        name = str(stations_of(place.deployment.study).name)
        for station in STATIONS:  # as where what names them was not part of the selection
            place.instance.delete_dynamic_partition(name, station)
        assert place.run(SERIES) == {SERIES: list(STATIONS)}


def test_a_run_holds_one_partitioning_and_follows_what_it_is_made_from(tmp_path: Path):
    with bench(tmp_path) as place:
        graph = place.deployment.graph
        assert [(stage.assets, stage.partitions) for stage in stages(graph, list(graph))] == [
            ((TABLE,), None),
            ((SERIES,), "station"),
            ((MEAN,), None),
        ]


def test_what_takes_long_and_what_the_longest_row_waits_for_are_made_first(tmp_path: Path):
    begun = []

    def drawn(name: str) -> Make:
        def draw(work: Work) -> Iterator[Made]:
            begun.append(name)
            yield Made(pd.DataFrame({"mean": [1.0]}))

        return draw

    rows = {"alone": MEAN, "first": MEAN, "second": "figures/first", "beside": "figures/first", "long": MEAN}
    more = [
        (
            Asset(f"figures/{name}", ".csv", "A table.", inputs={"from": Input(source)}, long=name == "long"),
            drawn(name),
        )
        for name, source in rows.items()
    ]
    with bench(tmp_path, more=more) as place:
        graph = place.deployment.graph
        assert [graph.urgency[f"figures/{name}"] for name in rows] == [1, 2, 1, 1, 100]
        assert graph.urgency[TABLE] == 1  # what is made of it is made in another run
        place.run()
    assert begun[:2] == ["long", "first"]


def test_analyses_and_figures_wait_for_what_they_show_and_no_model_waits_for_them():
    made = {
        "cube/table": (),
        "figures/table": ("cube/table",),
        "analysis/choice": ("cube/table",),
        "models/all": ("analysis/choice",),
        "analysis/all": ("models/all",),
        "figures/all": ("analysis/all",),
        "models/each": ("models/all",),
        "models/forecast": ("models/each",),
        "figures/forecast": ("models/forecast",),
        "report/report": (),
    }
    graph = Graph(
        [
            Asset(path, ".csv", "Made up.", inputs={str(n): Input(each) for n, each in enumerate(inputs)},
                  partitions="station" if path == "models/each" else None,
                  names_from="cube/table" if path == "models/each" else None)
            for path, inputs in made.items()
        ],
        lambda include: {},
    )  # fmt: skip
    assert graph.aside == {"figures/table", "analysis/all", "figures/all", "figures/forecast"}
    first = ("cube/table", "analysis/choice", "models/all")
    shown, explained = ("figures/table",), ("analysis/all", "figures/all")

    def ends(order: Order, running: list[Stage], ended: Sequence[str]) -> list[tuple[str, ...]]:
        """What runs when a stage has ended."""
        running[:] = [stage for stage in running if stage.assets != ended]
        for stage in order.next(running):
            running.append(stage)
        return [stage.assets for stage in running]

    order, running = Order(graph, list(graph), 2, made=lambda paths: False), list[Stage]()
    assert ends(order, running, ()) == [first]
    assert ends(order, running, first) == [("models/each",), (*shown, *explained)]
    assert ends(order, running, ("models/each",)) == [(*shown, *explained), ("models/forecast",)]
    assert ends(order, running, ("models/forecast",)) == [(*shown, *explained), ("figures/forecast",)]
    assert ends(order, running, ("figures/forecast",)) == [(*shown, *explained)]
    assert ends(order, running, (*shown, *explained)) == [("report/report",)]
    assert ends(order, running, ("report/report",)) == []

    some = ["figures/table", "figures/forecast", "models/each"]
    order, running = Order(graph, some, 2, made=lambda paths: False), list[Stage]()
    assert ends(order, running, ()) == [("models/each",), shown]  # a place is left to models

    stored: list[str] = []
    order, running = Order(graph, list(graph), 2, made=lambda paths: set(paths) <= set(stored)), list[Stage]()
    assert ends(order, running, ()) == [first]
    stored.append("cube/table")
    assert ends(order, running, ()) == [first]
    stored.append("models/all")
    assert ends(order, running, ()) == [first, ("models/each",)]  # before its run has ended


def test_what_is_out_of_date_says_what_is_newer_than_it_and_what_is_out_of_date_too(tmp_path: Path):
    values = dict.fromkeys(STATIONS, 1.0)
    shown = Asset(SHOWN, ".csv", "A copy.", inputs={"mean": Input(MEAN)})
    with bench(tmp_path, each(lambda name: moisture(name, values[name])), more=[(shown, copy)]) as place:
        assert place.deployment.behind(MEAN) == ""  # not stored yet
        place.run()
        assert place.deployment.behind(MEAN) == ""
        values["b"] = 2.0
        place.launch(SERIES, ["b"])
        assert place.deployment.behind(MEAN) == f"newer than it: {SERIES}"
        assert place.deployment.behind(SHOWN) == f"not up to date either: {MEAN}"
        place.run()
        assert place.deployment.behind(SHOWN) == ""
        own = [*place.deployment.graph.assets.values()]
        own[-1] = replace(own[-1], code="2")
        place.deployment.graph = Graph(own, lambda include: {})
        assert place.deployment.behind(SHOWN) == "it was made by other code or with other settings"
