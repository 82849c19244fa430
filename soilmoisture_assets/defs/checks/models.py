"""Checks of the models: no station failed. Not here: training (learning/)."""

import dagster as dg

from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.models.station_model import KEYS as STATION_KEYS
from soilmoisture_assets.defs.partition_loop import failures


def _no_station_failed(key: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key,
        name=f"no_station_failed_{'_'.join(key.path[1:])}",
        description="Every station that was asked for is stored; failures are listed with their reasons.",
    )
    def no_station_failed() -> dg.AssetCheckResult:
        found = failures(key)
        rows = "\n".join(f"| {entry['partition']} | {entry['reason']} |" for entry in found)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"failed": dg.MetadataValue.md(f"| station | reason |\n|---|---|\n{rows}")},
        )

    return no_station_failed


CHECKS = [_no_station_failed(key) for key in (*STATION_KEYS.values(), *FORECAST_KEYS.values())]
