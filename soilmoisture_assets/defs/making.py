"""How every asset is made: one loop that reads inputs, stores results as they come and records what failed.

Belongs here: the seam between Dagster and the functions that make things. Not here: what they make (raw/, cube.py,
models/, analysis/, figures.py, report.py), which assets there are (assets.py).

A function is given ``Work`` and yields ``Made`` for each asset or partition, in any order. Partitions are stored and
recorded one by one, so that a crash keeps what is done; one that fails stays missing and the others go on.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.dagster_private import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTOMATION_CONDITION_TAG,
    DATA_VERSION_TAG,
    PRIORITY_TAG,
)
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.leases import PROCESS_TAG
from soilmoisture_assets.defs.logs import about
from soilmoisture_assets.defs.partitions import partitions_of, stations_of
from soilmoisture_assets.defs.pictures import picture
from soilmoisture_assets.defs.progress import SECONDS_BETWEEN_LINES, progress
from soilmoisture_assets.defs.shown import code_of, origin_of, run_tags, shown, tags_of
from soilmoisture_assets.defs.workers import begin_step
from soilmoisture_assets.deployment import Deployment, Inputs
from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.files import telling_troubles
from soilmoisture_assets.io_managers import io_manager_key
from soilmoisture_assets.io_managers.stored import Publishable, measured
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.services import ServiceUrls, services
from soilmoisture_assets.store.graph import Asset, fingerprint_of
from soilmoisture_assets.store.records import Record, State
from soilmoisture_assets.study import Study

OWNERS = ["team:soilmoisture"]
SECONDS = "seconds"
"""Metadata of what is stored: how long it took to make."""
WANTED_TAG = "soilmoisture/partitions"
"""Tag of a run that names the list of partitions it is to make, among those of its range."""
LEFT_OUT, FAILED = "left out", "failed"
"""Metadata with the reason, where the web UI shows a partition that is not stored."""
EXCLUDED = "excluded"
"""Metadata of what names stations: those that it does not name, with the reason of each."""


def wanted_tags(deployment: Deployment, every: Iterable[str], wanted: Collection[str]) -> dict[str, str]:
    """Tags of a run that makes some partitions: Dagster gives it a range; if that has gaps, one tag names the list.

    Parameters
    ----------
    every : the partitions as Dagster orders them, which for stations is the order in which they came.
    wanted : those to make, at least one that Dagster knows.
    """
    named, known = set(wanted), list(every)
    ordered = [name for name in known if name in named]
    tags = {ASSET_PARTITION_RANGE_START_TAG: ordered[0], ASSET_PARTITION_RANGE_END_TAG: ordered[-1]}
    if ordered == known[known.index(ordered[0]) : known.index(ordered[-1]) + 1]:
        return tags
    return tags | {WANTED_TAG: deployment.keep_list(ordered)}


@dataclass(frozen=True)
class Made:
    """What became of one asset or partition: a value to store, or the reason why there is none.

    ``failure`` is something to repair; ``left_out`` is a reason that lies in the data, and the run succeeds;
    ``passing`` marks a failure that says nothing of what is stored already (a service that is down).
    ``names`` are the stations whose partitions the asset names, ``parts`` fingerprints of what can be read alone.
    """

    value: Any = None
    partition: str | None = None
    asset: str | None = None
    """Needed only where a step makes several assets."""
    failure: str | None = None
    left_out: str | None = None
    passing: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    record: Record | None = None
    """Set where the value is stored already."""


class Work:
    """What a function makes an asset with: the study, its inputs, and somebody to tell of progress.

    ``view`` is what was stored when the step began, and what the step has stored since.
    """

    def __init__(self, context: dg.AssetExecutionContext, deployment: Deployment, assets: Sequence[str]) -> None:
        self.context, self.deployment, self.view = context, deployment, deployment.view()
        self.assets = [path for path in assets if asset_key(deployment.study, path) in context.selected_asset_keys]
        """The assets of the step that this run is to make."""

    @property
    def study(self) -> Study:
        return self.deployment.study

    @property
    def settings(self) -> Settings:
        return self.deployment.settings

    @property
    def progress(self) -> Progress:
        return progress(self.context, self.assets[0])

    @cached_property
    def named(self) -> list[str]:
        """The partitions of the run, or the ones among them that its tag names."""
        tag = self.context.run.tags.get(WANTED_TAG)
        wanted = set(self.deployment.kept_list(tag) if tag else self.context.partition_keys)
        return [name for name in self.context.partition_keys if name in wanted]

    @cached_property
    def asked(self) -> list[str]:
        """Those of them that the assets have."""
        return [name for name in self.named if name not in self.outside]

    @cached_property
    def outside(self) -> dict[str, str]:
        """Stations that Dagster knows and the assets have no partition for, with the reason."""
        naming = self.deployment.graph[self.assets[0]].names_from
        if naming is None or (names := self.view.names(naming)) is None:
            return {}
        record = self.view.record(naming)
        reasons = record.metadata.get(EXCLUDED, {}) if record else {}
        known = self.context.instance.get_dynamic_partitions(str(stations_of(self.study).name))
        return {name: reasons.get(name, f"not in {naming}") for name in known if name not in set(names)}

    @cached_property
    def partitions(self) -> list[str]:
        """The partitions to make: those asked for, but for what lacks the partition it is made from."""
        hindered = {made.partition for made in self.hindered}
        return [name for name in self.asked if name not in hindered]

    @cached_property
    def hindered(self) -> list[Made]:
        """Why partitions cannot be made: the one that each is made from failed, is left out or out of date."""
        found, view, graph = [], self.view, self.deployment.graph
        for path in self.assets:
            sources = [source for source in graph.inputs(path).values() if source.each and not source.optional]
            outside = [source.asset for source in sources if source.asset not in self.assets]
            for name in self.asked:
                if not any(view.counts(source, name) is None for source in outside):
                    continue
                if left_out := view.left_out_with(path, name):
                    found.append(Made(partition=name, asset=path, left_out=f"{left_out[0]} is left out"))
                    continue
                try:
                    self.deployment.expected(path, name, view)
                except SourceError as error:
                    found.append(Made(partition=name, asset=path, failure=str(error)))
        return found

    def given(self, path: str | None = None, partition: str | None = None) -> Inputs:
        """What an asset (the first of the step, if none is named) is made from, by the names of its inputs."""
        return self.deployment.given(path or self.assets[0], partition, view=self.view)

    def publish(self, made: Made) -> Made:
        """Store a partition at once; for functions that work in threads of their own."""
        path = made.asset or self.assets[0]
        record = self.deployment.publish(
            path,
            made.value,
            self.deployment.expected(path, made.partition, self.view),
            made.partition,
            run=self.context.run_id,
            parts=made.parts,
            metadata=made.metadata,
        )
        return replace(made, value=None, record=record)

    def log(self, text: str) -> None:
        self.context.log.info(text)

    def services(self) -> AbstractContextManager[ServiceUrls]:
        """Addresses by source that work within the block: those of the settings, or of a sandbox."""
        return services(self.study, self.settings, self.deployment.today())

    def workspace(self, *parts: str) -> Path:
        """A folder on this machine for what services told so far."""
        return self.deployment.store.workspace(self.study.name, *parts)


Make = Callable[[Work], Iterator[Made]]


def step(
    deployment: Deployment,
    assets: Sequence[str],
    make: Make,
    *,
    name: str | None = None,
    automation: dg.AutomationCondition | None = None,
) -> dg.AssetsDefinition:
    """The Dagster step that makes some assets of one partitioning; they can be asked for one by one.

    Parameters
    ----------
    make : yields what it made; asked once per run for all partitions of the run.
    """
    nodes = [deployment.graph[path] for path in assets]
    partitioned = nodes[0].partitions is not None

    @dg.multi_asset(
        name=name or "__".join([deployment.study.name, *assets[0].split("/")]),
        specs=[_spec(deployment, node, make, automation) for node in nodes],
        can_subset=len(nodes) > 1,
        backfill_policy=_backfill_policy(deployment) if partitioned else None,
        pool=next((node.pool for node in nodes if node.pool), None),
        op_tags={PRIORITY_TAG: str(max(deployment.graph.urgency[path] for path in assets))},
    )
    def run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        process = begin_step(deployment)
        if PROCESS_TAG not in context.run.tags:  # a run of the web UI or the daemon
            who = run_tags(deployment.study, origin_of(context.run.tags))
            context.instance.add_run_tags(context.run_id, {PROCESS_TAG: process} | who)
        with telling_troubles(deployment.store.url):
            work = Work(context, deployment, assets)
            yield from (_store_each if partitioned else _store_whole)(work, make)

    return run


def _spec(deployment: Deployment, node: Asset, make: Make, automation: dg.AutomationCondition | None) -> dg.AssetSpec:
    spec = dg.AssetSpec(
        asset_key(deployment.study, node.path),
        description=node.description,
        deps=[asset_key(deployment.study, path) for path in deployment.graph.parents(node.path)],
        partitions_def=partitions_of(deployment, node),
        skippable=True,
        group_name=node.layer,
        kinds=set(node.kinds),
        owners=OWNERS,
        tags=tags_of(deployment.study, node),
        metadata=code_of(node, make),
        code_version=f"{node.code} {deployment.graph.basis(node.path, learned=True)}",
        automation_condition=automation,
    )
    return spec.with_io_manager_key(io_manager_key(node.suffix))


def _backfill_policy(deployment: Deployment) -> dg.BackfillPolicy:
    size = deployment.settings.backfill_stations_per_run
    return dg.BackfillPolicy.multi_run(size) if size else dg.BackfillPolicy.single_run()


def _store_whole(work: Work, make: Make) -> Iterator[dg.MaterializeResult]:
    """Hand each result to its IO manager as it comes.

    What automation asks for while an input is out of date waits: it is asked for again when the input is made.
    """
    deployment, run = work.deployment, work.context.run_id
    lacking = [asset for path in work.assets for asset in work.view.lacking(path, None)]
    if lacking and AUTOMATION_CONDITION_TAG in work.context.run.tags:
        work.log(f"waits for {', '.join(dict.fromkeys(lacking))}")
        return
    expected = {path: deployment.expected(path, None, work.view) for path in work.assets}
    if left_out := work.view.left_out_with(work.assets[0], None):
        results = iter([Made(asset=path, left_out=f"{left_out[0]} is left out") for path in work.assets])
    else:
        results = _failing_aloud(work, make)
    for made, seconds in _timed(results):
        path = made.asset or work.assets[0]
        if path not in expected:
            continue
        if made.left_out is not None:  # its step ends well, so that those after it say the same of theirs
            record = deployment.note(path, None, State.LEFT_OUT, made.left_out, work.view, run)
            work.view.note(record)
            work.context.log.warning(f"{path} is left out: {made.left_out}", extra=about(work.study.name, path, None))
            yield dg.MaterializeResult(
                asset_key(work.study, path),
                value=None,
                metadata={LEFT_OUT: made.left_out},
                data_version=dg.DataVersion(f"{LEFT_OUT} {record.fingerprint}"),
            )
            continue
        yield dg.MaterializeResult(
            asset_key(work.study, path),
            value=Publishable(made.value, expected[path], made.names, made.parts, made.metadata),
            metadata=picture(work.context.instance, work.study, deployment.graph[path], run)
            | shown(made.metadata)
            | {SECONDS: seconds},
            data_version=dg.DataVersion(expected[path].fingerprint),
        )
        if made.names or path == deployment.places:
            follow_names(work.context.instance, deployment, path)


def _with_commands(work: Work, make: Make) -> Iterator[Made]:
    """The results; an error that says what to type says it for this study."""
    try:
        yield from make(work)
    except SoilMoistureError as error:
        work.deployment.with_command(error)
        raise


def _failing_aloud(work: Work, make: Make) -> Iterator[Made]:
    """The results; where making ends with an error that says what to do, what is out of date has that as its reason."""
    waiting = dict.fromkeys(work.assets)
    try:
        for made in _with_commands(work, make):
            waiting.pop(made.asset or work.assets[0], None)
            yield made
    except SoilMoistureError as error:
        for path in waiting:
            if work.view.counts(path, None) is None:
                work.deployment.note(path, None, State.FAILED, str(error), work.view, work.context.run_id)
        raise


def _store_each(
    work: Work, make: Make
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]:
    """Store results as they come and record each partition at once; then say what the checks of the assets find.

    Raises dg.Failure at the end if any partition failed; by then the others are stored and recorded. Raises SourceError
    before anything is made if an input that all of them share does not count.
    """
    deployment, context = work.deployment, work.context
    yield from _left_outside(work)
    if work.asked:
        _require_shared(work)
    failed: dict[str, str] = {}
    done, said = 0, time.monotonic()
    total = len(work.asked) * len(work.assets)
    for made, seconds in _timed(chain(work.hindered, _with_commands(work, make) if work.partitions else ())):
        path, name = made.asset or work.assets[0], str(made.partition)
        key, extra = asset_key(work.study, path), about(work.study.name, path, name)
        if made.left_out is not None:
            left = deployment.note(path, name, State.LEFT_OUT, made.left_out, work.view, context.run_id)
            work.view.note(left)
            context.log.warning(f"{path} {name} is left out: {made.left_out}", extra=extra)
            yield _left_out(key, name, made.left_out, f"{LEFT_OUT} {left.fingerprint}")
        elif made.failure is not None:
            failed[f"{path} {name}"] = made.failure
            kept = made.passing and work.view.counts(path, name) is not None
            if not kept:
                work.view.note(deployment.note(path, name, State.FAILED, made.failure, work.view, context.run_id))
            context.log.error(f"{path} {name} failed: {made.failure}", extra=extra)
            reason = made.failure + ("\nWhat was stored before still counts." if kept else "")
            yield dg.AssetObservation(key, description=f"{FAILED}: {reason}", partition=name, metadata={FAILED: reason})
        else:
            record = made.record or work.publish(made).record
            assert record is not None
            work.view.note(record)
            done += 1
            if time.monotonic() - said >= SECONDS_BETWEEN_LINES or done == total:  # each line is a database commit
                said = time.monotonic()
                context.log.info(f"{path} {name}: stored ({done} of {total})")
            yield dg.AssetMaterialization(
                key,
                partition=name,
                metadata=shown(made.metadata) | measured(deployment, record) | {SECONDS: seconds},
                # of what is fetched, the same settings give other data in time: the checksum tells
                tags={DATA_VERSION_TAG: f"{record.fingerprint}-{record.checksum}"},
            )
    yield from _evaluations(work)
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {total} failed, the others are stored: "
            + "; ".join(f"{name}: {reason}" for name, reason in failed.items()),
            metadata={"failed": dg.MetadataValue.json(failed)},
            allow_retries=False,
        )


def _timed(results: Iterable[Made]) -> Iterator[tuple[Made, float]]:
    """Results with the seconds since the one before: what each took, or of a batch the first took for all."""
    started = time.monotonic()
    for made in results:
        yield made, round(time.monotonic() - started, 3)
        started = time.monotonic()


def _evaluations(work: Work) -> Iterator[dg.AssetCheckEvaluation]:
    """What the checks of a partitioned step's assets find. Dagster plans a step for each of them in the same run and
    skips it, as partitions recorded one by one are no output of their step."""
    graph, planned = work.context.job_def.asset_layer.asset_graph, work.context.run.asset_check_selection
    keys = {asset_key(work.study, path) for path in work.assets}
    for check in sorted(graph.asset_check_keys):
        if check.asset_key in keys and (planned is None or check in planned):
            found: dg.AssetCheckResult = graph.assets_def_for_key(check)()  # type: ignore[assignment]
            yield dg.AssetCheckEvaluation(
                check.asset_key, check.name, found.passed, found.metadata, None, found.severity, found.description
            )


def _left_outside(work: Work) -> Iterator[dg.AssetMaterialization]:
    """Say of the stations that the assets have no partition for why that is, where it was asked for or is not said."""
    storage, kind = work.context.instance.event_log_storage, dg.DagsterEventType.ASSET_MATERIALIZATION
    for key in (asset_key(work.study, path) for path in work.assets if work.outside):
        said = storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG])
        for name, reason in work.outside.items():
            version = f"{LEFT_OUT} {fingerprint_of(reason)}"
            if name in work.named or said.get(name, {}).get(DATA_VERSION_TAG) != version:
                yield _left_out(key, name, reason, version)


def _left_out(key: dg.AssetKey, name: str, reason: str, version: str) -> dg.AssetMaterialization:
    """What the web UI shows in green: there is nothing to be done."""
    return dg.AssetMaterialization(
        key,
        description=f"{LEFT_OUT}: {reason}",
        partition=name,
        metadata={LEFT_OUT: reason},
        tags={DATA_VERSION_TAG: version},
    )


def _require_shared(work: Work) -> None:
    """Say once, and not per partition, that what all are made from is missing."""
    graph, view = work.deployment.graph, work.view
    for path in work.assets:
        for missing in view.lacking(path, work.asked[0]):
            if graph[missing].partitions is None:
                raise work.deployment.why_not(missing, view=view, wanted_for=path)


def follow_names(instance: dg.DagsterInstance, deployment: Deployment, path: str) -> None:
    """Bring what is partitioned by the names of an asset in line with them: what left is withdrawn.

    The names of the station table are Dagster's partitions too.
    """
    if path == deployment.places:
        definition = str(stations_of(deployment.study).name)
        names, known = deployment.view().names(path) or [], instance.get_dynamic_partitions(definition)
        instance.add_dynamic_partitions(definition, [name for name in names if name not in known])
        for gone in sorted(set(known) - set(names)):
            instance.delete_dynamic_partition(definition, gone)
    for each, asset in deployment.graph.assets.items():
        if asset.names_from == path:
            deployment.withdraw(each)
