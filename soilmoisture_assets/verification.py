"""Whether stored things are what they say: beyond their bytes, what is in them.

Belongs here: identity, values and weights of stored things that count. Not here: checksums and records (store/), what
to do about damage (deployment.py).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.quality_control import outside_limits
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.store.store import Damage


def wrong_contents(deployment: Deployment, progress: Progress | None = None) -> Iterator[Damage]:
    """Read what counts of a study, and name what does not hold what it should.

    Datasets say which study and asset they are of and where they come from; numbers are finite or missing; beyond the
    raw layer, where sensors may say anything, values lie within the registry's limits. Weights of models are finite.
    """
    view = deployment.view()
    things = [
        (path, name, view.entries(path)[name].generation) for path in deployment.graph for name in view.current(path)
    ]
    for done, (path, name, generation) in enumerate(things, start=1):
        address = deployment.address(path, name)
        try:
            trouble = _trouble(deployment, path, deployment.read(path, name, view=view))
        except SoilMoistureError as error:
            trouble = str(error).partition("\n")[0]
        if trouble:
            yield Damage(address.stem + deployment.graph[path].suffix, trouble, address, generation)
        if progress:
            progress(done, len(things), str(address))


def _trouble(deployment: Deployment, path: str, value: Any) -> str:
    if isinstance(value, xr.Dataset):
        with value:
            return _trouble_of_dataset(value, f"{deployment.study.name}/{path}", raw=path.startswith("raw/"))
    if hasattr(value, "parameters"):
        unfit = [name for name, weights in value.parameters.items() if not bool(weights.isfinite().all())]
        return f"has weights that are not finite: {', '.join(unfit)}." if unfit else ""
    return ""


def _trouble_of_dataset(dataset: xr.Dataset, identifier: str, *, raw: bool) -> str:
    # the title was this before datasets had an id
    if (said := dataset.attrs.get("id", dataset.attrs.get("title"))) != identifier:
        return f"says that it is {said}."
    if not dataset.attrs.get("source"):
        return "does not say where it comes from."
    infinite = [
        str(name)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "f" and np.isinf(variable.values).any()
    ]
    if infinite:
        return f"has infinite values: {', '.join(infinite)}."
    outside = {} if raw else outside_limits(dataset)
    if outside:
        counted = ", ".join(f"{count} of {name}" for name, count in outside.items())
        return f"has values outside the limits of the registry: {counted}."
    return ""
