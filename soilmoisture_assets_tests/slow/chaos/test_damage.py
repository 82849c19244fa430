"""Damage planted in every type of store: it is never read as if it were whole, `verify` names it, and the next run
makes what was there."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.store.formats import SUFFIXES
from soilmoisture_assets.store.records import Address, RecordName
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import LEAST, Place, counted

SEED = 17
LAYERS = ("raw", "cube", "models", "analysis", "figures", "report")
STUDY = Study.model_validate(LEAST | {"name": "damaged"})


@dataclass
class Target:
    """One stored thing, the files of it, and another thing of the same type."""

    object: Path
    record: Path
    other_object: Path
    other_record: Path
    random: random.Random

    def change(self, file: Path, change: Callable[[bytearray], bytes | bytearray]) -> None:
        file.write_bytes(change(bytearray(file.read_bytes())))

    def flip(self, file: Path, first: float = 0.0, last: float = 1.0) -> None:
        def flipped(content: bytearray) -> bytearray:
            place = min(int(len(content) * self.random.uniform(first, last)), len(content) - 1)
            content[place] ^= 1 << self.random.randrange(8)
            return content

        self.change(file, flipped)

    def exchange(self) -> None:
        kept = self.object.read_bytes()
        shutil.copyfile(self.other_object, self.object)
        self.other_object.write_bytes(kept)

    def zeros(self) -> None:
        def zeroed(content: bytearray) -> bytearray:
            middle = len(content) // 2
            content[middle : middle + 64] = bytes(len(content[middle : middle + 64]))
            return content if any(self.object.read_bytes()[middle : middle + 64]) else content[:-1]

        self.change(self.object, zeroed)

    def of_another(self) -> None:
        """The bytes of another thing, made as long as these."""
        size = self.object.stat().st_size
        self.change(self.object, lambda _: self.other_object.read_bytes().ljust(size, b"\0")[:size])

    def misnamed(self) -> None:
        """The record of the other thing under the name of this."""
        generation = self.record.name.partition("=")[2]
        self.record.unlink()
        said = self.other_record.name.partition("=")[2].partition(".")[2]
        shutil.copyfile(self.other_record, self.record.with_name(f"{self.record.name.partition('=')[0]}=9.{said}"))
        assert generation

    def newer(self) -> None:
        """A record of a later generation that says something else of the object."""
        stem, _, rest = self.record.name.partition("=")
        number, _, said = rest.partition(".")
        other = said.replace(said.split(".")[2], "0" * 24)
        shutil.copyfile(self.record, self.record.with_name(f"{stem}={int(number) + 1}.{other}"))
        self.record.unlink()

    def linked(self) -> None:
        self.object.unlink()
        self.object.symlink_to(self.other_object)

    def folder(self) -> None:
        self.object.unlink()
        self.object.mkdir()


KINDS: dict[str, Callable[[Target], None]] = {
    "a bit flipped anywhere": lambda at: at.flip(at.object),
    "a bit flipped in its head": lambda at: at.flip(at.object, 0.0, 0.02),
    "a bit flipped in its tail": lambda at: at.flip(at.object, 0.98),
    "its last byte lost": lambda at: at.change(at.object, lambda content: content[:-1]),
    "cut in half": lambda at: at.change(at.object, lambda content: content[: len(content) // 2]),
    "emptied": lambda at: at.change(at.object, lambda _: b""),
    "a byte added": lambda at: at.change(at.object, lambda content: content + b"\0"),
    "a block of zeros": Target.zeros,
    "exchanged with another": Target.exchange,
    "the bytes of another": Target.of_another,
    "deleted": lambda at: at.object.unlink(),
    "a link to another": Target.linked,
    "a folder in its place": Target.folder,
    "its record deleted": lambda at: at.record.unlink(),
    "a bit flipped in its record": lambda at: at.flip(at.record),
    "its record cut": lambda at: at.change(at.record, lambda content: content[: len(content) // 2]),
    "the record of another": Target.misnamed,
    "a newer record of other bytes": Target.newer,
}


def record_of(deployment: Deployment, address: Address) -> tuple[Path, Path]:
    """Files of an object and of its record."""
    record = deployment.store.record(address)
    assert record is not None
    assert deployment.store.local is not None
    name = RecordName.of(record)
    return deployment.store.local / name.object, deployment.store.local / name.key


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("damage"))
    ended = made.run(STUDY)
    assert (ended.errors, ended.failed) == ([], {})
    return made


def targets(deployment: Deployment, draw: random.Random) -> dict[str, tuple[Address, Address]]:
    """Two things of every type that is stored in a study."""
    view = deployment.view()
    by_suffix: dict[str, list[Address]] = {}
    for path in deployment.graph:
        for name in view.current(path):
            by_suffix.setdefault(deployment.graph[path].suffix, []).append(deployment.address(path, name))
    return {
        suffix: (found[0], found[1 % len(found)])
        for suffix, each in by_suffix.items()
        if (found := draw.sample(each, len(each)))
    }


def test_no_damage_of_any_kind_to_any_type_of_store_is_used(place: Place):
    draw, counts = random.Random(SEED), Counter[str]()
    deployment = place.deployment(STUDY)
    chosen = targets(deployment, draw)
    assert set(SUFFIXES) <= chosen.keys()
    data = Path(str(deployment.settings.data_dir)) / STUDY.name
    kept = data.with_name("kept")
    shutil.copytree(data, kept, symlinks=True)
    for suffix, (address, other) in chosen.items():
        for kind, plant in KINDS.items():
            if other == address and ("another" in kind):
                continue
            own = place.deployment(STUDY)
            content = own.store.load(address, Path.read_bytes)[0]
            files = record_of(own, address), record_of(own, other)
            plant(Target(*files[0], *files[1], draw))
            counts["trials"] += 1
            for reader in (own, place.deployment(STUDY)):  # one that has read it before, and one that has not
                try:
                    found = reader.store.load(address, Path.read_bytes)[0]
                except SoilMoistureError:
                    continue
                if found != content:
                    counts["silently wrong"] += 1
                    print(f"silently wrong: {suffix}, {kind}")
            named = {each.address or each.key for each in own.verify()}
            if not named and address in {own.address(address.asset, name) for name in own.current(address.asset)}:
                counts["not named"] += 1
                print(f"not named by verify: {suffix}, {kind}")
            shutil.rmtree(data)
            shutil.copytree(kept, data, symlinks=True)
    print(f"\nseed {SEED}: {dict(counts)}")
    assert counts["trials"] >= 14 * len(SUFFIXES)
    assert not counts["silently wrong"] + counts["not named"]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"a folder in its place"}))
def test_the_next_run_makes_what_was_damaged(kind: str, place: Place):
    draw = random.Random(kind)
    deployment = place.deployment(STUDY)
    expected = counted(deployment, LAYERS)
    address, other = draw.choice([pair for pair in targets(deployment, draw).values() if pair[0] != pair[1]])
    KINDS[kind](Target(*record_of(deployment, address), *record_of(deployment, other), draw))
    ended = place.run(STUDY)
    assert (ended.errors, ended.failed) == ([], {})
    assert counted(place.deployment(STUDY), LAYERS) == expected
