"""``soilmoisture doctor``. Not here: the checks (soilmoisture_assets/doctor.py)."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from soilmoisture_assets.cli.terminal import FoldedTable, JsonOption, StudyOption, out
from soilmoisture_assets.settings import Launcher, Settings

if TYPE_CHECKING:
    from soilmoisture_assets.doctor import Finding


def doctor(
    study: StudyOption = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Only ask each service of the study, also of a sandbox; with times.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is configured, what is missing, and the fix."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.doctor import ask_services, diagnose

    deployment = load_deployment(study)
    if probe:
        findings = ask_services(deployment.study, deployment.settings)
    else:
        findings = diagnose(deployment.study, deployment.settings, deployment.settled) + _instance(deployment.settings)
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=1))
    elif probe:
        for finding in findings:
            took = "" if finding.seconds is None else f" in {finding.seconds:.1f} s"
            said = "answered" if finding.ok else "no usable answer"
            line = f"{finding.what}: {said}{took}: {' '.join([finding.state, finding.fix]).strip()}"
            out.print(line, style="" if finding.ok else "red", markup=False, highlight=False, soft_wrap=True)
    else:
        table = FoldedTable("", "what", "state", title=f"study {deployment.study.name}")
        for finding in findings:
            told = Text("ok", style="green") if finding.ok else Text("missing", style="red")
            table.add_row(told, finding.what, finding.state)
        out.print(table)
        lacking = [finding for finding in findings if not finding.ok]
        for finding in lacking:
            if finding.fix:  # in whole lines, to copy from
                out.print(f"{finding.what}: {finding.fix}", markup=False, highlight=False, soft_wrap=True)
        names = ", ".join(finding.what for finding in lacking)
        said = (
            f"A run would lack: {names}."
            if lacking
            else f"A run has what it needs. Begin it with: {deployment.command('run')}"
        )
        out.print(said, markup=False, highlight=False, soft_wrap=True)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _instance(settings: Settings) -> list["Finding"]:
    """Where runs, events and schedules are, whether it serves, where runs execute, and where their logs are."""
    from soilmoisture_assets.doctor import Finding, checked
    from soilmoisture_assets.sources.source import Need

    findings = [Finding("logs", True, f"{settings.event_logs}, a line of JSON per event")]
    if settings.launcher is not Launcher.LOCAL:
        from soilmoisture_assets.defs.launchers import launcher_of

        launched = Need("", "where runs execute", lambda: settings.launcher if launcher_of(settings) else "")
        findings.insert(0, checked(launched))
    url = settings.postgres_url
    if url is None:
        return [Finding("runs and schedules", True, f"SQLite in {settings.instance_folder}"), *findings]
    from soilmoisture_assets.defs.postgres import server

    return [checked(Need("", "runs and schedules", lambda: server(url))), *findings]
