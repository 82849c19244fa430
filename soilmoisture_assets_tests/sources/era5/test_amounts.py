"""Amounts of hours and sums since midnight: known by their values in every climate and month."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import KOEPPEN_CLASSES
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5.amounts import HOUR, TRAITS, Evidence, amounts_of_hours, evidence
from soilmoisture_assets.sources.era5.formats import inspect_era5, months_in_files, normalise
from soilmoisture_assets.sources.era5.months import month_of_folder
from soilmoisture_assets.study import Domain
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file, since_midnight

CLIMATES = {
    "Af": (27.0, -82.0),
    "BWh": (33.0, -116.0),
    "BWk": (33.0, -114.0),
    "BSh": (31.0, -101.0),
    "BSk": (38.0, -103.0),
    "Csb": (43.0, -123.0),
    "Cfa": (36.0, -86.0),
    "Cfb": (36.0, -109.0),
    "Dsb": (47.0, -122.0),
    "Dfa": (44.0, -97.0),
    "Dfb": (44.0, -119.0),
    "Dfc": (47.0, -113.0),
}


@pytest.fixture(scope="module")
def year() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Hours of a year, and what is accumulated in each climate: (climate, time)."""
    world = World(
        seed=7,
        west=-125,
        east=-66,
        south=24,
        north=50,
        start=dt.date(2019, 1, 1),
        end=dt.date(2019, 12, 31),
        stations=4,
    )
    latitude, longitude = (list(values) for values in zip(*CLIMATES.values(), strict=True))
    assert [KOEPPEN_CLASSES[int(code)] for code in world.climate(latitude, longitude)] == list(CLIMATES)
    return world.hours, world.weather(latitude, longitude, world.hours, list(TRAITS))


def months(hours: np.ndarray) -> list[np.ndarray]:
    of_hour = (hours - HOUR).astype("datetime64[M]")
    return [of_hour == month for month in np.unique(of_hour)]


@pytest.mark.parametrize("name", TRAITS)
def test_every_month_of_every_climate_is_known_for_what_it_is(year, name):
    hours, fields = year
    for climate, series in zip(CLIMATES, fields[name], strict=True):
        for number, rows in enumerate(months(hours), start=1):
            times, amounts = hours[rows], series[rows].astype("float32")
            sums = since_midnight(times, amounts)
            for values, meant in ((amounts, "hours"), (sums, "since midnight")):
                found = evidence(times, values[:, None], TRAITS[name])
                allowed = [meant, None] if name == "precipitation" else [meant]  # None is refused, not taken for either
                assert found.reading in allowed or not found.matters, (climate, number, meant, found)
            restored = amounts_of_hours(times, sums[:, None], np.ones(len(times), bool), TRAITS[name].sign > 0)[:, 0]
            np.testing.assert_allclose(restored, amounts, atol=np.abs(sums).max() * 1e-6 + 1e-6)


def test_radiation_beside_the_rain_leaves_no_month_open(year):
    hours, fields = year
    for at in range(len(CLIMATES)):
        for rows in months(hours):
            times = hours[rows]
            for turn, meant in ((lambda _, x: x, "hours"), (since_midnight, "since midnight")):
                both = [
                    evidence(times, turn(times, fields[name][at][rows])[:, None], TRAITS[name])
                    for name in ("precipitation", "shortwave")
                ]
                assert sum(both, Evidence()).reading == meant


MONTH = pd.date_range("2020-01-01T01:00", "2020-02-01T00:00", freq="h").to_numpy()


def rain(*showers: tuple[int, int, float]) -> np.ndarray:
    """Amounts [m] of the hours of January: (first row, count, amount of an hour)."""
    amounts = np.zeros(len(MONTH), "float32")
    for first, count, amount in showers:
        amounts[first : first + count] = amount
    return amounts


def month_file(folder, amounts, name="land.nc", **options):
    values = {"tp": column(amounts)} | {key: column(value) for key, value in options.pop("others", {}).items()}
    return grid_file(folder / name, "2020-01-01T01:00", len(amounts), ["t2m", *values], values=values, **options)


def january(folder, variables=("temperature", "precipitation")):
    return month_of_folder(months_in_files(folder), "2020-01", variables, Domain())


@pytest.mark.parametrize(
    "showers",
    [
        [(9, 10, 6e-4)],
        [(24 * 30 + 3, 10, 6e-4)],
        [(24 * 11 + 4, 6, 5e-4), (24 * 20, 6, 5e-4)],
        [(24 * 12 + 5, 1, 2e-3), (24 * 13 + 5, 1, 2e-3)],
    ],
)
def test_a_month_of_sums_with_little_rain_has_the_rain_that_fell(tmp_path, showers):
    amounts = rain(*showers)
    file = month_file(tmp_path, since_midnight(MONTH, amounts))
    found = january(tmp_path)
    np.testing.assert_allclose(found.precipitation.sum("time"), amounts.sum() * 1000, rtol=1e-4)
    np.testing.assert_allclose(found.precipitation[:, 0, 0], amounts * 1000, atol=1e-3)
    assert "'tp' adds up from midnight" in found.attrs["notes"]
    report = inspect_era5(file)
    assert report["refused"] is None
    assert any("adds up from midnight" in note for note in report["notes"])


@pytest.mark.parametrize("showers", [[(9, 10, 6e-4)], [(40, 1, 6e-4)], [(20, 8, 6e-4)], [(0, 744, 1e-4)]])
def test_a_month_of_hours_with_little_rain_stays_as_it_is(tmp_path, showers):
    month_file(tmp_path, rain(*showers))
    np.testing.assert_allclose(january(tmp_path).precipitation[:, 0, 0], rain(*showers) * 1000, rtol=1e-5)


def swelling() -> np.ndarray:
    """Rain in the last three hours of one day: as hours they grow until midnight, and so do sums."""
    amounts = rain()
    amounts[21:24] = 1e-4, 2e-4, 4e-4
    return amounts


@pytest.mark.parametrize("amounts", [swelling(), rain((15, 9, 6e-4)), rain((24, 1, 6e-4))])
def test_what_may_be_either_is_refused_by_all_or_right(tmp_path, amounts):
    for name, values in (("a.nc", amounts), ("b.nc", since_midnight(MONTH, amounts))):
        folder = tmp_path / name
        folder.mkdir()
        report = inspect_era5(month_file(folder, values, name=name))
        if report["refused"]:
            with pytest.raises(SourceError) as refused:
                january(folder)
            assert str(refused.value) == report["refused"]
        else:
            np.testing.assert_allclose(january(folder).precipitation[:, 0, 0], amounts * 1000, atol=1e-3)


def test_the_advice_for_what_may_be_either_can_be_followed(tmp_path):
    file = month_file(tmp_path, swelling())
    with pytest.raises(
        SourceError, match=r"land\.nc: 'tp' \(precipitation\) may be amounts of single hours"
    ) as refused:
        january(tmp_path)
    assert inspect_era5(file)["refused"] == str(refused.value)
    sun = np.clip(np.sin((MONTH - MONTH[0]) / HOUR * 2 * np.pi / 24), 0, None) * 2e6
    month_file(tmp_path, swelling(), others={"ssrd": sun})
    np.testing.assert_allclose(january(tmp_path).precipitation.sum("time"), 0.7, rtol=1e-4)
    month_file(tmp_path, swelling(), others={"ssrd": since_midnight(MONTH, sun)})
    np.testing.assert_allclose(january(tmp_path).precipitation.sum("time"), 0.4, rtol=1e-4)


@pytest.mark.parametrize(
    ("title", "total"),
    [
        ("ERA5-Land hourly data from 1950 to present", 0.4),
        ("reanalysis-era5-land", 0.4),
        ("reanalysis-era5-single-levels", 0.7),
        ("reanalysis-era5-land-timeseries", 0.7),
    ],
)
@pytest.mark.parametrize("attribute", ["title", "history", "source"])
def test_where_values_do_not_tell_the_name_of_the_dataset_does(tmp_path, attribute, title, total):
    month_file(tmp_path, swelling(), name="a.nc", attributes={attribute: title})
    np.testing.assert_allclose(january(tmp_path).precipitation.sum("time"), total, rtol=1e-4)


def test_values_win_over_the_name_of_the_dataset(tmp_path):
    month_file(tmp_path, rain((9, 10, 6e-4)), attributes={"title": "ERA5-Land, made hourly"})
    np.testing.assert_allclose(january(tmp_path).precipitation.sum("time"), 6, rtol=1e-4)


def test_sums_of_one_half_of_a_file_and_hours_of_the_other_are_refused(tmp_path):
    showers = rain(*((24 * day + 9, 5, 6e-4) for day in range(0, 30, 2)))
    mixed = np.where(np.arange(len(MONTH)) < 360, since_midnight(MONTH, showers), showers)
    file = month_file(tmp_path, mixed)
    assert "has days that add up from midnight" in inspect_era5(file)["refused"]
    with pytest.raises(SourceError, match="has days that add up from midnight"):
        january(tmp_path)


def test_the_value_of_midnight_belongs_to_the_day_before_across_files(tmp_path):
    amounts = rain((24 * 30 + 10, 14, 6e-4))  # to the last hour of the month, which stands in the next file
    times = np.append(MONTH, MONTH[-1] + HOUR * np.arange(1, 24))
    sums = since_midnight(times, np.append(amounts, np.zeros(23, "float32")))
    sums[24 * 5 + 9 : 24 * 5 + 24] = 1e-3  # another shower, so that the first file tells
    grid_file(tmp_path / "a.nc", "2020-01-01T01:00", 743, ["tp"], values={"tp": column(sums[:743])})
    grid_file(tmp_path / "b.nc", "2020-02-01T00:00", 24, ["tp"], values={"tp": column(sums[743:])})
    found = january(tmp_path, ["precipitation"]).precipitation[:, 0, 0]
    np.testing.assert_allclose(found[-14:], 0.6, rtol=1e-3)
    np.testing.assert_allclose(found.sum(), 14 * 0.6 + 1, rtol=1e-4)


def test_an_hour_whose_sum_before_is_missing_is_missing(tmp_path):
    sums = since_midnight(MONTH, rain((9, 10, 6e-4), (60, 5, 1e-4)))
    sums[62] = np.nan
    month_file(tmp_path, sums)
    found = january(tmp_path).precipitation[:, 0, 0]
    assert np.flatnonzero(np.isnan(found)).tolist() == [62, 63]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(1, 12), st.floats(0.05, 20)), max_size=6),
    st.integers(0, 23),
)
def test_amounts_come_back_from_their_sums_whatever_the_rain(showers, first):
    times = np.datetime64("2020-03-01T01:00", "ns") + HOUR * np.arange(first, 240)
    amounts = np.zeros(len(times), "float32")
    for day, hour, count, size in showers:
        amounts[24 * day + hour : 24 * day + hour + count] += np.float32(size)
    sums = since_midnight(times, amounts)
    found = evidence(times, sums[:, None], TRAITS["precipitation"])
    assert found.reading in ("since midnight", None)
    restored = amounts_of_hours(times, sums[:, None], np.ones(len(times), bool), grows=True)[:, 0]
    known = np.isfinite(restored)
    np.testing.assert_allclose(restored[known], amounts[known], atol=1e-3)
    assert known.all() or (not known[0] and known[1:].all())


def test_hours_and_sums_read_without_asking_for_a_period(tmp_path):
    amounts = rain((9, 10, 6e-4))
    sums = since_midnight(MONTH, amounts)
    whole = grid_file(
        tmp_path / "a.nc", "2020-01-01T00:00", 744, ["tp"], values={"tp": column(np.append(0, sums[:-1]))}
    )
    found = normalise(whole)
    assert int(np.isnan(found.precipitation[:, 0, 0]).sum()) == 1  # the sum of the hour before the first is not there
    assert "precipitation: 1 h without a value anywhere" in found.attrs["notes"]


def test_a_file_a_day_is_one_series_of_sums(tmp_path):
    amounts = rain(*((24 * day + 20, 4, 3e-4) for day in range(3, 29, 4)))  # to the first row of the next file
    sums = np.append(np.float32(0), since_midnight(MONTH, amounts))
    for day in range(32):
        rows = sums[24 * day : 24 * day + 24]
        start = str(MONTH[0] - HOUR + np.timedelta64(day, "D"))
        grid_file(tmp_path / f"{day:02d}.nc", start, len(rows), ["tp"], values={"tp": column(rows)})
    found = january(tmp_path, ["precipitation"]).precipitation[:, 0, 0]
    np.testing.assert_allclose(found, amounts * 1000, atol=1e-3)
