"""Static attributes: types, codes, missing values, and the year of land cover."""

import json

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.alignment.static_encoding import encode_static_attributes, encodings, land_cover_before
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.study import Period


def attributes(**values: list) -> xr.Dataset:
    count = len(next(iter(values.values())))
    names = [f"NET__{i}" for i in range(count)]
    return xr.Dataset({n: ("station", np.array(v)) for n, v in values.items()}, {"station": names})


def test_numbers_outside_the_limits_are_missing():
    encoded = encode_static_attributes(attributes(clay=[20.0, 120.0, np.nan]), ["clay"])
    assert encoded.clay.dtype == np.float32
    assert np.isnan(encoded.clay.values).tolist() == [False, True, True]
    assert encoded.clay.attrs["units"] == "%"


def test_categories_become_cf_flags_from_codes_or_names():
    encoded = encode_static_attributes(
        attributes(land_cover=[10.0, np.nan, 255.0], climate_2007=["Cfa", "unknown", "BSk"]),
        ["land_cover", "climate_2007"],
    )
    assert encoded.land_cover.values.tolist() == [10, -1, -1]
    assert encoded.land_cover.dtype == np.int8
    meanings = encoded.climate_2007.attrs["flag_meanings"].split()
    values = encoded.climate_2007.attrs["flag_values"].tolist()
    assert [dict(zip(values, meanings, strict=True)).get(code) for code in encoded.climate_2007.values] == [
        "Cfa",
        None,
        "BSk",
    ]
    assert encoded.climate_2007.attrs["valid_min"] > -1


def test_the_order_is_the_studys_and_a_missing_attribute_is_named():
    assert list(encode_static_attributes(attributes(clay=[1.0], sand=[2.0]), ["sand", "clay"])) == ["sand", "clay"]
    with pytest.raises(SourceError, match="slope not found"):
        encode_static_attributes(attributes(clay=[1.0]), ["clay", "slope"])


def test_the_description_of_encodings_is_json_and_names_missing_stations():
    encoded = encode_static_attributes(attributes(clay=[20.0, np.nan], land_cover=[10, 12]), ["clay", "land_cover"])
    described = json.loads(json.dumps(encodings(encoded)))
    assert described["clay"]["missing_stations"] == ["NET__1"]
    assert described["clay"]["range"] == [20, 20]
    assert described["land_cover"]["stations_per_class"] == {"grassland": 1, "cropland": 1}
    assert described["land_cover"]["classes"]["10"] == "grassland"


def land_cover() -> xr.DataArray:
    values = np.array([[10, 12, 13], [10, -1, 13], [-1, -1, 16]])
    return xr.DataArray(
        values, dims=("station", "year"), coords={"station": ["a", "b", "c"], "year": [2016, 2017, 2018]}
    )


def test_land_cover_is_of_the_last_year_that_ended_in_training():
    whole_year = Period.model_validate({"start": "2015-01-01", "end": "2017-12-31"})
    found = land_cover_before(land_cover(), whole_year)
    assert found.values.tolist() == [12, 10, -1]
    assert found.land_cover_year.values.tolist() == [2017, 2016, 0]
    half_year = Period.model_validate({"start": "2015-01-01", "end": "2017-06-30"})
    assert land_cover_before(land_cover(), half_year).values.tolist() == [10, 10, -1]


def test_land_cover_from_after_training_is_refused():
    early = Period.model_validate({"start": "2010-01-01", "end": "2014-12-31"})
    with pytest.raises(SourceError, match="2014"):
        land_cover_before(land_cover(), early)
