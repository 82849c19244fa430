"""Analysis: SHAP values of the regional models. Not here: their definition (attribution/shap_values.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS, STUDY
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.study import Experiment, Study

EXPLAINED: tuple[Experiment, ...] = tuple(
    e for e in (Experiment.DRIVERS, Experiment.FORECAST) if e in STUDY.model.experiments
)
KEYS = {experiment: dg.AssetKey(["analysis", "shap_values", experiment.value]) for experiment in EXPLAINED}


def _shap_values(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        key=KEYS[experiment],
        ins={
            "cube": dg.AssetIn(key=["cube", "station_cube"]),
            "regional": dg.AssetIn(key=REGIONAL_KEYS[experiment]),
        },
        description=f"SHAP of the median at the last lead of each window, per station; experiment {experiment}.",
        group_name="analysis",
        kinds={"zarr", "shap"},
        owners=OWNERS,
        io_manager_key="zarr",
        pool="training",
        code_version=version("2", "analysis"),
    )
    def shap_values(
        context: dg.AssetExecutionContext, cube: xr.Dataset, regional: Any, study: dg.ResourceParam[Study]
    ) -> xr.Dataset:
        from soilmoisture_assets.attribution.shap_values import explain

        found = explain(cube.load(), regional, study, progress(context))
        found.attrs["experiment"] = experiment.value
        strength = found.mean_absolute_shap.mean("station").isel(window=-1)
        leading = strength.sortby(strength, ascending=False)[:8]
        context.add_output_metadata(
            {
                "stations": dg.MetadataValue.int(found.sizes["station"]),
                "additivity_residual_m3_m3": dg.MetadataValue.float(float(found.additivity_residual.mean())),
                "leading_features_m3_m3": dg.MetadataValue.json(
                    {
                        str(name): round(float(value), 5)
                        for name, value in zip(leading.feature.values, leading.values, strict=True)
                    }
                ),
            }
        )
        return found

    return shap_values


shap_values = [_shap_values(experiment) for experiment in EXPLAINED]
