"""What MCD12Q1 says of a station, however it was asked: a class per year, and the dataset of them.

Belongs here: what is kept of a station, what is a class. Not here: asking (ornl.py, earthengine.py), keeping answers
(station_cache.py), classes and their names (metadata/variables.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import IGBP_CLASSES, VARIABLES
from soilmoisture_assets.sources.http import number
from soilmoisture_assets.sources.station_cache import Place, add_problems, places_of, station_coordinates

BAND = "LC_Type1"
"""The layer with the classes of IGBP."""
MISSING = np.int8(-1)
FARMLAND = Place("a field in Iowa", 41.75, -93.90)
"""A service that has no class there has an outage."""
_FILL = 255
"""What the product writes where it has no class, where the service does not mask it."""

Classes = dict[int, Any]
"""Per year the code as it came, None where there is none."""


def is_class(code: Any) -> bool:
    """Whether a code is a class of IGBP."""
    return not isinstance(code, str) and number(code) in IGBP_CLASSES


def record_of(classes: Classes) -> dict[str, Any]:
    """What is kept of a station."""
    return {"classes": {str(year): code for year, code in classes.items()}}


def classes_of(record: Mapping[str, Any] | None) -> Classes:
    """The classes of what was kept; none where there is nothing."""
    return {int(year): code for year, code in (record or {}).get("classes", {}).items()}


def dataset_of(
    stations: xr.Dataset, years: Sequence[int], known: Mapping[str, Classes], problems: Mapping[str, str]
) -> xr.Dataset:
    """``land_cover`` (station, year) int8, -1 where missing, with CF flags; ``problem`` and ``answered`` (station) as
    ``add_problems``.

    Parameters
    ----------
    known : what is known of each station. problems : why a station was not answered for.
    """
    places = places_of(stations)
    codes = np.full((len(places), len(years)), MISSING, dtype="int8")
    missing = []
    for row, place in enumerate(places):
        found = known.get(place.station, {})
        codes[row] = [int(found[year]) if is_class(found.get(year)) else MISSING for year in years]
        blank = {year: found[year] for year in years if year in found and not is_class(found[year])}
        strange = next((str(code)[:20] for code in blank.values() if code not in (None, _FILL)), "")
        said = f" (it answered '{strange}', which IGBP does not have)" if strange else ""
        missing.append(f"no class in {', '.join(map(str, blank))}{said}" if blank else "")
    dataset = station_coordinates(stations).assign_coords(year=("year", np.array(years, dtype="int32")))
    dataset["land_cover"] = (("station", "year"), codes, VARIABLES["land_cover"].attributes())
    dataset["land_cover"].encoding["_FillValue"] = MISSING
    add_problems(dataset, missing, problems)
    return dataset
