"""Analysis: scores of every method on one common sample, as datasets and as tables.

Not here: the scores (scores.py), the tables (scoring/skill.py).
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.scoring.gathering import gather_each
from soilmoisture_assets.study import Study

SKILL = dg.AssetKey(["analysis", "skill"])
SKILL_WINDOWS = dg.AssetKey(["analysis", "skill_windows"])
SUMMARY = dg.AssetKey(["analysis", "skill_summary"])
HELD_OUT = dg.AssetKey(["analysis", "skill_held_out"])


def _out(key: dg.AssetKey, description: str, io_manager_key: str) -> dg.AssetOut:
    return dg.AssetOut(
        key=key,
        description=description,
        io_manager_key=io_manager_key,
        group_name="analysis",
        kinds={"netcdf" if io_manager_key == "netcdf" else "csv"},
        owners=OWNERS,
        code_version=version("1", "analysis"),
    )


@dg.multi_asset(
    name="skill",
    outs={
        "skill": _out(SKILL, "Scores per split, experiment, method, station and lead.", "netcdf"),
        "skill_windows": _out(SKILL_WINDOWS, "The same with the leads up to each window pooled.", "netcdf"),
        "skill_summary": _out(SUMMARY, "Medians over stations with bootstrap intervals, one row per method.", "table"),
        "skill_held_out": _out(HELD_OUT, "The same over the stations held out in space.", "table"),
    },
    ins={
        "cube": dg.AssetIn(key=["cube", "station_cube"]),
        "baselines": dg.AssetIn(key=["models", "baselines"]),
    },
    deps=list(FORECAST_KEYS.values()),
)
def skill(
    context: dg.AssetExecutionContext,
    cube: xr.Dataset,
    baselines: xr.Dataset,
    study: dg.ResourceParam[Study],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> Iterator[dg.Output]:
    """Score persistence, climatology, ridge, boosting, LSTM and the models on the starts that all of them forecast."""
    from soilmoisture_assets.scoring.skill import markdown, skill_tables

    tables = skill_tables(list(_forecasts(netcdf)), baselines.load(), cube.load(), study)
    yield dg.Output(tables.skill, "skill", metadata={"test": dg.MetadataValue.md(markdown(tables.summary, "test"))})
    yield dg.Output(tables.skill_windows, "skill_windows")
    yield dg.Output(tables.summary, "skill_summary", metadata=_table_metadata(tables.summary))
    yield dg.Output(tables.held_out, "skill_held_out", metadata=_table_metadata(tables.held_out))


def _forecasts(netcdf: NetcdfIOManager) -> Iterator[xr.Dataset]:
    for key in FORECAST_KEYS.values():
        stored: Mapping[str, xr.Dataset] = {name: dataset.load() for name, dataset in netcdf.partitions(key).items()}
        yield from gather_each(stored)


def _table_metadata(table: pd.DataFrame) -> dict[str, dg.MetadataValue]:
    return {"rows": dg.MetadataValue.int(len(table))}
