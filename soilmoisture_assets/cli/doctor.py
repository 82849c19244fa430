"""``soilmoisture doctor``. Not here: the checks (soilmoisture_assets/doctor.py)."""

import json
import sys
from typing import TYPE_CHECKING

from soilmoisture_assets.cli.terminal import FoldedTable, JsonOption, StudyOption, out
from soilmoisture_assets.settings import Launcher, Settings

if TYPE_CHECKING:
    from soilmoisture_assets.doctor import Finding


def doctor(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say what is configured, what is missing, and the fix."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.doctor import diagnose

    deployment = load_deployment(study)
    findings = diagnose(deployment.study, deployment.settings)
    findings += _instance(deployment.settings)
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=1))
    else:
        table = FoldedTable("", "what", "state", title=f"study {deployment.study.name}")
        for finding in findings:
            table.add_row("[green]ok" if finding.ok else "[red]missing", finding.what, finding.state)
        out.print(table)
        lacking = [finding for finding in findings if not finding.ok]
        for finding in lacking:
            if finding.fix:  # in whole lines, to copy from
                out.print(f"{finding.what}: {finding.fix}", markup=False, highlight=False, soft_wrap=True)
        names = ", ".join(finding.what for finding in lacking)
        out.print(f"A run would lack: {names}." if lacking else "A run has what it needs.", markup=False)
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
