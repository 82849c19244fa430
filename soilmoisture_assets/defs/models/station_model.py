"""Models: one per station and experiment, all trained as one program. Not here: the training (learning/fit.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.deployment import BACKFILL, SETTINGS, STUDY
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.partition_loop import PartitionResult, partitioned_spec, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.study import Study

KEYS = {experiment: dg.AssetKey(["models", "station", experiment.value]) for experiment in STUDY.model.experiments}


@dg.multi_asset(
    name="station_models",
    specs=[
        partitioned_spec(
            key,
            f"The station's own network ({STUDY.model.station_training.replace('_', ' ')}); "
            f"experiment {experiment}: {experiment.description}.",
            deps=[dg.AssetKey(["cube", "station_cube"]), REGIONAL_KEYS[experiment]],
            partitions_def=station,
            kinds={"pytorch"},
            io_manager_key="checkpoint",
            code_version=version("3", "models"),
        )
        for experiment, key in KEYS.items()
    ],
    can_subset=True,
    backfill_policy=BACKFILL,
    pool="training",
)
def station_models(
    context: dg.AssetExecutionContext,
    study: dg.ResourceParam[Study],
    zarr: dg.ResourceParam[ZarrIOManager],
    checkpoint: dg.ResourceParam[CheckpointIOManager],
) -> Iterator[dg.AssetMaterialization]:
    """Fine-tune stations in batches; each is stored as its batch finishes.

    A station that cannot be trained stays missing; where that is for its data, the regional model forecasts it.
    """
    from soilmoisture_assets.learning.fit import fit_stations

    cube = zarr.read(dg.AssetKey(["cube", "station_cube"])).load()
    in_cube = set(cube.station.values.astype(str))

    def results() -> Iterator[PartitionResult]:
        for experiment, key in KEYS.items():
            if key not in context.selected_asset_keys:
                continue
            regional = checkpoint.read(REGIONAL_KEYS[experiment])
            names = wanted_partitions(context)
            for fit in fit_stations(cube, regional, study, names, progress=progress(context), threads=SETTINGS.threads):
                failure, left_out = (None, fit.failure) if fit.station in in_cube else (fit.failure, None)
                yield PartitionResult(fit.station, fit.model, failure, left_out, fit.metadata, key)

    yield from store_each(context, checkpoint.write, results())
