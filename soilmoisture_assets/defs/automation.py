"""What runs by itself: the ERA5 refresh, the watch on the archive, raw data that are out of date, the cube, the
latest forecast and the figures that follow.

Training never does. Not here: what is due (refresh.py), when an unpartitioned asset follows (following.py).
"""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.keys import asset_key, name_of
from soilmoisture_assets.defs.leases import end_dead_runs
from soilmoisture_assets.defs.making import wanted_tags
from soilmoisture_assets.defs.partitions import months_of, partitions_of
from soilmoisture_assets.defs.raw.era5 import STATION_SERIES, month_assets
from soilmoisture_assets.defs.raw.ismn import ARCHIVE, SCAN, archive_path
from soilmoisture_assets.defs.refresh import archive_is_due, due_months
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.store.graph import View, fingerprint_of
from soilmoisture_assets.store.records import State


def schedules(deployment: Deployment) -> list[dg.ScheduleDefinition]:
    """The morning's refresh, where the study takes weather from ERA5."""
    if not month_assets(deployment):
        return []
    job = dg.define_asset_job(
        name_of(deployment.study, "era5_refresh"),
        selection=_selection(deployment, month_assets(deployment)),
        partitions_def=months_of(deployment),
        description="Asks for one month again, down to the series at the stations.",
    )

    @dg.schedule(name=job.name, job=job, cron_schedule="0 6 * * *", execution_timezone="UTC")
    def era5_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        """Every morning: the newest months, and every stored month that is still preliminary."""
        for month in due_months(deployment):
            # the day in the run key, because a preliminary month is asked for again until it is final
            yield dg.RunRequest(run_key=f"{month} {deployment.today()}", partition_key=month)

    return [era5_refresh]


def sensors(deployment: Deployment) -> list[dg.SensorDefinition]:
    """What follows what has changed."""
    following: dg.AssetSelection = dg.AssetSelection.groups("cube", "figures")
    if "models/latest_forecast" in deployment.graph:
        following = following | _selection(deployment, ["models/latest_forecast"])
    if STATION_SERIES in deployment.graph:
        following = following | dg.AssetSelection.checks_for_assets(asset_key(deployment.study, STATION_SERIES))
    found: list[dg.SensorDefinition] = [
        dg.AutomationConditionSensorDefinition(
            name_of(deployment.study, "cube_and_figures"),
            target=following,
            description="Materializes the cube, the latest forecast and the figures when what they are made from has "
            "changed, and runs the daily checks of ERA5.",
        )
    ]
    if ARCHIVE in deployment.graph:
        found.append(_archive_changed(deployment))
    return [*found, _raw_follows(deployment), _dead_runs_ended(deployment)]


def _selection(deployment: Deployment, paths: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(deployment.study, path) for path in paths))


def _archive_changed(deployment: Deployment) -> dg.SensorDefinition:
    stations = deployment.places

    @dg.sensor(
        name=name_of(deployment.study, "ismn_archive_changed"),
        target=_selection(deployment, [ARCHIVE, SCAN, stations]),
        minimum_interval_seconds=600,
    )
    def ismn_archive_changed(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Reads the archive again when it is new or has changed; that of an open sandbox study grows every day."""
        if deployment.study.sandbox:
            state = str(deployment.today()) if archive_is_due(deployment) else context.cursor
        else:
            path = archive_path(deployment)
            state = f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}"
        if state == context.cursor or state is None:
            yield dg.SkipReason("the archive has not changed")
            return
        context.update_cursor(state)
        yield dg.RunRequest(run_key=state)

    return ismn_archive_changed


def _dead_runs_ended(deployment: Deployment) -> dg.SensorDefinition:
    @dg.sensor(
        name=name_of(deployment.study, "dead_runs_ended"),
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def dead_runs_ended(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Ends the runs whose process is gone, so that nobody waits for them."""
        ended = end_dead_runs(context.instance)
        return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every run has its process")

    return dead_runs_ended


def _raw_follows(deployment: Deployment) -> dg.SensorDefinition:
    """Raw data that are out of date are made again: a new record of a station, a new station in old months.

    Dagster's own conditions would ask for a run per partition.
    """
    definitions: dict[str | None, dg.PartitionsDefinition | None] = {None: None}
    by_partitions: dict[str | None, list[str]] = defaultdict(list)
    for path, asset in deployment.graph.assets.items():
        if asset.layer == "raw":
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

    @dg.sensor(name=name_of(deployment.study, "raw_follows"), jobs=list(jobs.values()), minimum_interval_seconds=600)
    def raw_follows(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for what was stored before and is out of date, and for stations that are new."""
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
                yield dg.RunRequest(
                    run_key=f"{path} {fingerprint_of(made_as)}",
                    job_name=job.name,
                    asset_selection=[asset_key(deployment.study, path)],
                    tags=tags,
                )
        if not asked:
            yield dg.SkipReason("all raw data are up to date")

    return raw_follows


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
