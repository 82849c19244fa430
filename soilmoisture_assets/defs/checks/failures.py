"""The check that every asset with a partition per station shares. Not here: the record it reads (partition_loop.py)."""

import dagster as dg

from soilmoisture_assets.defs.partition_loop import failures


def no_station_failed(key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """The check of one asset; the web UI shows its table."""

    @dg.asset_check(
        asset=key,
        name=f"no_station_failed_{'_'.join(key.path[1:])}",
        description="Every station that was asked for is stored, but for those left out because of what their data is; "
        "both are listed with their reasons.",
    )
    def check() -> dg.AssetCheckResult:
        found = failures(key)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"failed": _table(found), "left_out": _table(failures(key, left_out=True))},
        )

    return check


def _table(entries: list[dict[str, str]]) -> dg.MetadataValue:
    rows = "\n".join(f"| {entry['partition']} | {entry['reason']} |" for entry in entries)
    return dg.MetadataValue.md(f"| station | reason |\n|---|---|\n{rows}")
