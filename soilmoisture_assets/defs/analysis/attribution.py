"""Analysis: what forecasts go with, which stations are forecast well, and how they group.

Not here: SHAP values, effect sizes, correlations and clusters themselves (attribution/). Each is stored with its table
beside it. Too few stations cannot be compared: the asset is then left out with the reason, and so are its figures.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.assets import RECORD_LEVEL
from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.study import Experiment

if TYPE_CHECKING:
    from soilmoisture_assets.learning.model import Model

FEWEST_STATIONS = 6
"""Fewer stations make no two groups worth comparing."""


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The level of the records; per experiment comparisons of stations, and the explanation of the regional model."""
    made = [step(deployment, [RECORD_LEVEL, f"{RECORD_LEVEL}_table"], _record_level)]
    for e in deployment.study.model.experiments:
        for path, make in (
            (f"analysis/effect_size_{e}", _compared(e, _effect_sizes)),
            (f"analysis/correlation_{e}", _compared(e, _correlations)),
            (f"analysis/driver_clusters_{e}", _driver_clusters),
            (f"analysis/permutation_importance_{e}", _permutation_importance),
            (f"analysis/local_effects_{e}", _local_effects),
        ):
            if path in deployment.graph:
                made.append(step(deployment, [path, f"{path}_table"], make))
        if f"analysis/shap_values_{e}" in deployment.graph:
            made.append(step(deployment, [f"analysis/shap_values_{e}"], _shap_values(e)))
    return made


def _with_table(path: str, found: xr.Dataset, *dims: str, **metadata: object) -> Iterator[Made]:
    from soilmoisture_assets.attribution.tables import long_table

    yield Made(found, asset=path, metadata=metadata)
    yield Made(long_table(found, *dims), asset=f"{path}_table")


def _path(work: Work) -> str:
    """The dataset of the step, which its table stands beside."""
    return work.assets[0].removesuffix("_table")


def _left_out(work: Work, reason: str) -> Iterator[Made]:
    for path in work.assets:
        yield Made(asset=path, left_out=reason)


def _compared(experiment: Experiment, measure: Callable[[xr.Dataset, xr.DataArray], xr.Dataset]) -> Make:
    def compared(work: Work) -> Iterator[Made]:
        from soilmoisture_assets.attribution.station_features import station_features
        from soilmoisture_assets.scoring.gathering import station_scores

        given = work.given()
        cube = given["cube"]
        if cube.sizes["station"] < FEWEST_STATIONS:
            reason = f"too few stations to compare: {cube.sizes['station']}; {FEWEST_STATIONS} are needed"
            yield from _left_out(work, reason)
            return
        try:
            scores = station_scores(given["skill"], experiment, work.study)
        except StationError as error:
            yield from _left_out(work, str(work.deployment.with_command(error)))
            return
        features = station_features(cube.load(), work.study)
        together = xr.concat(
            [measure(features, score) for score in scores.values()],
            dim=xr.Variable("score", list(scores)),
            join="outer",
            combine_attrs="drop_conflicts",
        )
        test = work.study.splits.test
        method = next(iter(scores.values())).attrs["method"]
        found = together.assign_attrs(
            experiment=experiment.value, method=method, period=f"test {test.start} to {test.end}"
        )
        yield from _with_table(_path(work), found, "score", "window", "feature")

    return compared


def _effect_sizes(features: xr.Dataset, score: xr.DataArray) -> xr.Dataset:
    from soilmoisture_assets.attribution.effect_size import effect_sizes

    return effect_sizes(features, score)


def _correlations(features: xr.Dataset, score: xr.DataArray) -> xr.Dataset:
    from soilmoisture_assets.attribution.correlation import correlations

    return correlations(features, score)


def _record_level(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.attribution.record_level import record_level

    try:
        found = record_level(work.given()["cube"].load(), work.study)
    except StationError as error:
        yield from _left_out(work, str(work.deployment.with_command(error)))
        return
    yield from _with_table(_path(work), found, "station", "feature", explained=round(found.attrs["explained"], 3))


def _shap_values(experiment: Experiment) -> Make:
    def shap_values(work: Work) -> Iterator[Made]:
        from soilmoisture_assets.attribution.shap_values import explain

        given = work.given()
        found = explain(given["cube"].load(), _of_all_seeds(given), work.study, work.progress)
        found.attrs["experiment"] = experiment.value
        strength = found.mean_absolute_shap.mean("station").isel(window=-1)
        leading = strength.sortby(strength, ascending=False)[:8]
        pairs = zip(leading.feature.values, leading.values, strict=True)
        yield Made(
            found,
            metadata={
                "stations": found.sizes["station"],
                "mean |SHAP| of the leading features, last window [m3 m-3]": {
                    str(name).replace("_", " "): float(value) for name, value in pairs
                },
                "mean residual of additivity [m3 m-3]": float(found.additivity_residual.mean()),
            },
        )

    return shap_values


def _of_all_seeds(given: Mapping[str, Any]) -> "list[Model]":
    return [given["regional"], *(given[name] for name in given if name.startswith("seed_"))]


def _driver_clusters(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.attribution.clusters import driver_clusters

    try:
        found = driver_clusters(work.given()["shap"].load())
    except StationError as error:
        yield from _left_out(work, str(work.deployment.with_command(error)))
        return
    silhouette = {str(window): round(float(value), 3) for window, value in found.silhouette.to_series().items()}
    yield from _with_table(_path(work), found, "station", "window", silhouette=silhouette)


def _permutation_importance(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.attribution.permutation import permutation_importance, rank_agreement

    given = work.given()
    found = permutation_importance(given["cube"].load(), given["regional"], work.study)
    shap = given["shap"].load()
    found["rank_agreement"] = rank_agreement(shap, found)
    found["change_agreement"] = rank_agreement(shap, found, "forecast_change")
    agreement = {str(window): round(float(value), 3) for window, value in found.rank_agreement.to_series().items()}
    yield from _with_table(_path(work), found, "window", "feature", rank_agreement_with_shap=agreement)


def _local_effects(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.attribution.local_effects import local_effects
    from soilmoisture_assets.attribution.permutation import rank_agreement

    given = work.given()
    found = local_effects(given["cube"].load(), _of_all_seeds(given), work.study)
    found["rank_agreement"] = rank_agreement(given["shap"].load(), found, "importance")
    agreement = {str(window): round(float(value), 3) for window, value in found.rank_agreement.to_series().items()}
    yield from _with_table(_path(work), found, "window", "feature", "point", rank_agreement_with_shap=agreement)
