"""The graph: what each asset of a study is made from, what fits now, and what is out of date.

Belongs here: assets with their inputs and the settings they read, fingerprints, and the one answer to "which stored
partitions count". Not here: which assets a study has (assets.py), files and records (store.py), Dagster (defs/).

A fingerprint is the code of an asset, the settings it reads, and the checksums of what it is made from. So a change
reaches what depends on it and nothing else; what is made again and comes out the same ends the chain. A thing that can
be read in part (the cube: what is learned from, and the tail after it) carries a fingerprint of each part, and who
reads a part depends on that alone.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from soilmoisture_assets.store.records import Address, Record, State
from soilmoisture_assets.store.store import Entry, Store

Partitioning = Literal["station", "month", "issue_month", "year"]

BASIS = "basis"
"""Under this name the settings of a record say what its parts were made with."""


@dataclass(frozen=True)
class Input:
    """One thing an asset is made from.

    ``part`` names the part of it that is read; None: all of it. ``each``: a partition is made from the same partition
    of it; otherwise from all partitions that count. ``optional``: it may be left out or not there at all.
    """

    asset: str
    part: str | None = None
    each: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Asset:
    """One asset of a study.

    ``settings`` and ``reaching`` choose settings of the study as pydantic's ``include`` does; ``reaching`` are those
    that say how far time goes, which nothing learned depends on. ``files`` lie outside the store and count by name,
    size and time of change. ``names_from`` is the asset whose record names the station partitions. ``long``: it takes
    minutes where most take seconds, and so begins first. ``kept``: withdrawn partitions keep their object, since it
    takes a service or training to make it again.
    """

    path: str
    suffix: str
    description: str
    code: str = "1"
    inputs: Mapping[str, Input] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    reaching: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    partitions: Partitioning | None = None
    names_from: str | None = None
    kinds: frozenset[str] = frozenset()
    pool: str | None = None
    long: bool = False
    kept: bool = False

    @property
    def layer(self) -> str:
        """First word of the path: raw, cube, models, analysis, figures or report."""
        return self.path.partition("/")[0]


def fingerprint_of(*content: Any) -> str:
    """16 hex digits that say what some JSON-able content is."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Graph:
    """The assets of one study in an order in which they can be made.

    Raises
    ------
    ValueError : two assets share a path, one is made from an asset that is not there, or they form a circle.
    """

    def __init__(self, assets: Iterable[Asset], settings_of: Callable[[Mapping[str, Any]], Any]) -> None:
        self._settings_of = settings_of
        given: dict[str, Asset] = {}
        for asset in assets:
            if asset.path in given:
                raise ValueError(f"two assets are called {asset.path}")
            given[asset.path] = asset
        for asset in given.values():
            for source in asset.inputs.values():
                if source.asset not in given and not source.optional:
                    raise ValueError(f"{asset.path} is made from {source.asset}, which the study does not have")
        self.assets: dict[str, Asset] = {}
        for path in given:
            self._place(path, given, ())
        self._bases: dict[tuple[str, bool], str] = {}
        self._settings: dict[str, Any] = {}

    def _place(self, path: str, given: Mapping[str, Asset], below: tuple[str, ...]) -> None:
        if path in self.assets:
            return
        if path in below:
            raise ValueError(f"assets form a circle: {' -> '.join([*below, path])}")
        for parent in self._parents(given[path], given):
            self._place(parent, given, (*below, path))
        self.assets[path] = given[path]

    @staticmethod
    def _parents(asset: Asset, given: Mapping[str, Asset]) -> list[str]:
        named = [source.asset for source in asset.inputs.values()]
        return [path for path in dict.fromkeys([*named, *filter(None, [asset.names_from])]) if path in given]

    def __getitem__(self, path: str) -> Asset:
        return self.assets[path]

    def __contains__(self, path: object) -> bool:
        return path in self.assets

    def __iter__(self) -> Iterator[str]:
        return iter(self.assets)

    def parents(self, path: str) -> list[str]:
        """Assets that an asset is made from or takes its partitions from."""
        return self._parents(self.assets[path], self.assets)

    def inputs(self, path: str) -> dict[str, Input]:
        """The inputs of an asset that the study has."""
        return {name: source for name, source in self.assets[path].inputs.items() if source.asset in self.assets}

    def settings(self, path: str) -> Any:
        """The settings an asset reads itself."""
        if path not in self._settings:
            asset = self.assets[path]
            self._settings[path] = [self._settings_of(asset.settings), self._settings_of(asset.reaching)]
        return self._settings[path]

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        found: dict[str, dict[str, None]] = {path: {} for path in self.assets}
        for path in reversed(list(self.assets)):
            for parent in self.parents(path):
                found[parent] |= {path: None, **found[path]}
        return {path: list(each) for path, each in found.items()}

    def below(self, path: str) -> list[str]:
        """Everything that depends on an asset, however far."""
        return self._below[path]

    @cached_property
    def levels(self) -> dict[str, int]:
        """When each asset is made: what shares a level can be made in one run of each partitioning.

        An asset follows any partitioned parent, any parent partitioned otherwise, and any parent it reads a part of,
        since whether that part has changed is known only then.
        """
        level: dict[str, int] = {}
        for path, asset in self.assets.items():
            own = asset.partitions is not None
            in_part = {source.asset for source in self.inputs(path).values() if source.part is not None}
            level[path] = max(
                (
                    level[parent] + (own or self[parent].partitions is not None or parent in in_part)
                    for parent in self.parents(path)
                ),
                default=0,
            )
        for path, asset in self.assets.items():
            if asset.layer == "report":  # last, so that it has every figure, also those that are left out elsewhere
                level[path] = max(level.values()) + 1
        return level

    @cached_property
    def aside(self) -> frozenset[str]:
        """Analyses and figures that no cube and no model waits for."""
        return frozenset(
            path
            for path, asset in self.assets.items()
            if asset.layer in ("analysis", "figures")
            and not any(self[each].layer in ("raw", "cube", "models") for each in self.below(path))
        )

    @cached_property
    def urgency(self) -> dict[str, int]:
        """What of a level to begin first: how long the longest row of assets takes that wait for each other, from each.

        In assets; a long one counts for a hundred.
        """
        own = {path: 100 if asset.long else 1 for path, asset in self.assets.items()}
        found = dict(own)
        for path in reversed(list(self.assets)):
            for parent in self.parents(path):
                if self.levels[parent] == self.levels[path]:
                    found[parent] = max(found[parent], own[parent] + found[path])
        return found

    def basis(self, path: str, *, learned: bool) -> str:
        """Code and settings of an asset and of all it is made from, whatever the data; ``learned``: but for reach."""
        if (path, learned) not in self._bases:
            asset = self.assets[path]
            parts = {
                name: self.basis(source.asset, learned=learned or source.part is not None)
                for name, source in self.inputs(path).items()
            }
            reaching = None if learned else self._settings_of(asset.reaching)
            self._bases[path, learned] = fingerprint_of(
                path, asset.code, self._settings_of(asset.settings), reaching, parts
            )
        return self._bases[path, learned]


@dataclass(frozen=True)
class Expected:
    """What an asset or partition would be made as now: its fingerprint, and the checksum of each input."""

    fingerprint: str
    inputs: Mapping[str, str]


class View:
    """What is stored of a study at one moment, looked at once.

    Parameters
    ----------
    partitions : names of the month and year partitions.
    """

    def __init__(
        self, graph: Graph, study: str, store: Store, partitions: Callable[[Partitioning], Sequence[str]]
    ) -> None:
        self.graph, self.study, self.store = graph, study, store
        self._partitions = partitions
        self._entries: dict[str, dict[str | None, Entry]] = {}
        self._records: dict[str, Record | None] = {}
        self._counted: dict[str, dict[str | None, Entry | None]] = {}
        self._together: dict[str, str] = {}
        self._files: dict[str, Any] = {}

    def entries(self, path: str) -> dict[str | None, Entry]:
        """Everything recorded of an asset, whatever its state, by partition."""
        if path not in self._entries:
            self._entries[path] = self.store.listing(self.study, path)
        return self._entries[path]

    def record(self, path: str) -> Record | None:
        """The whole record of an unpartitioned asset that is stored."""
        if path not in self._records:
            entry = self.entries(path).get(None)
            there = entry is not None and entry.state is State.STORED and entry.present
            self._records[path] = self.store.record(Address(self.study, path)) if there else None
        return self._records[path]

    def note(self, record: Record) -> None:
        """Know of what has just been recorded."""
        self.entries(record.asset)[record.partition] = Entry.of(record)
        self._records.pop(record.asset, None)
        for path in (record.asset, *self.graph.below(record.asset)):
            self._counted.pop(path, None)
            self._together.pop(path, None)

    def names(self, path: str) -> list[str] | None:
        """The partitions that an asset names; None where its record does not count."""
        naming = self._with_parts(path)
        return sorted(naming.names) if naming else None

    def wanted(self, path: str) -> list[str]:
        """Partitions that the study has of an asset, in order; of stations none before they are known."""
        asset = self.graph[path]
        if asset.partitions is None:
            return []
        if asset.partitions != "station":
            return list(self._partitions(asset.partitions))
        return self.names(str(asset.names_from)) or []

    def current(self, path: str) -> dict[str | None, Entry]:
        """The stored partitions that count: of the study, whole, and made as they would be made now.

        An asset without partitions is under None. This is the only list that anyone reads.
        """
        names: Sequence[str | None] = self.wanted(path) if self.graph[path].partitions else [None]
        counted = ((name, self.counts(path, name)) for name in names)
        return {name: entry for name, entry in counted if entry is not None}

    def counts(self, path: str, partition: str | None) -> Entry | None:
        """The entry of one partition if it is stored, whole, and made as it would be made now."""
        counted = self._counted.setdefault(path, {})
        if partition not in counted:
            entry = self.entries(path).get(partition)
            there = entry is not None and entry.state is State.STORED and entry.present
            counted[partition] = entry if there and self._fits(path, partition) else None
        return counted[partition]

    def settled(self, path: str, partition: str | None) -> bool:
        """Whether nothing is to be made: it counts, or it is left out for a reason that still holds."""
        if self.counts(path, partition) is not None:
            return True
        return self._is_left_out(path, partition)

    def _is_left_out(self, path: str, partition: str | None) -> bool:
        entry = self.entries(path).get(partition)
        return entry is not None and entry.state is State.LEFT_OUT and self._fits(path, partition)

    def left_out_with(self, path: str, partition: str | None) -> list[str]:
        """Inputs it needs that are left out themselves: then it is too."""
        return [
            source.asset
            for source in self.graph.inputs(path).values()
            if not source.optional
            and source.part is None
            and (source.each or self.graph[source.asset].partitions is None)
            and self._is_left_out(source.asset, partition if source.each else None)
        ]

    def _fits(self, path: str, partition: str | None) -> bool:
        expected = self.expected(path, partition)
        return expected is not None and expected.fingerprint == self.entries(path)[partition].fingerprint

    def expected(self, path: str, partition: str | None) -> Expected | None:
        """What it would be made as now; None while something it needs does not count."""
        asset = self.graph[path]
        found: dict[str, str] = {}
        for name, source in self.graph.inputs(path).items():
            checksum = self._contribution(source, partition)
            if checksum is None and not source.optional:
                return None
            found[name] = checksum or ""
        files = [self._file_state(file) for file in asset.files]
        return Expected(fingerprint_of(path, asset.code, self.graph.settings(path), files, found), found)

    def lacking(self, path: str, partition: str | None) -> list[str]:
        """Inputs that are needed and do not count."""
        return [
            source.asset
            for source in self.graph.inputs(path).values()
            if not source.optional and self._contribution(source, partition) is None
        ]

    def newer(self, path: str) -> list[str]:
        """Inputs that count and are not what a stored asset without partitions was made from."""
        return [each for each, made_from, now in self._inputs_of(path) if now is not None and now != made_from]

    def lost(self, path: str) -> list[str]:
        """Inputs that a stored asset without partitions was made from and that do not count any more."""
        return [each for each, made_from, now in self._inputs_of(path) if now is None and made_from]

    def _inputs_of(self, path: str) -> list[tuple[str, str, str | None]]:
        """Of each input the asset, what was read of it then, and what would be now."""
        record, inputs = self.record(path), self.graph.inputs(path)
        if record is None:
            return []
        return [
            (source.asset, record.inputs[name], self._contribution(source, None))
            for name, source in inputs.items()
            if name in record.inputs  # of what other code is made from nothing was read
        ]

    def _contribution(self, source: Input, partition: str | None) -> str | None:
        upstream = self.graph[source.asset]
        if source.part is not None:
            record = self._with_parts(source.asset)
            return record.parts.get(source.part) if record else None
        if upstream.partitions is None or source.each:
            own = partition if source.each else None
            entry = self.counts(source.asset, own)
            if entry is None and self._is_left_out(source.asset, own):
                return f"left out {self.entries(source.asset)[own].fingerprint}"
            return entry.checksum if entry else None
        if source.asset not in self._together:
            stored = sorted((str(name), entry.checksum) for name, entry in self.current(source.asset).items())
            self._together[source.asset] = fingerprint_of(stored) if stored else ""
        return self._together[source.asset] or None

    def _with_parts(self, path: str) -> Record | None:
        """The stored record whose parts and names count: made with these settings, though newer data may have come.

        What counts as a whole may have been made with others: what they changed came out the same.
        """
        record = self.record(path)
        if record is None:
            return None
        same = record.settings.get(BASIS) == self.graph.basis(path, learned=True)
        return record if same or self.counts(path, None) is not None else None

    def _file_state(self, file: str) -> Any:
        if file not in self._files:
            path = Path(file)
            members = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
            self._files[file] = [
                [each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in members if each.exists()
            ]
        return self._files[file]
