"""Units as people write them: what is converted, and what advice is given where it is not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import UnitsError
from soilmoisture_assets.metadata.units import ACCEPTED
from soilmoisture_assets.metadata.variables import VARIABLES, convert_units

HOUR = pd.Timedelta("1h")


def converted(name: str, units: str, value: float, interval: pd.Timedelta | None = HOUR) -> float:
    values = xr.DataArray(np.array([value], "float64"), dims="time", name=name, attrs={"units": units})
    found = convert_units(values, VARIABLES[name], "file.nc", interval)
    assert found.attrs["units"] == VARIABLES[name].units
    return float(found.values[0])


@pytest.mark.parametrize(
    ("name", "spellings", "given", "expected"),
    [
        (
            "temperature",
            "K|kelvin|Kelvin|KELVIN|degK|deg_K|degree_K|degrees_kelvin|degrees K",
            300.0,
            26.85,
        ),
        (
            "temperature",
            "degC|C|°C|℃|celsius|Celsius|degree_C|degrees_C|degreeC|deg_C|degree_Celsius|degrees Celsius|deg C|oC",
            12.5,
            12.5,
        ),
        ("temperature", "degF|F|°F|fahrenheit|degree_F|deg F|degrees Fahrenheit", 50.0, 10.0),
        ("precipitation", "mm|millimeter|millimetres|mm ", 2.0, 2.0),
        ("precipitation", "m", 0.002, 2.0),
        ("precipitation", "cm", 0.2, 2.0),
        ("precipitation", "in|inch|inches", 1.0, 25.4),
        ("precipitation", "0.1 mm|1e-4 m", 20.0, 2.0),
        ("soil_moisture", "m3 m-3|m3/m3|m^3 m^-3|m**3 m**-3|m3.m-3|m³ m⁻³|m³/m³|m3m-3|cm3 cm-3|cm3/cm3", 0.25, 0.25),
        ("soil_moisture", "1|-|fraction||v/v|unitless|dimensionless| ", 0.25, 0.25),
        ("soil_moisture", "%|percent|Percent|vol%|vol.%|Vol.-%|vol. %|% vol|%vol|volume percent|0.01", 25.0, 0.25),
        ("wind_speed", "m/s|m s-1|m.s-1|m s^-1|m s**-1|meter per second|metres/second|m sec-1", 3.0, 3.0),
        ("wind_speed", "km/h|km h-1|km hr-1|km/hour", 36.0, 10.0),
        ("wind_speed", "knot|knots", 1.0, 0.514444),
        ("shortwave", "W m-2|W/m2|W/m^2|W m**-2|W.m-2|watt m-2|Watts/m2|J m-2 s-1", 400.0, 400.0),
        ("shortwave", "MJ m-2 day-1|MJ/m2/d|MJ m^-2 d^-1", 8.64, 100.0),
        ("snow_depth", "kg m-2|mm", 50.0, 0.05),
        ("slope", "degree|degrees|°|deg", 5.0, 5.0),
        ("map", "kg m-2 year-1|mm/a|mm yr-1|mm/year", 800.0, 800.0),
        ("nitrogen", "g kg-1|g/kg|mg g-1", 3.0, 3.0),
        ("bdod", "g cm-3|kg dm-3|Mg m-3|g/cm3", 1.3, 1.3),
        ("clay", "%|percent", 30.0, 30.0),
        ("clay", "g kg-1", 300.0, 30.0),
    ],
)
def test_every_spelling_of_a_unit_gives_the_same_values(name: str, spellings: str, given: float, expected: float):
    for spelling in spellings.split("|"):
        assert converted(name, spelling, given) == pytest.approx(expected, rel=1e-5), spelling


@pytest.mark.parametrize(
    ("name", "units", "interval", "given", "expected"),
    [
        ("precipitation", "kg m-2 s-1", "1h", 1 / 3600, 1.0),
        ("precipitation", "kg m^-2 s^-1", "24h", 1 / 86400, 1.0),
        ("precipitation", "mm/h", "1h", 2.0, 2.0),
        ("precipitation", "mm h-1", "24h", 2.0, 48.0),
        ("precipitation", "mm s-1", "1h", 1.0, 3600.0),
        ("precipitation", "mm/day", "1h", 24.0, 1.0),
        ("precipitation", "kg m-2 d-1", "12h", 2.0, 1.0),
        ("precipitation", "in/hr", "1h", 1.0, 25.4),
        ("precipitation", "m s-1", "1h", 1e-6, 3.6),
        ("potential_evaporation", "mm day-1", "24h", 4.0, 4.0),
        ("shortwave", "J m-2", "1h", 360000.0, 100.0),
        ("shortwave", "MJ m-2", "24h", 8.64, 100.0),
        ("shortwave", "kWh/m2", "1h", 0.1, 100.0),
        ("wind_speed", "km", "1h", 36.0, 10.0),
    ],
)
def test_a_rate_becomes_an_amount_and_an_amount_a_mean_flux_over_the_interval(
    name: str, units: str, interval: str, given: float, expected: float
):
    assert converted(name, units, given, pd.Timedelta(interval)) == pytest.approx(expected, rel=1e-5)


def test_the_interval_that_was_used_is_said_in_the_comment():
    values = xr.DataArray([1.0], dims="time", name="pr", attrs={"units": "kg m-2 s-1", "comment": "gauge"})
    found = convert_units(values, VARIABLES["precipitation"], "file.nc", HOUR)
    assert found.attrs["comment"] == "gauge; kg m-2 s-1 times 1 h is mm"


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("soil_moisture", "K"),
        ("soil_moisture", "mm"),
        ("soil_moisture", "kg m-2"),
        ("soil_moisture", "kg kg-1"),  # by weight: not a share of volume
        ("soil_moisture", "g/g"),
        ("soil_moisture", "degree"),
        ("precipitation", "W m-2"),
        ("precipitation", "K"),
        ("precipitation", "kg"),
        ("shortwave", "mm"),
        ("temperature", "m"),
        ("temperature", "J"),
        ("snow_depth", "kg m-2 s-1"),
        ("slope", "%"),  # a tangent
        ("slope", "m/m"),
        ("clay", "cm3/cm3"),
        ("elevation", "kg m-2"),
    ],
)
def test_another_quantity_is_not_made_right_by_its_attribute_and_the_advice_says_so(name: str, units: str):
    with pytest.raises(UnitsError) as error:
        converted(name, units, 1.0)
    message = str(error.value)
    assert message.startswith(f"file.nc: variable '{name}' has units '{units}', which are of another quantity")
    assert "Changing the attribute alone would make them wrong." in message
    assert "Set the units attribute" not in message


@pytest.mark.parametrize(
    "units", ["wetness", "m3 m-3 or so", "m3//m3", "%%", "m" * 200, "9**9**9**9", "m999999999", "?"]
)
def test_a_spelling_that_is_not_known_is_answered_with_spellings_that_are(units: str):
    with pytest.raises(UnitsError, match=r"a spelling that I do not know.\n  Set the units attribute to what the val"):
        converted("soil_moisture", units, 1.0)


def test_a_rate_without_an_interval_and_one_per_month_are_refused_with_what_to_do_to_the_values():
    with pytest.raises(UnitsError, match=r"interval to sum it over is not known here\.\n  Give the values in 'mm'"):
        converted("precipitation", "mm/h", 1.0, None)
    with pytest.raises(UnitsError, match="months differ in length"):
        converted("precipitation", "mm/month", 1.0)


@pytest.mark.parametrize(("units", "accepted"), list(ACCEPTED.items()))
def test_every_spelling_that_is_offered_is_one_that_is_taken(units: str, accepted: str):
    for name in (name for name, variable in VARIABLES.items() if variable.units == units):
        for spelling in accepted.split(", "):
            if variable_takes(name, spelling):
                converted(name, spelling, 1.0)


def variable_takes(name: str, spelling: str) -> bool:
    """Heights in metres are offered no mass of water, sums no mean."""
    return not (spelling in ("cm", "mm") and VARIABLES[name].units != "m") or spelling == "mm"
