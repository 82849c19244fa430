"""The check that every asset with a partition per station shares. Not here: the records it reads (deployment.py)."""

import dagster as dg

from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.shown import cell
from soilmoisture_assets.deployment import Deployment, Reason
from soilmoisture_assets.store.records import State


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """One check per asset that is made station by station."""
    stations = [path for path, asset in deployment.graph.assets.items() if asset.partitions == "station"]
    return [_no_station_failed(deployment, path) for path in stations]


def _no_station_failed(deployment: Deployment, path: str) -> dg.AssetChecksDefinition:
    """The check of one asset; the web UI shows its table."""

    @dg.asset_check(
        asset=asset_key(deployment.study, path),
        name="no_station_failed",
        description="Every station that was asked for is stored, but for those left out because of what their data is; "
        "both are listed with their reasons.",
    )
    def check() -> dg.AssetCheckResult:
        failed, left_out = deployment.reasons(State.FAILED, path), deployment.reasons(State.LEFT_OUT, path)
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_table("Failed", failed) + _table("Left out", left_out) or None,
            metadata={"failed": len(failed), "left out": len(left_out)},
        )

    return check


def _table(title: str, reasons: list[Reason]) -> str:
    """The reasons as Markdown, which the web UI shows in the description of a check's outcome."""
    rows = "".join(f"| {each.partition} | {cell(each.reason)} |\n" for each in reasons)
    return f"\n| {title} | reason |\n|---|---|\n{rows}" if rows else ""
