"""Asset checks, one file per layer; ``CHECKS`` are those of the study. Not here: the assets they look at."""

from soilmoisture_assets.defs.checks import cube, models, raw

CHECKS = [*raw.CHECKS, *cube.CHECKS, *models.CHECKS]
