"""Models: the forecast from each station's newest step. Not here: forecasts of past periods (forecasts.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS, STUDY
from soilmoisture_assets.defs.models.forecasts import KEYS as FORECAST_KEYS
from soilmoisture_assets.defs.models.forecasts import newest_interval_factors
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.models.station_model import KEYS as STATION_KEYS
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.study import Experiment, Study

ISSUED = Experiment.FORECAST
AVAILABLE = ISSUED in STUDY.model.experiments
"""Only a model that knows no future weather can be issued today."""

if AVAILABLE:

    @dg.asset(
        key=["models", "latest_forecast"],
        ins={"cube": dg.AssetIn(key=["cube", "station_cube"])},
        deps=[REGIONAL_KEYS[ISSUED], STATION_KEYS[ISSUED], FORECAST_KEYS[ISSUED]],
        group_name="models",
        kinds={"netcdf", "pytorch"},
        owners=OWNERS,
        io_manager_key="netcdf",
        code_version=version("3", "models"),
    )
    def latest_forecast(
        context: dg.AssetExecutionContext,
        cube: xr.Dataset,
        study: dg.ResourceParam[Study],
        checkpoint: dg.ResourceParam[CheckpointIOManager],
        netcdf: dg.ResourceParam[NetcdfIOManager],
    ) -> xr.Dataset:
        """Soil moisture of the coming days, from each station's newest step and by its best model.

        The intervals are calibrated like those of models/forecasts at its last start; a station that has none there
        takes the mean of the others' factors.
        """
        from soilmoisture_assets.learning.predict import latest_forecast as forecast_newest
        from soilmoisture_assets.scoring.calibration import scale_intervals

        regional = checkpoint.read(REGIONAL_KEYS[ISSUED])
        own = set(checkpoint.stored_partitions(STATION_KEYS[ISSUED]))
        names = [str(name) for name in cube.station.values]
        models = {name: checkpoint.read(STATION_KEYS[ISSUED], name) if name in own else regional for name in names}
        found = forecast_newest(cube.load(), models, study)
        factors = newest_interval_factors(netcdf, ISSUED)
        found["soil_moisture_forecast"] = scale_intervals(
            found.soil_moisture_forecast, factors.reindex(station=found.station.values).fillna(factors.mean("station"))
        )
        context.add_output_metadata(
            {
                "stations": dg.MetadataValue.int(found.sizes["station"]),
                "newest_start": dg.MetadataValue.text(str(found.start.max().values)[:16]),
                "oldest_age_hours": dg.MetadataValue.float(float(found.age.max())),
            }
        )
        return found
