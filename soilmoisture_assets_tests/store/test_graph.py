"""What counts, in a graph of a few assets: what a change makes outdated, what left or failed, what is damaged."""

import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import State
from soilmoisture_assets.store.graph import Asset, Graph, Input, fingerprint_of
from soilmoisture_assets.study import load_study

TABLE, SERIES, CUBE, MODEL = "raw/table", "raw/series", "cube/cube", "models/regional_model_forecast"
OWN, FORECASTS, LATEST, SKILL = "models/station_model_forecast", "models/forecasts", "models/latest", "analysis/skill"
SETTINGS = {"title": "t", "domain": "all", "flags": "G", "splits": "2019", "reach": "2020", "epochs": 3, "skill": "r2"}
START = {"code": "1", "stations": ("a", "b", "c")}


def assets(code: str, outside: tuple[str, ...]) -> list[Asset]:
    """A cube of stations that names those with models; its learned part is what all but the latest forecast reads."""
    learned, regional = Input(CUBE, "learned"), Input(MODEL)
    of_cube: Mapping[str, Any] = {"partitions": "station", "names_from": CUBE}
    return [
        Asset(TABLE, ".json", "", settings={"domain": True}, files=outside),
        Asset(
            SERIES,
            ".json",
            "",
            inputs={"table": Input(TABLE)},
            settings={"flags": True},
            partitions="station",
            names_from=TABLE,
        ),
        Asset(
            CUBE, ".json", "", inputs={"series": Input(SERIES)}, settings={"splits": True}, reaching={"reach": True}
        ),
        Asset(MODEL, ".json", "", code=code, inputs={"cube": learned}, settings={"epochs": True}, kept=True),
        Asset(OWN, ".json", "", inputs={"cube": learned, "regional": regional}, kept=True, **of_cube),
        Asset(
            FORECASTS,
            ".json",
            "",
            inputs={"own": Input(OWN, each=True, optional=True), "regional": regional},
            **of_cube,
        ),
        Asset(LATEST, ".json", "", inputs={"cube": Input(CUBE), "regional": regional}),
        Asset(SKILL, ".json", "", inputs={"forecasts": Input(FORECASTS)}, settings={"skill": True}),
    ]  # fmt: skip


class Small(Deployment):
    """A deployment of the small graph. What it makes says what it was made of, unless a test says otherwise."""

    def __init__(self, root: Path, name: str = "demo", outside: tuple[str, ...] = (), **changes: Any) -> None:
        study = load_study("demo").model_copy(update={"name": name})
        super().__init__(study, Settings(_env_file=None, data_dir=str(root)))  # type: ignore[call-arg]
        given = START | SETTINGS | changes
        self.code, self.stations, self.outside = given["code"], given["stations"], outside
        self.chosen = {key: given[key] for key in SETTINGS}
        self.values: dict[tuple[str, str | None], Any] = {}
        self.lacking: dict[tuple[str, str | None], tuple[State, str]] = {}

    @cached_property
    def graph(self) -> Graph:
        return Graph(assets(self.code, self.outside), lambda include: {key: self.chosen[key] for key in include})

    @property
    def places(self) -> str:
        return TABLE

    def run(self) -> list[str]:
        """Bring everything up to date as a run does; what was made."""
        made = []
        self.withdraw()
        for path in self.graph:
            self.withdraw(path)
            view = self.view()
            for name in view.wanted(path) if self.graph[path].partitions else [None]:
                self.come_back(path, name, view)
                if view.settled(path, name) or view.lacking(path, name):
                    continue
                made.append(path if name is None else f"{path} {name}")
                self.make(path, name)
        return made

    def make(self, path: str, name: str | None = None) -> None:
        view = self.view()
        if (path, name) in self.lacking:
            self.note(path, name, *self.lacking[path, name], view)
            return
        if out := view.left_out_with(path, name):
            self.note(path, name, State.LEFT_OUT, f"{out[0]} is left out", view)
            return
        expected = self.expected(path, name, view)
        of = [path, name, self.code if path == MODEL else "", self.graph.settings(path), dict(expected.inputs)]
        value = self.values.get((path, name), fingerprint_of(of))
        parts, names = {}, ()
        if path == CUBE:
            learned = [self.chosen["splits"], dict(expected.inputs)]
            parts = {"learned": self.values.get((CUBE, "learned"), fingerprint_of(learned)), "tail": value}
        if path in (TABLE, CUBE):
            names = self.stations
        self.publish(path, value, expected, name, names=names, parts=parts)


Changed = Callable[..., Small]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The study with other settings, on a store where it has been made once."""
    Small(tmp_path).run()
    return lambda **changes: Small(tmp_path, **changes)


EACH = ("a", "b", "c")
BELOW_MODEL = [MODEL, *(f"{OWN} {s}" for s in EACH), *(f"{FORECASTS} {s}" for s in EACH), LATEST, SKILL]


def test_what_has_been_made_counts_and_is_not_made_again(changed: Changed):
    assert changed().run() == []
    assert changed().current(SERIES) == ["a", "b", "c"]
    assert changed().is_current(SKILL)


def test_a_setting_that_nobody_reads_changes_nothing(changed: Changed):
    assert changed(title="another").run() == []


def test_a_changed_setting_reaches_what_reads_it_and_what_follows_from_that_alone(changed: Changed):
    assert changed(skill="rmse").run() == [SKILL]
    assert changed(skill="rmse", epochs=4).run() == BELOW_MODEL


def test_changed_code_makes_outdated_what_it_makes_and_what_follows(changed: Changed):
    assert not changed(code="2").is_current(MODEL)
    assert changed(code="2").run() == BELOW_MODEL


def test_a_setting_that_is_set_back_makes_the_same_again(changed: Changed):
    before = changed().read(SKILL)
    changed(skill="rmse").run()
    assert changed().run() == [SKILL]
    assert changed().read(SKILL) == before


def test_other_content_of_an_input_makes_outdated_what_was_made_from_it(changed: Changed):
    study = changed()
    study.values[SERIES, "a"] = "revised"
    study.make(SERIES, "a")
    assert not study.is_current(CUBE)
    assert study.run() == [CUBE, *BELOW_MODEL]


def test_what_is_made_again_and_comes_out_the_same_ends_the_chain(changed: Changed):
    before, study = changed(), changed(flags="U")
    study.values = {(SERIES, name): before.read(SERIES, name) for name in EACH}
    assert study.run() == [f"{SERIES} {name}" for name in EACH]
    assert study.is_current(SKILL)


def test_one_changed_partition_makes_the_same_partition_again_and_what_reads_them_all(changed: Changed):
    study = changed()
    study.values[OWN, "b"] = "trained longer"
    study.make(OWN, "b")
    assert study.run() == [f"{FORECASTS} b", SKILL]


def test_a_longer_tail_makes_nothing_outdated_that_is_learned(changed: Changed):
    study = changed(reach="2021")
    assert study.run() == [CUBE, LATEST]


def test_models_count_while_the_tail_of_their_cube_is_out_of_date(changed: Changed):
    study = changed(reach="2021")
    assert not study.is_current(CUBE)
    assert study.is_current(MODEL)
    assert study.view().names(CUBE) == ["a", "b", "c"]
    with pytest.raises(SourceError, match="out of date"):
        study.read(CUBE)


def test_a_change_inside_the_learned_part_makes_models_outdated(changed: Changed):
    study = changed()
    study.values[SERIES, "a"] = "a revised month"
    study.run()
    study.values[CUBE, "learned"] = "f" * 16
    study.make(CUBE)
    assert not study.is_current(MODEL)


def test_a_cube_of_other_splits_is_read_by_no_model(changed: Changed):
    study = changed(splits="2018")
    assert not study.is_current(MODEL)
    with pytest.raises(SourceError, match="out of date"):
        study.read(CUBE, part="learned")


def test_what_is_left_out_is_not_tried_again_until_what_it_is_made_from_changes(changed: Changed):
    study = changed(epochs=4)
    study.lacking[OWN, "b"] = State.LEFT_OUT, "12 training windows"
    assert f"{OWN} b" in study.run()
    assert study.run() == []
    assert study.current(OWN) == ["a", "c"]
    assert study.current(FORECASTS) == ["a", "b", "c"]  # it may be left out
    assert [(each.partition, each.reason) for each in study.reasons(State.LEFT_OUT)] == [("b", "12 training windows")]
    assert f"{OWN} b" in changed(epochs=5).run()


def test_what_needs_a_thing_that_is_left_out_is_left_out_too(changed: Changed):
    study = changed(epochs=4)
    study.lacking[MODEL, None] = State.LEFT_OUT, "no data"
    study.run()
    assert study.run() == []
    assert study.current(OWN) == []
    assert {each.asset for each in study.reasons(State.LEFT_OUT)} == {MODEL, OWN, FORECASTS, LATEST}


def test_a_failed_partition_is_not_served_from_its_old_object_and_is_tried_again(changed: Changed, tmp_path: Path):
    study = changed()
    study.note(SERIES, "a", State.FAILED, "service down", study.view())
    assert study.current(SERIES) == ["b", "c"]
    with pytest.raises(SourceError, match=r"is failed \(service down\)"):
        study.read(SERIES, "a")
    assert not (tmp_path / "demo" / SERIES / "a.json").exists()
    assert study.run() == [f"{SERIES} a"]


def test_what_reads_all_partitions_is_made_without_the_failed_one(changed: Changed):
    study = changed(flags="U")
    study.lacking[SERIES, "a"] = State.FAILED, "no value in range"
    assert CUBE in study.run()
    assert study.is_current(SKILL)
    assert study.run() == [f"{SERIES} a"]  # tried again, and nothing else


def test_a_station_that_left_is_withdrawn_and_in_nothing_that_follows(changed: Changed):
    study = changed(domain="west", stations=("a", "c"))
    study.run()
    assert study.current(SERIES) == study.current(FORECASTS) == ["a", "c"]
    with pytest.raises(SourceError, match="withdrawn"):
        study.read(SERIES, "b")
    assert study.store.record(study.address(FORECASTS, "b")).state is State.WITHDRAWN  # type: ignore[union-attr]


def test_a_station_that_comes_back_is_trained_again_only_if_it_would_be_another_model(changed: Changed):
    changed(domain="west", stations=("a", "c")).run()
    made = changed().run()
    assert f"{SERIES} b" in made  # parsed again: its object was not kept
    assert f"{OWN} b" not in made
    changed(domain="west", stations=("a", "c")).run()
    assert f"{OWN} b" in changed(epochs=4).run()


def test_what_the_study_no_longer_has_is_withdrawn(changed: Changed, tmp_path: Path):
    study = changed()
    study.__dict__["graph"] = Graph(
        [each for each in assets("1", ()) if each.path not in (LATEST, SKILL)], lambda include: dict.fromkeys(include)
    )
    assert {each.asset for each in study.withdraw()} == {LATEST, SKILL}
    assert not (tmp_path / "demo" / "analysis" / "skill.json").exists()


def test_a_file_outside_the_store_counts_by_its_size_and_time(tmp_path: Path):
    table = tmp_path / "stations.csv"
    table.write_text("a,b,c")
    Small(tmp_path / "data", outside=(str(table),)).run()
    assert Small(tmp_path / "data", outside=(str(table),)).run() == []
    table.write_text("a,b,c,d")
    assert Small(tmp_path / "data", outside=(str(table),)).run()[0] == TABLE


def test_objects_that_changed_places_are_not_served_and_are_made_again(changed: Changed, tmp_path: Path):
    study, folder = changed(), tmp_path / "demo" / SERIES
    expected = {name: study.read(SERIES, name) for name in EACH}
    (folder / "a.json").rename(folder / "elsewhere")
    (folder / "b.json").rename(folder / "a.json")
    (folder / "elsewhere").rename(folder / "b.json")
    with pytest.raises(SourceError, match="partition a is damaged"):
        study.read(SERIES, "a")
    damaged = study.verify()
    assert {each.address.partition for each in damaged if each.address} == {"b"}  # reading has found the other
    study.discard(damaged)
    assert study.run() == [f"{SERIES} a", f"{SERIES} b"]
    assert {name: study.read(SERIES, name) for name in EACH} == expected


def test_a_flipped_byte_is_found_on_reading_and_what_has_it_made_again(changed: Changed, tmp_path: Path):
    study, path = changed(), tmp_path / "demo" / CUBE
    content = bytearray(path.with_suffix(".json").read_bytes())
    content[3] ^= 1
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        study.read(CUBE)
    assert study.run() == [CUBE]


def test_a_partition_of_another_study_counts_for_nothing(changed: Changed, tmp_path: Path):
    Small(tmp_path, "other", flags="U").run()
    study = changed()
    for folder in (SERIES, f".records/{SERIES}"):
        shutil.rmtree(tmp_path / "demo" / folder)
        shutil.copytree(tmp_path / "other" / folder, tmp_path / "demo" / folder)
    assert study.current(SERIES) == []
    assert study.run() == [f"{SERIES} {name}" for name in EACH]


def test_an_asset_made_of_something_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="b is made from a, which the study does not have"):
        Graph([Asset("b", ".json", "", inputs={"a": Input("a")})], lambda include: {})
    circle = [Asset("a", ".json", "", inputs={"b": Input("b")}), Asset("b", ".json", "", inputs={"a": Input("a")})]
    with pytest.raises(ValueError, match="circle"):
        Graph(circle, lambda include: {})
