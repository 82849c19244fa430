"""The ``soilmoisture`` command: demo, run, ui, inspect, doctor, report.

Belongs here: arguments, progress on the terminal, exit codes. Not here: the order of runs (defs/runs.py), checks of
what is configured (doctor.py), anything about data.

Exit codes: 0 done, 1 some stations or assets failed (listed), 2 the request cannot be served (one line says why).
"""

import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StudyError
from soilmoisture_assets.settings import Settings, load_settings
from soilmoisture_assets.study import Study, load_study

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Soil moisture from stations to forecasts, skill and drivers.",
)
inspect_app = typer.Typer(no_args_is_help=True, help="Say what is in an archive or file.")
app.add_typer(inspect_app, name="inspect")

out = Console()
err = Console(stderr=True)

StudyOption = Annotated[str | None, typer.Option("--study", help="Name of a built-in study or path of a study file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TEMPLATE = Path(__file__).with_name("dagster.yaml")
"""Settings of a new study's Dagster instance, where the data folder has none of its own."""
_debug = False


def main() -> None:
    """Entry point: errors are one clear line with the fix, a traceback only with --debug."""
    warnings.filterwarnings("ignore", module="dagster.*")  # backfill policies are "beta"
    try:
        app()
    except SoilMoistureError as error:
        if _debug:
            raise
        err.print(f"soilmoisture: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Options of every command."""
    global _debug
    _debug = debug


@app.command()
def demo() -> None:
    """Run the whole graph on the embedded synthetic study and print the path of the report."""
    run(study="demo")


@app.command()
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
    """Materialize a selection of assets, layer by layer, in the instance that the web UI shows."""
    settings, chosen = _choose(study)
    from soilmoisture_assets.doctor import check_inputs

    keys = _selected(select)
    check_inputs(chosen, settings, {tuple(key.path) for key in keys})
    started = time.monotonic()
    with _instance(settings, chosen) as instance:
        names = [name.strip() for name in stations.split(",")] if stations else []
        summary = _run_stages(instance, keys, names, force, quiet=as_json)
    summary |= {"study": chosen.name, "seconds": round(time.monotonic() - started, 1)}
    if as_json:
        print(json.dumps(summary, indent=1))
    else:
        _print_summary(summary)
    if summary["errors"]:
        sys.exit(2)
    if summary["failed"]:
        sys.exit(1)


@app.command()
def ui(study: StudyOption = None, port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Open the Dagster web UI and daemon on this machine only."""
    settings, chosen = _choose(study)
    with _instance(settings, chosen):
        pass  # creates the instance's database before webserver and daemon race for it
    workspace = Path(__file__).resolve().parents[1] / "workspace.yaml"
    where = ["-w", str(workspace)] if workspace.exists() else ["-m", "soilmoisture_assets.definitions"]
    dagster = shutil.which("dagster", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if dagster is None:
        raise StudyError("the dagster command is not installed beside this Python.\n  Reinstall with: make demo")
    out.print(f"http://127.0.0.1:{port}  study {chosen.name}", highlight=False)
    os.execv(dagster, [dagster, "dev", "-h", "127.0.0.1", "-p", str(port), *where])


@app.command()
def report(study: StudyOption = None) -> None:
    """Print the path of the study's report; build it first if it is missing or out of date."""
    run(study=study, select='key:"report/report"')


@app.command()
def doctor(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say what is configured, what is missing, and the fix."""
    settings, chosen = _choose(study)
    from soilmoisture_assets.doctor import diagnose

    findings = diagnose(chosen, settings)
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=1))
    else:
        table = Table("", "what", "state", "fix", title=f"study {chosen.name}")
        for finding in findings:
            table.add_row("[green]ok" if finding.ok else "[red]missing", finding.what, finding.state, finding.fix)
        out.print(table)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@inspect_app.command("ismn")
def inspect_ismn(path: Path, as_json: JsonOption = False) -> None:
    """What an ISMN archive (zip or folder) holds: every sensor file, every station, every problem."""
    from soilmoisture_assets.sources.ismn.inspect import inspect_archive

    found = inspect_archive(path)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
        return
    table = Table("station", "variable", "depth [m]", "sensor", "rows", "good", "start", "end", title=str(path))
    for file in found["files"]:
        flags: dict[str, int] = file["flags"]
        good = sum(count for flag, count in flags.items() if flag in ("G", "U"))
        table.add_row(
            f"{file['network']} {file['station']}",
            file["variable"],
            f"{file['depth_from']}-{file['depth_to']}",
            file["sensor"],
            str(file["rows"]),
            f"{good / max(file['rows'], 1):.0%}",
            str(file["start"])[:10],
            str(file["end"])[:10],
        )
    out.print(table)
    for problem in found["problems"]:
        out.print(f"left out: {problem}", markup=False)


@inspect_app.command("era5")
def inspect_era5_command(path: Path, as_json: JsonOption = False) -> None:
    """What an ERA5 delivery (file, folder or zip) holds, after normalising; why it cannot serve if it cannot."""
    from soilmoisture_assets.sources.era5.formats import inspect_era5

    found = inspect_era5(path)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
    elif not found["variables"]:
        raise SourceError(found["refused"])
    else:
        table = Table("", "", title=str(path), show_header=False)
        for name, value in found.items():
            table.add_row(name, json.dumps(value, default=str) if isinstance(value, dict | list) else str(value))
        out.print(table)
    if found["refused"]:
        sys.exit(2)


def _choose(name: str | None) -> tuple[Settings, Study]:
    """The study of this process; the environment variable is what the code location reads."""
    settings = load_settings()
    chosen = name or settings.study
    study = load_study(chosen)
    os.environ["SOILMOISTURE_STUDY"] = chosen
    return settings.model_copy(update={"study": chosen}), study


@contextmanager
def _instance(settings: Settings, study: Study) -> Iterator["dg.DagsterInstance"]:
    """The study's Dagster instance in ``<data_dir>/<study>/dagster_home``."""
    import dagster as dg

    home = settings.data_dir.resolve() / study.name / "dagster_home"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            own = settings.data_dir.resolve() / "dagster.yaml"
            shutil.copy(own if own.exists() else TEMPLATE, home / "dagster.yaml")
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise StudyError(
            f"{home}: cannot be written to ({error.strerror}).\n"
            "  Set SOILMOISTURE_DATA_DIR to a folder on a disk with room that you may write to."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        yield instance


def _selected(select: str | None) -> "set[dg.AssetKey]":
    import dagster as dg

    from soilmoisture_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    groups = ", ".join(sorted({str(graph.get(key).group_name) for key in graph.get_all_asset_keys()}))
    fix = f"  Try 'group:cube' (groups: {groups}), 'key:\"report/report\"', or leave it out."
    try:
        selection = dg.AssetSelection.from_string(select) if select else dg.AssetSelection.all()
    except dg.DagsterError as error:
        raise StudyError(f"--select '{select}' is not a selection of assets.\n{fix}") from error
    keys = selection.required_multi_asset_neighbors().resolve(graph)  # what one step makes together comes together
    if not keys:
        raise StudyError(f"nothing matches --select '{select}'.\n{fix}")
    return set(keys)


def _run_stages(
    instance: "dg.DagsterInstance", keys: "set[dg.AssetKey]", stations: list[str], force: bool, quiet: bool
) -> dict[str, Any]:
    import dagster as dg

    from soilmoisture_assets.definitions import defs
    from soilmoisture_assets.defs.partition_loop import failures
    from soilmoisture_assets.defs.progress import listeners
    from soilmoisture_assets.defs.runs import launch, outdated, partitions_of, stages

    graph = defs.resolve_asset_graph()
    summary: dict[str, Any] = {"runs": [], "failed": {}, "left_out": {}, "warnings": [], "errors": []}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, disable=quiet) as bars:
        for stage in stages(graph, keys):
            every, wanted = partitions_of(instance, stage, stations)
            todo = [(stage.keys, wanted)] if force else list(outdated(instance, graph, stage, wanted))
            for run_keys, names in todo:
                task = bars.add_task(_describe(run_keys, names), total=None, detail="")

                def show(done: int, total: int, text: str, task: Any = task) -> None:
                    bars.update(task, completed=done, total=total, detail=text[:60])

                listeners.append(show)
                try:
                    outcome = launch(defs, instance, run_keys, names, every)
                    summary["runs"].append(outcome.run_id)
                    summary["failed"] |= outcome.failed_partitions
                    summary["warnings"] += outcome.warnings
                    if outcome.error:
                        summary["errors"].append(outcome.error)
                finally:
                    listeners.remove(show)
                bars.update(task, total=1, completed=1, detail="")
            if summary["errors"]:
                break
    for entry in failures(left_out=True):
        if dg.AssetKey.from_user_string(entry["asset"]) in keys:
            summary["left_out"].setdefault(entry["asset"], {})[entry["partition"]] = entry["reason"]
    return summary


def _describe(keys: "tuple[dg.AssetKey, ...]", partitions: list[str]) -> str:
    names = [key.to_user_string() for key in keys]
    text = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return f"{text} ({len(partitions)})" if partitions else text


def _print_summary(summary: dict[str, Any]) -> None:
    from soilmoisture_assets.defs.deployment import FOLDER

    for asset, reasons in summary["left_out"].items():
        name, reason = next(iter(reasons.items()))
        others = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        err.print(f"left out of {asset}: {name} ({reason.splitlines()[0]}){others}", markup=False, highlight=False)
    for warning in summary["warnings"]:
        err.print(f"warning: {warning}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for name, reason in summary["failed"].items():
        err.print(f"failed: {name}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    for error in summary["errors"]:
        err.print(f"soilmoisture: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    runs = len(summary["runs"])
    out.print(f"{runs} run{'' if runs == 1 else 's'} in {summary['seconds']:.0f} s", highlight=False)
    page = FOLDER / "report" / "report.html"
    if page.exists() and not summary["errors"]:
        out.print(f"Report: {page}", highlight=False, soft_wrap=True)
