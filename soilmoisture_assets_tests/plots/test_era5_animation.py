"""The ERA5 animation: frames, labels and size."""

import io
import json

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from soilmoisture_assets.plots.era5_animation import MOST_FRAMES, era5_animation
from soilmoisture_assets.plots.style import EXIF_DESCRIPTION, saved_title_and_caption
from soilmoisture_assets_tests.plots import made_up


@pytest.fixture(scope="module")
def days() -> Image.Image:
    return Image.open(io.BytesIO(era5_animation(made_up.era5_months(days=12), "precipitation", "days")))


def test_a_day_is_a_frame(days):
    assert days.n_frames == 12


def test_frames_differ_where_the_weather_does(days):
    days.seek(2)
    third = np.asarray(days.convert("RGB")).astype(int)
    days.seek(9)
    tenth = np.asarray(days.convert("RGB")).astype(int)
    assert (np.abs(third - tenth).max(axis=2) > 30).mean() > 0.02


def test_a_long_record_is_thinned():
    frames = Image.open(
        io.BytesIO(era5_animation(made_up.era5_months(days=420, resolution=12.0), "temperature", "days"))
    )
    assert frames.n_frames <= MOST_FRAMES


def test_the_animation_carries_its_title_and_says_that_it_is_synthetic(tmp_path):
    path = tmp_path / "week.webp"
    path.write_bytes(era5_animation(made_up.era5_months(days=3), "temperature", "week"))
    title, caption = saved_title_and_caption(path)
    assert title == "2 m air temperature, hour by hour (ERA5)"
    assert "n = 105 cells · 2018-06-20 to 2018-06-23" in caption


def test_a_week_reads_its_own_month_and_both_ends_of_the_record():
    class Asked(dict[str, xr.Dataset]):
        def __getitem__(self, name: str) -> xr.Dataset:
            asked.append(name)
            return super().__getitem__(name)

    asked: list[str] = []
    months = Asked(made_up.era5_months(days=200, resolution=12.0))
    frames = Image.open(io.BytesIO(era5_animation(months, "temperature", "week")))
    assert frames.n_frames == 168
    assert sorted(set(asked)) == ["2018-06-01", "2018-07-01", "2019-01-01"]


def test_a_record_without_july_is_shown_from_its_start():
    months = {"2018-08-01": made_up.era5_months(days=60)["2018-08-01"].isel(time=slice(72))}
    frames = Image.open(io.BytesIO(era5_animation(months, "temperature", "week")))
    assert "2018-08-01 to 2018-08-04" in json.loads(frames.getexif()[EXIF_DESCRIPTION])[1]
