"""The figures of the study as assets, one per file of a declaration. Not here: figures (plots/, one module each)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.analysis.drivers import CLUSTERS, CORRELATIONS, EFFECT_SIZES
from soilmoisture_assets.defs.deployment import OWNERS, STUDY
from soilmoisture_assets.defs.following import FOLLOWS
from soilmoisture_assets.defs.graph import ASSETS as GRAPH
from soilmoisture_assets.defs.resources import resources
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.base import FolderIOManager
from soilmoisture_assets.plots.figure import FigureFile, FigureInputs, figure_files
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study

_KINDS = {".png": "matplotlib", ".html": "leaflet", ".webp": "webp"}
_MAY_BE_SKIPPED = {"/".join(key.path) for keys in (EFFECT_SIZES, CORRELATIONS, CLUSTERS) for key in keys.values()}


def _figure(file: FigureFile) -> dg.AssetsDefinition:
    @dg.asset(
        key=file.path.split("/"),
        deps=[dg.AssetKey(path.split("/")) for path in file.input_paths],
        description=f"{file.figure.title}. {file.figure.description}",
        group_name="figures",
        kinds={_KINDS[file.figure.suffix]},
        owners=OWNERS,
        io_manager_key="figure",
        output_required=False,
        automation_condition=FOLLOWS,
        code_version=version(file.figure.code, "figures"),
    )
    def figure(
        context: dg.AssetExecutionContext, study: dg.ResourceParam[Study], settings: dg.ResourceParam[Settings]
    ) -> Iterator[dg.Output]:
        inputs = {argument: _stored(paths) for argument, paths in file.inputs.items()}
        if absent := [argument for argument, value in inputs.items() if value is None]:
            context.log.warning(f"no figure: nothing is stored of {', '.join(absent)}")
            return
        yield dg.Output(file.figure.draw(FigureInputs(study, settings, file.variant, inputs, context.log.warning)))

    return figure


def _stored(paths: Any) -> Any:
    """A stored asset, or its stored partitions; of several paths, those that are stored; None where nothing is."""
    if not isinstance(paths, str):
        return {key: value for key, path in paths.items() if (value := _stored(path)) is not None} or None
    key = dg.AssetKey(paths.split("/"))
    for store in (each for each in resources().values() if isinstance(each, FolderIOManager)):
        if store.suffix and store.path(key).exists():
            return store.read(key)
    found = (store.partitions(key) for store in (resources()["zarr"], resources()["netcdf"]))
    return next((partitions for partitions in found if len(partitions)), None)


_FILES = {
    dg.AssetKey(file.path.split("/")): file
    for file in figure_files(
        STUDY, {"/".join(key.path) for asset in GRAPH if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}
    )
}
ASSETS = [_figure(file) for file in _FILES.values()]
FIGURES = list(_FILES)
"""Keys of the study's figures in the order of the report."""

SECTION = {key: file.figure.section for key, file in _FILES.items()}
SURE = [key for key, file in _FILES.items() if not _MAY_BE_SKIPPED & set(file.input_paths)]
"""Figures whose inputs are never skipped."""
