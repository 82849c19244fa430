"""Models: the forecast from each station's newest step. Not here: forecasts of past periods (forecasts.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS, STUDY
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.models.station_model import KEYS as STATION_KEYS
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.study import Experiment, Study

ISSUED = Experiment.FORECAST
AVAILABLE = ISSUED in STUDY.model.experiments
"""Only a model that knows no future weather can be issued today."""

if AVAILABLE:

    @dg.asset(
        key=["models", "latest_forecast"],
        ins={"cube": dg.AssetIn(key=["cube", "station_cube"])},
        deps=[REGIONAL_KEYS[ISSUED], STATION_KEYS[ISSUED]],
        group_name="models",
        kinds={"netcdf", "pytorch"},
        owners=OWNERS,
        io_manager_key="netcdf",
        code_version=version("1", "models"),
    )
    def latest_forecast(
        context: dg.AssetExecutionContext,
        cube: xr.Dataset,
        study: dg.ResourceParam[Study],
        checkpoint: dg.ResourceParam[CheckpointIOManager],
    ) -> xr.Dataset:
        """Soil moisture of the coming days with its interval, from each station's newest step and by its best model."""
        from soilmoisture_assets.learning.predict import latest_forecast as forecast_newest

        regional = checkpoint.read(REGIONAL_KEYS[ISSUED])
        own = set(checkpoint.stored_partitions(STATION_KEYS[ISSUED]))
        names = [str(name) for name in cube.station.values]
        models = {name: checkpoint.read(STATION_KEYS[ISSUED], name) if name in own else regional for name in names}
        found = forecast_newest(cube.load(), models, study)
        context.add_output_metadata(
            {
                "stations": dg.MetadataValue.int(found.sizes["station"]),
                "newest_start": dg.MetadataValue.text(str(found.start.max().values)[:16]),
                "oldest_age_hours": dg.MetadataValue.float(float(found.age.max())),
            }
        )
        return found
