"""Provenance: what every stored dataset says of where it comes from.

Belongs here: global attributes (CF 2.6.2, ACDD 1.3 names), citations and licences of the sources, the code version.
Not here: attributes of single variables (variables.py).
"""

from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import xarray as xr

SYNTHETIC_NOTICE = "SYNTHETIC: made by the embedded sandbox, not measured"

CITATIONS = {
    "ismn": "Dorigo et al. 2021, The International Soil Moisture Network, doi:10.5194/hess-25-5749-2021; "
    "cite also each network used (Metadata.xml of the archive)",
    "era5": "Hersbach et al. 2020, The ERA5 global reanalysis, doi:10.1002/qj.3803; "
    "contains modified Copernicus Climate Change Service information",
    "soilgrids": "Poggio et al. 2021, SoilGrids 2.0, doi:10.5194/soil-7-217-2021",
    "modis": "Friedl and Sulla-Menashe 2022, MCD12Q1 v061, doi:10.5067/MODIS/MCD12Q1.061",
    "elevation": "U.S. Geological Survey, 3D Elevation Program, Elevation Point Query Service",
}

LICENCES = {
    "ismn": "ISMN terms and conditions: scientific use, no redistribution",
    "era5": "Copernicus licence (CC BY 4.0)",
    "soilgrids": "CC BY 4.0",
    "modis": "NASA EOSDIS: open",
    "elevation": "public domain (USGS)",
}


@cache
def code_version() -> str:
    """Version of the installed package, ``0+unknown`` when it runs without being installed."""
    try:
        return version("soilmoisture_assets")
    except PackageNotFoundError:
        return "0+unknown"


def with_provenance(
    dataset: xr.Dataset, *, title: str, source: str, study_name: str, study_hash: str, synthetic: bool,
    references: str = "", licence: str = "", request: str = "",
) -> xr.Dataset:  # fmt: skip
    """Return the dataset with the platform's global attributes; its other attributes are kept."""
    attributes = {
        "Conventions": "CF-1.11",
        "title": title,
        "source": f"{SYNTHETIC_NOTICE}; {source}" if synthetic and SYNTHETIC_NOTICE not in source else source,
        "synthetic": int(synthetic),
        "references": references,
        "license": licence,
        "request": request,
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} soilmoisture_assets {code_version()}",
        "study": study_name,
        "study_hash": study_hash,
    }
    return dataset.assign_attrs({key: value for key, value in attributes.items() if value != ""})
