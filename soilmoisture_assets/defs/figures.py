"""Figures: an asset per file of a declared figure whose inputs the study has. Not here: the figures (plots/)."""

from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.plots.figure import FigureFile, FigureInputs, figure_files


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """One step per figure file, made again by itself when an input has changed."""
    files = figure_files(deployment.study, deployment.graph.assets)
    return [step(deployment, [file.path], _drawn(file), automation=follows(deployment, file.path)) for file in files]


def _drawn(file: FigureFile) -> Make:
    @wraps(file.figure.draw)  # where the web UI looks for the code
    def drawn(work: Work) -> Iterator[Made]:
        given = work.given()

        def opened(paths: Any) -> Any:
            return {name: given[path] for name, path in paths.items()} if isinstance(paths, Mapping) else given[paths]

        inputs = {argument: opened(paths) for argument, paths in file.inputs.items()}
        yield Made(file.figure.draw(FigureInputs(work.study, work.settings, file.variant, inputs, work.log)))

    return drawn
