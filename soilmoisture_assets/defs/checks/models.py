"""Checks of the models: no station failed. Not here: training (learning/)."""

from soilmoisture_assets.defs.checks.failures import no_station_failed
from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.models.station_model import KEYS as STATION_KEYS

CHECKS = [no_station_failed(key) for key in (*STATION_KEYS.values(), *FORECAST_KEYS.values())]
