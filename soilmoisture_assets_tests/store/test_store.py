"""The store, on a disk and on S3: what is published comes back, and what is not there says so."""

import json
import pickle
from datetime import datetime, timedelta
from pathlib import Path

import fsspec
import pytest
import requests

from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.store import Address, Record, State, Store
from soilmoisture_assets_tests.store.made_up import CUBE, SERIES, failed, files, read, record, text


@pytest.fixture(params=["disk", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "data") if request.param == "disk" else request.getfixturevalue("s3") + "/some/prefix"


@pytest.fixture
def shelf(root: str, tmp_path: Path) -> Store:
    return Store(root, cache=tmp_path / "cache")


def opened(root: str) -> tuple[fsspec.AbstractFileSystem, str]:
    options = {"use_listings_cache": False} if "://" in root else {"auto_mkdir": True}
    return fsspec.url_to_fs(root, **options)


def keys(root: str) -> list[str]:
    """Every object below a root."""
    files, path = opened(root)
    return sorted(name.removeprefix(path).lstrip("/") for name in files.find(path))


def overwrite(root: str, key: str, content: bytes) -> None:
    files, path = opened(root)
    files.pipe_file(f"{path}/{key}", content)


def content(root: str, key: str) -> bytes:
    files, path = opened(root)
    return files.cat_file(f"{path}/{key}")


def test_what_is_published_comes_back_with_the_record_of_what_it_is(shelf: Store):
    written = shelf.publish(
        record(
            fingerprint="0123456789abcdef",
            inputs={"raw/ismn/archive": "f" * 16},
            parts={"learned": "a" * 16, "tail": "b" * 16},
            names=("SCAN__Abrams",),
            settings={"depth": [0, 0.1]},
            metadata={"hours": 43824},
            run="r1",
            code="3",
        ),
        text("0.21 0.22"),
    )
    value, found = shelf.load(SERIES, Path.read_text)
    assert value == "0.21 0.22"
    assert found == written == shelf.record(SERIES)
    assert (found.state, found.size, found.generation) == (State.STORED, 9, 1)
    assert len(found.checksum) == 24
    assert found.time.endswith("+00:00")


def test_when_things_were_stored_is_known_from_a_listing(shelf: Store):
    written = [shelf.publish(record(), text("series")), shelf.note(failed(Address("demo", SERIES.asset, "SCAN__B")))]
    times = shelf.times("demo", SERIES.asset)
    assert times.keys() == {each.partition for each in written}
    for each in written:
        assert abs(times[each.partition] - datetime.fromisoformat(each.time)) < timedelta(seconds=5)
    assert shelf.times("demo", "cube/none") == {}


def test_addresses_are_paths_a_person_can_guess(shelf: Store, root: str):
    shelf.publish(record(suffix=".zarr.zip"), text("series"))
    shelf.publish(record(CUBE, suffix=".nc"), text("cube"))
    assert [key for key in keys(root) if ".records" not in key] == [
        "demo/cube/station_cube.nc",
        "demo/raw/ismn/soil_moisture/SCAN__Abrams.zarr.zip",
    ]
    assert shelf.path(CUBE).name == "station_cube.nc"
    assert shelf.assets("demo") == ["cube/station_cube", "raw/ismn/soil_moisture"]
    assert shelf.studies() == ["demo"]


def test_the_same_content_has_the_same_checksum_everywhere(shelf: Store, tmp_path: Path):
    elsewhere = Store(tmp_path / "elsewhere")
    assert shelf.publish(record(), text("x")).checksum == elsewhere.publish(record(), text("x")).checksum


def test_a_new_version_replaces_the_old_one_and_leaves_nothing_of_it(shelf: Store, root: str):
    shelf.publish(record(), text("old"))
    shelf.publish(record(), text("new"))
    assert read(shelf) == "new"
    assert len(keys(root)) == 2
    assert shelf.record(SERIES).generation == 2


def test_a_new_suffix_leaves_no_object_with_the_old_one(shelf: Store, root: str):
    shelf.publish(record(suffix=".png"), text("old"))
    shelf.publish(record(suffix=".html"), text("new"))
    assert read(shelf) == "new"
    assert len(keys(root)) == 2


def test_a_write_that_fails_leaves_the_old_version_alone(shelf: Store, root: str):
    shelf.publish(record(), text("old"))
    before = keys(root)

    def broken(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        shelf.publish(record(), broken)
    assert read(shelf) == "old"
    assert keys(root) == before


def test_what_failed_is_not_served_and_says_why(shelf: Store, root: str):
    shelf.publish(record(), text("old"))
    shelf.note(failed())
    with pytest.raises(SourceError, match=r"SCAN__Abrams failed: no value passed the range check"):
        read(shelf)
    assert shelf.record(SERIES).state is State.FAILED
    assert not shelf.listing("demo", SERIES.asset)["SCAN__Abrams"].present
    assert len(keys(root)) == 1


def test_what_failed_once_is_served_again_when_it_is_published(shelf: Store, root: str):
    shelf.note(failed())
    shelf.publish(record(), text("new"))
    assert read(shelf) == "new"
    assert len(keys(root)) == 2


def test_what_is_withdrawn_can_keep_its_object_and_is_not_served(shelf: Store, root: str):
    shelf.publish(record(suffix=".nc"), text("old"))
    shelf.note(failed(state=State.WITHDRAWN), keep_object=True)
    shelf.note(failed(state=State.LEFT_OUT), keep_object=True)
    assert len(keys(root)) == 2
    assert list(shelf.verify()) == []
    with pytest.raises(SourceError, match="was left out"):
        read(shelf)
    shelf.publish(record(suffix=".csv"), text("new"))
    assert len(keys(root)) == 2


def test_what_is_deleted_is_gone(shelf: Store, root: str):
    shelf.publish(record(), text("old"))
    shelf.delete(SERIES)
    assert keys(root) == []
    assert shelf.record(SERIES) is None
    assert shelf.listing("demo", SERIES.asset) == {}


def test_reading_what_was_never_stored_says_what_to_do(shelf: Store):
    with pytest.raises(SourceError, match="demo/raw/ismn/soil_moisture, partition SCAN__Abrams is not stored"):
        read(shelf)
    with pytest.raises(SourceError, match=r"demo/cube/station_cube is not stored\.\n  Make it with: soilmoisture run"):
        read(shelf, CUBE)


def test_a_listing_says_what_the_records_say(shelf: Store):
    written = shelf.publish(record(fingerprint="1" * 16), text("a"))
    shelf.note(failed(Address("demo", SERIES.asset, "SCAN__Adams")))
    listing = shelf.listing("demo", SERIES.asset)
    assert list(listing) == ["SCAN__Abrams", "SCAN__Adams"]
    entry = listing["SCAN__Abrams"]
    assert (entry.fingerprint, entry.checksum, entry.size, entry.generation, entry.suffix, entry.present) == (
        "1" * 16, written.checksum, 1, 1, ".txt", True,
    )  # fmt: skip
    shelf.publish(record(CUBE), text("cube"))
    assert list(shelf.listing("demo", "cube/station_cube")) == [None]
    assert shelf.listing("demo", "cube/station_cube")[None].present


def test_a_partition_is_no_other_whose_name_begins_alike(shelf: Store):
    one, other = Address("demo", "raw/x", "a"), Address("demo", "raw/x", "a.b")
    shelf.publish(record(one, suffix=".b.nc"), text("one"))
    assert shelf.record(other) is None
    assert list(shelf.listing("demo", "raw/x")) == ["a"]


def test_an_intent_left_by_a_killed_publish_counts_for_nothing(shelf: Store, root: str):
    shelf.publish(record(), text("old"))
    mine = next(key for key in keys(root) if ".records" in key)
    before = {key: content(root, key) for key in keys(root)}
    shelf.publish(record(), text("new"))
    intent = {key: content(root, key) for key in keys(root) if ".records" in key}
    for key, bytes_ in (before | intent).items():  # as if killed between the new record and the new object
        overwrite(root, key, bytes_)
    assert read(shelf) == "old"
    assert shelf.record(SERIES).generation == 1
    assert shelf.listing("demo", SERIES.asset)["SCAN__Abrams"].generation == 1
    assert mine in keys(root)
    shelf.publish(record(), text("newer"))
    assert len(keys(root)) == 2


def test_a_byte_flipped_is_refused_and_named(shelf: Store, root: str):
    shelf.publish(record(), text("0.21"))
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Abrams.txt", b"0.31")
    with pytest.raises(
        SourceError, match=r"SCAN__Abrams is damaged \(checksum differs\)\.\n  Make it with: soilmoisture run"
    ):
        read(shelf)
    assert [str(damage) for damage in shelf.verify()] == [f"{SERIES} is damaged (checksum differs)."]
    shelf.publish(record(), text("0.21"))
    assert list(shelf.verify()) == []


def test_an_object_that_is_deleted_is_not_listed_and_is_named(shelf: Store, root: str):
    shelf.publish(record(), text("0.21"))
    files, path = opened(root)
    files.rm_file(f"{path}/demo/raw/ismn/soil_moisture/SCAN__Abrams.txt")
    assert not shelf.listing("demo", SERIES.asset)["SCAN__Abrams"].present
    assert shelf.record(SERIES) is None
    with pytest.raises(SourceError, match="is not stored"):
        read(shelf)
    assert [str(damage) for damage in shelf.verify()] == [f"{SERIES} is missing."]


def test_objects_exchanged_by_hand_are_refused_and_both_named(shelf: Store, root: str):
    folder = "demo/raw/ismn/soil_moisture/"
    other = Address("demo", SERIES.asset, "SCAN__Adams")
    shelf.publish(record(), text("0.21"))
    shelf.publish(record(other), text("0.35"))
    overwrite(root, folder + "SCAN__Abrams.txt", b"0.35")
    overwrite(root, folder + "SCAN__Adams.txt", b"0.21")
    for address in (SERIES, other):
        with pytest.raises(SourceError, match="is damaged"):
            read(shelf, address)
    assert {damage.address for damage in shelf.verify()} == {SERIES, other}


def test_an_object_of_another_study_is_not_taken_for_ours(shelf: Store, root: str):
    shelf.publish(record(), text("ours"))
    shelf.publish(record(Address("conus", SERIES.asset, SERIES.partition)), text("of another study"))
    theirs = content(root, "conus/raw/ismn/soil_moisture/SCAN__Abrams.txt")
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Abrams.txt", theirs)
    assert not shelf.listing("demo", SERIES.asset)["SCAN__Abrams"].present
    with pytest.raises(SourceError, match="is damaged"):
        read(shelf)
    assert [damage.address for damage in shelf.verify("demo")] == [SERIES]


def test_a_study_copied_with_its_records_is_not_taken_for_another(shelf: Store, root: str):
    shelf.publish(record(), text("of the demo"))
    for key in keys(root):
        overwrite(root, "mine" + key.removeprefix("demo"), content(root, key))
    mine = Address("mine", SERIES.asset, SERIES.partition)
    assert shelf.listing("mine", SERIES.asset) == {}
    assert shelf.record(mine) is None
    assert {damage.trouble for damage in shelf.verify("mine")} == {"is the record of something else.", "has no record."}
    shelf.publish(record(mine), text("mine"))
    assert read(shelf, mine) == "mine"


def test_a_record_that_does_not_say_what_its_name_says_counts_for_nothing(shelf: Store, root: str):
    shelf.publish(record(), text("0.21"))
    key = next(key for key in keys(root) if ".records" in key)
    overwrite(root, key, json.dumps(json.loads(content(root, key)) | {"fingerprint": "f" * 16}).encode())
    assert shelf.record(SERIES) is None
    with pytest.raises(SourceError, match="its record is damaged"):
        read(shelf)
    assert [damage.trouble for damage in shelf.verify()] == ["has a damaged record."]


def test_an_object_nobody_recorded_is_named_and_not_listed(shelf: Store, root: str):
    shelf.publish(record(), text("0.21"))
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Bodie.txt", b"0.40")
    assert list(shelf.listing("demo", SERIES.asset)) == ["SCAN__Abrams"]
    assert [str(damage) for damage in shelf.verify()] == ["demo/raw/ismn/soil_moisture/SCAN__Bodie.txt has no record."]


def test_what_was_found_damaged_and_made_again_meanwhile_is_not_discarded(shelf: Store, root: str):
    shelf.publish(record(), text("0.21"))
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Abrams.txt", b"0.31")
    (damage,) = shelf.verify()
    shelf.publish(record(), text("0.21"))  # by another run
    assert shelf.discard(damage, failed()) is None
    assert read(shelf) == "0.21"
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Abrams.txt", b"0.31")
    (damage,) = shelf.verify()
    assert shelf.damage(SERIES) == damage
    assert shelf.discard(damage, failed()) is not None
    assert shelf.listing("demo", SERIES.asset)["SCAN__Abrams"].state is State.FAILED
    assert list(shelf.verify()) == []
    assert shelf.damage(SERIES) is None


def test_what_had_no_record_and_was_published_meanwhile_is_not_removed(shelf: Store, root: str):
    shelf.publish(record(CUBE), text("cube"))
    overwrite(root, "demo/raw/ismn/soil_moisture/SCAN__Abrams.txt", b"0.40")
    (damage,) = shelf.verify()
    shelf.publish(record(), text("0.21"))  # by another run
    shelf.remove(damage)
    assert read(shelf) == "0.21"


def test_a_workspace_is_a_local_folder_that_verification_leaves_alone(shelf: Store):
    shelf.publish(record(), text("0.21"))
    answers = shelf.workspace("demo", "raw", "soilgrids", "answers")
    (answers / "SCAN__Abrams.json").write_text("{}")
    assert list(shelf.verify()) == []
    assert answers == shelf.workspace("demo", "raw", "soilgrids", "answers")


def test_a_store_can_be_sent_to_another_process(shelf: Store):
    shelf.publish(record(), text("0.21"))
    assert read(pickle.loads(pickle.dumps(shelf))) == "0.21"


@pytest.mark.parametrize("name", ["", "a=b", "a/b", "..", ".hidden", "a\nb", "_", "x" * 121])
def test_a_partition_that_cannot_name_a_file_is_refused(name: str):
    with pytest.raises(StudyError, match="Rename it"):
        Address("demo", "raw/ismn/soil_moisture", name)


def test_a_record_read_back_is_the_same_record():
    given = record(names=("a", "b"), state=State.LEFT_OUT, inputs={"x": "y"})
    assert Record.from_json(given.to_json()) == given


def test_a_writer_of_the_same_thing_does_not_take_the_part_of_another(tmp_path: Path):
    shelf = Store(tmp_path)

    def slow(path: Path) -> None:
        shelf.publish(record(), text("quick"))
        path.write_text("slow")

    shelf.publish(record(), slow)
    assert read(shelf) == "slow"
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("nosuch://bucket/x", "nosuch"),
        ("s3://", "no bucket"),
        (Path("s3://bucket/x"), "two slashes"),
        ("s3://me:hunter2@bucket/x", "a URL with a password"),
        ("adl://container/x", "not installed"),
    ],
)
def test_a_root_that_cannot_be_used_says_what_to_do(root: str | Path, told: str):
    with pytest.raises(StudyError, match=told) as error:
        Store(root)
    assert "\n  " in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_bucket_that_is_not_there_is_told_when_it_is_written(s3: str):
    with pytest.raises(SourceError, match="no-such-bucket"):
        Store("s3://no-such-bucket/x").publish(record(), text("x"))


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("AWS_ACCESS_KEY_ID", "nobody", "Correct AWS_ACCESS_KEY_ID"),
        ("AWS_ACCESS_KEY_ID", None, "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("AWS_PROFILE", "nosuch", "or AWS_PROFILE"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "Start the service"),
    ],
)
def test_credentials_and_addresses_that_do_not_work_are_said_in_one_line_with_the_fix(
    s3: str, s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str | None, fix: str
):
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    requests.post(f"{s3_server}/moto-api/reset-auth", data="0", timeout=60)  # from now on it asks who one is
    try:
        with pytest.raises(SourceError) as error:
            Store(s3).studies()
    finally:
        requests.post(f"{s3_server}/moto-api/reset-auth", data="inf", timeout=60)
    trouble, advice = str(error.value).splitlines()
    assert trouble.startswith(f"{s3}: ")
    assert advice.startswith("  ")
    assert fix in advice
    assert "loopback" not in str(error.value)


def test_a_root_is_a_folder_with_or_without_a_protocol(tmp_path: Path):
    assert Store(f"file://{tmp_path}").local == Store(tmp_path).local == tmp_path
    assert Store(tmp_path).url == str(tmp_path)
    assert Store("s3://bucket/x").local is None
    assert Store("s3://bucket/x/").url == "s3://bucket/x"
