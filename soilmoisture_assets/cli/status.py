"""``soilmoisture status``: what of a study counts, and why the rest does not. Not here: the rule (store/graph.py)."""

import json
from typing import Any

from rich.table import Table

from soilmoisture_assets.cli.terminal import JsonOption, StudyOption, out


def status(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say of every asset how many partitions count, are out of date, failed, are left out or are missing."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.store.records import State

    deployment = load_deployment(study)
    view = deployment.view()
    rows: list[dict[str, Any]] = []
    for path, asset in deployment.graph.assets.items():
        names: list[str | None] = list(view.wanted(path)) if asset.partitions else [None]
        entries = [view.entries(path).get(name) for name in names]
        current = sum(view.counts(path, name) is not None for name in names)
        states = [entry.state for entry in entries if entry is not None]
        rows.append(
            {
                "asset": path,
                "current": current,
                "outdated": states.count(State.STORED) - current,
                "failed": states.count(State.FAILED),
                "left_out": states.count(State.LEFT_OUT),
                "missing": len(names) - len(states) + states.count(State.WITHDRAWN),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(*rows[0], title=f"study {deployment.study.name}")
    for row in rows:
        table.add_row(*(str(value or "") for value in row.values()))
    out.print(table)
