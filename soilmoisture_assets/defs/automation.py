"""What runs by itself: the ERA5 refresh, the watch on the archive, partitions that are out of date, the cube, the
latest forecast and the figures that follow.

Training never does. Not here: what is due (refresh.py), when an unpartitioned asset follows (following.py).
"""

import json
from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.dagster_private import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import WANTED_TAG
from soilmoisture_assets.defs.partitions import months_of, stations_of
from soilmoisture_assets.defs.raw.era5 import STATION_SERIES, month_assets
from soilmoisture_assets.defs.raw.ismn import ARCHIVE, SCAN, archive_path
from soilmoisture_assets.defs.refresh import archive_is_due, due_months
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.store.graph import fingerprint_of


def schedules(deployment: Deployment) -> list[dg.ScheduleDefinition]:
    """The morning's refresh, where the study takes weather from ERA5."""
    if not month_assets(deployment):
        return []
    job = dg.define_asset_job(
        name_of(deployment, "era5_refresh"),
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
            name_of(deployment, "cube_and_figures"),
            target=following,
            description="Materializes the cube, the latest forecast and the figures when what they are made from has "
            "changed, and runs the daily checks of ERA5.",
        )
    ]
    if ARCHIVE in deployment.graph:
        found.append(_archive_changed(deployment))
    if follow := _following_partitions(deployment):
        found.append(follow)
    return found


def name_of(deployment: Deployment, name: str) -> str:
    """A job, schedule or sensor named like its study, so that two studies in one web UI are told apart."""
    return f"{deployment.study.name}__{name}"


def _selection(deployment: Deployment, paths: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(deployment.study, path) for path in paths))


def _archive_changed(deployment: Deployment) -> dg.SensorDefinition:
    stations = deployment.places

    @dg.sensor(
        name=name_of(deployment, "ismn_archive_changed"),
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


def _following_partitions(deployment: Deployment) -> dg.SensorDefinition | None:
    """Stored partitions of raw data that are out of date are made again: new stations in old months, new records.

    Dagster's own conditions would ask for a run per partition.
    """
    from_archive = [path for path, asset in deployment.graph.assets.items() if path.startswith("raw/ismn/") and
                    asset.partitions == "station"]  # fmt: skip
    jobs = {}
    for name, paths, definition in (
        ("stations_follow", from_archive, stations_of(deployment.study)),
        ("months_follow", month_assets(deployment), months_of(deployment)),
    ):
        if paths:
            jobs[name] = dg.define_asset_job(
                name_of(deployment, name),
                selection=_selection(deployment, paths),
                partitions_def=definition,
                description="Makes partitions again that are out of date.",
            )
    if not jobs:
        return None
    paths_of = {"stations_follow": from_archive, "months_follow": month_assets(deployment)}

    @dg.sensor(
        name=name_of(deployment, "raw_partitions"),
        jobs=list(jobs.values()),
        minimum_interval_seconds=600,
    )
    def raw_partitions(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for what was stored before and is out of date: a new station in old months, a new record of a station."""
        asked = False
        view = deployment.view()
        for name, job in jobs.items():
            for path in paths_of[name]:
                stored = [part for part, entry in view.entries(path).items() if entry.state == "stored"]
                names = sorted(
                    part for part in view.wanted(path)
                    if (stored and not view.settled(path, part)) and view.expected(path, part) is not None
                )  # fmt: skip
                if not names:
                    continue
                asked = True
                state = fingerprint_of(path, [[part, vars(view.expected(path, part))] for part in names])
                yield dg.RunRequest(
                    run_key=f"{path} {state}",
                    job_name=job.name,
                    asset_selection=[asset_key(deployment.study, path)],
                    tags={
                        ASSET_PARTITION_RANGE_START_TAG: names[0],
                        ASSET_PARTITION_RANGE_END_TAG: names[-1],
                        WANTED_TAG: json.dumps(names),
                    },
                )
        if not asked:
            yield dg.SkipReason("every stored partition is up to date")

    return raw_partitions
