"""Asset checks, one file per layer. Not here: the assets they look at."""

import dagster as dg

from soilmoisture_assets.defs.checks import cube, failures, models, raw
from soilmoisture_assets.deployment import Deployment


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """The checks of a study."""
    return [check for module in (raw, cube, models, failures) for check in module.checks(deployment)]
