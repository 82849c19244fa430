"""Results as tables for people and spreadsheets. Not here: the results (effect_size.py, correlation.py, …)."""

import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.provenance import UNITS


def long_table(dataset: xr.Dataset, *dims: str) -> pd.DataFrame:
    """One row per combination of the dimensions, a column for each variable and coordinate on any of them.

    Variables that do not lie on all of the dimensions, such as correlations among features, are left out; rows without
    a single number too.
    """
    on_all = [name for name, variable in dataset.data_vars.items() if set(variable.dims) == set(dims)]
    part = dataset[on_all]
    part = part.drop_vars([name for name, c in part.coords.items() if not c.dims or not set(c.dims) <= set(dims)])
    frame = part.to_dataframe(dim_order=list(dims)).reset_index()
    units = {str(name): dataset[name].attrs["units"] for name in frame.columns if "units" in dataset[name].attrs}
    described = [*dims, *sorted(column for column in frame.columns if column not in {*dims, *on_all})]
    found = frame.dropna(how="all", subset=on_all)[[*described, *on_all]]
    found.attrs = {UNITS: units}
    return found
