"""Units as people write them: what a spelling means, and how values get from one unit to another.

Belongs here: spellings, kinds of quantities that look alike, amounts and rates. Not here: which variable has which
units (variables.py).

UDUNITS spellings are understood by pint with the definitions of cf_xarray; what people write beside them is put into
words that those know. Source: CF Conventions 1.11, section 3.1.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from soilmoisture_assets.errors import UnitsError

if TYPE_CHECKING:
    from soilmoisture_assets.metadata.variables import Variable

ACCEPTED = {
    "m3 m-3": "m3 m-3, 1, percent, %",
    "degC": "degC, K, degF",
    "mm": "mm, m, kg m-2, mm h-1, kg m-2 s-1",
    "W m-2": "W m-2, J m-2, MJ m-2",
    "m s-1": "m s-1, km h-1, knot",
    "m": "m, cm, mm",
    "%": "%, 1",
    "mm year-1": "mm year-1, kg m-2 year-1, mm day-1",
    "degree": "degree, radian",
}
"""By the units of the registry: spellings to offer; all of them can be converted."""

WATER = 1000.0
"""kg m-3: 1 kg of water on 1 m2 stands 1 mm high."""

_WHOLE = {
    "1": ("", "-", "--", "none", "fraction", "frac", "fractional", "unitless", "dimensionless", "nondimensional",
          "ratio", "vol fraction", "volume fraction", "volumetric fraction", "v/v", "vol/vol"),
    "percent": ("%", "vol%", "vol.%", "vol. %", "vol %", "vol-%", "%vol", "% vol", "% vol.", "%v/v", "% v/v", "%(v/v)",
                "vol.-%", "volume %", "volume%", "volume percent", "vol percent", "percent by volume", "% by volume",
                "percent volume", "percent vol", "volumetric percent", "pct", "per cent", "percentage", "percents"),
    "degC": ("°c", "oc", "deg c", "deg. c", "degree c", "degrees c", "degree celsius", "degrees celsius", "deg celsius",
             "centigrade", "degrees centigrade", "° c"),
    "degF": ("°f", "deg f", "degree f", "degrees f", "degree fahrenheit", "degrees fahrenheit", "° f"),
    "kelvin": ("°k", "deg k", "degree k", "degrees k", "degree kelvin", "degrees kelvin"),
    "degree": ("°", "deg", "arc degree", "angular degree"),
}  # fmt: skip
_WORDS = {
    "degC": ("degreec", "degree_c", "degreesc", "degrees_c", "deg_c", "celsius", "degree_celsius", "degrees_celsius",
             "deg_celsius", "centigrade", "degc"),
    "degF": ("degreef", "degree_f", "degreesf", "degrees_f", "deg_f", "fahrenheit", "degree_fahrenheit",
             "degrees_fahrenheit", "degf"),
    "kelvin": ("kelvins", "kelvin", "degreek", "degree_k", "degreesk", "degrees_k", "deg_k", "degk", "degree_kelvin",
               "degrees_kelvin"),
    "s": ("sec", "secs", "second", "seconds"),
    "minute": ("mins", "minutes", "minute"),
    "hour": ("hr", "hrs", "hours", "hour"),
    "day": ("days", "day"),
    "year": ("yr", "yrs", "years", "year", "annum"),
    "month": ("months", "month", "mon"),
    "watt": ("watts", "watt"),
    "joule": ("joules", "joule"),
    "megajoule": ("megajoules", "megajoule"),
    "kilogram": ("kilograms", "kilogram", "kilogramme", "kgs"),
    "meter": ("metre", "metres", "meters", "meter"),
    "millimeter": ("millimetre", "millimetres", "millimeters", "millimeter"),
    "centimeter": ("centimetre", "centimetres", "centimeters", "centimeter"),
    "inch": ("inches", "inch"),
    "percent": ("percent",),
    "degree": ("degrees", "degree"),
    "radian": ("rad", "radians", "radian"),
}  # fmt: skip
_MEANING = {spelling: meaning for meaning, spellings in _WHOLE.items() for spelling in spellings}
_WORD = {spelling: meaning for meaning, spellings in _WORDS.items() for spelling in spellings}
_LONGEST = 80


@dataclass(frozen=True)
class Conversion:
    """``value * scale + offset`` is in the units wanted; ``how`` says what interval was used, if one was."""

    scale: float
    offset: float
    how: str = ""


def conversion(found: str, variable: "Variable", where: str, interval: pd.Timedelta | None = None) -> Conversion:
    """The way from units as a file has them to those of the registry.

    A rate becomes the amount of an interval, and an amount over an interval its mean flux, where the interval is known.

    Parameters
    ----------
    found : as written in the file.
    where : names file and variable, for the message.
    interval : what each value covers; None: not known, or the variable has no time.

    Raises
    ------
    UnitsError : a spelling that is not known, another quantity, or an interval that is needed and not known.
    """
    from cf_xarray.units import units as registry  # pint takes half a second to import

    wanted = variable.units
    accepted = ACCEPTED.get(wanted, wanted)
    text = normalised(found, temperature=wanted == "degC")
    unit = _parsed(text)
    if unit is None:
        raise UnitsError(
            f"{where} has units '{found}', a spelling that I do not know.\n"
            f"  Set the units attribute to what the values are in, spelled as in: {accepted}."
        )
    target = registry.Quantity(1.0, registry.Unit(wanted))
    if not _looks_alike(text, unit, variable):
        raise _other_quantity(where, found, variable, accepted)
    if unit.dimensionality != target.dimensionality and _of_water(variable):
        unit = _as_depth_of_water(unit, target)
    second = registry.Quantity(1.0, "s")
    rate = variable.aggregation == "sum" and (unit * second).dimensionality == target.dimensionality
    amount = variable.aggregation != "sum" and (unit / second).dimensionality == target.dimensionality
    amount = amount and variable.role == "dynamic"
    if not (rate or amount) and unit.dimensionality != target.dimensionality:
        raise _other_quantity(where, found, variable, accepted)
    if (rate or amount) and "month" in text:
        raise UnitsError(
            f"{where} has units '{found}', and months differ in length.\n  Give the values in one of: {accepted}."
        )
    if not rate and not amount:
        zero, one = (float(registry.Quantity(x * unit.magnitude, unit.units).to(wanted).magnitude) for x in (0.0, 1.0))
        return Conversion(one - zero, zero)
    if interval is None:
        kind = "a rate, and the interval to sum it over" if rate else "an amount, and the interval it fell in"
        raise UnitsError(
            f"{where} has units '{found}': {kind} is not known here.\n"
            f"  Give the values in '{wanted}'; changing the units attribute alone would make them wrong."
        )
    span = registry.Quantity(interval.total_seconds(), "s")
    scale = float((unit * span if rate else unit / span).to(wanted).magnitude)
    return Conversion(scale, 0.0, f"{found} {'times' if rate else 'over'} {interval_text(interval)} is {wanted}")


def interval_text(interval: pd.Timedelta) -> str:
    """An interval in the unit that people say it in, such as ``1 h``."""
    for name, seconds in (("h", 3600), ("min", 60)):
        if interval.total_seconds() % seconds == 0:
            return f"{interval.total_seconds() / seconds:g} {name}"
    return f"{interval.total_seconds():g} s"


def normalised(text: str, *, temperature: bool = False) -> str:
    """Units in a spelling that pint knows, if what is meant is clear; otherwise much as they are."""
    text = unicodedata.normalize("NFKC", text).replace("−", "-").replace("–", "-").strip()
    text = " ".join(re.sub(r"[·⋅×∙*]", " ", text.replace("**", "^")).split())
    if temperature and text == "F":
        return "degF"
    if (whole := _MEANING.get(text.casefold())) is not None:
        return whole
    text = re.sub(r"\bper\b", "/", text)
    text = re.sub(r"(?<=[A-Za-z])\s*\^\s*[({]?\s*([+-]?\d+)\s*[)}]?", r"\1", text).replace("+", "")
    text = re.sub(r"(?<=[A-Za-z0-9])\.(?=[A-Za-z])", " ", text)
    text = re.sub(r"([A-Za-z]-?\d)(?=[A-Za-z])", r"\1 ", text)
    return re.sub(r"[A-Za-z_]+", lambda word: _word(word[0]), text)


def _word(word: str) -> str:
    if word == "a":
        return "year"
    return _WORD.get(word if len(word) < 3 else word.casefold(), word)


def _parsed(text: str) -> Any:
    """The quantity that 1 stands for, or None where the text is no unit."""
    from cf_xarray.units import units as registry

    if len(text) > _LONGEST or re.search(r"[A-Za-z]-?\d\d|\d{7}|//|%%|[^A-Za-z0-9 ./()%°_+-]", text):
        return None
    try:
        parsed: Any = registry.Quantity(registry.parse_expression(text))
        return parsed if isinstance(float(parsed.magnitude), float) and parsed.magnitude > 0 else None
    except Exception:  # pint raises what its tokenizer, its grammar and Python's arithmetic raise
        return None


def _looks_alike(text: str, unit: Any, variable: "Variable") -> bool:
    """Whether plain numbers are of the kind that the variable is: shares of volume, of weight, or angles."""
    from cf_xarray.units import units as registry

    if not unit.dimensionless:
        return True
    kinds = set()
    for word in re.findall(r"[A-Za-z_]+", text):
        dimensions = str(registry.Unit(word).dimensionality)
        kinds |= {kind for kind in ("[mass]", "[length]") if kind in dimensions}
        if "radian" in str(registry.Quantity(1, word).to_root_units().units):
            kinds.add("angle")
    if variable.units == "degree":
        return "angle" in kinds
    of_weight = "weight" in variable.long_name
    of_volume = variable.units == "m3 m-3" or "volume" in variable.long_name
    return "angle" not in kinds and not (of_volume and "[mass]" in kinds) and not (of_weight and "[length]" in kinds)


def _of_water(variable: "Variable") -> bool:
    return str(variable.standard_name).startswith("lwe_thickness") or variable.units == "mm year-1"


def _as_depth_of_water(unit: Any, target: Any) -> Any:
    """A mass of water on an area (in a time) as its depth; anything else as it is."""
    from cf_xarray.units import units as registry

    depth = unit / registry.Quantity(WATER, "kg m-3")
    return depth if "[mass]" in unit.dimensionality and "[mass]" not in depth.dimensionality else unit


def _other_quantity(where: str, found: str, variable: "Variable", accepted: str) -> UnitsError:
    return UnitsError(
        f"{where} has units '{found}', which are of another quantity than '{variable.units}' ({variable.long_name}).\n"
        f"  Give the values themselves in one of: {accepted}. Changing the attribute alone would make them wrong."
    )
