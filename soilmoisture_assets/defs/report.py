"""The report: one page that tells the study from data to drivers. Not here: the page (plots/report.py)."""

from typing import Any

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS as SHAP_KEYS
from soilmoisture_assets.defs.analysis.skill import HELD_OUT, SKILL, SUMMARY
from soilmoisture_assets.defs.analysis.skill_by_group import CALIBRATION, SKILL_BY_GROUP
from soilmoisture_assets.defs.deployment import ISMN, OWNERS
from soilmoisture_assets.defs.figures import FIGURES, NEED_MANY_STATIONS, SECTIONS
from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.models.forecasts import best_forecasts
from soilmoisture_assets.defs.partition_loop import failures
from soilmoisture_assets.defs.raw.ismn import SCAN, archive_path
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.figure import FigureIOManager
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.study import Study

REPORT = dg.AssetKey(["report", "report"])


@dg.asset(
    key=REPORT,
    ins={
        "cube": dg.AssetIn(key=["cube", "station_cube"]),
        "stations": dg.AssetIn(key=["cube", "stations"]),
        "skill": dg.AssetIn(key=SKILL),
        "summary": dg.AssetIn(key=SUMMARY),
        "by_group": dg.AssetIn(key=SKILL_BY_GROUP),
        "calibration": dg.AssetIn(key=CALIBRATION),
    },
    deps=[
        HELD_OUT,
        *FORECAST_KEYS.values(),
        *SHAP_KEYS.values(),
        *(key for key in FIGURES if key.path[1] not in NEED_MANY_STATIONS),
    ],
    group_name="report",
    kinds={"html"},
    owners=OWNERS,
    io_manager_key="figure",
    code_version=version("1", "report"),
)
def report(
    context: dg.AssetExecutionContext,
    cube: xr.Dataset,
    stations: xr.Dataset,
    skill: xr.Dataset,
    summary: pd.DataFrame,
    by_group: pd.DataFrame,
    calibration: pd.DataFrame,
    study: dg.ResourceParam[Study],
    netcdf: dg.ResourceParam[NetcdfIOManager],
    zarr: dg.ResourceParam[ZarrIOManager],
    figure: dg.ResourceParam[FigureIOManager],
) -> str:
    """Data, quality, models, skill, drivers, every figure and an interactive station map on one self-contained page."""
    from soilmoisture_assets.plots.report import FigureEntry, build_report

    out = stations.included.values == 0
    excluded = pd.DataFrame({"station": stations.station.values[out], "reason": stations.reason.values[out]})
    page = build_report(
        study,
        cube=cube.load(),
        skill_summary=summary,
        skill=skill.load(),
        by_group=by_group,
        calibration=calibration,
        forecasts={experiment.value: best_forecasts(netcdf, experiment) for experiment in FORECAST_KEYS},
        shap={experiment.value: zarr.read(key).load() for experiment, key in SHAP_KEYS.items()},
        figures=[
            FigureEntry.stored(figure.path(key), SECTIONS[key.path[1]]) for key in FIGURES if figure.path(key).exists()
        ],
        excluded=excluded,
        failures=pd.DataFrame(failures()),
        archive_problems=_archive_problems() if ISMN and SCAN.exists() else None,
        network_citations=zarr.network_citations(),
        provenance=[_provenance(dataset) for dataset in (cube, stations, skill)],
    )
    context.add_output_metadata({"size_mb": dg.MetadataValue.float(round(len(page) / 2**20, 2))})
    return page


def _archive_problems() -> pd.DataFrame:
    from soilmoisture_assets.sources.ismn.members import grouped
    from soilmoisture_assets.sources.ismn.scan import load_scan

    return pd.DataFrame(grouped(load_scan(SCAN, archive_path()).problems), columns=["what", "files", "for example"])


def _provenance(dataset: xr.Dataset) -> dict[str, Any]:
    names = ("title", "source", "references", "license", "history")
    return {name: dataset.attrs[name] for name in names if name in dataset.attrs}
