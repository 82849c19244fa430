"""Models: forecasts of the validation and test periods per station. Not here: the models, the scores."""

from collections.abc import Iterator, Mapping

import dagster as dg
import numpy as np
import xarray as xr

from soilmoisture_assets.defs.deployment import BACKFILL, STUDY
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.models.station_model import KEYS as STATION_KEYS
from soilmoisture_assets.defs.partition_loop import PartitionResult, partitioned_spec, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.scoring import gathering
from soilmoisture_assets.study import Experiment, Study

KEYS = {experiment: dg.AssetKey(["models", "forecasts", experiment.value]) for experiment in STUDY.model.experiments}


@dg.multi_asset(
    name="forecasts",
    specs=[
        partitioned_spec(
            key,
            "Quantile forecasts per lead with the observations, by the regional and the own model; "
            f"experiment {experiment}: {experiment.description}.",
            deps=[dg.AssetKey(["cube", "station_cube"]), REGIONAL_KEYS[experiment], STATION_KEYS[experiment]],
            partitions_def=station,
            kinds={"netcdf", "pytorch"},
            io_manager_key="netcdf",
            code_version=version("6", "models"),
        )
        for experiment, key in KEYS.items()
    ],
    can_subset=True,
    backfill_policy=BACKFILL,
)
def forecasts(
    context: dg.AssetExecutionContext,
    study: dg.ResourceParam[Study],
    zarr: dg.ResourceParam[ZarrIOManager],
    checkpoint: dg.ResourceParam[CheckpointIOManager],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> Iterator[dg.AssetMaterialization]:
    """Forecast every validation and test start; intervals are calibrated on blocks of the validation period, and follow
    the errors known at each later start.

    Without a station model only the regional one forecasts.
    """
    cube = zarr.read(dg.AssetKey(["cube", "station_cube"])).load()
    in_cube = set(cube.station.values.astype(str))

    def results() -> Iterator[PartitionResult]:
        report = progress(context)
        for experiment, key in KEYS.items():
            if key not in context.selected_asset_keys:
                continue
            for name in wanted_partitions(context):
                if name not in in_cube:
                    yield PartitionResult(name, failure="not in the station cube: cube/stations says why", key=key)
            names = [name for name in wanted_partitions(context) if name in in_cube]
            report(0, len(names), f"{experiment} forecasts")
            yield from _forecast_stations(cube, study, experiment, names, checkpoint)

    yield from store_each(context, netcdf.write, results())


def _forecast_stations(
    cube: xr.Dataset, study: Study, experiment: Experiment, names: list[str], checkpoint: CheckpointIOManager
) -> Iterator[PartitionResult]:
    """Forecast some stations. The errors of all calibrate their intervals, so all are forecast, wanted or not."""
    from soilmoisture_assets.learning.predict import uncalibrated
    from soilmoisture_assets.scoring.calibration import calibrated, calibration_of

    if not names:
        return
    stored = set(checkpoint.stored_partitions(STATION_KEYS[experiment]))
    in_cube = [str(name) for name in cube.station.values]
    own_models = {name: checkpoint.read(STATION_KEYS[experiment], name) for name in in_cube if name in stored}
    regional = checkpoint.read(REGIONAL_KEYS[experiment])
    every = dict(uncalibrated(cube, regional, own_models, study, in_cube))
    calibration = calibration_of(every, held_out=cube.station.values[cube.held_out.values == 1].astype(str))
    for name in names:
        dataset = calibrated(every[name], calibration)
        error = dataset.soil_moisture_forecast.sel(quantile=0.5) - dataset.soil_moisture_observed
        last = error.isel(forecaster=-1, lead=-1, station=0)
        metadata = {
            "method": str(dataset.forecaster.values[-1]),
            "scored": int(last.notnull().sum()),
            "rmse_last_lead_m3_m3": float(np.sqrt((last**2).mean())),
        }
        yield PartitionResult(name, dataset, metadata=metadata, key=KEYS[experiment])


def best_forecasts(netcdf: NetcdfIOManager, experiment: Experiment) -> xr.Dataset:
    """The stored forecasts of an experiment, of each station by the method that speaks for it."""
    return gathering.best_forecasts(_stored(netcdf, experiment))


def newest_interval_factors(netcdf: NetcdfIOManager, experiment: Experiment) -> xr.DataArray:
    """Calibration factors (station, lead, side) of the method that speaks for each station, at its last start."""
    return gathering.newest_interval_factors(_stored(netcdf, experiment))


def _stored(netcdf: NetcdfIOManager, experiment: Experiment) -> Mapping[str, xr.Dataset]:
    stored = {name: dataset.load() for name, dataset in netcdf.partitions(KEYS[experiment]).items()}
    if not stored:
        raise SourceError(f"no forecasts of '{experiment}' are stored.\n  Materialize models/forecasts first.")
    return stored
