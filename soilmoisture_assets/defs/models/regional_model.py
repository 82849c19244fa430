"""Models: one network per experiment for all stations. Not here: the network and its training (learning/)."""

from collections.abc import Iterator

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS, SETTINGS, STUDY
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.study import Study

KEYS = {experiment: dg.AssetKey(["models", "regional", experiment.value]) for experiment in STUDY.model.experiments}


@dg.multi_asset(
    name="regional_models",
    outs={
        experiment.value: dg.AssetOut(
            key=key,
            description=f"One network for all stations that are not held out; experiment {experiment}: "
            f"{experiment.description}.",
            is_required=False,
            io_manager_key="checkpoint",
            group_name="models",
            kinds={"pytorch"},
            owners=OWNERS,
            code_version=version("5", "models"),
        )
        for experiment, key in KEYS.items()
    },
    ins={"cube": dg.AssetIn(key=["cube", "station_cube"])},
    can_subset=True,
    pool="training",
)
def regional_models(
    context: dg.AssetExecutionContext, cube: xr.Dataset, study: dg.ResourceParam[Study]
) -> Iterator[dg.Output]:
    """Train the regional network of each selected experiment."""
    from soilmoisture_assets.learning.fit import fit_regional

    cube = cube.load()
    for experiment, key in KEYS.items():
        if key not in context.selected_asset_keys:
            continue
        model = fit_regional(cube, experiment, study, progress=progress(context), threads=SETTINGS.threads)
        yield dg.Output(model, output_name=experiment.value, metadata=dict(model.metadata))
