"""A publish that is killed at any moment: the old thing whole or the new one, and nothing left after the next."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.store import State, Store
from soilmoisture_assets_tests.store.made_up import SERIES, failed, files, read, record, text

KILLED = 1
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}


def killed_at(change: int, act: Callable[[], object]) -> bool:
    """Act in a child process that dies before its n-th change of the disk. False when it came to its end."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(flags := arguments[2], int) and flags & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                seen += 1
                if seen == change:
                    os._exit(KILLED)

        sys.addaudithook(count)
        try:
            act()
        except BaseException:
            os._exit(2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def moments(tmp_path: Path, before: Callable[[Store], object], act: Callable[[Store], object]):
    """A store of its own for every moment at which an act can be killed."""
    for change in range(1, 100):
        root = tmp_path / str(change)
        before(Store(root))
        if not killed_at(change, lambda root=root: act(Store(root))):
            assert change > 3
            return
        yield Store(root)
    raise AssertionError("the act never ended")


def state(store: Store) -> str:
    """What a reader, the record and the listing agree on: the text that is stored, or the state."""
    found, entry = store.record(SERIES), store.listing("demo", SERIES.asset).get(SERIES.partition)
    if found is None:
        assert entry is None or not entry.present
        with pytest.raises(SourceError, match="not stored"):
            read(store)
        return "nothing"
    assert entry is not None
    assert (entry.state, entry.fingerprint, entry.generation) == (found.state, found.fingerprint, found.generation)
    assert entry.present == (found.state is State.STORED)
    if found.state is not State.STORED:
        with pytest.raises(SourceError, match=found.reason):
            read(store)
        return found.state
    value, of_reader = store.load(SERIES, Path.read_text)
    assert of_reader == found
    assert found.metadata["text"] == value
    return value


def publish(content: str, suffix: str = ".txt") -> Callable[[Store], object]:
    return lambda store: store.publish(record(suffix=suffix, metadata={"text": content}), text(content))


ACTS = {
    "a first publish": (lambda store: None, publish("new"), {"nothing", "new"}),
    "a publish of another size": (publish("old"), publish("newer"), {"old", "newer"}),
    "a publish of the same size": (publish("old"), publish("new"), {"old", "new"}),
    "a publish of the same content": (publish("old"), publish("old"), {"old"}),
    "a publish with another suffix": (publish("old", ".png"), publish("new", ".html"), {"old", "new"}),
    "a publish after a failure": (lambda store: store.note(failed()), publish("new"), {"failed", "new"}),
    "a failure": (publish("old"), lambda store: store.note(failed()), {"old", "failed"}),
    "a withdrawal that keeps the object": (
        publish("old"),
        lambda store: store.note(failed(state=State.WITHDRAWN), keep_object=True),
        {"old", "withdrawn"},
    ),
    "a failure after a failure": (
        lambda store: store.note(failed(state=State.LEFT_OUT)),
        lambda store: store.note(failed()),
        {"left_out", "failed"},
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_whoever_looks_after_a_kill_finds_the_old_or_the_new_whole(name: str, tmp_path: Path):
    before, act, allowed = ACTS[name]
    found = [state(store) for store in moments(tmp_path, before, act)]
    assert set(found) == allowed
    order = [min(found.index(one) for one in [value]) for value in found]
    assert order == sorted(order), "once it is new, it stays new"


@pytest.mark.parametrize("name", ACTS)
def test_the_next_publish_leaves_nothing_of_one_that_was_killed(name: str, tmp_path: Path):
    before, act, _ = ACTS[name]
    for store in moments(tmp_path, before, act):
        publish("next", ".nc")(store)
        assert state(store) == "next"
        assert len(files(store.local)) == 2
        assert list(store.verify()) == []


@pytest.mark.parametrize("name", ACTS)
def test_the_next_failure_leaves_nothing_of_one_that_was_killed(name: str, tmp_path: Path):
    before, act, _ = ACTS[name]
    for store in moments(tmp_path, before, act):
        store.note(failed())
        assert state(store) == "failed"
        assert len(files(store.local)) == 1


def test_a_delete_that_was_killed_can_be_ended(tmp_path: Path):
    for store in moments(tmp_path, publish("old"), lambda store: store.delete(SERIES)):
        store.delete(SERIES)
        assert files(store.local) == []
