"""Jobs: the work that people do, on the jobs page of the web UI, as `soilmoisture run` does it for a selection.

Belongs here: which jobs there are and what each brings up to date. Not here: how (runs.py), what runs by itself
(automation.py).
"""

from collections.abc import Callable, Mapping
from importlib import import_module

import dagster as dg

from soilmoisture_assets.assets import LATEST
from soilmoisture_assets.defs.following import of_today
from soilmoisture_assets.defs.keys import STUDY_TAG, name_of
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.defs.server import DEFINITIONS, named
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.store.graph import Graph

_STATIONS = dg.Field(
    [str], is_required=False, default_value=[], description="Stations to bring up to date; none named: all."
)
_FORCE = dg.Field(bool, is_required=False, default_value=False, description="Also what is up to date.")


def _of_layers(*layers: str) -> Callable[[Graph], set[str]]:
    return lambda graph: {path for path in graph if graph[path].layer in layers}


def _with_all_before(graph: Graph, wanted: set[str]) -> set[str]:
    """The assets and all that they are made from."""
    found, todo = set(wanted), list(wanted)
    while todo:
        for parent in graph.parents(todo.pop()):
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


JOBS: Mapping[str, tuple[str, Callable[[Graph], set[str]]]] = {
    "everything": ("Everything that is out of date, from raw data to the report.", lambda graph: set(graph)),
    "ingest": ("Raw data: what services and archives have that is new, nothing else.", _of_layers("raw")),
    "refresh": (
        "A morning's work: new raw data, the cube, the latest forecast, how unusual it is, maps and the report. "
        "Trains nothing.",
        lambda graph: _of_layers("raw", "cube", "report")(graph) | of_today(graph),
    ),
    "cube": (
        "The station cube and all it is made from.",
        lambda graph: _with_all_before(graph, _of_layers("cube")(graph)),
    ),
    "train": (
        "All models and forecasts, and what they are made from. When it is due, the check of each regional model says.",
        lambda graph: _with_all_before(graph, _of_layers("models")(graph)),
    ),
    "analyse": (
        "Skill, calibration and attribution, and what they are made from.",
        lambda graph: _with_all_before(graph, _of_layers("analysis")(graph)),
    ),
    "figures_and_report": ("Figures and the report, of what there is.", _of_layers("figures", "report")),
    "latest_forecast": (
        "The newest forecast of each station, from models that there are.",
        lambda graph: {LATEST} & set(graph),
    ),
}
"""By name what a job says of itself, and the assets of a study that it brings up to date."""


def jobs(deployment: Deployment) -> list[dg.JobDefinition]:
    """One for each of ``JOBS`` that has anything to do in the study."""
    return [
        _job(deployment, name, text, wanted)
        for name, (text, choose) in JOBS.items()
        if (wanted := choose(deployment.graph))
    ]


def _job(deployment: Deployment, name: str, text: str, wanted: set[str]) -> dg.JobDefinition:
    own = name_of(deployment.study, name)

    @dg.op(name=f"{own}__up_to_date", config_schema={"stations": _STATIONS, "force": _FORCE})
    def up_to_date(context: dg.OpExecutionContext) -> None:
        definitions = getattr(import_module(DEFINITIONS), named(deployment.settings))
        errors: list[str] = []
        failed: dict[str, str] = {}
        runs = bring_up_to_date(
            deployment,
            definitions,
            context.instance,
            wanted,
            stations=context.op_config["stations"],
            force=context.op_config["force"],
            origin=f"job {own}",
        )
        for assets, names, outcome in runs:
            what = ", ".join(assets) + (f" ({len(names)} partitions)" if names else "")
            if outcome is None:
                context.log.info(f"makes {what}")
                continue
            for warning in outcome.warnings:
                context.log.warning(warning)
            failed |= outcome.failed_partitions
            errors += [outcome.error] if outcome.error else []
            context.log.info(f"run {outcome.run_id[:8]}: {'not all of ' if outcome.error else ''}{what}")
        if errors or failed:
            reasons = errors + [f"{partition}: {reason}" for partition, reason in failed.items()]
            raise dg.Failure("\n".join(reasons), allow_retries=False)

    @dg.graph(name=own, description=text)
    def work() -> None:
        up_to_date()

    return work.to_job(
        executor_def=dg.in_process_executor, tags={STUDY_TAG: deployment.study.name}
    )  # its runs have workers of their own
