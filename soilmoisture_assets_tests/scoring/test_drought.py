"""How unusual soil moisture is: percentiles of a planted climatology, checked by hand."""

import io
import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.scoring.drought import (
    category,
    drought,
    drought_places,
    drought_table,
    dry_stations,
    probability_below,
)
from soilmoisture_assets.store import formats
from soilmoisture_assets.study import Study, load_study

TODAY = np.datetime64("2020-07-01T00", "ns")
LAST = (0.09, 0.31)
"""The last observation of a dry station and of a wet one."""


def study(minimum_years: int = 5) -> Study:
    demo = load_study("demo")
    return demo.model_copy(
        update={"drought": demo.drought.model_copy(update={"minimum_years": minimum_years, "dry_percentile": 20.0})}
    )


def cube() -> xr.Dataset:
    """Ten years in which a year's moisture is 0.10, 0.12, … 0.28 in summer, and 0.5 in the rest of the year; the year
    of today has values of its own."""
    times = pd.date_range("2010-01-01T12", TODAY, freq="12h")
    summer = np.abs(times.dayofyear - 183) <= 40
    moisture = np.where(summer, 0.10 + 0.02 * (times.year - 2010), 0.5)
    rows = []
    for last in LAST:
        own = moisture.copy()
        own[times.year == 2020] = 0.01  # not of another year: it must not count
        own[times == times[-1] - pd.Timedelta(days=7)] = 0.2
        own[-1] = last
        rows.append(own)
    return xr.Dataset(
        {"soil_moisture_antecedent": (("station", "time"), np.array(rows, dtype="float32"))},
        {"station": ["NET__dry", "NET__wet"], "time": times},
    )


def latest(stations: tuple[str, ...] = ("NET__dry", "NET__wet")) -> xr.Dataset:
    count, leads = len(stations), np.arange(12, 73, 12)
    centre = np.broadcast_to(np.array([0.19, 0.13])[:count, None], (count, len(leads)))
    return xr.Dataset(
        {
            "soil_moisture_forecast": (
                ("station", "lead", "quantile"),
                np.stack([centre - 0.02, centre, centre + 0.04], axis=-1),
            ),
            "last_observation": ("station", np.array(LAST, dtype="float32")[:count]),
            "start": ("station", np.repeat(TODAY, count)),
            "age": ("station", np.zeros(count)),
        },
        {
            "station": list(stations),
            "lead": leads,
            "quantile": [0.1, 0.5, 0.9],
            "latitude": ("station", np.array([40.0, 41.5])[:count]),
            "longitude": ("station", np.array([-100.0, -99.0])[:count]),
        },
    )


def test_percentiles_are_the_ranks_among_the_same_days_of_other_years():
    found = drought(latest(), cube(), study())
    assert found["years"].values.tolist() == [10, 10]
    assert found["percentile_observed"].values.tolist() == [0, 100]  # below and above all ten years
    # 0.19 lies above five of ten years; 0.13 above two of them
    np.testing.assert_allclose(found["percentile"].isel(lead=-1), [50, 20], atol=0.5)
    # a fifth of 0.10, 0.12, … 0.28, each as often as the others
    assert ((found["dry_limit"] >= 0.12) & (found["dry_limit"] <= 0.14)).all()
    np.testing.assert_allclose(found["change_in_a_week"], [0.09 - 0.2, 0.31 - 0.2], rtol=1e-5)


def test_a_value_that_equals_others_stands_in_the_middle_of_their_ranks():
    issued = latest()
    issued["last_observation"][:] = np.float32(0.14)
    found = drought(issued, cube(), study())
    np.testing.assert_allclose(found["percentile_observed"], 25, atol=0.5)  # two years below, one equal


def test_a_year_with_less_than_half_of_its_steps_does_not_count():
    data = cube()
    gap = (data.time.dt.year < 2015) & (data.time.dt.dayofyear > 175)
    data["soil_moisture_antecedent"] = data["soil_moisture_antecedent"].where(~gap)
    assert drought(latest(), data, study(1))["years"].values.tolist() == [5, 5]


def test_with_fewer_years_than_asked_for_there_is_no_percentile_but_the_change_and_the_forecast():
    data = cube().isel(time=cube().time.dt.year > 2015)
    found = drought(latest(), data, study(5))
    assert found["years"].values.tolist() == [4, 4]
    for name in ("percentile_observed", "percentile", "dry_limit", "probability_dry"):
        assert np.isnan(found[name]).all(), name
    assert np.isfinite(found["change_in_a_week"]).all()
    assert dry_stations(found) == dry_stations(found, dry=False) == []
    assert len(drought_table(found, [24])) == 2


def test_the_turn_of_the_year_is_one_season():
    times = pd.date_range("2010-01-01", "2020-01-05", freq="12h")
    moisture = np.full((1, len(times)), 0.3, dtype="float32")
    moisture[:, times.month == 12] = 0.1
    data = xr.Dataset(
        {"soil_moisture_antecedent": (("station", "time"), moisture)}, {"station": ["NET__dry"], "time": times}
    )
    issued = latest(("NET__dry",))
    issued["start"][:] = times[-1].to_datetime64()
    issued["last_observation"][:] = 0.2
    found = drought(issued, data, study())
    # 5 January: from 21 December on, of which 10 or 11 days of 31 are December's
    np.testing.assert_allclose(found["percentile_observed"], 100 * 10.5 / 30.5, atol=1.5)


@pytest.mark.parametrize(("limit", "expected"), [(0.18, 10), (0.2, 50), (0.24, 90), (0.19, 26.1), (np.nan, np.nan)])
def test_the_probability_goes_through_the_quantiles_of_the_forecast(limit: float, expected: float):
    quantiles = np.array([0.18, 0.20, 0.24])
    np.testing.assert_allclose(probability_below(np.array(limit), quantiles), expected, atol=0.1)


def test_a_forecast_without_spread_is_certain():
    assert probability_below(np.array([0.1, 0.2, 0.3]), np.full((3, 3), 0.2)).tolist() == [0, 50, 100]


@pytest.mark.parametrize(
    ("percentile", "name"), [(0, "D4"), (2, "D3"), (19.9, "D1"), (20, "D0"), (50, ""), (70, "W0"), (100, "W4")]
)
def test_categories_are_those_of_the_drought_monitor(percentile: float, name: str):
    found = category(percentile)
    assert found is not None
    assert found.name == name


def test_without_a_percentile_there_is_no_category():
    assert category(np.nan) is None


def test_the_table_is_driest_first_and_says_its_units():
    table = drought_table(drought(latest(), cube(), study()), [24, 72])
    assert table["station"].tolist() == ["NET__dry", "NET__wet"]
    assert table["category"].tolist() == ["D4", "W4"]
    assert table["observed_at_utc"][0] == "2020-07-01T00:00Z"
    assert {"soil_moisture_m3_m3", "forecast_72h_m3_m3", "percentile_24h", "probability_dry_72h_percent"} <= set(table)


def test_geopandas_reads_the_places(tmp_path: Path):
    found = drought(latest(), cube(), study())
    path = tmp_path / "places.geojson"
    formats.dump(drought_places(drought_table(found, [24, 72]), found, study()), path)
    places = geopandas.read_file(path)
    assert places.crs.to_epsg() == 4326
    assert [(point.x, point.y) for point in places.geometry] == [(-100, 40), (-99, 41.5)]
    assert places["percentile_72h"].round().tolist() == [50, 20]
    assert json.loads(path.read_text())["synthetic"] is True


def test_what_is_not_known_is_null_in_the_places_and_empty_in_the_table():
    found = drought(latest(), cube().isel(time=cube().time.dt.year > 2015), study(5))
    table = drought_table(found, [24])
    [first, _] = drought_places(table, found, study())["features"]
    assert first["properties"]["percentile"] is None
    text = table.to_csv(index=False)
    assert np.isnan(pd.read_csv(io.StringIO(text))["percentile"]).all()
