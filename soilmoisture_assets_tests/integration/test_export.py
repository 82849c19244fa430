"""What leaves the platform: exports as other programs open them, and every stored netCDF by the CF conventions."""

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.export import Format, What
from soilmoisture_assets.export.files import export
from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE
from soilmoisture_assets.notebook import OpenStudy
from soilmoisture_assets_tests.conventions import faults
from soilmoisture_assets_tests.integration.conftest import Workplace

BEGINS_FIRST = True
"""While it makes the finished study, those that do not need it go on."""
QUANTILES = ["soil_moisture_p10", "soil_moisture_p50", "soil_moisture_p90"]
FLAT = [what for what in What if what is not What.CUBE]


@pytest.fixture(scope="module")
def study(finished: Workplace) -> OpenStudy:
    return OpenStudy(finished.deployment())


@pytest.mark.parametrize("what", What)
def test_csv_and_parquet_are_the_same_table_and_say_that_it_is_synthetic(what: What, study: OpenStudy, tmp_path: Path):
    for form in (Format.CSV, Format.PARQUET):
        export(study, what, form, tmp_path / f"of{form.suffix}")
    text = pd.read_csv(tmp_path / "of.csv", comment="#")
    table = pd.read_parquet(tmp_path / "of.parquet")
    assert list(text) == list(table)
    assert len(text) == len(table) > 0
    for name in table.select_dtypes("number"):
        pd.testing.assert_series_equal(text[name].astype(float), table[name].astype(float), rtol=1e-5, atol=1e-9)
    begins = (tmp_path / "of.csv").read_text().splitlines()[:3]
    assert f"# {SYNTHETIC_NOTICE}" in begins
    assert SYNTHETIC_NOTICE in table.attrs["notes"]


@pytest.mark.parametrize("what", FLAT)
def test_geojson_has_a_point_for_each_station(what: What, study: OpenStudy, tmp_path: Path):
    export(study, what, Format.GEOJSON, tmp_path / "of.geojson")
    found = geopandas.read_file(tmp_path / "of.geojson").set_index("station")
    places = study.stations.loc[found.index]
    assert len(found) == found.index.nunique() > 0
    assert found.geometry.x.tolist() == pytest.approx(places["longitude"].tolist(), abs=1e-5)
    assert found.geometry.y.tolist() == pytest.approx(places["latitude"].tolist(), abs=1e-5)
    assert SYNTHETIC_NOTICE in json.loads((tmp_path / "of.geojson").read_text())["notes"]


@pytest.mark.parametrize("what", What)
def test_netcdf_opens_without_a_warning(what: What, study: OpenStudy, tmp_path: Path):
    export(study, what, Format.NETCDF, tmp_path / "of.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(tmp_path / "of.nc") as found:
            assert found.load().sizes["station"] > 0
            assert found.attrs["synthetic"] == 1


def test_the_newest_forecast_says_which_moments_it_is_of_and_is_what_is_stored(study: OpenStudy, tmp_path: Path):
    [first, *_] = study.latest_forecast.station.values.astype(str)
    export(study, What.FORECASTS, Format.PARQUET, tmp_path / "of.parquet", stations=[first])
    table = pd.read_parquet(tmp_path / "of.parquet")
    stored = study.latest_forecast.sel(station=first)
    assert (table["valid_time"] - table["start"] == pd.to_timedelta(table["lead_hours"], unit="h")).all()
    assert table[QUANTILES].to_numpy().tolist() == stored.soil_moisture_forecast.values.tolist()
    assert {name: table.attrs["units"][name] for name in QUANTILES} == dict.fromkeys(QUANTILES, "m3 m-3")


def test_the_forecasts_of_an_experiment_come_with_what_was_observed(study: OpenStudy, tmp_path: Path):
    [first, *_] = study.forecasts("drivers").station.values.astype(str)
    export(study, What.FORECASTS, Format.CSV, tmp_path / "of.csv", stations=[first], experiment="drivers")
    table = pd.read_csv(tmp_path / "of.csv", comment="#")
    begins = [line for line in (tmp_path / "of.csv").read_text().splitlines() if line.startswith("# ")]
    assert "# times: UTC; a step is called by its end" in begins
    assert "# split: 0 none, 1 train, 2 validation, 3 test" in begins
    stored = study.forecasts("drivers").sel(station=first)
    assert len(table) == stored.sizes["start"] * stored.sizes["lead"]
    observed = stored.soil_moisture_observed.transpose("start", "lead").values.ravel()
    assert table["soil_moisture_observed"].tolist() == pytest.approx(observed.tolist(), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"what": What.CUBE, "form": Format.GEOJSON}, "csv, parquet or netcdf"),
        ({"what": What.SKILL, "form": Format.CSV, "experiment": "drivers"}, "Leave it out"),
        ({"what": What.CUBE, "form": Format.CSV, "stations": ["nowhere"]}, "Did you mean"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_fix(
    asked: dict[str, Any], said: str, study: OpenStudy, tmp_path: Path
):
    with pytest.raises(StudyError, match=said):
        export(study, path=tmp_path / "of", **asked)
    assert not list(tmp_path.iterdir())


def test_every_stored_netcdf_keeps_the_cf_conventions(study: OpenStudy):
    assert faults(one_of_each(study)) == []


def test_no_two_variables_of_a_dataset_are_called_the_same(study: OpenStudy):
    for path in one_of_each(study):
        with xr.open_dataset(path) as dataset:
            names = Counter(
                str(each.attrs["long_name"]) for each in dataset.data_vars.values() if "long_name" in each.attrs
            )
        assert not [name for name, count in names.items() if count > 1], path


def one_of_each(study: OpenStudy) -> list[Path]:
    """A stored netCDF file of each asset that has any."""
    root = study.deployment.store.local
    assert root is not None
    folder = Path(root) / study.study.name
    found = {}
    for path in sorted(folder.rglob("*.nc")):
        asset = path.relative_to(folder).with_suffix("")
        found.setdefault(str(asset) if str(asset) in study.deployment.graph else str(asset.parent), path)
    return list(found.values())
