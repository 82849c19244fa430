"""Values on their way to the store and back: text and categories survive, what is stored says where it comes from,
partitions go in and out of real runs."""

import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import Made, Work
from soilmoisture_assets.defs.pictures import FigurePictures
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.store.graph import Asset, Input
from soilmoisture_assets.store.records import Address
from soilmoisture_assets_tests.defs.made_up import (
    MEAN,
    SERIES,
    STATIONS,
    TABLE,
    Bench,
    OwnDeployment,
    bench,
    each,
    table_of,
)

CUBE, SMALL, FIGURE = "cube/thing", "cube/small", "figures/thing"


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


@pytest.fixture(params=[".nc", ".zarr.zip"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    return OwnDeployment(tmp_path, [Asset(TABLE, ".nc", "Stations."), Asset(CUBE, request.param, "Made from nothing.")])


def publish(deployment: Deployment, value: object, path: str = CUBE, **more: object) -> None:
    deployment.publish(path, value, deployment.expected(path, None, deployment.view()), **more)  # type: ignore[arg-type]


def test_what_is_written_comes_back_with_types_and_provenance(deployment: Deployment):
    publish(deployment, dataset())
    found = deployment.read(CUBE)
    xr.testing.assert_equal(found.load(), dataset())
    assert found.moisture.dtype == np.float32
    assert found["class"].dtype == np.int8
    assert found.station.values.astype(str).tolist() == ["N__a", "N__longer_name"]
    assert found.attrs["study"] == "demo"
    assert found.attrs["synthetic"] == 1
    assert found.attrs["Conventions"] == "CF-1.11"


def test_a_store_does_not_say_when_it_was_made_so_that_the_same_content_is_the_same(deployment: Deployment):
    publish(deployment, dataset())
    first = deployment.store.path(deployment.address(CUBE)).read_bytes()
    publish(deployment, dataset())
    assert deployment.store.path(deployment.address(CUBE)).read_bytes() == first
    assert deployment.read(CUBE).attrs["history"] == f"soilmoisture_assets, code {deployment.graph[CUBE].code}"


def test_a_store_cites_the_networks_its_stations_belong_to(deployment: Deployment):
    networks = {"SCAN": "Schaefer 2007", "USCRN": "Bell 2013", "NEW": ""}
    publish(deployment, dataset(), TABLE, names=("N__a",), metadata={"networks": networks})
    for given, cited, not_cited in (
        (dataset().assign_coords(network=("station", ["SCAN", "NEW"])), ["SCAN: Schaefer 2007"], "Bell"),
        (dataset(), ["SCAN: Schaefer 2007", "USCRN: Bell 2013", "Dorigo"], "NEW"),
    ):
        publish(deployment, given)
        references = deployment.read(CUBE).attrs["references"]
        assert all(text in references for text in cited)
        assert not_cited not in references


def test_a_write_that_fails_leaves_the_old_store_and_no_rest(deployment: Deployment):
    publish(deployment, dataset(1.0))
    before = everything(deployment)
    broken = dataset(2.0).assign(bad=("station", np.array([object(), object()], dtype=object)))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the format raises
        publish(deployment, broken)
    assert float(deployment.read(CUBE).moisture[0, 0]) == 1.0
    assert everything(deployment) == before


def everything(deployment: Deployment) -> list[str]:
    """Every file and folder of the store."""
    assert deployment.store.local is not None
    return sorted(str(path) for path in deployment.store.local.rglob("*"))


def test_a_store_is_replaced_whole(deployment: Deployment):
    publish(deployment, dataset(1.0))
    publish(deployment, dataset(2.0).isel(time=slice(0, 1)))
    found = deployment.read(CUBE)
    assert found.sizes["time"] == 1
    assert float(found.moisture[0, 0]) == 2.0


def test_reading_what_is_not_there_says_what_to_do(tmp_path: Path):
    with bench(tmp_path) as place:
        with pytest.raises(SourceError, match="partition N__a is not stored") as error:
            place.deployment.read(SERIES, "N__a")
        assert str(error.value).endswith(f"soilmoisture run --study demo --select '+key:\"{SERIES}\"'")
        with pytest.raises(SourceError, match="study 'demo' has no asset cube/nothing"):
            place.deployment.read("cube/nothing")


def test_the_web_ui_shows_where_a_thing_is_how_large_it_is_and_what_was_said_of_it(tmp_path: Path):
    def make(work: Work) -> Iterator[Made]:
        yield Made(dataset(), metadata={"stations": 2, "problems": ["one"], "table": "| a |\n|---|"})

    with dg.instance_for_test() as instance:
        place = Bench(tmp_path, [(Asset(CUBE, ".zarr.zip", "A cube."), make)], instance)
        place.run()
        key = asset_key(place.deployment.study, CUBE)
        event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    stored = tmp_path / "data" / "demo" / "cube" / "thing.zarr.zip"
    assert metadata["path"].value == str(stored)
    assert metadata["size [MB]"].value == pytest.approx(stored.stat().st_size / 1e6, rel=0.01)
    assert metadata["stations"].value == 2
    assert metadata["problems"].value == "one"
    assert isinstance(metadata["table"], dg.MarkdownMetadataValue)


def test_a_picture_that_moves_is_shown_small_and_still_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import Image

    def draw(work: Work) -> Iterator[Made]:
        frames, file = [Image.new("RGB", (740, 500), (shade, 0, 0)) for shade in (0, 80, 160)], io.BytesIO()
        frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=90)
        yield Made(file.getvalue())

    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path / "data"))
    pictures = {"module": FigurePictures.__module__, "class": FigurePictures.__name__}
    with dg.instance_for_test(overrides={"compute_logs": pictures}) as instance:
        place = Bench(tmp_path, [(Asset(FIGURE, ".webp", "Three shades."), draw)], instance)
        place.run()
        record = place.deployment.store.record(Address("demo", FIGURE))
        assert record is not None
        manager = instance.compute_log_manager
        assert isinstance(manager, FigurePictures)
        with Image.open(manager.get_captured_local_path(["demo", FIGURE, record.run, "small"], "webp")) as small:
            small.load()
            assert (small.width, small.n_frames, small.info["duration"]) == (360, 3, 90)


def test_the_web_ui_finds_the_picture_that_a_run_drew_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import Image

    def draw(work: Work) -> Iterator[Made]:
        from matplotlib.figure import Figure

        yield Made(Figure())

    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path / "data"))
    pictures = {"module": FigurePictures.__module__, "class": FigurePictures.__name__}
    with dg.instance_for_test(overrides={"compute_logs": pictures}) as instance:
        place = Bench(tmp_path, [(Asset(FIGURE, ".png", "A line."), draw)], instance)
        place.run()
        event = instance.get_latest_materialization_event(asset_key(place.deployment.study, FIGURE))
        assert event is not None
        assert event.asset_materialization is not None
        label, said = next(iter(event.asset_materialization.metadata.items()))
        assert label == "picture"
        address = str(said.value).rpartition("(/logs/")[2].rstrip(")").split("/")  # as the web server takes it apart
        manager = instance.compute_log_manager
        assert isinstance(manager, FigurePictures)
        assert manager.get_captured_local_path(address[:-1], address[-1]) == str(place.deployment.read(FIGURE))
        with Image.open(manager.get_captured_local_path([*address[:-2], "small"], "png")) as small:
            assert small.width == 360
        assert manager.get_captured_local_path([*address[:-3], "another run", "whole"], "png") == ""
        assert manager.get_captured_local_path(["..", "..", "etc", "passwd"], "png") == ""
        assert manager.get_captured_local_path(address[:-1], "err") == ""


def test_partitions_go_in_as_a_mapping_of_those_that_count(tmp_path: Path):
    seen = {}

    def average(work: Work) -> Iterator[Made]:
        series = work.given()["series"]
        seen.update({name: float(series[name].moisture[0, 0]) for name in series})
        assert "b" not in series
        with pytest.raises(KeyError):
            series["b"]
        yield Made(pd.DataFrame(seen, index=[0]))

    def fate(name: str) -> Made:
        return Made(partition=name, failure="broken") if name == "b" else Made(dataset(ord(name)), name)

    assets = [
        (Asset(TABLE, ".nc", "Stations."), table_of(lambda: STATIONS)),
        (Asset(SERIES, ".zarr.zip", "Series.", partitions="station", names_from=TABLE), each(fate)),
        (Asset(MEAN, ".csv", "Means.", inputs={"series": Input(SERIES)}), average),
    ]
    with dg.instance_for_test() as instance:
        place = Bench(tmp_path, assets, instance)
        place.run()
        assert seen == {"a": 97.0, "c": 99.0}
        assert place.deployment.read(MEAN).iloc[0].to_dict() == {"a": 97.0, "c": 99.0}


def test_an_asset_of_somebody_elses_reads_ours_through_dagster_whole_or_as_a_mapping(tmp_path: Path):
    with bench(tmp_path, each(lambda name: Made(pd.DataFrame({"x": [ord(name)]}), name))) as place:
        place.run()
        study = place.deployment.study
        seen = {}

        @dg.asset(
            ins={
                "series": dg.AssetIn(asset_key(study, SERIES), input_manager_key="table"),
                "means": dg.AssetIn(asset_key(study, MEAN), input_manager_key="table"),
            }
        )
        def notebook(series, means) -> None:
            seen.update(means={name: series[name].x[0] for name in series}, rows=len(means))

        definitions = dg.Definitions.merge(place.definitions, dg.Definitions([notebook]))
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=place.instance, asset_selection=[notebook.key]).success
        assert seen == {"means": {"a": 97, "b": 98, "c": 99}, "rows": 3}
