"""``soilmoisture run``: bring a selection up to date, with progress. Not here: the order of runs (defs/order.py)."""

import difflib
import json
import re
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soilmoisture_assets.cli.progress import Shown, shown
from soilmoisture_assets.cli.terminal import JsonOption, StudyOption, err, instance_of, out, print_behind, print_reasons
from soilmoisture_assets.errors import Interrupted, StudyError

if TYPE_CHECKING:
    import dagster as dg

    from soilmoisture_assets.deployment import Deployment


def run(
    study: StudyOption = None,
    select: Annotated[
        str | None,
        typer.Option("--select", help='Dagster asset selection, such as "group:cube" or "+group:report".'),
    ] = None,
    stations: Annotated[str | None, typer.Option("--stations", help="Comma-separated stations; default: all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run also what is up to date.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a selection of assets, or what of it is missing or out of date, in the instance that the web UI shows."""
    started = time.monotonic()
    with shown(quiet=as_json) as bars:
        from soilmoisture_assets.defs.server import start_server
        from soilmoisture_assets.deployment import load_deployment

        deployment = load_deployment(study)
        start_server(deployment.settings)
        from soilmoisture_assets.defs.build import build_definitions  # imports for seconds, beside the server
        from soilmoisture_assets.doctor import check_inputs
        from soilmoisture_assets.origins import remember

        definitions = build_definitions(deployment)
        wanted = _selected(deployment, definitions, select)
        lost = check_inputs(deployment.study, deployment.settings, {tuple(path.split("/")) for path in wanted})
        with instance_of(deployment.settings) as instance:
            for note in deployment.settled if not as_json else ():
                err.print(note, style="cyan", markup=False, highlight=False, soft_wrap=True)
            remember(deployment.store, deployment.study.name, deployment.settings.study)
            names = [name.strip() for name in stations.split(",")] if stations else []
            summary = _run(deployment, definitions, instance, wanted, names, force, bars)
            summary["warnings"] = [*lost, *summary["warnings"], *_left_out(deployment, names)]
            if not summary["errors"]:
                summary["warnings"] += _from_outdated(deployment, wanted)
    summary |= {
        "settled": list(deployment.settled),
        "study": deployment.study.name,
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        print(json.dumps(summary, indent=1))
    else:
        _print_summary(deployment, summary)
    if str(Interrupted()) in summary["errors"]:
        sys.exit(Interrupted.EXIT_CODE)
    if summary["errors"]:
        sys.exit(2)
    if summary["failed"]:
        sys.exit(1)


def _selected(deployment: "Deployment", definitions: "dg.Definitions", select: str | None) -> set[str]:
    """Paths of the selected assets; keys in a selection may leave the study's name out."""
    import dagster as dg

    from soilmoisture_assets.defs.keys import asset_path

    graph = definitions.resolve_asset_graph()
    groups = sorted({str(graph.get(key).group_name) for key in graph.get_all_asset_keys()})
    example = deployment.command("run", "--select", "group:cube")
    name, asked = deployment.study.name, select or "*"
    near = _near(asked, groups, deployment.graph)
    fix = f"  {near}Leave it out, or name groups ({', '.join(groups)}) or keys: {example}"
    try:
        keys = dg.AssetSelection.from_string(
            re.sub(rf'\bkey:("?)(?!{re.escape(name)}/)', rf"key:\g<1>{name}/", asked)
        ).resolve(graph)
    except dg.DagsterError as error:
        raise StudyError(f"--select '{asked}' is not a selection of assets.\n{fix}") from error
    if not keys:
        raise StudyError(f"nothing matches --select '{asked}'.\n{fix}")
    return {asset_path(key) for key in keys}


def _near(select: str, groups: Iterable[str], paths: Iterable[str]) -> str:
    """Groups and keys that a selection may mean by its words; of a path its last part may do."""
    known = {path.rpartition("/")[2]: f'key:"{path}"' for path in paths}
    known |= {path: f'key:"{path}"' for path in paths} | {group: f"group:{group}" for group in groups}
    found = (difflib.get_close_matches(word, known, n=1, cutoff=0.75) for word in re.findall(r"[\w/]+", select))
    near = dict.fromkeys(known[each] for match in found for each in match)
    return f"Did you mean: {', '.join(near)}? " if near else ""


def _run(
    deployment: "Deployment",
    definitions: "dg.Definitions",
    instance: "dg.DagsterInstance",
    wanted: set[str],
    stations: list[str],
    force: bool,
    bars: Shown,
) -> dict[str, Any]:
    from soilmoisture_assets.defs.progress import listening
    from soilmoisture_assets.defs.runs import bring_up_to_date
    from soilmoisture_assets.store.records import State

    summary: dict[str, Any] = {"runs": [], "made": {}, "failed": {}, "left_out": {}, "warnings": [], "errors": []}
    try:
        with listening(bars.progress):
            for assets, names, outcome in bring_up_to_date(
                deployment, definitions, instance, wanted, stations=stations, force=force
            ):
                if outcome is None:
                    bars.begin(assets, _describe(assets, names))
                    continue
                bars.end(assets)
                summary["runs"].append(outcome.run_id)
                for path in assets if names or not outcome.lost else ():
                    summary["made"][path] = summary["made"].get(path, 0) + max(len(names), 1)
                summary["failed"] |= outcome.failed_partitions
                summary["warnings"] += outcome.warnings
                if outcome.error:
                    summary["errors"].append(outcome.error)
    except Interrupted as interrupted:  # between two steps; in a step, its outcome says so
        summary["errors"].append(str(interrupted))
    for each in deployment.reasons(State.LEFT_OUT):
        if each.asset in wanted:
            summary["left_out"].setdefault(each.asset, {})[each.partition] = each.reason
    return summary


def _left_out(deployment: "Deployment", stations: Sequence[str]) -> list[str]:
    """Why stations that are named are not in the study."""
    from soilmoisture_assets.assets import COMMON
    from soilmoisture_assets.notebook import OpenStudy

    if not stations or not deployment.is_current(COMMON):
        return []
    return OpenStudy(deployment).left_out(stations)


def _from_outdated(deployment: "Deployment", wanted: Collection[str]) -> list[str]:
    """That inputs which were not asked for are out of date: models count until these are made again."""
    from soilmoisture_assets.metadata.stations import some_names

    view, graph = deployment.view(), deployment.graph
    inputs = {source.asset for path in wanted for source in graph.inputs(path).values() if not source.optional}
    plain = sorted(path for path in inputs - set(wanted) if graph[path].partitions is None)
    outdated = [path for path in plain if view.record(path) is not None and view.counts(path, None) is None]
    fix = f"Bring the study up to date with: {deployment.command('run')}"
    return [f"made from what is out of date: {some_names(outdated)}.\n  {fix}"] if outdated else []


def _describe(assets: tuple[str, ...], partitions: list[str]) -> str:
    text = assets[0] if len(assets) == 1 else f"{assets[0]} and {len(assets) - 1} more"
    return f"{text} ({len(partitions)})" if partitions else text


def _print_summary(deployment: "Deployment", summary: dict[str, Any]) -> None:
    from soilmoisture_assets.assets import REPORT

    for asset, reasons in summary["left_out"].items():
        print_reasons(f"left out of {asset}", reasons)
    for warning in summary["warnings"]:
        err.print(f"warning: {warning}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for name, reason in summary["failed"].items():
        err.print(f"failed: {name}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    for error in summary["errors"]:
        err.print(f"soilmoisture: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    runs = len(summary["runs"])
    nothing = "" if runs or summary["errors"] else ": nothing of what was asked for is missing or out of date"
    out.print(f"{runs} run{'' if runs == 1 else 's'} in {summary['seconds']:.0f} s{nothing}", highlight=False)
    record = deployment.store.record(deployment.address(REPORT)) if deployment.is_current(REPORT) else None
    if record is not None and not summary["errors"]:
        out.print(f"Report: {deployment.store.url_of(record)}", highlight=False, soft_wrap=True)
    elif not summary["errors"]:
        print_behind("The stored report", deployment.behind(REPORT), deployment.command("report"))
