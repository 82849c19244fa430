"""Static attributes as the cube keeps them: numbers as float32, categories as CF flags.

Belongs here: dtypes, codes, what missing is, the year of land cover, the description of encodings (JSON).
Not here: fetching attributes (sources/), one-hot and scaling (learning/).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import VARIABLES, Variable, said_by_source
from soilmoisture_assets.study import Period

MISSING_CODE = -1


def encode_static_attributes(attributes: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Give static attributes the types and CF attributes of the cube, in the study's order.

    Parameters
    ----------
    attributes : (station); numbers in the registry's units, categories as codes or class names.
    names : the study's list; all must be there.

    Returns
    -------
    (station): numbers float32, NaN where missing or outside the registry's limits; categories int8 with flag_values
    and flag_meanings, -1 where missing or unknown (outside valid_min ... valid_max, as CF 2.5.1 marks missing values;
    no ``_FillValue``, which would make readers turn the codes into floats).

    Raises
    ------
    SourceError : an attribute is not there.
    """
    lacking = [name for name in names if name not in attributes]
    if lacking:
        raise SourceError(
            f"static attributes: {', '.join(lacking)} not found.\n"
            "  Take them out of static_attributes.variables, or give a source that has them."
        )
    encoded = {}
    for name in names:
        variable, values = VARIABLES[name], attributes[name].reset_coords(drop=True)
        encoded[name] = _codes(values, variable) if variable.is_category else _numbers(values, variable)
    stations = attributes.drop_vars(list(attributes.data_vars)).coords
    return xr.Dataset(encoded, coords={n: c for n, c in stations.items() if n not in names})


def encodings(attributes: xr.Dataset) -> dict[str, dict[str, object]]:
    """Describe how each encoded attribute is to be read, ready for JSON: units or classes, source, missing stations."""
    described: dict[str, dict[str, object]] = {}
    for name in map(str, attributes.data_vars):
        variable, values = VARIABLES[name], attributes[name]
        missing = values.values == MISSING_CODE if variable.is_category else np.isnan(values.values)
        described[name] = {
            "long_name": variable.long_name,
            "kind": "category" if variable.is_category else "number",
            "group": variable.group,
            "dtype": str(values.dtype),
            "source": variable.source,
            "missing": MISSING_CODE if variable.is_category else "NaN",
            "stations": int(values.size),
            "missing_stations": [str(station) for station in values.station.values[missing]],
        }
        if variable.is_category:
            codes, count = np.unique(values.values[~missing], return_counts=True)
            described[name]["classes"] = {str(code): text for code, text in variable.classes.items()}
            described[name]["stations_per_class"] = {
                variable.classes[int(code)]: int(n) for code, n in zip(codes, count, strict=True)
            }
        else:
            described[name]["units"] = variable.units
            described[name]["range"] = [_rounded(values.min()), _rounded(values.max())]
    return described


def land_cover_before(land_cover: xr.DataArray, train: Period) -> xr.DataArray:
    """Take each station's land cover of the last year that had ended when training ended.

    Parameters
    ----------
    land_cover : (station, year) IGBP codes, -1 missing. A year's map sees the whole year, so a year that training
        ends within would look ahead.

    Returns
    -------
    (station) int8; a station without a class that year gets its latest earlier one, with ``land_cover_year`` saying
    which (0 none).

    Raises
    ------
    SourceError : no year had ended by then.
    """
    last = train.end.year if (train.end.month, train.end.day) == (12, 31) else train.end.year - 1
    years = np.sort(land_cover.year.values[land_cover.year.values <= last])
    if len(years) == 0:
        raise SourceError(
            f"land cover: years {land_cover.year.values.tolist()} all end after training does ({train.end}).\n"
            f"  Fetch {last} or an earlier year."
        )
    codes = np.full(land_cover.sizes["station"], MISSING_CODE, dtype="int8")
    used = np.zeros(land_cover.sizes["station"], dtype="int16")
    for year in years:
        of_year = land_cover.sel(year=year).values
        there = np.isfinite(of_year) & (of_year > 0)
        codes[there], used[there] = of_year[there], year
    stations = {n: c for n, c in land_cover.coords.items() if c.dims == ("station",)}
    result = xr.DataArray(codes, dims="station", coords=stations, name="land_cover", attrs=land_cover.attrs)
    return result.assign_coords(land_cover_year=("station", used, {"long_name": "year of the land cover, 0 none"}))


def _numbers(values: xr.DataArray, variable: Variable) -> xr.DataArray:
    numbers = values.astype("float32")
    valid = variable.allows(numbers)
    return numbers.where(valid).drop_attrs().assign_attrs(variable.attributes() | said_by_source(values))


def _codes(values: xr.DataArray, variable: Variable) -> xr.DataArray:
    by_name = {text.lower(): code for code, text in variable.classes.items()}
    if values.dtype.kind in "fiub":
        numbers = np.nan_to_num(values.values.astype("float64"), nan=MISSING_CODE)
        codes = np.where(np.isin(numbers, list(variable.classes)), numbers, MISSING_CODE)
    else:
        codes = np.array(
            [by_name.get(str(text).strip().lower().replace("_", " "), MISSING_CODE) for text in values.values]
        )
    limits = {"valid_min": np.int8(min(variable.classes)), "valid_max": np.int8(max(variable.classes))}
    attributes = variable.attributes() | limits | {"comment": "-1 is missing"} | said_by_source(values)
    return values.copy(data=codes.astype("int8")).drop_attrs().assign_attrs(attributes)


def _rounded(value: xr.DataArray) -> float | None:
    return None if pd.isna(value.item()) else round(float(value), 4)
