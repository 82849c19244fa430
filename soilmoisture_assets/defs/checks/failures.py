"""The check that every asset with a partition per station shares. Not here: the records it reads (deployment.py)."""

import dagster as dg

from soilmoisture_assets.defs.keys import asset_key
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
        found = deployment.reasons(State.FAILED, path)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"failed": _table(found), "left_out": _table(deployment.reasons(State.LEFT_OUT, path))},
        )

    return check


def _table(reasons: list[Reason]) -> dg.MetadataValue:
    rows = "\n".join(f"| {each.partition} | {each.reason} |" for each in reasons)
    return dg.MetadataValue.md(f"| station | reason |\n|---|---|\n{rows}")
