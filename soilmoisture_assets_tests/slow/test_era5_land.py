"""Deliveries of ERA5 and ERA5-Land in twelve climates and months, as files: every month right, none mistaken."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.amounts import HOUR
from soilmoisture_assets.sources.era5.formats import inspect_era5, months_in_files
from soilmoisture_assets.sources.era5.months import month_of_folder
from soilmoisture_assets.study import Domain
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file, since_midnight
from soilmoisture_assets_tests.sources.era5.test_amounts import CLIMATES, months
from soilmoisture_assets_tests.sources.era5.test_amounts import year as year

WIRE = {"precipitation": ("tp", 1e-3), "shortwave": ("ssrd", 3600.0)}


@pytest.mark.parametrize("names", [("precipitation", "shortwave"), ("precipitation",)])
@pytest.mark.parametrize("dataset", ["hours", "since midnight"])
def test_every_month_of_every_climate_has_the_amounts_of_the_world(year, tmp_path, names, dataset):
    hours, fields = year
    outcomes: Counter[str] = Counter()
    for at in range(len(CLIMATES)):
        for rows in months(hours):
            amounts = {name: fields[name][at][rows].astype("float32") for name in names}
            folder = tmp_path / f"{at}-{hours[rows][0]}"
            folder.mkdir()
            outcomes[_read(folder, hours[rows], amounts, dataset)] += 1
    print(f"\n{dataset}, {', '.join(names)}: {dict(outcomes)}")
    assert outcomes["mistaken"] == outcomes["inspected otherwise"] == 0
    if "shortwave" in names:
        assert outcomes["right"] == 144
    assert outcomes["refused"] <= 8  # rain alone, and at one place: a month in which nothing tells


def _read(folder: Path, times: np.ndarray, amounts: dict[str, np.ndarray], dataset: str) -> str:
    values = {}
    for name, series in amounts.items():
        short, scale = WIRE[name]
        stored = since_midnight(times, series) if dataset == "since midnight" else series
        values[short] = column(stored * scale)
    place = {"latitude": (40.0,), "longitude": (-100.0,)}
    file = grid_file(folder / "a.nc", str(times[0]), len(times), list(values), values=values, **place)
    month = str((times[0] - HOUR).astype("datetime64[M]"))
    refused = inspect_era5(file)["refused"]
    try:
        found = month_of_folder(months_in_files(folder), month, list(amounts), Domain())
    except SourceError as error:
        return "refused" if str(error) == refused else "inspected otherwise"
    assert refused is None
    for name, series in amounts.items():
        if not np.allclose(found[name].values[:, 0, 0], series, atol=max(2e-3, 2e-6 * float(series.sum()))):
            return "mistaken"
    return "right"
