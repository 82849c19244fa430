"""Analysis: skill by network, climate, land cover and soil texture, and what the intervals hold.

Not here: the scores and their medians (scoring/), the groups (attribution/station_groups.py).
"""

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.analysis.skill import SKILL
from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.models.forecasts import best_forecasts
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.study import Study

SKILL_BY_GROUP = dg.AssetKey(["analysis", "skill_by_group"])
CALIBRATION = dg.AssetKey(["analysis", "calibration"])


@dg.asset(
    key=SKILL_BY_GROUP,
    ins={"cube": dg.AssetIn(key=["cube", "station_cube"]), "skill": dg.AssetIn(key=SKILL)},
    group_name="analysis",
    kinds={"csv"},
    owners=OWNERS,
    io_manager_key="table",
    code_version=version("1", "analysis"),
)
def skill_by_group(
    context: dg.AssetExecutionContext, cube: xr.Dataset, skill: xr.Dataset, study: dg.ResourceParam[Study]
) -> pd.DataFrame:
    """Median R² of every method on test data, by network, climate, land cover and soil texture of the stations."""
    from soilmoisture_assets.attribution.station_groups import station_groups
    from soilmoisture_assets.scoring.skill import summarise_by

    shown = skill.sel(split=["test"], lead=study.window_hours).load()
    tables = []
    for grouping, (group, names) in station_groups(cube.load()).items():
        table = summarise_by(shown, group, names)
        table.insert(0, "grouping", grouping)
        tables.append(table)
    found = pd.concat(tables, ignore_index=True)
    context.add_output_metadata({"groups": dg.MetadataValue.int(len(found.groupby(["grouping", "group"])))})
    return found


@dg.asset(
    key=CALIBRATION,
    deps=list(FORECAST_KEYS.values()),
    group_name="analysis",
    kinds={"csv"},
    owners=OWNERS,
    io_manager_key="table",
    code_version=version("1", "analysis"),
)
def calibration(netcdf: dg.ResourceParam[NetcdfIOManager]) -> pd.DataFrame:
    """Share of observations below each forecast quantile and inside the interval, per experiment, split and lead."""
    from soilmoisture_assets.scoring.calibration import reliability_table

    tables = []
    for experiment in FORECAST_KEYS:
        forecasts = best_forecasts(netcdf, experiment)
        table = reliability_table(forecasts)
        table.insert(0, "method", str(forecasts.attrs["method"]))
        table.insert(0, "experiment", experiment.value)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
