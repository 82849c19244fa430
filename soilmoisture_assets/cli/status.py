"""``soilmoisture status``: what of a study counts, and why the rest does not. Not here: the rule (store/graph.py)."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.filesize import decimal

from soilmoisture_assets.cli.terminal import FoldedTable, JsonOption, StudyOption, err, out, print_behind, print_reasons

COUNTS = ("current", "outdated", "failed", "left_out", "missing")
AGES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def status(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say of layers, and of assets not whole, what counts, is out of date, failed, left out or missing, and why."""
    from soilmoisture_assets.assets import CUBE, REPORT
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.store.records import State

    deployment = load_deployment(study)
    assets = deployment.states()
    by_layer: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in assets:
        by_layer[row["asset"].partition("/")[0]].append(row)
    layers = [_layer(name, own) for name, own in by_layer.items()]
    reasons: dict[str, dict[str, dict[str, str]]] = {}
    for state in (State.FAILED, State.LEFT_OUT):
        found = reasons[state.value] = defaultdict(dict)
        for each in deployment.reasons(state):
            found[each.asset][each.partition] = each.reason
    logs, lacking = str(deployment.settings.event_logs), deployment.weather_lacking()
    if as_json:
        said = {"study": deployment.study.name, "layers": layers, "assets": assets, "reasons": reasons, "logs": logs}
        print(json.dumps(said | {"weather_lacking": lacking}, indent=1))
        return
    out.print(_table(f"study {deployment.study.name}", "layer", layers))
    waiting = [row for row in assets if any(row[count] for count in COUNTS if count != "current")]
    if waiting:
        out.print(_table("", "asset", waiting))
    out.print(f"{len(assets) - len(waiting)} of {len(assets)} assets are whole.", highlight=False)
    print_behind(REPORT, deployment.behind(REPORT), deployment.command("report"))
    for sentence in lacking:
        err.print(f"{CUBE}: {sentence}", markup=False, highlight=False, soft_wrap=True)
    for what, by_asset in reasons.items():
        for asset, why in by_asset.items():
            print_reasons(f"{what.replace('_', ' ')} of {asset}", why)
    if any(row[count] for row in assets for count in ("outdated", "failed", "missing")):
        fix = f"Make what is out of date, failed or missing with: {deployment.command('run')}"
        out.print(fix, markup=False, highlight=False, soft_wrap=True)
    out.print(f"Logs: {logs}, a line of JSON per event", markup=False, highlight=False, soft_wrap=True)


def _layer(name: str, assets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of a layer: sums over its assets, and the oldest and newest time."""
    sums = {count: sum(row[count] for row in assets) for count in (*COUNTS, "bytes")}
    oldest, newest = ([row[end] for row in assets if row[end]] for end in ("oldest", "newest"))
    return {"layer": name} | sums | {"oldest": min(oldest, default=None), "newest": max(newest, default=None)}


def _table(title: str, what: str, rows: Sequence[dict[str, Any]]) -> FoldedTable:
    """Rows with their counts (those that any row has), size and age."""
    counts = [count for count in COUNTS if any(row[count] for row in rows)]
    table = FoldedTable(title=title, box=None)
    table.add_column(what)
    for column in (*counts, "size", "age"):
        table.add_column(column.replace("_", " "), justify="right", no_wrap=True)
    for row in rows:
        size = decimal(row["bytes"]) if row["bytes"] else ""
        table.add_row(row[what], *(str(row[count] or "") for count in counts), size, _age(row))
    return table


def _age(row: dict[str, Any]) -> str:
    """How long ago the newest was stored, and the oldest where that is another time."""
    ages = [_ago(row[end]) for end in ("newest", "oldest") if row[end]]
    return " to ".join(dict.fromkeys(ages))


def _ago(time: str) -> str:
    seconds = (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time)).total_seconds()
    return next((f"{seconds / unit:.0f} {name}" for unit, name in AGES if seconds >= unit), "now")
