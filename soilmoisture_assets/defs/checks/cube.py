"""Checks of the cube: values within the registry's limits, inputs present, splits populated. Blocking: no model is
trained on a cube that fails. And which stations are not in it, with the reasons, and whether the
weather of every step was forecast: warnings.

Not here: which stations are in the cube (alignment/common_stations.py).
"""

from collections.abc import Mapping

import dagster as dg
import numpy as np

from soilmoisture_assets.alignment.quality_control import outside_limits
from soilmoisture_assets.alignment.splits import SPLITS
from soilmoisture_assets.assets import COMMON, CUBE
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.shown import shown
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.metadata.stations import some_names
from soilmoisture_assets.sources import issued_weather_of
from soilmoisture_assets.store.records import State


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """The checks of the cube, and that of the stations that are in it."""
    key = asset_key(deployment.study, CUBE)

    def told(trouble: str | None) -> dg.AssetCheckResult:
        """A cube with a trouble is not served, so that no later run trains on it either."""
        if trouble:
            deployment.note(CUBE, None, State.FAILED, trouble, deployment.view())
        return dg.AssetCheckResult(passed=not trouble, description=trouble)

    @dg.asset_check(asset=key, blocking=True, description="Every variable lies within the limits of the registry.")
    def within_limits() -> dg.AssetCheckResult:
        """Count values outside the valid range of each variable."""
        outside = outside_limits(deployment.read(CUBE))
        return told(f"values outside the limits of the registry: {outside}" if outside else None)

    @dg.asset_check(asset=key, blocking=True, description="Every split has observations at every station.")
    def splits_observed() -> dg.AssetCheckResult:
        """Name the stations without a single scored observation in a split."""
        cube = deployment.read(CUBE)
        observed = np.isfinite(cube.soil_moisture_scored.values)
        empty = {
            name: cube.station.values[~observed[:, cube.split.values == code].any(axis=1)].tolist()
            for code, name in enumerate(SPLITS)
            if code
        }
        return told(f"stations without an observation in a split: {empty}" if any(empty.values()) else None)

    @dg.asset_check(
        asset=asset_key(deployment.study, COMMON),
        description="Every station is in the study; those that are not are named with the reason.",
    )
    def every_station_included() -> dg.AssetCheckResult:
        """Say which stations are out and why; the command line repeats its text."""
        with deployment.read(COMMON) as table:
            out = table.included.values == 0
            reasons = dict(
                zip(table.station.values[out].astype(str), table.reason.values[out].astype(str), strict=True)
            )
            count = table.sizes["station"]
        return dg.AssetCheckResult(
            passed=not reasons,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(reasons)} of {count} stations are not in the study: {_by_reason(reasons)}"
            if reasons
            else None,
            metadata=shown({"out": reasons}),
        )

    found = [within_limits, splits_observed, every_station_included]
    return [*found, _weather_forecast(deployment)] if issued_weather_of(deployment.study) else found


def _weather_forecast(deployment: Deployment) -> dg.AssetChecksDefinition:
    """The check of the weather as it was forecast; notices, `status`, commands and the report repeat its text."""

    @dg.asset_check(
        asset=asset_key(deployment.study, CUBE),
        description="The newest step, from which the latest forecast is issued, has its forecast of the weather, and "
        "no step before it lacks one. What is lacking is not replaced: no forecast with it is issued.",
        automation_condition=dg.AutomationCondition.any_deps_updated().since_last_handled(),
    )
    def weather_was_forecast() -> dg.AssetCheckResult:
        """Repeat what the cube was found to lack when it was made."""
        said = deployment.weather_lacking()
        return dg.AssetCheckResult(
            passed=not said, severity=dg.AssetCheckSeverity.WARN, description="; ".join(said) or None
        )

    return weather_was_forecast


def _by_reason(reasons: Mapping[str, str]) -> str:
    """Stations with the same reason together; of many, the first few."""
    stations: dict[str, list[str]] = {}
    for station, reason in reasons.items():
        stations.setdefault(reason, []).append(station)
    return "; ".join(f"{some_names(names)} ({reason})" for reason, names in stations.items())
