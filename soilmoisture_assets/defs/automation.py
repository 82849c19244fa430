"""What runs by itself: the refresh of weather and records, the watch on the archive, raw data that are out of date, and
from the cube to the latest forecast, the figures and the report all that follows.

Training never does. It is on where a study goes on or is a sandbox's, and off where a person decides when to run it.
Not here: what is due (refresh.py), when an unpartitioned asset follows (following.py), what is told (notices.py).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import dagster as dg

from soilmoisture_assets.assets import records_of
from soilmoisture_assets.defs.analysis.recession import TABLES as RECESSION_TABLES
from soilmoisture_assets.defs.dagster_private import NOT_FINISHED_STATUSES
from soilmoisture_assets.defs.following import of_today
from soilmoisture_assets.defs.keys import asset_key, name_of
from soilmoisture_assets.defs.leases import end_dead_runs
from soilmoisture_assets.defs.making import wanted_tags
from soilmoisture_assets.defs.partitions import partitions_of
from soilmoisture_assets.defs.raw.era5 import STATION_SERIES, month_assets
from soilmoisture_assets.defs.raw.ismn import ARCHIVE, SCAN, archive_path
from soilmoisture_assets.defs.raw.series import issued_asset, series_assets
from soilmoisture_assets.defs.refresh import archive_is_due, due_issued, due_records, due_series, due_today
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources import network_of
from soilmoisture_assets.store.graph import View, fingerprint_of
from soilmoisture_assets.store.records import State


def schedules(deployment: Deployment) -> list[dg.ScheduleDefinition]:
    """The morning's refresh of weather, and of what the stations of a network have measured."""
    found = []
    if month_assets(deployment):
        found.append(
            _every_morning(
                deployment,
                "era5_refresh",
                month_assets(deployment),
                due_today,
                "Asks for months again, down to the series at the stations.",
                "the newest months, and every stored month that is still preliminary",
            )
        )
    for path, source in series_assets(deployment).items():
        found.append(
            _every_morning(
                deployment,
                f"{source.name}_refresh",
                [path],
                partial(due_series, path=path),
                f"Asks for months of {source.title} again.",
                "this month and the last, and every stored month that may have been revised",
            )
        )
    if (issued := issued_asset(deployment)) is not None:
        found.append(
            _every_morning(
                deployment,
                "issued_weather_refresh",
                [issued],
                partial(due_issued, path=issued),
                "Asks for the weather as it was forecast: for what has been issued since.",
                "the forecasts of weather that were issued this month and the last",
            )
        )
    if network_of(deployment.study) is not None:
        found.append(
            _every_morning(
                deployment,
                "records_refresh",
                [records_of(deployment.study)],
                due_records,
                "Asks for the records of the stations again: for what they have measured since.",
                "every stored station, whose running year is fetched again",
            )
        )
    return found


def _every_morning(
    deployment: Deployment,
    name: str,
    paths: list[str],
    due: Callable[[Deployment], list[str]],
    what: str,
    asks: str,
) -> dg.ScheduleDefinition:
    partitions = partitions_of(deployment, deployment.graph[paths[0]])
    assert partitions is not None
    job = dg.define_asset_job(
        name_of(deployment.study, name),
        selection=_selection(deployment, paths),
        partitions_def=partitions,
        description=what,
    )

    @dg.schedule(
        name=job.name,
        job=job,
        cron_schedule="0 6-12/3 * * *",
        execution_timezone="UTC",
        description=f"Every morning in one run: {asks}. What was not answered is asked for again three and six hours "
        "later.",
        default_status=dg.DefaultScheduleStatus.RUNNING if _by_itself(deployment) else dg.DefaultScheduleStatus.STOPPED,
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if deployment.view().names(deployment.places) is None:
            return dg.SkipReason("no station is known yet: run the job 'everything' first")
        if context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=NOT_FINISHED_STATUSES), limit=1):
            return dg.SkipReason("the last run has not ended")
        every = partitions.get_partition_keys(dynamic_partitions_store=context.instance)
        if not (names := due(deployment)):
            return dg.SkipReason("all that is due has been asked for today")
        return dg.RunRequest(tags=wanted_tags(deployment, every, names))

    return refresh


def _by_itself(deployment: Deployment) -> bool:
    """Whether what runs by itself is on from the start."""
    return deployment.study.sandbox or deployment.study.reach == "open"


def _status(deployment: Deployment) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if _by_itself(deployment) else dg.DefaultSensorStatus.STOPPED


def sensors(deployment: Deployment) -> list[dg.SensorDefinition]:
    """What follows what has changed."""
    graph = deployment.graph
    paths = [path for path in graph if graph[path].layer in ("cube", "figures", "report") or path in RECESSION_TABLES]
    paths = list(dict.fromkeys([*paths, *of_today(graph)]))
    following = _selection(deployment, paths)
    checked = [path for path in deployment.graph if path == STATION_SERIES or path.startswith("models/regional_model_")]
    keys = [asset_key(deployment.study, path) for path in checked]
    following = following | dg.AssetSelection.checks_for_assets(*keys)
    found: list[dg.SensorDefinition] = [
        dg.AutomationConditionSensorDefinition(
            name_of(deployment.study, "cube_to_report"),
            target=following,
            default_status=_status(deployment),
            description="Materializes the cube, the latest forecast, the figures and the report when what they are "
            "made from has changed, and runs the daily checks of ERA5 and of the models' age. Trains none.",
        )
    ]
    if ARCHIVE in deployment.graph:
        found.append(_archive_changed(deployment))
    return [*found, _raw_follows(deployment), _left_behind(deployment, paths), _dead_runs_ended(deployment)]


def _selection(deployment: Deployment, paths: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(deployment.study, path) for path in paths))


def _archive_changed(deployment: Deployment) -> dg.SensorDefinition:
    stations = deployment.places

    @dg.sensor(
        name=name_of(deployment.study, "ismn_archive_changed"),
        description="Reads the archive again when it is new or has changed; that of an open sandbox study grows daily.",
        target=_selection(deployment, [ARCHIVE, SCAN, stations]),
        minimum_interval_seconds=600,
        default_status=_status(deployment),
    )
    def ismn_archive_changed(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if deployment.study.sandbox:
            state = str(deployment.today()) if archive_is_due(deployment) else None
        else:
            try:
                archive_path(deployment)
            except SourceError as error:
                return dg.SkipReason(str(error))
            view = deployment.view()
            expected = None if view.counts(ARCHIVE, None) else view.expected(ARCHIVE, None)
            state = expected.fingerprint if expected else None
        return dg.RunRequest(run_key=state) if state else dg.SkipReason("the archive has not changed")

    return ismn_archive_changed


def _dead_runs_ended(deployment: Deployment) -> dg.SensorDefinition:
    @dg.sensor(
        name=name_of(deployment.study, "dead_runs_ended"),
        description="Ends the runs whose process is gone, so that nobody waits for them.",
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def dead_runs_ended(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ended = end_dead_runs(context.instance)
        return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every run has its process")

    return dead_runs_ended


def _raw_follows(deployment: Deployment) -> dg.SensorDefinition:
    """Raw data that are out of date are made again: a new record of a station, a new station in old months; and what is
    read from files of the user's own that have changed.

    Dagster's own conditions would ask for a run per partition, and know nothing of files.
    """
    definitions: dict[str | None, dg.PartitionsDefinition | None] = {None: None}
    by_partitions: dict[str | None, list[str]] = defaultdict(list)
    for path, asset in deployment.graph.assets.items():
        if asset.layer == "raw" or asset.files:
            by_partitions[asset.partitions].append(path)
            definitions[asset.partitions] = partitions_of(deployment, asset)
    jobs = {
        kind: dg.define_asset_job(
            name_of(deployment.study, f"raw_{kind}s_follow" if kind else "raw_follows"),
            selection=_selection(deployment, paths),
            partitions_def=definitions[kind],
            description="Makes raw data again that are out of date.",
        )
        for kind, paths in by_partitions.items()
    }

    @dg.sensor(
        name=name_of(deployment.study, "raw_follows"),
        description="Makes again what was stored before and is out of date, also for stations that are new, and what "
        "is read from files of your own that have changed.",
        jobs=list(jobs.values()),
        minimum_interval_seconds=120,  # a listing of each asset: the forecast waits for it when an archive has grown
        default_status=_status(deployment),
    )
    def raw_follows(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        view, asked = deployment.view(), False
        for kind, job in jobs.items():
            for path in by_partitions[kind]:
                names = _out_of_date(view, path)
                if not names:
                    continue
                asked = True
                made_as = [[name, found.fingerprint] for name in names if (found := view.expected(path, name))]
                tags = {}
                if (definition := definitions[kind]) is not None:
                    every = definition.get_partition_keys(dynamic_partitions_store=context.instance)
                    tags = wanted_tags(deployment, every, [name for name in names if name is not None])
                # what failed is asked for once; what a service did not answer, once a day
                again = [str(deployment.today())] if deployment.graph[path].pool else []
                yield dg.RunRequest(
                    run_key=f"{path} {fingerprint_of(made_as, *again)}",
                    job_name=job.name,
                    asset_selection=[asset_key(deployment.study, path)],
                    tags=tags,
                )
        if not asked:
            yield dg.SkipReason("all raw data are up to date")

    return raw_follows


def _left_behind(deployment: Deployment, paths: Sequence[str]) -> dg.SensorDefinition:
    """What Dagster lost sight of: where an asset and then something that it is made from are made between two looks of
    its conditions, it takes the asset for new. The store knows that it is not.

    Asks for what was out of date two looks long while nothing ran, so that conditions and people come first.
    """
    whole = [path for path in paths if deployment.graph[path].partitions is None and not deployment.graph[path].files]

    @dg.sensor(
        name=name_of(deployment.study, "left_behind"),
        target=_selection(deployment, whole),
        description="Makes again what follows and was forgotten: a report whose last figure came while it was made.",
        minimum_interval_seconds=120,
        default_status=_status(deployment),
    )
    def left_behind(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=1):
            context.update_cursor("")
            return dg.SkipReason("something is being made")
        view = deployment.view()
        behind = {
            path: expected.fingerprint
            for path in whole
            if _out_of_date(view, path) and not view.lacking(path, None) and (expected := view.expected(path, None))
        }
        key = fingerprint_of(*sorted(behind.items())) if behind else ""
        seen_before = context.cursor == key
        context.update_cursor(key)
        if not behind or not seen_before:
            return dg.SkipReason(f"out of date: {', '.join(behind) or 'nothing'}")
        return dg.RunRequest(run_key=key, asset_selection=[asset_key(deployment.study, path) for path in behind])

    return left_behind


def _out_of_date(view: View, path: str) -> list[str | None]:
    """Of an asset that is stored at all, the partitions that would be made otherwise now.

    Months and years that were never there are for a backfill or the morning's refresh.
    """
    asset, entries = view.graph[path], view.entries(path)
    stored = [name for name, entry in entries.items() if entry.state is State.STORED]
    if asset.partitions is None:
        names: list[str | None] = [None]
    else:
        names = [name for name in view.wanted(path) if asset.partitions == "station" or name in stored]
    return [name for name in names if stored and not view.settled(path, name) and view.expected(path, name) is not None]
