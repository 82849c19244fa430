"""Figures of coverage and alignment: drawn from small datasets, with the numbers they claim."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.alignment.static_encoding import encode_static_attributes
from soilmoisture_assets.plots.alignment_summary import alignment_summary, general_reason
from soilmoisture_assets.plots.coverage import coverage
from soilmoisture_assets.plots.nan_patterns import nan_patterns
from soilmoisture_assets.plots.report_tables import coverage_table, quality_table
from soilmoisture_assets.plots.station_panel import station_panel
from soilmoisture_assets.plots.style import title_and_caption
from soilmoisture_assets_tests.plots import made_up


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    """Three stations, 2015-2016, 12-hour steps; the third lacks its second year, the second has no radiation."""
    times = xr.date_range("2015-01-01T12:00", "2017-01-01T00:00", freq="12h")
    rng = np.random.default_rng(0)
    shape = (3, len(times))
    moisture = rng.uniform(0.1, 0.4, shape).astype("float32")
    moisture[2, len(times) // 2 :] = np.nan
    masked = np.where(rng.uniform(size=shape) < 0.1, np.nan, moisture)
    rain = np.where(rng.uniform(size=shape) < 0.9, 0, 5.0)
    sun = np.full(shape, 200.0)
    sun[1] = np.nan
    both = ("station", "time")
    statics = xr.Dataset({"clay": ("station", [10.0, 20, np.nan]), "land_cover": ("station", [10, 12, -1])})
    made = xr.Dataset(
        {
            "soil_moisture": (both, masked),
            "soil_moisture_scored": (both, moisture),
            "temperature": (both, rng.normal(10, 5, shape)),
            "precipitation": (both, rain),
            "shortwave": (both, sun),
            "masked_frozen": ("station", [100, 50, 0]),
            "masked_spike": ("station", [3, 2, 0]),
            "source_values": ("station", np.isfinite(moisture).sum(axis=1)),
            "split": ("time", np.repeat([1, 2, 3], [len(times) - 200, 100, 100]).astype("int8")),
        },
        {
            "station": ["NET__a", "NET__b", "NET__c"],
            "time": times,
            "latitude": ("station", [40.0, 41, 35]),
            "longitude": ("station", [-100.0, -95, -90]),
            "network": ("station", ["NET"] * 3),
            "station_name": ("station", ["a", "b", "c"]),
        },
        {"synthetic": 1, "source": "made up for a test"},
    )
    return made.assign(encode_static_attributes(statics, ["clay", "land_cover"]).data_vars)


def texts(figure) -> str:
    drawn = [text.get_text() for axes in figure.axes for text in axes.texts]
    labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    legends = [t.get_text() for a in figure.axes if a.get_legend() for t in a.get_legend().get_texts()]
    return "\n".join([*drawn, *labels, *legends, *title_and_caption(figure)])


def test_coverage_counts_the_stations_and_values_that_the_report_counts(cube: xr.Dataset):
    table = xr.Dataset({"included": ("station", [1, 0, 1])}, {"station": cube.station.values})
    figure = coverage(cube, table)
    assert "At least 90 % of the period is observed at 1 of 2 stations" in texts(figure)
    assert "n = 2 stations in the study, 1 out of it" in texts(figure)
    studied = cube.isel(station=[0, 2])
    assert [row[:2] for row in coverage_table(studied).rows if row[0] == "all"] == [["all", "2"]]
    masked = {row[0]: row[1].split(" of ")[0] for row in quality_table(studied).rows}
    assert f"frozen soil ({masked['frozen soil']})" in texts(figure)
    assert f"spike ({masked['spike']})" in texts(figure)
    shares = figure.axes[0].collections[0].get_array()
    assert shares.shape == (3, 24)
    assert np.ma.getmaskarray(shares)[1].sum() in (11, 12)  # months without a value; the station that is out comes last


def test_values_that_fail_two_checks_are_no_more_than_all_values(cube: xr.Dataset):
    twice = cube.assign(masked_spike=cube.source_values, masked_frozen=cube.source_values)
    panel = next(axes for axes in coverage(twice).axes if axes.get_title(loc="left") == "masked, share of values")
    shares = np.concatenate([marks.get_offsets()[:, 0] for marks in panel.collections])
    assert shares.max() == 1
    assert panel.get_xlim() == (0, 1)


def test_nan_patterns_find_what_is_missing_together(cube: xr.Dataset):
    figure = nan_patterns(cube)
    title, _ = title_and_caption(figure)
    assert "shortwave is missing most (33 %)" in title
    complete = np.isfinite(cube.soil_moisture) & np.isfinite(cube.shortwave)
    assert title.startswith(f"{100 * float(complete.mean()):.0f} % of station-steps are complete")


@pytest.mark.parametrize("gaps", [0, 1, 8])
def test_the_panels_of_missing_values_fill_the_page_whatever_is_missing(gaps: int):
    values = made_up.cube(30)
    inputs = ("temperature", "precipitation", "shortwave")
    for number in range(gaps):
        for bit, name in enumerate(inputs):
            if number >> bit & 1:
                values[name][number, 50 * number :] = np.nan
    figure = nan_patterns(values)
    figure.draw_without_rendering()
    assert max(axes.get_position().x1 for axes in figure.axes) > 0.95
    together = next(axes for axes in figure.axes if axes.get_title(loc="left") == "c  together")
    low, high = together.get_xlim()
    assert round(high - low) == len(together.patches)  # no place is kept for combinations that there are not


def test_the_alignment_summary_counts_reasons_without_their_numbers(cube: xr.Dataset):
    table = xr.Dataset(
        {
            "included": ("station", [1, 0, 0]),
            "reason": ("station", ["", "observed 40% of train, 3% of test steps, 60% needed", "no dynamic inputs"]),
            "observed_fraction": (("station", "split"), np.array([[1, 1, 1], [0.4, 1, 0.03], [1, 1, 1]])),
        },
        {**cube.station.coords, "split": ["train", "validation", "test"]},
        {"common_fraction": 0.6},
    )
    figure = alignment_summary(table, cube)
    shown = texts(figure)
    assert len(figure.axes) == 2  # two reasons are said in the caption, not drawn in a panel that is half empty
    assert "1 of 3 stations is in the study" in shown
    assert "too few observations in train and test" in " ".join(shown.split())
    assert "train, 1,262 steps" in shown


def test_a_duplicate_is_counted_whatever_it_duplicates():
    assert general_reason("duplicate of NET__x, which is more complete") == "duplicate of a more complete station"


def test_the_station_panel_shows_values_classes_and_what_is_missing(cube: xr.Dataset):
    shown = texts(station_panel(cube, "NET__b"))
    assert "b (NET): 100 % of steps observed" in shown
    assert "20 %" in shown
    assert "cropland" in shown
    assert "missing" in texts(station_panel(cube, "NET__c"))
    assert "41.00° N, 95.00° W" in shown


def test_synthetic_data_is_stamped(cube: xr.Dataset):
    assert any(text.get_text() == "SYNTHETIC" for text in nan_patterns(cube).texts)
