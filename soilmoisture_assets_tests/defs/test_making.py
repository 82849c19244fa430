"""Many partitions in one run: what is done is kept, what failed is named, in real Dagster runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from soilmoisture_assets.defs.checks import failures
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import Made, Make, Work
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.store.graph import Asset, Input
from soilmoisture_assets.store.records import State
from soilmoisture_assets_tests.defs.made_up import MEAN, SERIES, STATIONS, TABLE, Bench, bench, each, moisture

CURVES = "raw/ismn/recession_curves"
SERIES_KEY = dg.AssetKey(["demo", "raw", "ismn", "soil_moisture"])


def b_is(fate: Made) -> list[Made]:
    return [moisture("a"), fate, moisture("c")]


def said(place: Bench, state: State = State.FAILED) -> list[tuple[str, str]]:
    return [(each.partition, each.reason) for each in place.deployment.reasons(state, SERIES)]


def shown_of(place: Bench, name: str, path: str = SERIES) -> dict[str, Any]:
    """The metadata of the newest event of a partition, which the web UI shows on its page."""
    asked = dg.AssetRecordsFilter(asset_key(place.deployment.study, path), asset_partitions=[name])
    events = [*place.instance.fetch_materializations(asked, limit=1).records,
              *place.instance.fetch_observations(asked, limit=1).records]  # fmt: skip
    newest = max(events, key=lambda each: each.storage_id)
    event = newest.asset_materialization or newest.event_log_entry.asset_observation
    assert event is not None
    return {label: value.value for label, value in event.metadata.items()}


def test_each_partition_is_stored_and_recorded(tmp_path: Path):
    with bench(tmp_path) as place:
        assert place.run(SERIES, TABLE) == {TABLE: [], SERIES: STATIONS}
        assert place.instance.get_materialized_partitions(SERIES_KEY) == set(STATIONS)
        assert place.deployment.current(SERIES) == STATIONS
    files = sorted(path.name for path in (tmp_path / "data" / "demo" / "raw" / "ismn" / "soil_moisture").iterdir())
    assert files == ["a.csv", "b.csv", "c.csv"]


def test_a_failed_station_stays_missing_is_named_and_the_others_are_kept(tmp_path: Path):
    fate = b_is(Made(partition="b", failure="b has no data"))
    with bench(tmp_path, lambda work: iter(fate)) as place:
        place.run(TABLE)
        outcome = place.launch(SERIES, STATIONS)
        assert dict(outcome.failed_partitions) == {f"{SERIES} b": "b has no data"}
        assert outcome.error is None
        assert place.instance.get_materialized_partitions(SERIES_KEY) == {"a", "c"}
        assert place.deployment.current(SERIES) == ["a", "c"]
        assert said(place) == [("b", "b has no data")]
        assert shown_of(place, "b") == {"failed": "b has no data"}
        with pytest.raises(SourceError, match=r"soil_moisture, partition b is failed \(b has no data\)"):
            place.deployment.read(SERIES, "b")


def test_a_station_that_fails_when_run_again_is_not_served_from_its_old_store(tmp_path: Path):
    fates = [moisture("b")]
    with bench(tmp_path, each(lambda name: fates[-1] if name == "b" else moisture(name))) as place:
        place.run()
        assert list(place.deployment.read(MEAN).station) == STATIONS
        fates.append(Made(partition="b", failure="b is broken now"))
        place.launch(SERIES, ["b"])
        assert place.deployment.current(SERIES) == ["a", "c"]
        assert "b" not in place.deployment.partitions(SERIES)
        place.run(MEAN)
        assert list(place.deployment.read(MEAN).station) == ["a", "c"]
    assert not (tmp_path / "data" / "demo" / SERIES / "b.csv").exists()


def test_a_service_that_is_down_takes_nothing_that_is_stored(tmp_path: Path):
    fates = [moisture("b")]
    with bench(tmp_path, each(lambda name: fates[-1] if name == "b" else moisture(name))) as place:
        place.run()
        fates.append(Made(partition="b", failure="the service is down", passing=True))
        outcome = place.launch(SERIES, ["b"])
        assert dict(outcome.failed_partitions) == {f"{SERIES} b": "the service is down"}
        assert place.deployment.current(SERIES) == STATIONS


def test_what_is_left_out_is_named_and_fails_nothing(tmp_path: Path):
    fate = b_is(Made(partition="b", left_out="b has 3 windows"))
    with bench(tmp_path, lambda work: iter(fate)) as place:
        place.run(TABLE)
        outcome = place.launch(SERIES, STATIONS)
        assert (outcome.error, dict(outcome.failed_partitions)) == (None, {})
        assert place.deployment.current(SERIES) == ["a", "c"]
        assert said(place) == []
        assert said(place, State.LEFT_OUT) == [("b", "b has 3 windows")]
        assert place.instance.get_materialized_partitions(SERIES_KEY) == set(STATIONS)  # nothing is to be done there
        assert shown_of(place, "b") == {"left out": "b has 3 windows"}
        assert place.run(TABLE, SERIES) == {}


def test_a_station_that_is_not_in_the_study_is_left_out_with_the_reason_and_never_made(tmp_path: Path):
    def common(work: Work) -> Iterator[Made]:
        yield Made(pd.DataFrame({"x": [1]}), names=("a", "c"), metadata={"excluded": {"b": "no statics"}})

    named = Asset("cube/stations", ".csv", "Of all, those in the study.", inputs={"table": Input(TABLE)})
    own = Asset(CURVES, ".csv", "Of each in the study.", partitions="station", names_from=named.path)
    with bench(tmp_path, more=[(named, common), (own, each(moisture))]) as place:
        assert place.run(TABLE, named.path, CURVES) == {TABLE: [], named.path: [], CURVES: ["a", "c"]}
        assert shown_of(place, "b", CURVES) == {"left out": "no statics"}
        asked = place.launch(CURVES, STATIONS)  # as the web UI may
        assert (asked.error, dict(asked.failed_partitions)) == (None, {})
        assert place.deployment.current(CURVES) == ["a", "c"]


def test_a_crash_keeps_what_is_done_and_the_next_run_makes_the_rest(tmp_path: Path):
    crash = [True]

    def series(work: Work) -> Iterator[Made]:
        yield moisture(work.partitions[0])
        if crash.pop():
            raise MemoryError
        yield moisture(work.partitions[1])

    with bench(tmp_path, series) as place:
        place.run(TABLE)
        outcome = place.launch(SERIES, STATIONS)
        assert "MemoryError" in str(outcome.error)
        assert place.instance.get_materialized_partitions(SERIES_KEY) == {"a"}
        assert place.deployment.current(SERIES) == ["a"]
        crash.append(False)
        assert place.run(SERIES) == {SERIES: ["b", "c"]}
        assert place.deployment.current(SERIES) == STATIONS


def test_a_station_that_works_again_is_no_failure_any_more(tmp_path: Path):
    works: list[bool] = []
    with bench(tmp_path, each(lambda name: moisture(name) if works else Made(partition=name, failure="no"))) as place:
        place.run(TABLE, SERIES)
        assert len(said(place)) == 3
        works.append(True)
        assert place.run(SERIES) == {SERIES: STATIONS}  # what failed is tried again by the next run
        assert said(place) == []
        assert place.deployment.current(SERIES) == STATIONS


def test_a_failure_is_readable_by_a_person_and_a_program(tmp_path: Path):
    with bench(tmp_path, each(lambda name: Made(partition=name, failure="too few windows"))) as place:
        place.run(TABLE, SERIES)
    [stored] = (tmp_path / "data" / "demo" / ".records" / SERIES).glob("b=*.failed.*.json")
    record = json.loads(stored.read_text())
    assert {name: record[name] for name in ("study", "asset", "partition", "state", "reason")} == {
        "study": "demo",
        "asset": SERIES,
        "partition": "b",
        "state": "failed",
        "reason": "too few windows",
    }


def test_a_run_of_a_range_makes_only_the_partitions_that_its_tag_names(tmp_path: Path):
    with bench(tmp_path) as place:
        place.run(TABLE)
        place.launch(SERIES, ["a", "c"])
        assert place.deployment.current(SERIES) == ["a", "c"]


def test_a_range_asked_for_in_the_web_ui_is_made_whole_and_checked(tmp_path: Path):
    def made(name: str) -> Made:
        return moisture(name) if name != "c" else Made(partition=name, failure="c is broken")

    with bench(tmp_path, each(made), checks=failures.checks) as place:
        place.run(TABLE)
        tags = {"dagster/asset_partition_range_start": "b", "dagster/asset_partition_range_end": "c"}
        job = place.definitions.resolve_implicit_global_asset_job_def()
        key = asset_key(place.deployment.study, SERIES)
        result = job.execute_in_process(instance=place.instance, asset_selection=[key], tags=tags, raise_on_error=False)
        assert place.deployment.current(SERIES) == ["b"]
        [check] = result.get_asset_check_evaluations()
        assert not check.passed
        assert "| c | c is broken |" in str(check.description)


def curves_of(work: Work) -> Iterator[Made]:
    """Reads the series of each station, come what may."""
    for name in work.partitions:
        yield Made(work.given(partition=name)["series"], name)


def curves() -> tuple[Asset, Make]:
    series = {"series": Input(SERIES, each=True)}
    return Asset(CURVES, ".csv", "Of each series.", inputs=series, partitions="station", names_from=TABLE), curves_of


def test_a_station_that_failed_does_not_take_with_it_what_is_made_of_the_others(tmp_path: Path):
    fate = b_is(Made(partition="b", failure="b has no data"))
    with bench(tmp_path, lambda work: iter(fate), more=[curves()]) as place:
        place.run(TABLE, SERIES)
        [(_, _, outcome)] = place.outcomes(CURVES)
        assert outcome.error is None
        assert place.deployment.current(CURVES) == ["a", "c"]
        [(failed, reason)] = outcome.failed_partitions.items()
        assert failed == f"{CURVES} b"
        assert reason.startswith(f"demo/{SERIES}, partition b is failed (b has no data)")


def test_what_is_made_of_a_station_that_is_left_out_is_left_out_too(tmp_path: Path):
    fate = b_is(Made(partition="b", left_out="b has 3 windows"))
    with bench(tmp_path, lambda work: iter(fate), more=[curves()]) as place:
        place.run(TABLE, SERIES)
        [(_, _, outcome)] = place.outcomes(CURVES)
        assert (outcome.error, dict(outcome.failed_partitions)) == (None, {})
        assert place.deployment.current(CURVES) == ["a", "c"]
        [left_out] = place.deployment.reasons(State.LEFT_OUT, CURVES)
        assert (left_out.partition, left_out.reason) == ("b", f"{SERIES} is left out")
        assert place.run() == {MEAN: []}


def test_what_all_stations_are_made_from_is_said_to_be_missing_once_and_before_anything_is_made(tmp_path: Path):
    inputs = {"series": Input(SERIES, each=True), "means": Input(MEAN)}
    asset = Asset(CURVES, ".csv", "Of each series.", inputs=inputs, partitions="station", names_from=TABLE)
    with bench(tmp_path, more=[(asset, curves_of)]) as place:
        place.run(TABLE, SERIES)
        [(_, _, outcome)] = place.outcomes(CURVES)
        assert str(outcome.error).startswith(f"demo/{MEAN} is not stored.")
        assert dict(outcome.failed_partitions) == {}
        assert place.deployment.reasons(State.FAILED) == []
