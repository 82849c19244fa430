"""``soilmoisture doctor``. Not here: the checks (soilmoisture_assets/doctor.py)."""

import json
import sys

from rich.table import Table

from soilmoisture_assets.cli.terminal import JsonOption, StudyOption, out


def doctor(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say what is configured, what is missing, and the fix."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.doctor import diagnose

    deployment = load_deployment(study)
    findings = diagnose(deployment.study, deployment.settings)
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=1))
    else:
        table = Table("", "what", "state", "fix", title=f"study {deployment.study.name}")
        for finding in findings:
            table.add_row("[green]ok" if finding.ok else "[red]missing", finding.what, finding.state, finding.fix)
        out.print(table)
        lacking = [finding.what for finding in findings if not finding.ok]
        out.print(f"A run would lack: {', '.join(lacking)}." if lacking else "A run has what it needs.", markup=False)
    if not all(finding.ok for finding in findings):
        sys.exit(1)
