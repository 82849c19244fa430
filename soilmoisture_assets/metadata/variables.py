"""The registry of variables: CF names, units, valid ranges, sources, aggregation, categories.

Belongs here: every fact about a variable that more than one module needs. Readers, checks, attributes and
figure labels all take it from here. Not here: how a source encodes a variable on the wire (sources/).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import UnitsError
from soilmoisture_assets.metadata.units import conversion

Aggregation = Literal["mean", "sum"]
Role = Literal["target", "dynamic", "static"]


@dataclass(frozen=True)
class Variable:
    """One variable of the platform.

    ``valid_min`` and ``valid_max`` are physical limits in ``units``; values outside are errors of the record.
    ``group`` is the feature group used in attribution and figures. ``classes`` maps the integer code of a
    category to its name; such variables are one-hot or embedded in models, never used as numbers.
    """

    name: str
    long_name: str
    units: str
    role: Role
    group: str
    source: str
    standard_name: str | None = None
    valid_min: float = -np.inf
    valid_max: float = np.inf
    aggregation: Aggregation = "mean"
    classes: Mapping[int, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Axis label: the long name with its units."""
        return f"{self.long_name} [{self.printed_units}]" if self.printed_units else self.long_name

    @property
    def printed_units(self) -> str:
        """Units as print has them; empty for plain numbers."""
        return "" if self.units == "1" else PRINTED_UNITS.get(self.units, self.units)

    @property
    def is_category(self) -> bool:
        return bool(self.classes)

    def allows(self, values: Any) -> Any:
        """Where values (a number, an array, a DataArray) lie within the physical limits; missing ones do not."""
        return (values >= self.valid_min) & (values <= self.valid_max)

    def attributes(self) -> dict[str, object]:
        """CF-1.11 attributes of the variable. Categories get flag_values and flag_meanings (CF section 3.5)."""
        attributes: dict[str, object] = {"long_name": self.long_name, "units": self.units, "source": self.source}
        if self.standard_name:
            attributes["standard_name"] = self.standard_name
        if self.is_category:
            attributes["flag_values"] = np.array(list(self.classes), dtype="int8")
            attributes["flag_meanings"] = " ".join(name.replace(" ", "_") for name in self.classes.values())
            del attributes["units"]
        if np.isfinite(self.valid_min):
            attributes["valid_min"] = np.float32(self.valid_min)
        if np.isfinite(self.valid_max):
            attributes["valid_max"] = np.float32(self.valid_max)
        if self.units == "degC":  # CF 3.1.2: a temperature, not a difference of two
            attributes["units_metadata"] = "temperature: on_scale"
        if self.role == "dynamic":
            attributes["cell_methods"] = f"time: {self.aggregation}"
        return attributes


PRINTED_UNITS = {
    "m3 m-3": "m³ m⁻³",
    "W m-2": "W m⁻²",
    "degC": "°C",
    "m s-1": "m s⁻¹",
    "degree": "°",
    "kg dm-3": "kg dm⁻³",
    "g kg-1": "g kg⁻¹",
    "kg m-3": "kg m⁻³",
    "kg m-2": "kg m⁻²",
    "cmol kg-1": "cmol(c) kg⁻¹",
    "mm year-1": "mm a⁻¹",
    "m2 m-2": "m² m⁻²",
    "m-1": "m⁻¹",
}

# MCD12Q1 v061 LC_Type1 (IGBP): Sulla-Menashe & Friedl, User Guide to Collection 6.1 MODIS Land Cover, table 3.
IGBP_CLASSES = {
    1: "evergreen needleleaf forest",
    2: "evergreen broadleaf forest",
    3: "deciduous needleleaf forest",
    4: "deciduous broadleaf forest",
    5: "mixed forest",
    6: "closed shrubland",
    7: "open shrubland",
    8: "woody savanna",
    9: "savanna",
    10: "grassland",
    11: "permanent wetland",
    12: "cropland",
    13: "urban and built-up",
    14: "cropland and natural vegetation mosaic",
    15: "permanent snow and ice",
    16: "barren",
    17: "water body",
}

# Colours of the classes in the Earth Engine catalogue entry of MODIS/061/MCD12Q1.
IGBP_COLOURS = dict(
    enumerate(
        "#05450a #086a10 #54a708 #78d203 #009900 #c6b044 #dcd159 #dade48 #fbff13 #b6ff05 #27ff87 #c24f44 #a5a5a5 "
        "#ff6d4c #69fff8 #f9ffa4 #1c0dff".split(),
        start=1,
    )
)

# Köppen–Geiger classes: Peel et al. 2007, doi:10.5194/hess-11-1633-2007, table 1; As only in Rubel et al. 2017.
KOEPPEN_CLASSES = dict(
    enumerate(
        "Af Am Aw BWh BWk BSh BSk Csa Csb Csc Cwa Cwb Cwc Cfa Cfb Cfc Dsa Dsb Dsc Dsd "
        "Dwa Dwb Dwc Dwd Dfa Dfb Dfc Dfd ET EF As".split(),
        start=1,
    )
)

_ERA5 = "ERA5 hourly data on single levels, Copernicus Climate Change Service, doi:10.24381/cds.adbb2d47"
_HWSD = "Harmonized World Soil Database v1.1 as distributed by the ISMN"
_SOILGRIDS = "SoilGrids 2.0, ISRIC, doi:10.5194/soil-7-217-2021"
_EPQS = "USGS 3DEP Elevation Point Query Service"
_STATION = "station record"

_TARGET = Variable(
    "soil_moisture",
    "volumetric soil moisture",
    "m3 m-3",
    "target",
    "target",
    "International Soil Moisture Network, doi:10.5194/hess-25-5749-2021",
    "volume_fraction_of_condensed_water_in_soil",
    0.001,
    0.70,
)

_DYNAMIC = [
    Variable("temperature", "2 m air temperature", "degC", "dynamic", "dynamic", _ERA5, "air_temperature", -80, 60),
    Variable(
        "precipitation",
        "precipitation",
        "mm",
        "dynamic",
        "dynamic",
        _ERA5,
        "lwe_thickness_of_precipitation_amount",
        0,
        1000,
        "sum",
    ),
    Variable(
        "shortwave",
        "downward shortwave radiation",
        "W m-2",
        "dynamic",
        "dynamic",
        _ERA5,
        "surface_downwelling_shortwave_flux_in_air",
        0,
        1400,
    ),
    Variable(
        "dewpoint", "2 m dew point temperature", "degC", "dynamic", "dynamic", _ERA5, "dew_point_temperature", -80, 50
    ),
    Variable("wind_speed", "10 m wind speed", "m s-1", "dynamic", "dynamic", _ERA5, "wind_speed", 0, 120),
    Variable(
        "snow_depth",
        "snow depth (water equivalent)",
        "m",
        "dynamic",
        "dynamic",
        _ERA5,
        "lwe_thickness_of_surface_snow_amount",
        0,
        20,
    ),
    Variable(
        "soil_temperature", "soil temperature, 0-7 cm", "degC", "dynamic", "dynamic", _ERA5, "soil_temperature", -60, 80
    ),
    Variable(
        "potential_evaporation",
        "potential evaporation (downward positive)",
        "mm",
        "dynamic",
        "dynamic",
        _ERA5,
        "lwe_thickness_of_water_potential_evaporation_amount",
        -100,
        100,
        "sum",
    ),
    *(
        Variable(
            name,
            f"ERA5 soil moisture, {layer}",
            "m3 m-3",
            "dynamic",
            "dynamic",
            _ERA5,
            "volume_fraction_of_condensed_water_in_soil",
            0,
            1,
        )
        for name, layer in (
            ("soil_moisture_era5", "0-7 cm"),
            ("soil_moisture_era5_7_28cm", "7-28 cm"),
            ("soil_moisture_era5_28_100cm", "28-100 cm"),
        )
    ),
]


def _hwsd(quantity: str, long_name: str, units: str, group: str, high: float) -> list[Variable]:
    layers = {"0_30cm": "0-30 cm", "30_100cm": "30-100 cm"}
    return [
        Variable(f"{quantity}_{key}", f"{long_name}, {text}", units, "static", group, _HWSD, None, 0, high)
        for key, text in layers.items()
    ]


def _soilgrids(name: str, long_name: str, units: str, group: str, high: float) -> Variable:
    return Variable(name, long_name, units, "static", group, _SOILGRIDS, None, 0, high)


_STATIC = [
    Variable("slope", "slope", "degree", "static", "topography", _EPQS, None, 0, 90),
    Variable("aspect", "aspect, clockwise from north", "degree", "static", "topography", _EPQS, None, 0, 360),
    Variable("elevation", "elevation", "m", "static", "topography", _EPQS, "height_above_mean_sea_level", -500, 9000),
    Variable(
        "curvature", "centre minus mean of the neighbours, positive on ridges", "m", "static", "topography", _EPQS
    ),
    *_hwsd("saturation", "water content at saturation", "m3 m-3", "hydraulic", 1),
    *_hwsd("clay_fraction", "clay, weight", "%", "physical", 100),
    *_hwsd("organic_carbon", "organic carbon, weight", "%", "chemical", 100),
    *_hwsd("sand_fraction", "sand, weight", "%", "physical", 100),
    *_hwsd("silt_fraction", "silt, weight", "%", "physical", 100),
    _soilgrids("bdod", "bulk density of the fine earth", "kg dm-3", "physical", 2.7),
    _soilgrids("cec", "cation exchange capacity at pH 7", "cmol kg-1", "chemical", 200),
    _soilgrids("cfvo", "coarse fragments, volume", "%", "physical", 100),
    _soilgrids("clay", "clay, weight", "%", "physical", 100),
    _soilgrids("nitrogen", "total nitrogen", "g kg-1", "chemical", 100),
    _soilgrids("ocd", "organic carbon density", "kg m-3", "chemical", 500),
    _soilgrids("ocs", "organic carbon stock, 0-30 cm", "kg m-2", "chemical", 200),
    _soilgrids("phh2o", "soil pH in water", "1", "chemical", 14),
    _soilgrids("sand", "sand, weight", "%", "physical", 100),
    _soilgrids("silt", "silt, weight", "%", "physical", 100),
    _soilgrids("soc", "soil organic carbon", "g kg-1", "chemical", 1000),
    _soilgrids("wv0010", "water content at 10 kPa, volume", "%", "hydraulic", 100),
    _soilgrids("wv0033", "water content at 33 kPa, volume", "%", "hydraulic", 100),
    _soilgrids("wv1500", "water content at 1500 kPa, volume", "%", "hydraulic", 100),
    Variable(
        "climate_2007",
        "Köppen–Geiger climate (Peel et al. 2007)",
        "1",
        "static",
        "environmental",
        "doi:10.5194/hess-11-1633-2007, as distributed by the ISMN",
        classes=KOEPPEN_CLASSES,
    ),
    Variable(
        "climate_2017",
        "Köppen–Geiger climate (Rubel et al. 2017)",
        "1",
        "static",
        "environmental",
        "doi:10.1127/metz/2016/0816, as distributed by the ISMN",
        classes=KOEPPEN_CLASSES,
    ),
    Variable(
        "land_cover",
        "IGBP land cover",
        "1",
        "static",
        "environmental",
        "MODIS MCD12Q1 v061, doi:10.5067/MODIS/MCD12Q1.061",
        classes=IGBP_CLASSES,
    ),
    Variable("map", "mean annual precipitation", "mm year-1", "static", "climate", _STATION, None, 0, 15000),
    Variable(
        "mean_pet",
        "mean annual potential evapotranspiration",
        "mm year-1",
        "static",
        "climate",
        _STATION,
        None,
        0,
        5000,
    ),
    Variable(
        "ai",
        "aridity index, precipitation / potential evaporation",
        "1",
        "static",
        "climate",
        _STATION,
        None,
        0,
        50,
    ),
    Variable("mat", "mean annual temperature", "degC", "static", "climate", _STATION, None, -60, 50),
    Variable("lai_max", "largest leaf area index of the year", "m2 m-2", "static", "vegetation", _STATION, None, 0, 15),
    Variable("lai_mean", "mean leaf area index", "m2 m-2", "static", "vegetation", _STATION, None, 0, 15),
]

VARIABLES: Mapping[str, Variable] = {variable.name: variable for variable in [_TARGET, *_DYNAMIC, *_STATIC]}

FORECAST_ATTRIBUTES = _TARGET.attributes() | {
    "long_name": "forecast soil moisture",
    "source": "forecast by soilmoisture_assets from what the sources of the dataset say",
}

SOILGRIDS_PROPERTIES = tuple(name for name, variable in VARIABLES.items() if variable.source == _SOILGRIDS)
HWSD_VARIABLES = tuple(name for name, variable in VARIABLES.items() if variable.source == _HWSD)

# The statics of the reference study with their units put right: 1 + 10 + 14 + 3.
REFERENCE_STATIC_ATTRIBUTES = (
    "slope",
    *HWSD_VARIABLES,
    *SOILGRIDS_PROPERTIES,
    "climate_2007",
    "climate_2017",
    "land_cover",
)


def said_by_source(values: xr.DataArray) -> dict[str, object]:
    """Attributes in which a source speaks of itself; they win over the registry's general words."""
    return {key: values.attrs[key] for key in ("source", "comment", "depth") if key in values.attrs}


def observed_attributes(soil_moisture: xr.DataArray) -> dict[str, object]:
    """Attributes of observations that stand beside forecasts: their source is that of the cube's soil moisture."""
    attributes = _TARGET.attributes() | {"long_name": "observed soil moisture"}
    del attributes["source"]
    return attributes | {key: said for key, said in soil_moisture.attrs.items() if key == "source"}


def convert_units(
    values: xr.DataArray, variable: Variable, origin: str, interval: pd.Timedelta | None = None
) -> xr.DataArray:
    """Convert an array to the registry's units, which its ``units`` attribute then says.

    Parameters
    ----------
    values : any shape; ``values.attrs["units"]`` in UDUNITS spelling (CF section 3.1).
    variable : gives the units to convert to.
    origin : file the array came from, for the message.
    interval : what each value covers; with it a rate becomes an amount and an amount a mean flux, and the attribute
        ``comment`` says so.

    Raises
    ------
    UnitsError : the attribute is missing, a spelling that is not known, or of another quantity.
    """
    found = values.attrs.get("units")
    if found is None:
        raise UnitsError(
            f"{origin}: variable '{values.name}' has no units attribute.\n"
            f"  Set it to the units of the values, for example '{variable.units}'."
        )
    found = str(found).strip()
    if found == variable.units or (variable.is_category and found in ("1", "")):
        return values.assign_attrs(units=found)
    way = conversion(found, variable, f"{origin}: variable '{values.name}'", interval)
    said = {"units": variable.units}
    if way.how:
        said["comment"] = "; ".join(filter(None, (str(values.attrs.get("comment", "")), way.how)))
    number = values.dtype.type
    converted = values * number(way.scale) + number(way.offset)
    return converted.astype(values.dtype).assign_attrs(values.attrs | said)
