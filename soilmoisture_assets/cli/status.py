"""``soilmoisture status``: what of a study counts, and why the rest does not. Not here: the rule (store/graph.py)."""

import json
from collections import defaultdict

from rich.table import Table

from soilmoisture_assets.cli.terminal import JsonOption, StudyOption, out, print_behind, print_reasons

COUNTS = ("current", "outdated", "failed", "left_out", "missing")


def status(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say of every asset how many partitions count, are out of date, failed, are left out or are missing, and why."""
    from soilmoisture_assets.assets import REPORT
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.store.records import State

    deployment = load_deployment(study)
    rows = deployment.states()
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(title=f"study {deployment.study.name}", box=None)
    table.add_column("asset", overflow="fold")
    for count in COUNTS:
        table.add_column(count.replace("_", " "), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["asset"], *(str(row[count] or "") for count in COUNTS))
    out.print(table)
    print_behind(REPORT, deployment.behind(REPORT))
    for state, what in ((State.FAILED, "failed"), (State.LEFT_OUT, "left out")):
        reasons: dict[str, dict[str, str]] = defaultdict(dict)
        for each in deployment.reasons(state):
            reasons[each.asset][each.partition] = each.reason
        for asset, own in reasons.items():
            print_reasons(f"{what} of {asset}", own)
