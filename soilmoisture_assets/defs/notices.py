"""Who is told when something failed, has grown stale or a soil dry, where the settings name a receiver.

Belongs here: what is told, and that it is told once it can be. Not here: what a notice says and how it is posted
(notices.py), how old a thing may grow (following.py), what is checked every morning (checks/).

Nothing that is made waits for a receiver: a sensor looks at what has been recorded.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
from pydantic import SecretStr

from soilmoisture_assets.assets import DROUGHT
from soilmoisture_assets.defs.dagster_private import WILL_RETRY_TAG, CheckStatus, FreshnessState
from soilmoisture_assets.defs.keys import asset_path, name_of
from soilmoisture_assets.defs.runs import message_of, was_interrupted
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.notices import Notice, post

MOST_RUNS = 5
"""Failed runs that one tick tells of; a tick has a minute, and the others come with the next."""


def sensors(deployment: Deployment) -> list[dg.SensorDefinition]:
    """The sensor, where somebody wants to be told."""
    url = deployment.settings.notices_url
    return [_notices(deployment, url)] if url is not None else []


def _notices(deployment: Deployment, url: SecretStr) -> dg.SensorDefinition:
    @dg.sensor(
        name=name_of(deployment.study, "notices"),
        description="Posts a notice for each run that failed, each thing that has grown stale, and the stations whose "
        "soil has become dry for the time of year or no longer is. What the receiver does not accept is posted again "
        "with the next tick.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def notices(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance, graph = context.instance, _graph(context)
        told: dict[str, Any] = {"after": _newest_failure(instance), "stale": {}}
        if context.cursor:
            told = json.loads(context.cursor)
        posted, trouble = 0, ""

        def accepted(notices: Iterable[Notice]) -> bool:
            nonlocal posted, trouble
            for notice in notices:
                if trouble := trouble or post(url, notice):
                    return False
                posted += 1
            return True

        for record in _failures(instance, told["after"]):
            if not accepted(_of_run(deployment, graph, instance, record)):
                break
            told["after"] = record.storage_id
        stale = dict(_stale(deployment, graph, instance, told["stale"]))
        for name, (state, notice) in stale.items():
            if told["stale"].get(name) != state and (notice is None or accepted([notice])):
                told["stale"][name] = state
        told["stale"] = {name: state for name, state in told["stale"].items() if name in stale}
        if (soils := _soils(deployment, told.get("soils"))) and accepted(soils.pop("notices")):
            told["soils"] = soils
        context.update_cursor(json.dumps(told))
        if trouble:
            context.log.warning(f"the receiver of notices did not accept one ({trouble}); it is posted again")
        return dg.SkipReason(f"{posted} notices posted" + (f"; one was not accepted: {trouble}" if trouble else ""))

    return notices


def _graph(context: dg.SensorEvaluationContext) -> Any:
    assert context.repository_def is not None
    return context.repository_def.asset_graph


def _failures(instance: dg.DagsterInstance, after: int) -> list[dg.EventLogRecord]:
    wanted = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    return list(instance.fetch_run_status_changes(wanted, limit=MOST_RUNS, ascending=True).records)


def _newest_failure(instance: dg.DagsterInstance) -> int:
    """Where to begin: what failed before anybody wanted to be told is not told."""
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return newest[0].storage_id if newest else 0


def _of_run(
    deployment: Deployment, graph: Any, instance: dg.DagsterInstance, record: dg.EventLogRecord
) -> Iterator[Notice]:
    """What failed in a run of the study: a notice per asset; none of a run that is tried again or was interrupted."""
    study = deployment.study.name
    run = instance.get_run_by_id(record.event_log_entry.run_id)
    if run is None or run.tags.get(WILL_RETRY_TAG) == "true":
        return
    chosen = [asset_path(key) for key in run.asset_selection or () if key.path[0] == study]
    if not chosen and not run.job_name.startswith(name_of(deployment.study, "")):
        return

    def notice(asset: str, reason: str, partitions: Iterable[str] = ()) -> Notice:
        return Notice(study, "failed", asset, reason, tuple(partitions), _link(deployment, run.run_id))

    steps = list(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE))
    for entry in steps:
        event = entry.dagster_event
        assert event is not None
        data = event.step_failure_data
        said = data.user_failure_data
        if said is not None and "failed" in said.metadata:
            by_asset: dict[str, dict[str, str]] = defaultdict(dict)
            for what, reason in dict(said.metadata["failed"].value).items():  # type: ignore[arg-type]
                path, _, partition = what.partition(" ")
                by_asset[path][partition] = str(reason)
            for path, reasons in by_asset.items():
                first, *others = dict.fromkeys(reasons.values())
                more = f" (and {len(others)} other reasons)" if others else ""
                yield notice(path, first + more, reasons)
        elif said is None and data.error is not None and not was_interrupted(data.error):
            made = _assets_of_step(graph, str(event.step_key))
            paths = [path for path in chosen if path in made] or [str(event.step_key)]
            yield notice(", ".join(paths), message_of(event.step_key, data.error))
        # else: a job's own word on runs that failed, each of which is told of
    if not steps:
        event = record.event_log_entry.dagster_event
        yield notice(", ".join(chosen) or run.job_name, (event.message if event else None) or "the run failed")


def _assets_of_step(graph: Any, step: str) -> set[str]:
    return {asset_path(key) for key in graph.get_all_asset_keys() if graph.get(key).assets_def.op.name == step}


def _stale(
    deployment: Deployment, graph: Any, instance: dg.DagsterInstance, told: dict[str, str]
) -> Iterator[tuple[str, tuple[str, Notice | None]]]:
    """What is older than it may be, and what a check of every morning found: a name, its state, and what to tell."""
    study = deployment.study.name
    aged = [key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None]
    for key, found in instance.get_freshness_state_records(aged).items():
        if found.freshness_state not in (FreshnessState.WARN, FreshnessState.FAIL):
            continue
        path = asset_path(key)
        record = deployment.store.record(deployment.address(path))
        since, run = (record.time[:16], record.run) if record is not None else ("it was deleted", "")
        behind = deployment.behind(path)
        reason = f"not made since {since}" + (f"; {behind}" if behind else "")
        yield path, (found.freshness_state.value, Notice(study, "stale", path, reason, run=_link(deployment, run)))
    checked = [key for key in graph.asset_check_keys if graph.get(key).automation_condition is not None]
    for check, newest in instance.event_log_storage.get_latest_asset_check_execution_by_key(checked).items():
        name = f"{asset_path(check.asset_key)} {check.name}"
        if newest.status is CheckStatus.PLANNED and name in told:
            yield name, (told[name], None)
        if newest.status is not CheckStatus.FAILED or newest.event is None or newest.event.dagster_event is None:
            continue
        reason = newest.event.dagster_event.asset_check_evaluation_data.description or check.name
        path = asset_path(check.asset_key)
        yield name, (reason, Notice(study, "stale", path, reason, run=_link(deployment, newest.run_id)))


def _soils(deployment: Deployment, told: dict[str, Any] | None) -> dict[str, Any] | None:
    """Which stations are dry for the time of year, in which version of the data, and notices of those that have become
    so or no longer are; None where nothing is new. At first nobody is told.

    A station of which nothing is known at the moment stays what it was.
    """
    record = deployment.store.record(deployment.address(DROUGHT))
    version = record.checksum if record is not None else None
    if version is None or (told and told["version"] == version) or not deployment.is_current(DROUGHT):
        return None
    from soilmoisture_assets.scoring.drought import dry_stations  # scipy is slow to import

    found = deployment.read(DROUGHT)
    percentile = f"{found.attrs['dry_percentile']:g}"
    before = set(told["dry"]) if told else set(dry_stations(found))
    become = sorted(set(dry_stations(found)) - before)
    ended = sorted(before.intersection(dry_stations(found, dry=False)))
    assert record is not None
    link = _link(deployment, record.run)
    limit = f"percentile {percentile} of the time of year"
    study, below, above = deployment.study.name, f"soil moisture has fallen below {limit}", f"it is above {limit}"
    notices = [
        Notice(study, "dry", DROUGHT, below, tuple(become), link),
        Notice(study, "no longer dry", DROUGHT, above, tuple(ended), link),
    ]
    dry = sorted((before | set(become)) - set(ended))
    return {"version": version, "dry": dry, "notices": [each for each in notices if each.partitions]}


def _link(deployment: Deployment, run: str) -> str:
    return f"{deployment.settings.ui_url}/runs/{run}" if run else ""
