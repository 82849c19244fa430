"""What runs by itself: the ERA5 refresh, new stations, the watch on the archive, the cube and figures that follow.

Training never does. Not here: which months are due (sources/era5/months.py).
"""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from soilmoisture_assets.defs.deployment import ERA5, ISMN, STUDY
from soilmoisture_assets.defs.partition_loop import WANTED_TAG
from soilmoisture_assets.defs.partitions import era5_month
from soilmoisture_assets.defs.resources import resources

SCHEDULES: list[dg.ScheduleDefinition] = []
_FOLLOWING: dg.AssetSelection = dg.AssetSelection.groups("cube", "figures")
if ERA5:
    _FOLLOWING = _FOLLOWING | dg.AssetSelection.checks_for_assets("raw/era5/station_series")
SENSORS: list[dg.SensorDefinition] = [
    dg.AutomationConditionSensorDefinition(
        "cube_and_figures",
        target=_FOLLOWING,
        description="Materializes the cube and the figures when what they are made from has changed, and runs the "
        "daily checks of ERA5.",
    )
]

if ERA5:
    from soilmoisture_assets.defs.raw import era5

    era5_refresh_job = dg.define_asset_job(
        "era5_refresh",
        selection=dg.AssetSelection.assets(*era5.KEYS),
        partitions_def=era5_month,
        description="Asks for one month again, down to the series at the stations.",
    )

    @dg.schedule(job=era5_refresh_job, cron_schedule="0 6 * * *", execution_timezone="UTC")
    def era5_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        """Every morning: the newest months, and every stored month that is still preliminary."""
        for month in due_months(context):
            # the day in the run key, because a preliminary month is asked for again until it is final
            day = f"{context.scheduled_execution_time:%Y-%m-%d}"
            yield dg.RunRequest(run_key=f"{month} {day}", partition_key=month)

    SCHEDULES.append(era5_refresh)

    def due_months(context: dg.ScheduleEvaluationContext) -> list[str]:
        """Partition keys to request on the day of the tick."""
        from soilmoisture_assets.sources.era5.formats import months_in_files
        from soilmoisture_assets.sources.era5.months import months_to_refresh

        netcdf = resources()["netcdf"]
        paths = {month: netcdf.path(era5.HOURLY, month) for month in netcdf.stored_partitions(era5.HOURLY)}
        stored = {month[:7]: _preliminary_share(path, path.stat().st_mtime_ns) for month, path in paths.items()}
        today = context.scheduled_execution_time.date()
        due = months_to_refresh(today, stored, STUDY.axis_period(today))
        if not era5.FETCHED:
            given = months_in_files(Path(str(STUDY.era5.folder)))
            due = [month for month in due if month in given]
        return [f"{month}-01" for month in due]

    @lru_cache(maxsize=4096)
    def _preliminary_share(path: Path, modified: int) -> float:
        """Share of preliminary hours of a stored month; read once until the file changes."""
        from soilmoisture_assets.sources.era5.formats import preliminary_share

        with resources()["netcdf"].load(path) as hourly:
            return preliminary_share(hourly)

    era5_stations_job = dg.define_asset_job(
        "era5_stations",
        selection=dg.AssetSelection.assets(*(era5.KEYS if era5.POINTS else [era5.STATION_SERIES])),
        partitions_def=era5_month,
        description="Takes stored months to stations that were not there when they were made.",
    )

    @dg.sensor(job=era5_stations_job, minimum_interval_seconds=600)
    def era5_new_stations(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Stored months that lack a station are taken to it; where points are fetched, they are fetched for it."""
        lacking = months_lacking_stations()
        if not lacking:
            yield dg.SkipReason("every stored month has every station")
            return
        months = sorted(lacking)
        names = hashlib.sha256(json.dumps(lacking, sort_keys=True).encode()).hexdigest()[:10]
        yield dg.RunRequest(
            run_key=f"{months[0]} {months[-1]} {names}",
            tags={
                ASSET_PARTITION_RANGE_START_TAG: months[0],
                ASSET_PARTITION_RANGE_END_TAG: months[-1],
                WANTED_TAG: json.dumps(months),
            },
        )

    SENSORS.append(era5_new_stations)

    def months_lacking_stations() -> dict[str, list[str]]:
        """Stations of the table that stored months do not have, by month."""
        netcdf = resources()["netcdf"]
        stored = netcdf.stored_partitions(era5.STATION_SERIES)
        if not stored:
            return {}
        wanted = set(era5.station_table().station.values.astype(str))
        lacking = {}
        for month in stored:
            path = netcdf.path(era5.STATION_SERIES, month)
            if missing := sorted(wanted - _stations_of(path, path.stat().st_mtime_ns)):
                lacking[month] = missing
        return lacking

    @lru_cache(maxsize=4096)
    def _stations_of(path: Path, modified: int) -> frozenset[str]:
        with resources()["netcdf"].load(path) as series:
            return frozenset(series.station.values.astype(str).tolist())


if ISMN and not STUDY.sandbox:
    from soilmoisture_assets.defs.raw.ismn import archive_path

    @dg.sensor(target=dg.AssetSelection.keys("raw/ismn/archive", "raw/ismn/stations"), minimum_interval_seconds=600)
    def ismn_archive_changed(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Reads the archive again when it is new or has changed."""
        path = archive_path()
        state = f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}"
        if state == context.cursor:
            yield dg.SkipReason(f"{path} has not changed")
            return
        context.update_cursor(state)
        yield dg.RunRequest(run_key=state)

    SENSORS.append(ismn_archive_changed)
