"""What runs by itself: the ERA5 refresh, the watch on the archive, the cube and figures that follow. Never training.

Not here: which months are due (sources/era5.py).
"""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.deployment import ERA5, ISMN, STUDY
from soilmoisture_assets.defs.partitions import era5_month
from soilmoisture_assets.defs.resources import resources

SCHEDULES: list[dg.ScheduleDefinition] = []
SENSORS: list[dg.SensorDefinition] = [
    dg.AutomationConditionSensorDefinition(
        "cube_and_figures",
        target=dg.AssetSelection.groups("cube", "figures"),
        description="Materializes the cube and the figures when what they are made from has changed.",
    )
]

if ERA5:
    from soilmoisture_assets.defs.raw.era5 import DELIVERY, HOURLY

    _FETCHED = HOURLY if STUDY.era5.access == "files" else DELIVERY
    era5_refresh_job = dg.define_asset_job(
        "era5_refresh",
        selection=dg.AssetSelection.assets(_FETCHED),
        partitions_def=era5_month,
        description="Asks for one month again; the series at the stations follow.",
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
        from soilmoisture_assets.sources.era5 import months_to_refresh
        from soilmoisture_assets.sources.era5_formats import preliminary_share

        netcdf = resources()["netcdf"]
        stored = {month[:7]: preliminary_share(hourly) for month, hourly in netcdf.partitions(HOURLY).items()}
        end = None if STUDY.era5.open_ended else STUDY.era5.end or STUDY.period.end
        period = (STUDY.era5.start or STUDY.period.start, end)
        return [f"{month}-01" for month in months_to_refresh(context.scheduled_execution_time.date(), stored, period)]


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
