"""ERA5 on the wire: names in requests, names and units in files, and what they become.

Belongs here: the table and the unit conversions. Not here: reading files (formats.py), requests (months.py),
names and units inside the platform (metadata/variables.py).
Source: ECMWF, "ERA5: data documentation", tables 1 to 9; accumulations are over the hour that ends at the stamp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from soilmoisture_assets.errors import SourceError, UnitsError
from soilmoisture_assets.metadata.variables import VARIABLES


@dataclass(frozen=True)
class WireVariable:
    """One ERA5 parameter: its name in files, its name in requests, its documented units and kind."""

    short_name: str
    request_name: str
    units: str
    kind: Literal["instant", "accum"] = "instant"


_T2M = WireVariable("t2m", "2m_temperature", "K")
_TP = WireVariable("tp", "total_precipitation", "m", "accum")
_SSRD = WireVariable("ssrd", "surface_solar_radiation_downwards", "J m-2", "accum")
_D2M = WireVariable("d2m", "2m_dewpoint_temperature", "K")
_U10 = WireVariable("u10", "10m_u_component_of_wind", "m s-1")
_V10 = WireVariable("v10", "10m_v_component_of_wind", "m s-1")
_SD = WireVariable("sd", "snow_depth", "m")
_STL1 = WireVariable("stl1", "soil_temperature_level_1", "K")
_PEV = WireVariable("pev", "potential_evaporation", "m", "accum")
_SWVL1, _SWVL2, _SWVL3 = (
    WireVariable(f"swvl{layer}", f"volumetric_soil_water_layer_{layer}", "m3 m-3") for layer in (1, 2, 3)
)

ERA5_VARIABLES: dict[str, tuple[WireVariable, ...]] = {
    "temperature": (_T2M,),
    "precipitation": (_TP,),
    "shortwave": (_SSRD,),
    "dewpoint": (_D2M,),
    "wind_speed": (_U10, _V10),
    "snow_depth": (_SD,),
    "soil_temperature": (_STL1,),
    "potential_evaporation": (_PEV,),
    "soil_moisture_era5": (_SWVL1,),
    "soil_moisture_era5_7_28cm": (_SWVL2,),
    "soil_moisture_era5_28_100cm": (_SWVL3,),
}
"""What each variable of the registry is made of."""

LAND_SEA_MASK = WireVariable("lsm", "land_sea_mask", "1")
GEOPOTENTIAL = WireVariable("z", "geopotential", "m2 s-2")
STANDARD_GRAVITY = 9.80665
"""m s-2: surface geopotential divided by it is the height of the cell (ECMWF)."""

SHORT_NAMES = {
    wire.request_name: wire.short_name
    for wires in (*ERA5_VARIABLES.values(), (LAND_SEA_MASK, GEOPOTENTIAL))
    for wire in wires
}
"""Names in files by names in requests."""

OTHER_NAMES = SHORT_NAMES | {"2t": "t2m", "2d": "d2m", "10u": "u10", "10v": "v10"}
"""Names in files that passed through other tools: those of requests, and ECMWF's short names as GRIB has them."""

WIRE_UNITS = {wire.short_name: wire.units for wires in ERA5_VARIABLES.values() for wire in wires} | {
    LAND_SEA_MASK.short_name: LAND_SEA_MASK.units,
    GEOPOTENTIAL.short_name: GEOPOTENTIAL.units,
    "u100": "m s-1",
    "v100": "m s-1",
    "sp": "Pa",
    "msl": "Pa",
    "skt": "K",
    "sst": "K",
    "strd": "J m-2",
}
"""Units of parameters in formats that carry none (CSV)."""

_SPELLINGS = {"C": "degC", "°C": "degC", "Celsius": "degC", "celsius": "degC", "Kelvin": "kelvin"}
"""What people write and the unit library reads as something else, or not at all; C is coulomb to it."""

_REGISTRY_NAMES = {wire.short_name: name for name, wires in ERA5_VARIABLES.items() for wire in wires}

_CONVERSIONS = {
    ("K", "degC"): (1.0, -273.15),
    ("m", "mm"): (1000.0, 0.0),
    ("kg m-2", "mm"): (1.0, 0.0),
    ("J m-2", "W m-2"): (1.0 / 3600.0, 0.0),
}
"""What the Climate Data Store delivers; other spellings and units are left to pint."""


def registry_name(short_name: str) -> str | None:
    """The variable of the registry that a name in files stands for or is a part of; None where there is none."""
    return _REGISTRY_NAMES.get(short_name)


def plain_units(units: str) -> str:
    """ECMWF spelling to the registry's: ``J m**-2`` becomes ``J m-2``, ``m of water equivalent`` becomes ``m``."""
    return units.replace("**", "").replace(" of water equivalent", "").strip()


def conversion(found: str | None, short_name: str, where: str) -> tuple[float, float]:
    """Scale and offset that turn units found in a file into those of the registry.

    A rate becomes the amount of the hour, energy of the hour its mean flux, and 1 kg m-2 of water stands 1 mm high.

    Parameters
    ----------
    found : as the file has them; None where it has none: those that ECMWF documents are meant.

    Raises
    ------
    UnitsError : a spelling that is not known, or units of another quantity; names the file and the variable.
    """
    name = _REGISTRY_NAMES[short_name]
    wanted, documented = VARIABLES[name].units, WIRE_UNITS[short_name]
    found = plain_units(found) if found else documented
    if found == wanted:
        return 1.0, 0.0
    if (found, wanted) in _CONVERSIONS:
        return _CONVERSIONS[found, wanted]
    return _by_pint(found, wanted, f"{where}: '{short_name}' ({name})", documented)


def _by_pint(found: str, wanted: str, what: str, documented: str) -> tuple[float, float]:
    from cf_xarray.units import units as registry  # pint takes half a second to import

    try:
        unit = registry.Unit(_SPELLINGS.get(found, found))
    except Exception as error:  # pint raises errors of its own, of tokenize and of its grammar
        raise UnitsError(
            f"{what} has units '{found}', a spelling that I do not know.\n"
            f"  Set the units attribute to what the values are in: '{documented}' as the Climate Data Store delivers "
            f"them, or '{wanted}'."
        ) from error
    hour, water = registry.Quantity(1.0, "hour"), registry.Quantity(1000.0, "kg m-3")
    for factor in (1.0, hour, 1.0 / hour, 1.0 / water, hour / water):
        try:
            zero, one = (float((registry.Quantity(x, unit) * factor).to(wanted).magnitude) for x in (0.0, 1.0))
        except Exception:  # of another dimension, or a scale with an offset that cannot be multiplied
            continue
        return one - zero, zero
    raise UnitsError(
        f"{what} has units '{found}', which are of another quantity than '{wanted}'.\n"
        "  Give the file as the Climate Data Store delivered it; the values would not become right by another label."
    )


def request_names(variables: Sequence[str]) -> list[str]:
    """Names for a request, each once, in the order of the variables.

    Raises
    ------
    SourceError : ERA5 has no such variable; lists those it has.
    """
    for name in variables:
        if name not in ERA5_VARIABLES:
            raise SourceError(
                f"ERA5: no variable '{name}'.\n  Set dynamic_inputs.variables to some of: {', '.join(ERA5_VARIABLES)}."
            )
    return list(dict.fromkeys(wire.request_name for name in variables for wire in ERA5_VARIABLES[name]))
