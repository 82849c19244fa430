"""Provenance: what every stored dataset says of where it comes from.

Belongs here: global attributes (CF 2.6.2, ACDD 1.3 names), the code version. Not here: attributes of single variables
(variables.py), citations and licences (each source declares its own, sources/).
"""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import pandas as pd
import xarray as xr

SYNTHETIC_NOTICE = "SYNTHETIC: made by the embedded sandbox, not measured"


@cache
def code_version() -> str:
    """Version of the installed package, ``0+unknown`` when it runs without being installed."""
    try:
        return version("soilmoisture_assets")
    except PackageNotFoundError:
        return "0+unknown"


LIBRARIES = ("torch", "lightgbm", "scikit-learn", "xarray", "pandas", "numpy", "dagster")
"""What forecasts, scores and attributions are computed with."""


def library_versions() -> list[str]:
    """``Python 3.11.9``, ``torch 2.13.0`` …: what was computed here was computed with these."""
    return [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)]


def with_provenance(
    dataset: xr.Dataset,
    *,
    identifier: str,
    title: str,
    source: str,
    study_name: str,
    code: str,
    synthetic: bool,
    references: str = "",
    licence: str = "",
    request: str = "",
) -> xr.Dataset:
    """Return the dataset with the platform's global attributes; its other attributes are kept.

    The same content gets the same attributes: when it was made is not among them, nor by which version of the package,
    which its record says: what is made from it would be out of date after every upgrade.

    Parameters
    ----------
    code : of the asset; it changes when what it computes does.
    """
    attributes = {
        "Conventions": "CF-1.11",
        "id": identifier,
        "title": title,
        "source": f"{SYNTHETIC_NOTICE}; {source}" if synthetic and SYNTHETIC_NOTICE not in source else source,
        "synthetic": int(synthetic),
        "references": references,
        "license": licence,
        "request": request,
        "history": f"soilmoisture_assets, code {code}",
        "study": study_name,
    }
    return dataset.assign_attrs({key: value for key, value in attributes.items() if value != ""})


UNITS = "units"
"""Attribute of a table: the units of its columns that have any."""


def notes_of(table: pd.DataFrame, *, title: str, study_name: str, synthetic: bool) -> list[str]:
    """Lines that a file of a table begins with: title, study, whether it is synthetic, and the units of its columns."""
    units = [f"{column} [{unit}]" for column, unit in table.attrs.get(UNITS, {}).items() if column in table]
    return [
        f"{title} ({study_name}), soilmoisture_assets",
        *([SYNTHETIC_NOTICE] if synthetic else []),
        *([f"units: {', '.join(units)}"] if units else []),
    ]
