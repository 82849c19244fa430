"""Records: what a stored thing is, and how the name of its record's file says it.

Belongs here: addresses, states, records and their file names. Not here: reading and writing them (store.py).

The NAME of a record's file carries what a listing needs, so that thousands of partitions are one listing of a folder or
a bucket and no reading. It also carries a seal of the address, so that a record copied elsewhere counts for nothing.
"""

import dataclasses
import enum
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from soilmoisture_assets.errors import StudyError

RECORDS = ".records"
"""Folder of a study's records."""

UNPARTITIONED = "_"
LONGEST_PARTITION = 120
"""Bytes: a file name has 255, and a record's name says more than the partition."""

CHECKSUM_BYTES = 12


class State(enum.StrEnum):
    """What became of a thing; only ``stored`` has an object that anyone reads."""

    STORED = "stored"
    FAILED = "failed"
    LEFT_OUT = "left_out"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Address:
    """Where a thing is: the study, the path of the asset in it ("cube/station_cube") and the partition, if it has any.

    Raises
    ------
    StudyError : a name cannot be part of a file's name; says which and why.
    """

    study: str
    asset: str
    partition: str | None = None

    def __post_init__(self) -> None:
        _check("study", self.study)
        for part in self.asset.split("/"):
            _check("asset", part)
        if self.partition is not None:
            _check("partition", self.partition)
            if self.partition == UNPARTITIONED:
                raise StudyError(f"partition '{UNPARTITIONED}' of {self.asset} stands for no partition.\n  Rename it.")

    def __str__(self) -> str:
        return f"{self.study}/{self.asset}" + (f", partition {self.partition}" if self.partition is not None else "")

    @property
    def stem(self) -> str:
        """Name of the object without its suffix, relative to the root."""
        return f"{self.study}/{self.asset}" + (f"/{self.partition}" if self.partition is not None else "")

    @property
    def records(self) -> str:
        """Folder of its records, relative to the root."""
        return f"{self.study}/{RECORDS}/{self.asset}"

    @property
    def prefix(self) -> str:
        """How the names of its records begin."""
        return f"{self.partition or UNPARTITIONED}="

    @property
    def seal(self) -> str:
        return hashlib.blake2b(str(self).encode(), digest_size=4).hexdigest()


@functools.lru_cache(maxsize=20_000)  # a listing names the study and the asset of every partition
def _check(kind: str, name: str) -> None:
    if _NAME_PART.fullmatch(name) and len(name.encode()) <= LONGEST_PARTITION and name.isprintable():
        return
    raise StudyError(
        f"{kind} '{name}' cannot name a stored thing: it is empty, longer than {LONGEST_PARTITION} bytes, begins with "
        "'.' or has '=', '/', '\\' or a control character in it.\n  Rename it."
    )


_NAME_PART = re.compile(r"[^.=/\\][^=/\\]*")


@dataclass(frozen=True)
class Record:
    """What a stored thing is, or why it is not stored.

    ``fingerprint`` (16 hex digits) says what it was made from and by: it decides whether it is outdated. ``inputs`` are
    the fingerprints of the things it was made from, ``parts`` those of its own parts that can be read alone. ``names``
    are the partitions that this thing brings into being. ``checksum`` (24 hex digits, BLAKE2b) and ``size`` (bytes) are
    those of its object, ``suffix`` ends the object's name. The store sets state, size, checksum, generation and time.
    """

    study: str
    asset: str
    partition: str | None = None
    state: State = State.STORED
    fingerprint: str = ""
    reason: str = ""
    suffix: str = ""
    size: int = 0
    checksum: str = ""
    generation: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    time: str = ""
    package: str = ""

    @property
    def address(self) -> Address:
        return Address(self.study, self.asset, self.partition)

    def to_json(self) -> str:
        said = dataclasses.asdict(self)
        return json.dumps({DIGEST: _digest(said)} | said, sort_keys=True, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what ``to_json`` wrote; fields that another version has more or fewer are left out or empty.

        Raises
        ------
        ValueError : it is not a record, or a damaged one.
        """
        try:
            found = json.loads(text)
            if found.pop(DIGEST, None) not in (None, _digest(found)):  # of none in what an earlier version wrote
                raise ValueError("a damaged record")
            known = {part.name: found[part.name] for part in dataclasses.fields(cls) if part.name in found}
            return cls(**known | {"state": State(found["state"]), "names": tuple(found["names"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record: {error!r}") from error


MADE_FROM_NOTHING = "0" * 16
"""Fingerprint of what nothing was made from."""
DIGEST = "digest"
"""Under this name the file of a record says what the rest of it is."""


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class RecordName:
    """What the name of a record's file says."""

    address: Address
    generation: int
    state: State
    fingerprint: str
    checksum: str
    size: int
    suffix: str

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(
            record.address,
            record.generation,
            record.state,
            record.fingerprint,
            record.checksum,
            record.size,
            record.suffix,
        )

    @classmethod
    def parse(cls, study: str, asset: str, name: str) -> Self | None:
        """Read a file name in the folder of an asset's records; None of one that is no record of what stands there."""
        found = _NAME.fullmatch(name)
        if not found:
            return None
        try:
            address = Address(study, asset, None if found["stem"] == UNPARTITIONED else found["stem"])
            state = State(found["state"])
        except (StudyError, ValueError):
            return None
        if found["seal"] != address.seal:
            return None
        checksum = "" if found["checksum"] == "-" else found["checksum"]
        return cls(
            address,
            int(found["generation"]),
            state,
            found["fingerprint"],
            checksum,
            int(found["size"]),
            found["suffix"],
        )

    def __str__(self) -> str:
        return (
            f"{self.address.prefix}{self.generation}.{self.state}.{self.fingerprint}.{self.checksum or '-'}"
            f".{self.size}.{self.address.seal}{self.suffix}.json"
        )

    @property
    def key(self) -> str:
        """The record's file, relative to the root."""
        return f"{self.address.records}/{self}"

    @property
    def object(self) -> str:
        """The object's file, relative to the root."""
        return self.address.stem + self.suffix

    def says(self, record: Record) -> bool:
        """Whether a record is the one that the name announces."""
        return self == RecordName.of(record)


_NAME = re.compile(
    r"(?P<stem>[^=]+)=(?P<generation>\d+)\.(?P<state>\w+)\.(?P<fingerprint>[0-9a-f]{16})\.(?P<checksum>[0-9a-f]{24}|-)"
    r"\.(?P<size>\d+)\.(?P<seal>[0-9a-f]{8})(?P<suffix>(\.\w+)*)\.json"
)
