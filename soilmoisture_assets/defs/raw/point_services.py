"""Raw data of the point services: SoilGrids and 3DEP at the stations. Not here: the clients (sources/)."""

from collections.abc import Iterator

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment

SANDBOX_RATE = 60_000.0
"""Requests a minute: the fair-use rate protects the public service, and the sandbox is ours."""


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """SoilGrids and terrain, where the study has static attributes of them."""
    made = {"raw/soilgrids/properties": _properties, "raw/elevation/slope": _slope}
    return [step(deployment, [path], make) for path, make in made.items() if path in deployment.graph]


def _properties(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.soilgrids import MAPS, rest, wcs

    over_rest = work.study.soilgrids.access == "rest"
    polite = rest.REQUESTS_A_MINUTE if over_rest else wcs.REQUESTS_A_MINUTE
    rate = SANDBOX_RATE if work.study.sandbox else work.settings.soilgrids_requests_per_minute or polite
    fetch, service, kept = (
        (rest.fetch_points, "soilgrids", "answers") if over_rest else (wcs.fetch_windows, MAPS, "answers_of_maps")
    )
    with work.services() as urls:
        found = fetch(
            work.given()["stations"],
            work.workspace("raw", "soilgrids", kept),
            str(urls[service]),
            rate,
            work.progress,
            patience=work.deployment.patience,
        )
    yield Made(found, metadata=_problems(found))


def _slope(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.elevation.client import fetch_slope

    with work.services() as urls:
        found = fetch_slope(
            work.given()["stations"],
            work.workspace("raw", "elevation", "answers"),
            str(urls["elevation"]),
            work.progress,
            patience=work.deployment.patience,
        )
    yield Made(found, metadata=_problems(found))


def _problems(found: xr.Dataset) -> dict[str, object]:
    """How many stations have values, and why the others have none."""
    every = zip(found.station.values, found.problem.values, strict=True)
    reasons = {str(name): str(text) for name, text in every if text}
    return {"stations": found.sizes["station"], "stations_with_problems": len(reasons), "problems": reasons}
