"""A deployment: one study, the settings of this machine, and a store. Handed on, never imported as a global.

Belongs here: reading and publishing the assets of a study, which of them count, what failed or left. Not here: which
assets there are (assets.py), how they are made (defs/), where files lie (store/). Nothing below this module reads the
environment.
"""

import datetime as dt
import difflib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from soilmoisture_assets import declarations
from soilmoisture_assets.assets import CUBE, LEARNED, PLACES, STATION_TABLE, assets_of, places_from
from soilmoisture_assets.commands import command
from soilmoisture_assets.errors import CheckpointError, DamagedError, SoilMoistureError, SourceError
from soilmoisture_assets.metadata.coordinates import with_coordinates
from soilmoisture_assets.metadata.provenance import code_version, notes_of, with_provenance
from soilmoisture_assets.metadata.stations import some_names
from soilmoisture_assets.origins import ORIGIN, known_studies
from soilmoisture_assets.settings import Settings, load_settings
from soilmoisture_assets.sources import check, citations, licences, sources_of
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.settling import settled
from soilmoisture_assets.store import formats
from soilmoisture_assets.store.graph import BASIS, Expected, Graph, View
from soilmoisture_assets.store.records import MADE_FROM_NOTHING, Address, Record, State
from soilmoisture_assets.store.store import Damage, Store
from soilmoisture_assets.study import Study, load_study, study_of
from soilmoisture_assets.timeline import issue_months, land_cover_years, months

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

E = TypeVar("E", bound=SoilMoistureError)

WEATHER_LACKING = "lacking_forecasts_of_the_weather"
"""Metadata of the cube, where the study has forecasts of the weather: what it lacks of them, a sentence each."""
NAMED = 4
"""Assets that one line names before it counts the others."""


@dataclass(frozen=True)
class Reason:
    """Why a partition is not there: it failed, was left out for its data, or is no longer in the study."""

    asset: str
    partition: str
    reason: str


class Deployment:
    """A study on this machine.

    Attributes
    ----------
    study : as it is made; ``settled`` says what of it is not as it is written, a line each.

    Raises
    ------
    StudyError : the study names a source that nobody declares, or the store cannot be used.
    """

    def __init__(self, study: Study, settings: Settings, store: Store | None = None) -> None:
        for folder in settings.extensions:
            declarations.add_folder(folder)
        check(study)
        self.settings = settings
        self.patience = Patience(settings.service_patience_seconds)
        self.store = store if store is not None else store_of(settings)
        self.study, self.settled = settled(study, settings, lambda path: self._has_any(study.name, path))

    def _has_any(self, study: str, path: str) -> bool:
        return any(entry.state is State.STORED for entry in self.store.listing(study, path).values())

    @cached_property
    def graph(self) -> Graph:
        """Every asset of the study."""
        study = self.study
        return Graph(assets_of(study, self.settings), lambda include: study.model_dump(mode="json", include=include))

    @property
    def places(self) -> str:
        """The asset that says which stations there are, and where."""
        return places_from(self.study)

    def today(self) -> dt.date:
        """The day it is, by the clock or by the settings."""
        return self.now().date()

    def now(self) -> dt.datetime:
        """The time it is (UTC): by the clock, or midnight of the day that the settings name."""
        day = self.settings.today
        return dt.datetime.combine(day, dt.time(), dt.UTC) if day else dt.datetime.now(dt.UTC)

    def view(self) -> View:
        """What is stored of the study now."""
        today = self.today()
        study = self.study
        names = {
            "month": months(study, today),
            "issue_month": issue_months(study, today),
            "year": land_cover_years(study, today),
        }
        return View(self.graph, self.study.name, self.store, lambda kind: names[kind])

    def address(self, path: str, partition: str | None = None) -> Address:
        """Where an asset or partition of the study is."""
        return Address(self.study.name, path, partition)

    # Reading

    def current(self, path: str, view: View | None = None) -> list[str]:
        """Names of the stored partitions that count."""
        return [str(name) for name in (view or self.view()).current(path)]

    def is_current(self, path: str, view: View | None = None) -> bool:
        """Whether the study has an unpartitioned asset and it is stored and counts."""
        return path in self.graph and (view or self.view()).counts(path, None) is not None

    def read(
        self, path: str, partition: str | None = None, *, part: str | None = None, view: View | None = None
    ) -> Any:
        """Open an asset or partition: a dataset (lazily), a table, a model, JSON, or the path of a file.

        Parameters
        ----------
        part : read this part of it alone; it may count where the whole is out of date.

        Raises
        ------
        SourceError : it is not stored, damaged or out of date; says what to run.
        """
        seen = view or self.view()
        there = path in self.graph
        if not there or (seen.names(path) is None if part else seen.counts(path, partition) is None):
            raise self.why_not(path, partition, view=seen)
        return self._open(path, partition, part)

    def partitions(self, path: str, *, among: Collection[str] | None = None, view: View | None = None) -> "Partitions":
        """The stored partitions of an asset that count, each opened when it is asked for."""
        names = self.current(path, view)
        return Partitions(self, path, names if among is None else [name for name in names if name in set(among)])

    def given(self, path: str, partition: str | None = None, *, view: View | None = None) -> "Inputs":
        """What an asset is made from, by the names of its inputs, each opened when it is asked for."""
        return Inputs(self, path, partition, view or self.view())

    def _open(self, path: str, partition: str | None, part: str | None = None) -> Any:
        reader = _READERS.get(self.graph[path].suffix, formats.load)
        try:
            value, _ = self.store.load(self.address(path, partition), reader)
        except CheckpointError as error:
            raise self.with_command(CheckpointError(str(error), make=[path])) from error
        except SourceError as error:
            if isinstance(error, DamagedError):
                damage = self.store.damage(self.address(path, partition))
                self.discard([damage] if damage else [])  # so that the next run makes it again
            self.with_command(error)
            raise
        if part == LEARNED:
            return value.sel(time=slice(None, self.study.last_learned))
        if part == PLACES:
            places = value.coords.to_dataset()
            return places.drop_dims([name for name in places.dims if name != "station"])
        return value

    def why_not(
        self, path: str, partition: str | None = None, *, view: View | None = None, wanted_for: str | None = None
    ) -> SourceError:
        """Why an asset or partition cannot be read, and the command that makes it, or the asset it is wanted for."""
        seen = view or self.view()
        what = f"{self.study.name}/{path}" + (f", partition {partition}" if partition else "")
        if path not in self.graph:
            return SourceError(f"study '{self.study.name}' has no asset {path}.{_near(path, self.graph)}")
        kind, wanted = self.graph[path].partitions, seen.wanted(path)
        entry = seen.entries(path).get(partition)
        if partition is not None and kind is None:
            return SourceError(f"{self.study.name}/{path} has no partitions.\n  Read it without one.")
        if partition is not None and wanted and partition not in wanted and entry is None:
            return SourceError(f"{self.study.name}/{path} has no {kind} '{partition}'.{_near(partition, wanted)}")
        if partition is None and kind is not None:
            state = f"has no {kind} that is stored and up to date"
        elif entry is None:
            state = "is not stored"
        elif entry.state is not State.STORED:
            record = self.store.record(self.address(path, partition))
            state = f"is {entry.state.replace('_', ' ')}" + (f" ({record.reason})" if record and record.reason else "")
        elif not entry.present:
            state = "is damaged or gone"
        elif lacking := seen.lacking(path, partition):
            state = f"is out of date, as {', '.join(dict.fromkeys(lacking))} is"
        else:
            state = "is out of date"
        return self.with_command(SourceError(f"{what} {state}.", make=[wanted_for or path]))

    def behind(self, path: str) -> str:
        """What of the store a stored asset without partitions is behind, in one line; empty where it counts.

        A report that is out of date is still a file that opens: whoever looks at it should know.
        """
        view = self.view()
        if view.record(path) is None or view.counts(path, None) is not None:
            return ""
        told = [
            f"{what}: {some_names(names, NAMED)}"
            for what, names in (("newer than it", view.newer(path)), ("not up to date either", view.lost(path)))
            if names
        ]
        return "; ".join(told) or "it was made by other code or with other settings"

    # What to type

    def command(self, name: str, *options: str) -> str:
        """A command for this study in this store, to be copied."""
        return command(name, *options, study=self.settings.study, data_dir=self._elsewhere)

    def with_command(self, error: E) -> E:
        """The error; if it says what to type, now for this study in this store."""
        error.name(self.settings.study, self._elsewhere)
        return error

    @property
    def _elsewhere(self) -> str | None:
        """The store, where commands would take another one by themselves."""
        own = self.settings.data_dir
        return own if own != load_settings().data_dir else None

    # Writing

    def expected(self, path: str, partition: str | None, view: View) -> Expected:
        """What the asset or partition would be made as. Raises SourceError where an input does not count."""
        found = view.expected(path, partition)
        if found is None:
            missing = view.lacking(path, partition)[0]
            upstream = None if view.graph[missing].partitions is None else partition
            raise self.why_not(missing, upstream, view=view, wanted_for=path)
        return found

    def publish(
        self,
        path: str,
        value: Any,
        expected: Expected,
        partition: str | None = None,
        *,
        run: str = "",
        names: tuple[str, ...] = (),
        parts: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Record:
        """Store an asset or partition at once, with the record of what it was made from."""
        record = replace(
            self._record(path, partition, expected, run),
            state=State.STORED,
            names=names,
            parts=dict(parts or {}),
            metadata=_plain(_rows(value) | dict(metadata or {})),
        )
        return self.store.publish(record, lambda target: self._write(value, path, target))

    def note(self, path: str, partition: str | None, state: State, reason: str, view: View, run: str = "") -> Record:
        """Record why there is none: it ``failed``, or is ``left_out`` for its data. What was stored is not served."""
        record = self._record(path, partition, view.expected(path, partition), run)
        return self.store.note(replace(record, state=state, reason=reason))

    def withdraw(self, path: str | None = None) -> list[Reason]:
        """Withdraw what left the study: partitions of an asset (of all, if none is named) and assets it no longer has.

        Withdrawn things are not served; their record stays until they come back. What takes a service or training to
        make again keeps its object too.
        """
        view, gone = self.view(), []
        for each in [path] if path is not None else list(self.graph):
            asset = self.graph[each]
            if asset.names_from is not None and view.names(asset.names_from) is None:
                continue  # not known yet who is in the study
            wanted: set[str | None] = set(view.wanted(each)) if asset.partitions else {None}
            for name, entry in view.entries(each).items():
                if name not in wanted and entry.state is not State.WITHDRAWN:
                    reason = f"no longer among the {asset.partitions}s of the study"
                    gone.append(self._withdraw(each, name, reason))
        if path is None:
            for each in self.store.assets(self.study.name):
                if each not in self.graph and each not in (ORIGIN, LISTS):
                    for name, entry in self.store.listing(self.study.name, each).items():
                        if entry.state is not State.WITHDRAWN:
                            gone.append(self._withdraw(each, name, "no longer in the study"))
        return gone

    def come_back(self, path: str, partition: str | None, view: View) -> bool:
        """Serve a withdrawn thing again if it is still there and would be made the same now."""
        entry, expected = view.entries(path).get(partition), view.expected(path, partition)
        if entry is None or entry.state is not State.WITHDRAWN:
            return False
        if expected is None or entry.fingerprint != expected.fingerprint:
            return False
        record = self.store.record(self.address(path, partition))
        back = self.store.restore(record) if record is not None else None
        if back is not None:
            view.note(back)
        return back is not None

    def keep_list(self, names: list[str]) -> str:
        """Store a list of partitions, once; the key under which it is found: a tag of a run has room for few names."""
        key = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).hexdigest()
        record = Record(self.study.name, LISTS, key, fingerprint=MADE_FROM_NOTHING, suffix=".json")
        if self.store.record(record.address) is None:
            self.store.publish(record, lambda target: formats.dump(names, target))
        return key

    def kept_list(self, key: str) -> list[str]:
        """The list of partitions of a key."""
        names, _ = self.store.load(self.address(LISTS, key), formats.load)
        return [str(name) for name in names]

    def verify(self) -> list[Damage]:
        """Read every stored object again; what is damaged, missing or not ours. See also verification.py."""
        return list(self.store.verify(self.study.name))

    def discard(self, damaged: Iterable[Damage]) -> None:
        """Count what is damaged as failed, so that the next run makes it again.

        What has no record stays, and what another run has made again since it was found.
        """
        for each in damaged:
            if each.address is not None and each.address.asset in self.graph:
                record = self._record(each.address.asset, each.address.partition, None, "")
                self.store.discard(each, replace(record, state=State.FAILED, reason=each.trouble))

    def weather_lacking(self) -> list[str]:
        """What the cube lacks of the weather as it was forecast, a sentence each."""
        record = self.view().record(CUBE)
        return list(record.metadata.get(WEATHER_LACKING, ())) if record else []

    def reasons(self, state: State, path: str | None = None) -> list[Reason]:
        """Why partitions of an asset, or of all assets, are not there: those that are ``failed`` or ``left_out``."""
        view, found = self.view(), []
        for each in [path] if path is not None else list(self.graph):
            wanted = set(view.wanted(each)) if self.graph[each].partitions else {None}
            for name, entry in sorted(view.entries(each).items(), key=lambda item: str(item[0])):
                if entry.state == state and name in wanted:
                    record = self.store.record(self.address(each, name))
                    found.append(Reason(each, str(name or ""), record.reason if record else ""))
        return found

    def states(self) -> list[dict[str, Any]]:
        """Of every asset how many partitions are ``current``, ``outdated``, ``failed``, ``left_out`` or ``missing``.

        An asset without partitions counts as one; ``partitions`` is what it is partitioned by, or empty. ``bytes``,
        ``oldest`` and ``newest`` (times of storing) are of what is stored, current or not.
        """
        view, rows = self.view(), []
        for path, asset in self.graph.assets.items():
            names: list[str | None] = list(view.wanted(path)) if asset.partitions else [None]
            entries = {name: entry for name in names if (entry := view.entries(path).get(name)) is not None}
            states = [entry.state for entry in entries.values()]
            stored = [name for name, entry in entries.items() if entry.state is State.STORED]
            times = self.store.times(self.study.name, path) if stored else {}
            written = sorted(times[name] for name in stored if name in times)
            current = sum(view.counts(path, name) is not None for name in names)
            rows.append(
                {
                    "asset": path,
                    "partitions": asset.partitions or "",
                    "current": current,
                    "outdated": states.count(State.STORED) - current,
                    "failed": states.count(State.FAILED),
                    "left_out": states.count(State.LEFT_OUT),
                    "missing": len(names) - len(states) + states.count(State.WITHDRAWN),
                    "bytes": sum(entries[name].size for name in stored),
                    "oldest": written[0].isoformat(timespec="seconds") if written else None,
                    "newest": written[-1].isoformat(timespec="seconds") if written else None,
                }
            )
        return rows

    def _record(self, path: str, partition: str | None, expected: Expected | None, run: str) -> Record:
        asset = self.graph[path]
        return Record(
            study=self.study.name,
            asset=path,
            partition=partition,
            fingerprint=expected.fingerprint if expected else MADE_FROM_NOTHING,
            inputs=dict(expected.inputs) if expected else {},
            settings={BASIS: self.graph.basis(path, learned=True), "read": self.graph.settings(path), KEPT: asset.kept},
            suffix=asset.suffix,
            code=asset.code,
            run=run,
            package=code_version(),
        )

    def _withdraw(self, path: str, partition: str | None, reason: str) -> Reason:
        record = self.store.record(self.address(path, partition))
        if record is not None:
            kept = bool(record.settings.get(KEPT))
            self.store.note(replace(record, state=State.WITHDRAWN, reason=reason), keep_object=kept)
        return Reason(path, str(partition or ""), reason)

    def _write(self, value: Any, path: str, target: Path) -> None:
        import xarray as xr

        if isinstance(value, xr.Dataset):
            formats.dump(self.documented(value, path), target)
        elif isinstance(value, Path):
            shutil.copyfile(value, target)
        elif hasattr(value, "parameters") and hasattr(value, "scaler"):
            from soilmoisture_assets.learning.checkpoint import dump

            target.write_bytes(dump(value))
        elif hasattr(value, "savefig"):
            from soilmoisture_assets.plots.style import save_figure

            save_figure(value, target)
        elif hasattr(value, "columns"):
            formats.dump(value, target, notes=self.notes(value, path))
        else:
            formats.dump(value, target)

    # What every dataset says of itself

    def documented(self, dataset: "xr.Dataset", path: str) -> "xr.Dataset":
        """The dataset with its title, sources, licences and citations as global attributes."""
        layer, _, rest = path.partition("/")
        named = [rest.partition("/")[0]] if layer == "raw" else [source.name for source in sources_of(self.study)]
        cited = citations(self.study)
        # what is learned does not depend on whom to cite, and says so of the archive alone
        of_networks = "ismn" in named and layer in ("raw", "cube") and path != STATION_TABLE
        networks = self._network_references(dataset) if of_networks else []
        return with_provenance(
            with_coordinates(dataset),
            identifier=f"{self.study.name}/{path}",
            title=f"{self._title(path)} ({self.study.name})",
            source=dataset.attrs.get("source", ", ".join(named)),
            study_name=self.study.name,
            code=self.graph[path].code,
            synthetic=self.study.sandbox,
            references="; ".join([*(cited[name] for name in named if cited.get(name)), *networks]),
            licence="; ".join(
                dict.fromkeys(text for name, text in licences(self.study).items() if name in named and text)
            ),
        )

    def notes(self, table: "pd.DataFrame", path: str) -> list[str]:
        """What a table says of itself in the first lines of its file."""
        return notes_of(table, title=self._title(path), study_name=self.study.name, synthetic=self.study.sandbox)

    def network_citations(self) -> dict[str, str]:
        """What the ISMN networks of the study ask to be cited; none before the station table is made."""
        if STATION_TABLE not in self.graph:
            return {}
        record = self.view().record(STATION_TABLE)
        return dict(record.metadata.get("networks", {})) if record else {}

    def _title(self, path: str) -> str:
        """Of the asset itself, not of what it was made from, whose attributes a dataset may carry."""
        return self.graph[path].description.partition(". ")[0].rstrip(".")

    def _network_references(self, dataset: "xr.Dataset") -> list[str]:
        """References of the ISMN networks in the dataset, of all where it does not say which."""
        named = dataset["network"].values.ravel() if "network" in dataset.coords else [dataset.attrs.get("network")]
        own = {str(name) for name in named if name}
        found = self.network_citations()
        return [f"{name}: {text}" for name, text in found.items() if text and (name in own or not own)]


class Partitions(Mapping[str, Any]):
    """Stored partitions of an asset, opened one by one when they are asked for."""

    def __init__(self, deployment: Deployment, path: str, names: list[str]) -> None:
        self._deployment, self._path, self._names = deployment, path, names
        self._known = frozenset(names)

    def __repr__(self) -> str:
        shown = ", ".join(self._names[:3]) + (", …" if len(self) > 3 else "")
        return f"{self._deployment.study.name}/{self._path}, {len(self)} partitions: {shown}"

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return self._deployment._open(self._path, name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Inputs(Mapping[str, Any]):
    """What an asset or partition is made from; an optional input that does not count is None."""

    def __init__(self, deployment: Deployment, path: str, partition: str | None, view: View) -> None:
        self._deployment, self._partition, self._view = deployment, partition, view
        self._inputs = deployment.graph.inputs(path)

    def __getitem__(self, name: str) -> Any:
        source, deployment, view = self._inputs[name], self._deployment, self._view
        if source.part is not None:
            return deployment.read(source.asset, part=source.part, view=view)
        if deployment.graph[source.asset].partitions is not None and not source.each:
            return deployment.partitions(source.asset, view=view)
        partition = self._partition if source.each else None
        if source.optional and view.counts(source.asset, partition) is None:
            return None
        return deployment.read(source.asset, partition, view=view)

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)


def store_of(settings: Settings) -> Store:
    """The store that the settings of this machine name."""
    return Store(settings.data_dir, settings.cache_dir, int(settings.scratch_gigabytes * 2**30))


def load_deployment(study: str | None = None, settings: Settings | None = None) -> Deployment:
    """The deployment of a study on this machine.

    Parameters
    ----------
    study : name or path of a study, or the name of one that has run in this store; None: that of the settings.
    settings : None: those of the environment.
    """
    own = settings or load_settings()
    store = store_of(own)
    chosen = study or own.study
    studies = known_studies(store)
    known = studies.get(chosen)
    if known is not None and known.text and not Path(known.where).is_file():  # it has run on another machine
        return Deployment(study_of(known.text, known.where), own.model_copy(update={"study": chosen}), store)
    origin = known.where if known is not None else chosen
    return Deployment(load_study(origin, studies), own.model_copy(update={"study": origin}), store)


LISTS = "lists"
"""Asset path of the records of lists of partitions that runs are to make."""
ROWS = "row_count"
"""Under this name the metadata of a record say how long its table is."""
KEPT = "kept"
"""Under this name the settings of a record say whether its object stays when it is withdrawn."""


def _near(name: str, known: Iterable[str]) -> str:
    """The second line of a message about an unknown name: known ones that look like it, or any."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"\n  Did you mean: {', '.join(near)}?" if near else f"\n  There are, among others: {', '.join(names[:3])}."


def _read_model(path: Path) -> Any:
    from soilmoisture_assets.learning.checkpoint import load

    return load(path)


def _same(path: Path) -> Path:
    return path


_READERS: Mapping[str, Any] = {
    ".safetensors": _read_model, ".png": _same, ".html": _same, ".webp": _same, ".zip": _same,
}  # fmt: skip


def _rows(value: Any) -> dict[str, int]:
    """How long a table is, or would be if a dataset were one: the values of its largest variable."""
    if hasattr(value, "data_vars"):
        return {ROWS: max((variable.size for variable in value.data_vars.values()), default=0)}
    return {ROWS: len(value)} if hasattr(value, "columns") else {}


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON holds it."""
    return json.loads(json.dumps(dict(metadata), default=str))
