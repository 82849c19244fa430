"""The check that assets of the point services share. Not here: what is asked (sources/)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.resources import resources


def every_station_answered(key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """The check of one asset; the command line repeats its text."""

    @dg.asset_check(
        asset=key,
        name=f"every_station_answered_{'_'.join(key.path[1:])}",
        description="The service answered for every station; those it did not answer for have no values.",
    )
    def check() -> dg.AssetCheckResult:
        netcdf = resources()["netcdf"]
        partitions = netcdf.stored_partitions(key)
        stored = [netcdf.read(key, name) for name in partitions] if partitions else [netcdf.read(key)]
        unanswered = sorted({str(name) for each in stored for name in _unanswered(each)})
        number = f"{len(unanswered)} station{'s' * (len(unanswered) > 1)} without an answer"
        fix = f"soilmoisture run --force --select 'key:\"{key.to_user_string()}\"' asks again"
        return dg.AssetCheckResult(
            passed=not unanswered,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{number}; {fix}" if unanswered else None,
            metadata={"unanswered": dg.MetadataValue.json(unanswered)},
        )

    return check


def _unanswered(found: xr.Dataset) -> list[str]:
    with found:
        return found.station.values[found.answered.values == 0].astype(str).tolist()
