"""The same graph on real recorded data: station files, hourly and daily, and real ISMN archives."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sources.ismn.scan import scan_of
from soilmoisture_assets_tests.integration.conftest import Workplace, workplace

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks" / "studies"

SMALL_BUDGET = """
experiments = ["forecast"]
history_days = 3
regional_epochs = 1
station_epochs = 1

[attribution]
background = 20
explained_per_station = 2
seeds = 1

[baselines]
boosting_samples = 2000
boosting_trees = 25
lstm_updates = 20
"""


def with_small_budget(study: Path, folder: Path) -> Path:
    head, _, _ = study.read_text().partition("experiments = ")
    smaller = folder / study.name
    smaller.write_text(head + SMALL_BUDGET.strip() + "\n")
    return smaller


def few_stations(realdata: Path, folder: Path, count: int) -> Path:
    """A folder like the real one with the SCAN stations whose records are most complete."""
    target = folder / "scan_daily"
    target.mkdir(parents=True)
    with xr.open_dataset(realdata / "scan_daily" / "soil_moisture.nc") as moisture:
        complete = moisture.soil_moisture.isel(depth=0).notnull().sum("time").values
    keep = np.sort(np.argsort(-complete)[:count])
    for name in ("soil_moisture.nc", "meteorology.nc", "static.nc"):
        with xr.open_dataset(realdata / "scan_daily" / name) as dataset:
            dataset.isel(station=keep).to_netcdf(target / name)
    return folder


def run(place: Workplace, study: Path, realdata: Path, *arguments: str) -> Deployment:
    place.environment.update(SOILMOISTURE_REALDATA=str(realdata), SOILMOISTURE_STUDY=str(study))
    result = place.command("run", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOILMOISTURE_REALDATA", str(realdata))
        return place.deployment()


def test_real_scan_stations_become_skill_tables_figures_and_a_report(realdata: Path, tmp_path: Path):
    study = with_small_budget(STUDIES / "scan_daily.toml", tmp_path)
    stored = run(workplace(tmp_path / "scan"), study, few_stations(realdata, tmp_path / "few", 10))
    table = stored.read("analysis/skill_summary")
    test = table[table.split == "test"].set_index(["method", "lead_hours"]).median_r2
    assert test["persistence", 24] > 0.8
    assert test["ridge", 24] > test["climatology", 24]
    assert {"gradient_boosting", "lstm", "regional_model", "station_model"} <= set(table.method)
    assert "SYNTHETIC" not in stored.read("report/report").read_text()
    assert stored.is_current("figures/skill_maps_forecast")


def test_a_real_hourly_station_runs_in_twelve_hour_steps(realdata: Path, tmp_path: Path):
    study = with_small_budget(STUDIES / "kings_creek.toml", tmp_path)
    stored = run(workplace(tmp_path / "kings"), study, realdata)
    table = stored.read("analysis/skill_summary")
    assert set(table.lead_hours) == {12, 24, 36, 48, 60, 72}
    assert stored.current("models/station_forecast_forecast") == ["KSMESO__Kings_Creek"]
    assert table["median_r2"].notna().all()
    assert table[["low", "high", "behind_low", "behind_high", "coverage_low", "coverage_high"]].isna().all(axis=None)
    page = re.sub(r"<script.*?</script>", "", stored.read("report/report").read_text(), flags=re.DOTALL)
    assert re.findall(r"(?<![\d.])([\d.]+) \[\1, \1\]|1 stations|≈", page) == []


@pytest.mark.parametrize(
    ("archive", "west", "stations"),
    [
        ("Data_separate_files_header_19500101_20250617_hawaii.zip", -161.0, 8),
        ("Data_seperate_files_header_20070101_20131231_conus.zip", -125.0, 6),
        ("cosmos_header_values", -125.0, 1),
    ],
)
def test_a_real_ismn_archive_becomes_a_station_table_and_one_store_per_station(
    realdata: Path, tmp_path: Path, archive: str, west: float, stations: int
):
    study = tmp_path / "archive.toml"
    study.write_text(
        f"""
name = "archive"
title = "Real archive"
[period]
start = 2007-01-01
end = 2018-12-31
[domain]
west = {west}
east = -66.0
south = 18.0
north = 50.0
[target]
path = "{realdata / "ismn" / archive}"
other_variables = ["air_temperature"]
[splits]
train = {{ start = 2007-01-01, end = 2009-12-31 }}
validation = {{ start = 2010-01-01, end = 2010-12-31 }}
test = {{ start = 2011-01-01, end = 2012-12-31 }}
"""
    )
    stored = run(workplace(tmp_path / "place"), study, realdata, "--select", 'key:"raw/ismn/*"')
    table = stored.read("raw/ismn/stations")
    assert table.sizes["station"] == stations
    records = stored.partitions("raw/ismn/soil_moisture")
    assert list(records) == sorted(table.station.values.astype(str))
    for record in records.values():
        assert np.isfinite(record.soil_moisture.values).any()
        assert (record.flag.values >= 0).any()
    scan = scan_of(stored.read("raw/ismn/scan"), realdata / "ismn" / archive)
    warm = stored.partitions("raw/ismn/air_temperature")
    assert list(warm) == [name for name in records if scan.has(name, "air_temperature")]
    if "hawaii" in archive:
        record = next(iter(warm.values()))
        assert record.air_temperature.attrs["units"] == "degC"
        assert 0 < float(record.air_temperature.where(record.air_temperature > -50).mean()) < 35
        assert "SCAN:" in record.attrs["references"]
