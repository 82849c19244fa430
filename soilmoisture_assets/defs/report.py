"""The report: one page that tells the study from data to drivers. Not here: the page (plots/report.py)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.assets import EXPLAINED, REPORT
from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.defs.raw.ismn import SCAN, archive_scan
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.plots.figure import figure_files
from soilmoisture_assets.store.records import State


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The one page, made again by itself when a part of it has changed."""
    return [step(deployment, [REPORT], _report, automation=follows(deployment, REPORT))]


def _report(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.plots.report import FigureEntry, build_report
    from soilmoisture_assets.scoring.gathering import best_forecasts

    given, deployment, study = work.given(), work.deployment, work.study
    cube, stations, skill = given["cube"].load(), given["stations"].load(), given["skill"].load()
    latest, drought = given.get("latest"), given.get("drought")
    out = stations.included.values == 0
    drawn = [
        (file, given[file.path])
        for file in figure_files(study, deployment.graph.assets)
        if given[file.path] is not None
    ]
    page = build_report(
        study,
        cube=cube,
        skill_summary=given["summary"],
        skill=skill,
        by_group=given["by_group"],
        calibration=given["calibration"],
        forecasts={e.value: best_forecasts(given[f"forecasts_{e}"]) for e in study.model.experiments},
        latest=latest.load() if latest is not None else None,
        drought=drought.load() if drought is not None else None,
        shap={e.value: given[f"shap_{e}"].load() for e in study.model.experiments if e in EXPLAINED},
        figures=[FigureEntry.stored(path, file.figure.section, file.path) for file, path in drawn],
        excluded=pd.DataFrame({"station": stations.station.values[out], "reason": stations.reason.values[out]}),
        # a page that was damaged is noted as failed until it is made again, which is now
        failures=pd.DataFrame([vars(each) for each in deployment.reasons(State.FAILED) if each.asset != REPORT]),
        archive_problems=_archive_problems(deployment) if SCAN in deployment.graph else None,
        network_citations=deployment.network_citations(),
        provenance=[_provenance(dataset) for dataset in (cube, stations, skill)],
        settled=deployment.settled,
        weather_lacking=deployment.weather_lacking(),
        made=deployment.now(),
    )
    yield Made(page)


def _archive_problems(deployment: Deployment) -> pd.DataFrame:
    from soilmoisture_assets.sources.ismn.members import grouped

    return pd.DataFrame(grouped(archive_scan(deployment).problems), columns=["what", "files", "for example"])


def _provenance(dataset: xr.Dataset) -> dict[str, Any]:
    names = ("title", "source", "references", "license", "history")
    return {name: dataset.attrs[name] for name in names if name in dataset.attrs}
