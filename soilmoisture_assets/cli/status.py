"""``soilmoisture status``: what of a study counts, and why the rest does not. Not here: the rule (store/graph.py)."""

import json

from rich.table import Table

from soilmoisture_assets.cli.terminal import JsonOption, StudyOption, out


def status(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say of every asset how many partitions count, are out of date, failed, are left out or are missing."""
    from soilmoisture_assets.deployment import load_deployment

    deployment = load_deployment(study)
    rows = deployment.states()
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(*rows[0], title=f"study {deployment.study.name}")
    for row in rows:
        table.add_row(*(str(value or "") for value in row.values()))
    out.print(table)
