"""A year of the ERA5 schedule with a clock of its own: prints the months it requests on each day, as JSON.

Run by test_era5_refresh.py in a process of its own, as the study is read once when the code location loads.
"""

import json

import dagster as dg
import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.definitions import defs
from soilmoisture_assets.defs.automation import era5_refresh
from soilmoisture_assets.defs.raw.era5 import HOURLY
from soilmoisture_assets.defs.resources import resources
from soilmoisture_assets.sandbox.era5_files import release
from soilmoisture_assets.sources.era5.formats import preliminary_share
from soilmoisture_assets.sources.era5.months import month_hours


def month_on(day: pd.Timestamp, month: str) -> xr.Dataset:
    """A month as a run on that day stores it: one cell, what is published by then, preliminary or final."""
    hours = month_hours(month)
    published = (hours < day - pd.Timedelta(days=4)).astype(bool)
    codes = np.where(release(hours.to_numpy(), day.date()) == "0005", 5, 1)
    values = np.where(published, 1.0, np.nan).astype("float32")[:, None, None]
    return xr.Dataset(
        {"temperature": (("time", "latitude", "longitude"), values)},
        {
            "time": hours,
            "latitude": [40.0],
            "longitude": [-100.0],
            "expver": ("time", np.where(published, codes, 0).astype("int8")),
        },
    )


def main() -> None:
    netcdf, repository = resources()["netcdf"], defs.get_repository_def()
    asked, shares = {}, dict[str, float]()
    with dg.DagsterInstance.get() as instance:
        for day in pd.date_range("2018-01-01", "2018-12-31"):
            context = dg.build_schedule_context(
                instance=instance,
                repository_def=repository,
                scheduled_execution_time=(day + pd.Timedelta(hours=6)).tz_localize("UTC").to_pydatetime(),
            )
            requests = era5_refresh.evaluate_tick(context).run_requests or []
            months = [str(request.partition_key) for request in requests]
            asked[f"{day:%Y-%m-%d}"] = months
            for month in months:
                stored = month_on(day, month)
                if shares.get(month) != preliminary_share(stored):  # what stays the same need not be written again
                    shares[month] = preliminary_share(stored)
                    netcdf.write(stored, HOURLY, month)
                    instance.report_runless_asset_event(dg.AssetMaterialization(HOURLY, partition=month))
        recorded = sorted(instance.get_materialized_partitions(HOURLY))
    print(json.dumps({"asked": asked, "recorded": recorded, "shares": shares}))


if __name__ == "__main__":
    main()
