"""The store: publish a thing at once, say what is there, open a version and keep it.

Belongs here: the protocol of publishing and reading, listings, verification. Not here: names and records (records.py),
files and objects (disk.py, remote.py), formats (formats.py).

A thing is one object and one record. Publishing writes the object elsewhere, then the record of the next generation,
then moves the object to its place, then removes what is older. As long as two records are there, the newest whose
checksum the object has is the one that counts: the object's move is the moment of change, and a publish that was killed
before it changed nothing. A record without an object (failed, left out, withdrawn) counts as soon as it is the newest:
its own rename is the moment of change, and the object is removed after it.
"""

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from soilmoisture_assets.errors import DamagedError, SourceError, StudyError
from soilmoisture_assets.files import UNFINISHED_WORK, telling_troubles
from soilmoisture_assets.store.checksums import checksum as checksum_of
from soilmoisture_assets.store.copies import Copy
from soilmoisture_assets.store.disk import Disk, Held
from soilmoisture_assets.store.records import RECORDS, Address, Record, RecordName, State
from soilmoisture_assets.store.remote import Remote

T = TypeVar("T")

WORKSPACE = ".workspace"
"""Marks a folder of work in progress."""

COPIES = ".copies"
"""Folder of local copies of remote objects, in that of work in progress."""
SCRATCH = 10 * 2**30
"""Bytes of such copies that a process keeps, where nobody says how many."""

LOOKS = 50
"""How often a thing that is replaced while it is looked at is looked at again."""

TOLD = {State.FAILED: "failed", State.LEFT_OUT: "was left out", State.WITHDRAWN: "was withdrawn"}


@dataclass(frozen=True)
class Entry:
    """What a listing says of a thing: from names and sizes, nothing was read.

    ``present``: it is stored and its object is there with its size.
    """

    state: State
    fingerprint: str
    checksum: str
    size: int
    generation: int
    suffix: str
    present: bool

    @classmethod
    def of(cls, record: Record) -> "Entry":
        """What a listing says of a record that has just been written."""
        return _entry(RecordName.of(record), present=record.state is State.STORED)


@dataclass(frozen=True)
class Damage:
    """One thing that is not as its record says; ``key`` is the file, relative to the root.

    ``generation`` is that of its newest record when it was found; what is published later is another thing.
    """

    key: str
    trouble: str
    address: Address | None = None
    generation: int = 0

    def __str__(self) -> str:
        return f"{self.address or self.key} {self.trouble}"


class Store:
    """What is stored below a root, a local folder or an fsspec URL such as s3://bucket/prefix.

    ``cache`` is the local folder of work in progress where the root is not local; a process keeps copies of objects in
    it, up to ``scratch`` bytes.

    Raises
    ------
    StudyError : the URL is not one, has a password in it, or the package for its protocol is not installed.
    """

    def __init__(self, root: str | Path, cache: Path | None = None, scratch: int = SCRATCH) -> None:
        text = str(root)
        protocol, has_protocol, rest = text.partition("://")
        if re.match(r"[a-z][a-z0-9+]+:/[^/]", text):  # what pathlib makes of a URL
            raise StudyError(f"{text}: neither a folder nor a URL.\n  Write it with two slashes, or ./ in front.")
        if re.match(r"[^/@]*:[^/@]*@", rest):
            raise StudyError(
                f"{protocol}://…{rest[rest.index('@') :]}: a URL with a password in it.\n"
                "  Take it out: credentials belong in the environment."
            )
        self.local: Path | None = None
        self._cache = (cache or UNFINISHED_WORK).absolute()
        if not has_protocol or protocol in ("file", "local"):
            self.local = Path(rest if has_protocol else text).absolute()
            self.url = str(self.local)
            self._root: Disk | Remote = Disk(self.local)
        else:
            self.url = f"{protocol}://{rest.rstrip('/')}"
            self._root = Remote(self.url, self._cache / COPIES, scratch)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def publish(self, record: Record, write: Callable[[Path], object]) -> Record:
        """Store a thing: ``write`` writes it to the path it is given, which ends in the record's suffix.

        The old thing is there until the new one is, whatever happens meanwhile.

        Returns
        -------
        The record as it was written: stored, with size, checksum, generation and time.
        """
        address = _checked(record)
        if not re.fullmatch(r"(\.\w+)+", record.suffix):
            raise ValueError(f"{address}: suffix '{record.suffix}' of an object")
        with telling_troubles(self.url), self._root.attempt(address.stem) as folder:
            path = folder / f"object{record.suffix}"
            write(path)
            with path.open("rb") as file:
                record = replace(record, size=path.stat().st_size, checksum=checksum_of(file))
            with self._root.locked(address.records):
                older = self._names(address, fresh=True)
                record = _next(record, State.STORED, older)
                self._root.write(RecordName.of(record).key, record.to_json().encode())
                self._root.put(path, RecordName.of(record).object)
                self._tidy(address, older, keep=RecordName.of(record).object)
        return record

    def note(self, record: Record, keep_object: bool = False) -> Record:
        """Say why a thing is not stored (failed, left out, withdrawn: the record's state).

        Its object is deleted, unless it is kept for a later time; nobody reads it meanwhile.
        """
        address = _checked(record)
        if record.state is State.STORED:
            raise ValueError(f"{address}: a stored thing is published, not noted")
        with self._root.locked(address.records):
            return self._note(record, self._names(address, fresh=True), keep_object)

    def discard(self, damage: Damage, record: Record) -> Record | None:
        """Note with a record that a thing is damaged; None, and nothing is done, where it was published since."""
        address = _checked(record)
        with self._root.locked(address.records):
            older = self._names(address, fresh=True)
            if not older or older[0].generation != damage.generation:
                return None
            return self._note(record, older)

    def restore(self, record: Record) -> Record | None:
        """Count a withdrawn thing as stored again; None where its object is gone or damaged."""
        address = _checked(record)
        with self._root.locked(address.records):
            older = self._names(address, fresh=True)
            if not record.suffix or not self._has(RecordName.of(record), by_size=False):
                return None
            record = _next(replace(record, reason=""), State.STORED, older)
            self._root.write(RecordName.of(record).key, record.to_json().encode())
            self._tidy(address, older, keep=RecordName.of(record).object)
        return record

    def url_of(self, record: Record) -> str:
        """Where the object of a record is: a path, or a URL."""
        return f"{self.url}/{RecordName.of(record).object}"

    def delete(self, address: Address) -> None:
        """Remove the object of a thing, then its records."""
        with self._root.locked(address.records):
            self._tidy(address, self._names(address, fresh=True), keep=None)

    def record(self, address: Address) -> Record | None:
        """The record that counts; None where nothing is there or what is there does not fit it (its size only)."""
        for _ in range(LOOKS):
            name = self._counting(address)
            if name is None:
                return None
            with contextlib.suppress(FileNotFoundError):  # an older one that was removed meanwhile
                return self._content(name)
        return None

    def listing(self, study: str, asset: str) -> dict[str | None, Entry]:
        """What is known of an asset's partitions, sorted; of an unpartitioned asset the key is None.

        Reads names and sizes only, but for the few things that are being published or whose publishing was killed.
        """
        records = Address(study, asset).records
        by_partition = _grouped(study, asset, self._root.names(records))
        partitioned = any(partition is not None for partition in by_partition)
        sizes = self._root.sizes(f"{study}/{asset}") if partitioned or not by_partition else {}
        entries: dict[str | None, Entry] = {}
        unsure: set[str | None] = set()
        for partition, names in by_partition.items():
            newest = names[0]
            if newest.state is not State.STORED:
                entries[partition] = _entry(newest, present=False)
            elif len(names) == 1 and partition is not None and sizes.get(_file(newest.object)) == newest.size:
                entries[partition] = _entry(newest, present=True)
            else:
                unsure.add(partition)
        if sizes.keys() - {_file(name.object) for names in by_partition.values() for name in names}:
            # published while we looked, or never recorded
            unsure |= _grouped(study, asset, self._root.names(records, fresh=True)).keys() - by_partition.keys()
        for partition in unsure:
            address = Address(study, asset, partition)
            counting = self._counting(address)
            if counting is not None:
                entries[partition] = _entry(counting, present=counting.state is State.STORED)
            elif names := self._names(address, fresh=True):
                entries[partition] = _entry(names[0], present=False)
        return {partition: entries[partition] for partition in sorted(entries, key=lambda name: name or "")}

    def times(self, study: str, asset: str) -> dict[str | None, datetime]:
        """When the newest record of each partition was written (UTC), as a listing says: nothing is read."""
        times = self._root.times(Address(study, asset).records)
        newest = {partition: names[0] for partition, names in _grouped(study, asset, list(times)).items()}
        return {partition: datetime.fromtimestamp(times[str(name)], UTC) for partition, name in newest.items()}

    def load(self, address: Address, reader: Callable[[Path], T]) -> tuple[T, Record]:
        """What ``reader`` makes of the object's path, and the object's record; they belong together.

        A lazy reader keeps the version it opened, whatever is published meanwhile, as long as it keeps its file open.

        Raises
        ------
        SourceError : it is not stored, or what is there is damaged.
        """
        names, seen = self._names(address), None
        for _ in range(LOOKS):
            for name in names:
                if name.state is not State.STORED:
                    raise self._not_there(address, name)
                held = self._root.hold(name.object, name.size, name.checksum)
                if held is not None:
                    with contextlib.closing(held):
                        if (read := self._read(held, name, reader)) is not None:
                            return read
                    names = self._names(address, fresh=True)
                    break
            else:
                # an object may come to its place between two looks at its records: these are asked twice
                if names == seen:
                    raise self._not_there(address, names[0] if names else None)
                seen, names = names, self._names(address, fresh=True)
        raise SourceError(f"{address} was replaced {LOOKS} times while it was opened.\n  Try again later.")

    def path(self, address: Address) -> Path:
        """Path of the object, checked; of a copy where the store is not local, which lasts as long as the process.

        Whoever wants what is in it has ``load`` read it: that copy goes where room is needed.

        Raises
        ------
        SourceError : as of ``load``.
        """
        return self.load(address, lambda path: path)[0]

    def studies(self) -> list[str]:
        """Names of the studies that have records."""
        return [name for name in self._root.folders("") if self._root.is_folder(f"{name}/{RECORDS}")]

    def assets(self, study: str) -> list[str]:
        """Paths of the assets of a study that have records, sorted."""
        folder = f"{study}/{RECORDS}"
        return sorted({key.removeprefix(f"{folder}/").rpartition("/")[0] for key in self._root.walk(folder, WORKSPACE)})

    def damage(self, address: Address) -> Damage | None:
        """What is wrong with a thing: its bytes or its record; None where it is whole, or nothing was ever stored."""
        for locked in (False, True):  # without a lock it may be looked at in the middle of a publication
            with self._root.locked(address.records) if locked else contextlib.nullcontext():
                found = self._damage(self._names(address, fresh=True))
            if found is None:
                return None
        return found

    def verify(self, study: str | None = None) -> Iterator[Damage]:
        """Hash every object of a study, or of all: what is damaged, missing, or has no record that fits."""
        for name in self.studies() if study is None else [study]:
            yield from self._verify(name)

    def remove(self, damage: Damage) -> None:
        """Delete a file that belongs to no record; what has been recorded since it was found stays.

        Raises
        ------
        ValueError : it belongs to one.
        """
        if damage.address is not None:
            raise ValueError(f"{damage} belongs to a record")
        if damage.key not in self._objects(damage.key.partition("/")[0]):
            self._root.remove(damage.key)

    def workspace(self, study: str, *parts: str) -> Path:
        """A local folder for work that can be resumed, such as the answers of a service; it is made. No records."""
        path = (self.local or self._cache).joinpath(study, *parts)
        path.mkdir(parents=True, exist_ok=True)
        (path / WORKSPACE).touch()
        return path

    def _read(self, held: Held | Copy, name: RecordName, reader: Callable[[Path], T]) -> tuple[T, Record] | None:
        """What the reader makes of an object, and its record; None where either was replaced meanwhile."""
        try:
            record = self._content(name)
        except FileNotFoundError:
            return None
        if record is None:
            raise SourceError(f"{name.address}: its record is damaged.", make=[name.address.asset])
        try:
            value = reader(held.path)
        except Exception:  # of a reader that came between two versions, say nothing
            if held.is_current():
                raise
            return None
        if held.is_current():
            if value is held.path:
                held.keep()  # whoever has the path opens it later
            return value, record
        if hasattr(value, "close"):
            value.close()
        return None

    def _names(self, address: Address, *, fresh: bool = False) -> list[RecordName]:
        """The records of a thing, the newest first."""
        names = self._root.names(address.records, address.prefix, fresh=fresh)
        return _grouped(address.study, address.asset, names).get(address.partition, [])

    def _counting(self, address: Address) -> RecordName | None:
        """The record that counts: by its size if it is the only one, by its checksum among several."""
        names, seen = self._names(address), None
        for _ in range(LOOKS):
            for name in names:
                if name.state is not State.STORED or self._has(name, by_size=len(names) == 1):
                    return name
            if names == seen:
                return None
            seen, names = names, self._names(address, fresh=True)
        return None

    def _owner(self, names: list[RecordName]) -> RecordName | None:
        """The record of the object that is there, kept by a note or not."""
        return next((name for name in names if name.suffix and self._has(name, by_size=len(names) == 1)), None)

    def _has(self, name: RecordName, *, by_size: bool) -> bool:
        if by_size:
            return self._root.size(name.object) == name.size
        held = self._root.hold(name.object, name.size, name.checksum)
        if held is not None:
            held.close()
        return held is not None

    def _content(self, name: RecordName) -> Record | None:
        """The record of a name; None if it does not say the same. Raises FileNotFoundError where it is gone."""
        try:
            record = Record.from_json(self._root.read(name.key))
        except ValueError:
            return None
        return record if name.says(record) else None

    def _tidy(self, address: Address, older: list[RecordName], keep: str | None) -> None:
        """Remove the objects of older records, then these, then what killed attempts left."""
        for key in {name.object for name in older if name.suffix} - {keep}:
            self._root.remove(key)
        for name in reversed(older):  # the oldest first: they count for nothing where there is a newer one
            self._root.remove(name.key)
        self._root.sweep(address.stem, f"{address.records}/{address.prefix}")

    def _not_there(self, address: Address, name: RecordName | None) -> SourceError:
        if name is None or (name.state is State.STORED and self._root.size(name.object) is None):
            return SourceError(f"{address} is not stored.", make=[address.asset])
        if name.state is State.STORED:
            return DamagedError(f"{address} is damaged (checksum differs).", make=[address.asset])
        with contextlib.suppress(FileNotFoundError):
            if record := self._content(name):
                return SourceError(f"{address} {TOLD[name.state]}: {record.reason}.", make=[address.asset])
        return SourceError(f"{address} {TOLD[name.state]}.", make=[address.asset])

    def _note(self, record: Record, older: list[RecordName], keep_object: bool = False) -> Record:
        address = record.address
        record = replace(record, size=0, checksum="", suffix="")
        if keep_object and (kept := self._owner(older)) is not None:
            record = replace(record, size=kept.size, checksum=kept.checksum, suffix=kept.suffix)
        record = _next(record, record.state, older)
        self._root.write(RecordName.of(record).key, record.to_json().encode())
        self._tidy(address, older, keep=RecordName.of(record).object if record.suffix else None)
        return record

    def _verify(self, study: str) -> Iterator[Damage]:
        for asset in self.assets(study):
            folder = Address(study, asset).records
            files = self._root.names(folder, fresh=True)
            by_partition = _grouped(study, asset, files)
            for names in by_partition.values():
                if self._damage(names) and (damage := self.damage(names[0].address)):
                    yield damage
            fitting = {str(name) for names in by_partition.values() for name in names}
            for file in files:
                if file not in fitting:
                    yield Damage(f"{folder}/{file}", "is the record of something else.")
        files = list(self._root.walk(study, WORKSPACE))
        recorded = self._objects(study)  # after the walk: an object comes to its place after its record
        for key in files:
            if key not in recorded:
                yield Damage(key, "has no record.")

    def _objects(self, study: str) -> set[str]:
        """Keys of the objects that a study's records are about."""
        return {
            name.object
            for asset in self.assets(study)
            for names in _grouped(study, asset, self._root.names(Address(study, asset).records, fresh=True)).values()
            for name in names
            if name.suffix
        }

    def _damage(self, names: list[RecordName]) -> Damage | None:
        """What is wrong with a thing of these records; sure only as long as nobody publishes it."""
        if not names:
            return None
        address, generation = names[0].address, names[0].generation
        for name in names:
            if name.suffix and self._root.checksum(name.object) != name.checksum:
                continue
            with contextlib.suppress(FileNotFoundError):
                if self._content(name) is None:
                    return Damage(name.key, "has a damaged record.", address, generation)
            return None
        gone = self._root.size(names[0].object) is None
        trouble = "is missing." if gone else "is damaged (checksum differs)."
        return Damage(names[0].object, trouble, address, generation)


def _checked(record: Record) -> Address:
    if not re.fullmatch(r"[0-9a-f]{16}", record.fingerprint):
        raise ValueError(f"{record.address}: fingerprint '{record.fingerprint}' is not of 16 hex digits")
    return record.address


def _next(record: Record, state: State, older: list[RecordName]) -> Record:
    """The record with its state, as the generation after the older ones, made now."""
    generation = older[0].generation + 1 if older else 1
    return replace(record, state=state, generation=generation, time=datetime.now(UTC).isoformat(timespec="seconds"))


def _grouped(study: str, asset: str, files: list[str]) -> dict[str | None, list[RecordName]]:
    """Names of records by partition, the newest of each first; what is none is left out."""
    found: dict[str | None, list[RecordName]] = defaultdict(list)
    for file in files:
        if (name := RecordName.parse(study, asset, file)) is not None:
            found[name.address.partition].append(name)
    for names in found.values():
        names.sort(key=lambda name: (-name.generation, name.checksum))
    return dict(found)


def _file(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _entry(name: RecordName, *, present: bool) -> Entry:
    return Entry(name.state, name.fingerprint, name.checksum, name.size, name.generation, name.suffix, present)
