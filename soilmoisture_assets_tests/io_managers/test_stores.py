"""Stores: nothing half-written, text and categories survive, partitions in and out."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from soilmoisture_assets.io_managers.datasets import NETWORK_CITATIONS
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.table import TableIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.provenance import code_version
from soilmoisture_assets.study import load_study

KEY = dg.AssetKey(["cube", "thing"])


def dataset(value: float = 1.0) -> xr.Dataset:
    return xr.Dataset(
        {
            "moisture": (("station", "time"), np.full((2, 3), value, dtype="float32")),
            "class": ("station", np.array([1, -1], dtype="int8"), {"flag_values": np.int8([1, 2])}),
        },
        coords={
            "station": ["N__a", "N__longer_name"],
            "time": pd.date_range("2015-01-01", periods=3, freq="12h", unit="ns"),
        },
    )


@pytest.fixture(params=[NetcdfIOManager, ZarrIOManager])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> NetcdfIOManager | ZarrIOManager:
    return request.param(tmp_path, load_study("demo"))


def test_what_is_written_comes_back_with_types_and_provenance(manager: NetcdfIOManager):
    manager.write(dataset(), KEY)
    found = manager.read(KEY)
    xr.testing.assert_equal(found.load(), dataset())
    assert found.moisture.dtype == np.float32
    assert found["class"].dtype == np.int8
    assert found.station.values.astype(str).tolist() == ["N__a", "N__longer_name"]
    assert found.attrs["study"] == "demo"
    assert found.attrs["synthetic"] == 1


def test_a_store_does_not_say_when_it_was_made_so_that_the_same_content_is_the_same(manager: NetcdfIOManager):
    manager.write(dataset(), KEY)
    assert manager.read(KEY).attrs["history"] == f"soilmoisture_assets {code_version()}"


def test_a_store_cites_the_networks_its_stations_belong_to(manager: NetcdfIOManager):
    citations = {"SCAN": "Schaefer 2007", "USCRN": "Bell 2013", "NEW": ""}
    (manager.folder / NETWORK_CITATIONS).parent.mkdir(parents=True)
    (manager.folder / NETWORK_CITATIONS).write_text(json.dumps(citations))
    for name, given, cited, not_cited in (
        ("of_one", dataset().assign_coords(network=("station", ["SCAN", "NEW"])), ["SCAN: Schaefer 2007"], "Bell"),
        ("of_all", dataset(), ["SCAN: Schaefer 2007", "USCRN: Bell 2013", "Dorigo"], "NEW"),
    ):
        manager.write(given, dg.AssetKey(["cube", name]))
        references = manager.read(dg.AssetKey(["cube", name])).attrs["references"]
        assert all(text in references for text in cited)
        assert not_cited not in references


def test_a_write_that_fails_leaves_the_old_store_and_no_rest(manager: NetcdfIOManager):
    manager.write(dataset(1.0), KEY)
    broken = dataset(2.0).assign(bad=("station", np.array([object(), object()], dtype=object)))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the format raises
        manager.write(broken, KEY)
    assert float(manager.read(KEY).moisture[0, 0]) == 1.0
    assert [path.name for path in manager.path(KEY).parent.iterdir()] == [manager.path(KEY).name]


def test_a_store_is_replaced_whole(manager: NetcdfIOManager):
    manager.write(dataset(1.0), KEY)
    manager.write(dataset(2.0).isel(time=slice(0, 1)), KEY)
    found = manager.read(KEY)
    assert found.sizes["time"] == 1
    assert float(found.moisture[0, 0]) == 2.0


def test_reading_what_is_not_there_says_what_to_do(manager: NetcdfIOManager):
    with pytest.raises(SourceError, match="partition N__a is not stored"):
        manager.read(KEY, "N__a")


def test_partitions_go_in_and_out_as_a_mapping_in_a_real_run(tmp_path: Path):
    station = dg.StaticPartitionsDefinition(["a", "b", "c"])

    @dg.asset(
        key=["raw", "x", "series"],
        partitions_def=station,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="netcdf",
    )
    def series(context: dg.AssetExecutionContext) -> dict[str, xr.Dataset]:
        return {name: dataset(ord(name)) for name in context.partition_keys}

    @dg.asset(
        ins={"series": dg.AssetIn(key=["raw", "x", "series"])},
        io_manager_key="table",
    )
    def names(series) -> pd.DataFrame:
        return pd.DataFrame({name: [float(series[name].moisture[0, 0])] for name in series})

    resources = {"netcdf": NetcdfIOManager(tmp_path, load_study("demo")), "table": TableIOManager(tmp_path)}
    with dg.instance_for_test() as instance:
        tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
        assert dg.materialize([series], instance=instance, resources=resources, tags=tags).success
        assert dg.materialize([series, names], instance=instance, resources=resources, selection=[names]).success
    table = pd.read_csv(tmp_path / "names.csv")
    assert table.iloc[0].to_dict() == {"a": 97.0, "b": 98.0}
