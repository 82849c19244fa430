"""The registry: attributes a reader of the files relies on, and units that are converted or refused."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import UnitsError
from soilmoisture_assets.metadata.variables import REFERENCE_STATIC_ATTRIBUTES, VARIABLES, convert_units


def array(name: str, values: list[float], **attributes: str) -> xr.DataArray:
    return xr.DataArray(np.array(values, dtype="float32"), dims="time", name=name, attrs=attributes)


@pytest.mark.parametrize(
    ("name", "units", "given", "expected"),
    [
        ("soil_moisture", "percent", 25.0, 0.25),
        ("soil_moisture", "%", 25.0, 0.25),
        ("soil_moisture", "m^3 m^-3", 0.25, 0.25),
        ("temperature", "K", 273.15, 0.0),
        ("temperature", "celsius", 5.0, 5.0),
        ("precipitation", "m", 0.002, 2.0),
        ("precipitation", "kg m-2", 2.0, 2.0),
    ],
)
def test_values_come_out_in_the_units_of_the_registry(name: str, units: str, given: float, expected: float):
    found = convert_units(array(name, [given], units=units), VARIABLES[name], "file.nc")
    assert found.values[0] == pytest.approx(expected, abs=1e-4)
    assert found.attrs["units"] == VARIABLES[name].units
    assert found.dtype == np.float32


def test_missing_units_are_refused():
    with pytest.raises(UnitsError, match="has no units attribute"):
        convert_units(array("temperature", [1.0]), VARIABLES["temperature"], "stations.nc")


def test_categories_carry_cf_flags_and_no_units():
    attributes = VARIABLES["land_cover"].attributes()
    assert "units" not in attributes
    assert len(np.asarray(attributes["flag_values"])) == len(str(attributes["flag_meanings"]).split())


def test_every_static_of_the_reference_study_is_registered_once():
    assert len(set(REFERENCE_STATIC_ATTRIBUTES)) == 28
    assert all(VARIABLES[name].role == "static" for name in REFERENCE_STATIC_ATTRIBUTES)


def test_a_value_on_a_limit_is_allowed_and_a_missing_one_is_not():
    variable = VARIABLES["soil_moisture"]
    values = np.array([variable.valid_min, variable.valid_max, np.nan, variable.valid_max + 0.01], dtype="float32")
    assert variable.allows(values).tolist() == [True, True, False, False]
    assert variable.allows(array("soil_moisture", [0.2])).values.tolist() == [True]
