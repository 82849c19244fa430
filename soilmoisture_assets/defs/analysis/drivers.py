"""Analysis: which stations are forecast well, and how they group by what drives them.

Not here: effect sizes, correlations and clusters themselves (attribution/). Each is stored as NetCDF with its table as
CSV beside it. Too few stations cannot be compared: the asset is then skipped with the reason in the log, and so are its
figures.
"""

from collections.abc import Callable, Iterator

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS as SHAP_KEYS
from soilmoisture_assets.defs.deployment import OWNERS, STUDY
from soilmoisture_assets.defs.models.regional_model import KEYS as REGIONAL_KEYS
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.io_managers.table import TableIOManager
from soilmoisture_assets.scoring.gathering import station_scores
from soilmoisture_assets.study import Experiment, Study

FEWEST_STATIONS = 6
"""Fewer stations make no two groups worth comparing."""

EFFECT_SIZES = {e: dg.AssetKey(["analysis", "effect_size", e.value]) for e in STUDY.model.experiments}
CORRELATIONS = {e: dg.AssetKey(["analysis", "correlation", e.value]) for e in STUDY.model.experiments}
CLUSTERS = {e: dg.AssetKey(["analysis", "driver_clusters", e.value]) for e in SHAP_KEYS}
PERMUTATION = {e: dg.AssetKey(["analysis", "permutation_importance", e.value]) for e in SHAP_KEYS}


def _compared(
    key: dg.AssetKey,
    experiment: Experiment,
    description: str,
    measure: Callable[[xr.Dataset, xr.DataArray], xr.Dataset],
) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        ins={"cube": dg.AssetIn(key=["cube", "station_cube"]), "skill": dg.AssetIn(key=["analysis", "skill"])},
        description=f"{description}; experiment {experiment}.",
        group_name="analysis",
        kinds={"netcdf"},
        owners=OWNERS,
        io_manager_key="netcdf",
        output_required=False,
        code_version=version("2", "analysis"),
    )
    def compared(
        context: dg.AssetExecutionContext,
        cube: xr.Dataset,
        skill: xr.Dataset,
        study: dg.ResourceParam[Study],
        table: dg.ResourceParam[TableIOManager],
    ) -> Iterator[dg.Output]:
        from soilmoisture_assets.attribution.station_features import station_features
        from soilmoisture_assets.attribution.tables import long_table

        if cube.sizes["station"] < FEWEST_STATIONS:
            context.log.warning(f"{cube.sizes['station']} stations are too few to compare; {FEWEST_STATIONS} needed")
            return
        features = station_features(cube.load(), study)
        scores = station_scores(skill, experiment, study)
        found = [measure(features, score) for score in scores.values()]
        together = xr.concat(
            found, dim=xr.Variable("score", list(scores)), join="outer", combine_attrs="drop_conflicts"
        )
        test = study.splits.test
        attributes = {"experiment": experiment.value, "method": scores["r2"].attrs["method"]}
        table.write(long_table(together, "score", "window", "feature"), key)
        yield dg.Output(together.assign_attrs(attributes, period=f"test {test.start} to {test.end}"))

    return compared


def _effect_sizes(features: xr.Dataset, score: xr.DataArray) -> xr.Dataset:
    from soilmoisture_assets.attribution.effect_size import effect_sizes

    return effect_sizes(features, score)


def _correlations(features: xr.Dataset, score: xr.DataArray) -> xr.Dataset:
    from soilmoisture_assets.attribution.correlation import correlations

    return correlations(features, score)


def _driver_clusters(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        key=CLUSTERS[experiment],
        ins={"shap": dg.AssetIn(key=SHAP_KEYS[experiment])},
        description=f"Three groups of stations by the standardised SHAP of their drivers; experiment {experiment}.",
        group_name="analysis",
        kinds={"netcdf", "scikitlearn"},
        owners=OWNERS,
        io_manager_key="netcdf",
        output_required=False,
        code_version=version("2", "analysis"),
    )
    def driver_clusters(
        context: dg.AssetExecutionContext, shap: xr.Dataset, table: dg.ResourceParam[TableIOManager]
    ) -> Iterator[dg.Output]:
        from soilmoisture_assets.attribution.clusters import driver_clusters as group
        from soilmoisture_assets.attribution.tables import long_table

        try:
            found = group(shap.load())
        except StationError as error:
            context.log.warning(str(error))
            return
        table.write(long_table(found, "station", "window"), CLUSTERS[experiment])
        silhouette = {str(window): round(float(value), 3) for window, value in found.silhouette.to_series().items()}
        yield dg.Output(found, metadata={"silhouette": dg.MetadataValue.json(silhouette)})

    return driver_clusters


def _permutation_importance(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        key=PERMUTATION[experiment],
        ins={"cube": dg.AssetIn(key=["cube", "station_cube"]), "shap": dg.AssetIn(key=SHAP_KEYS[experiment])},
        deps=[REGIONAL_KEYS[experiment]],
        description=f"Rise of the test error when a feature is shuffled, and its agreement with SHAP; {experiment}.",
        group_name="analysis",
        kinds={"netcdf", "pytorch"},
        owners=OWNERS,
        io_manager_key="netcdf",
        pool="training",
        code_version=version("2", "analysis"),
    )
    def permutation_importance(
        context: dg.AssetExecutionContext,
        cube: xr.Dataset,
        shap: xr.Dataset,
        study: dg.ResourceParam[Study],
        checkpoint: dg.ResourceParam[CheckpointIOManager],
        table: dg.ResourceParam[TableIOManager],
    ) -> xr.Dataset:
        from soilmoisture_assets.attribution.permutation import permutation_importance as shuffle
        from soilmoisture_assets.attribution.permutation import rank_agreement
        from soilmoisture_assets.attribution.tables import long_table

        found = shuffle(cube.load(), checkpoint.read(REGIONAL_KEYS[experiment]), study)
        found["rank_agreement"] = rank_agreement(shap.load(), found)
        found["change_agreement"] = rank_agreement(shap, found, "forecast_change")
        table.write(long_table(found, "window", "feature"), PERMUTATION[experiment])
        agreement = {str(window): round(float(value), 3) for window, value in found.rank_agreement.to_series().items()}
        context.add_output_metadata({"rank_agreement_with_shap": dg.MetadataValue.json(agreement)})
        return found

    return permutation_importance


drivers = [
    *(
        _compared(k, e, "Features of better against worse forecast stations", _effect_sizes)
        for e, k in EFFECT_SIZES.items()
    ),
    *(_compared(k, e, "Rank correlation of features with skill", _correlations) for e, k in CORRELATIONS.items()),
    *(_driver_clusters(experiment) for experiment in CLUSTERS),
    *(_permutation_importance(experiment) for experiment in PERMUTATION),
]
