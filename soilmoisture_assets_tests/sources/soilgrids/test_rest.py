"""SoilGrids over REST: units, depths, nearest valid cells, outages, resuming."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.http import UnusableAnswer
from soilmoisture_assets.sources.soilgrids.records import DEPTH_LAYERS, depth_values, thickness_weighted_mean
from soilmoisture_assets.sources.soilgrids.rest import cells_around, fetch_points, read_properties
from soilmoisture_assets.sources.station_cache import Place

PLAINS = ((40.0, -100.0), (41.0, -98.0), (38.5, -97.0))


@pytest.fixture
def fetch(sandbox: Sandbox, tmp_path: Path) -> Callable[..., xr.Dataset]:
    def run(stations: xr.Dataset, progress=None) -> xr.Dataset:
        return fetch_points(stations, tmp_path, sandbox.urls["soilgrids"], 1e6, progress, timeout=0.5, backoff=0.01)

    return run


def test_all_properties_come_in_the_units_of_the_registry(fetch, stations_at, world: World):
    soil = fetch(stations_at(*PLAINS))
    truth = world.soil(*np.array(PLAINS).T)
    for name in SOILGRIDS_PROPERTIES:
        assert soil[name].dims == ("station",)
        assert soil[name].dtype == "float32"
        assert soil[name].attrs["units"] == VARIABLES[name].units
        np.testing.assert_allclose(soil[name], truth[name], rtol=0.01, atol=0.1)
    assert soil["clay_by_depth"].dims == ("station", "depth_layer")
    assert soil["fallback_distance"].values.tolist() == [0, 0, 0]
    assert soil["problem"].values.tolist() == ["", "", ""]


def test_one_station_is_one_request(fetch, stations_at, sandbox: Sandbox):
    fetch(stations_at(*PLAINS))
    assert sandbox.count("soilgrids") == 3


def test_a_rerun_asks_only_for_what_is_missing(fetch, stations_at, sandbox: Sandbox):
    sandbox.add_fault(Fault("soilgrids", "500", times=99, path_contains="lat=41.0"))
    first = fetch(stations_at(*PLAINS))
    assert np.isfinite(first["clay"]).values.tolist() == [True, False, True]
    assert "answered 500" in first["problem"].item(1)

    sandbox.clear_faults()
    before = sandbox.count("soilgrids")
    second = fetch(stations_at(*PLAINS))
    assert np.isfinite(second["clay"]).all()
    assert sandbox.count("soilgrids") - before == 1


def test_a_run_killed_half_way_keeps_what_it_has(fetch, stations_at, sandbox: Sandbox):
    def die_after_two(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(stations_at(*PLAINS), die_after_two)
    before = sandbox.count("soilgrids")
    fetch(stations_at(*PLAINS))
    assert (before, sandbox.count("soilgrids")) == (2, 3)


def test_a_station_that_moved_is_asked_again(fetch, stations_at, sandbox: Sandbox):
    fetch(stations_at(PLAINS[0]))
    fetch(stations_at(PLAINS[1]))
    assert sandbox.count("soilgrids") == 2


@pytest.mark.parametrize("kind", ["429", "500", "timeout", "reset", "truncated", "html", "nulls", "wrong_variable"])
def test_a_fault_that_passes_leaves_no_trace(fetch, stations_at, sandbox: Sandbox, kind: str):
    sandbox.add_fault(Fault("soilgrids", kind, seconds=1))
    soil = fetch(stations_at(*PLAINS))
    assert np.isfinite(soil["clay"]).all()
    assert soil["fallback_distance"].values.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["500", "html", "nulls", "wrong_variable"])
def test_a_fault_that_stays_is_an_outage_and_never_data(fetch, stations_at, sandbox: Sandbox, tmp_path, kind: str):
    sandbox.add_fault(Fault("soilgrids", kind, times=999))
    with pytest.raises(SourceUnavailable):
        fetch(stations_at(*PLAINS))
    assert list(tmp_path.iterdir()) == []


def test_a_dead_service_is_not_asked_for_every_station(fetch, stations_at, sandbox: Sandbox):
    sandbox.add_fault(Fault("soilgrids", "500", times=9999))
    with pytest.raises(SourceUnavailable):
        fetch(stations_at(*[(40.0, -100.0 + step) for step in range(20)]))
    assert sandbox.count("soilgrids") == 25  # five stations, five attempts each


def test_a_station_without_soil_takes_the_nearest_cell_that_has_some(fetch, stations_at, world: World):
    latitude, longitude = on_the_coast(world)
    soil = fetch(stations_at((latitude, longitude), PLAINS[0]))
    assert np.isfinite(soil["clay"]).all()
    assert 0.5 <= soil["fallback_distance"].item(0) <= 5
    assert soil["fallback_distance"].item(1) == 0


def test_a_station_in_the_sea_stays_missing_and_says_why(fetch, stations_at, sandbox: Sandbox):
    stations = stations_at((30.0, -75.0), PLAINS[0])
    soil = fetch(stations)
    assert np.isfinite(soil["clay"]).values.tolist() == [False, True]
    assert "within 5 km: water, city or ice" in soil["problem"].item(0)
    before = sandbox.count("soilgrids")
    fetch(stations)
    assert sandbox.count("soilgrids") == before  # known to be empty, not asked again


UNITS = {
    "bdod": ("kg/dm³", 100, 140), "cec": ("cmol(c)/kg", 10, 200), "cfvo": ("cm³/100cm³", 10, 50),
    "clay": ("%", 10, 250), "nitrogen": ("g/kg", 100, 200), "ocd": ("kg/m³", 10, 300), "ocs": ("kg/m²", 10, 50),
    "phh2o": ("-", 10, 65), "sand": ("%", 10, 400), "silt": ("%", 10, 350), "soc": ("g/kg", 10, 200),
    "wv0010": ("10^-2cm³/cm³", 10, 350), "wv0033": ("10^-2cm³/cm³", 10, 300), "wv1500": ("10^-2cm³/cm³", 10, 150),
}  # fmt: skip


@pytest.fixture
def of_cells(served, stations_at, tmp_path: Path) -> Callable[..., tuple[xr.Dataset, list[bool]]]:
    """Fetches one station from a service whose values are a function of property, layer and whether it is the
    station's own cell; also whether each request was for that."""

    def run(value: Callable[[str, str, bool, int], object]) -> tuple[xr.Dataset, list[bool]]:
        asked: list[bool] = []

        def reply(request, _: bytes) -> tuple[int, bytes]:
            query = parse_qs(urlsplit(request.path).query)
            own = (query["lat"], query["lon"]) == (["8.25"], ["10.25"])
            asked.append(own)
            layers = [
                {
                    "name": name,
                    "unit_measure": {"d_factor": UNITS[name][1], "target_units": UNITS[name][0]},
                    "depths": [
                        {"label": label, "values": {"mean": value(name, label, own, UNITS[name][2])}}
                        for label in (["0-30cm"] if name == "ocs" else DEPTH_LAYERS)
                    ],
                }
                for name in query["property"]
            ]
            return 200, json.dumps({"properties": {"layers": layers}}).encode()

        stations = stations_at((8.25, 10.25))
        return fetch_points(stations, tmp_path, served(reply), 1e6, timeout=5, backoff=0.01), asked

    return run


def test_shallow_soil_keeps_its_own_topsoil_and_takes_one_request(of_cells):
    soil, asked = of_cells(lambda name, label, own, usual: None if label == "100-200cm" else usual)
    assert asked == [True]
    assert soil.clay.item() == 25
    assert all(np.isfinite(soil[name].item()) for name in SOILGRIDS_PROPERTIES)
    assert np.isnan(soil.clay_0_200cm.item())
    assert np.isfinite(soil.clay_by_depth.values[0]).tolist() == [True] * 5 + [False]
    assert soil.fallback_distance.item() == 0
    assert "below 30 cm" in soil.problem.item()


def test_what_a_station_has_of_its_own_is_not_replaced_by_a_neighbour(of_cells):
    def value(name: str, label: str, own: bool, usual: int) -> int | None:
        return (None if label == "15-30cm" else 2 * usual) if own and name == "clay" else usual

    soil, asked = of_cells(value)
    assert asked == [True, False]
    assert soil.clay_by_depth.values[0].tolist() == [50, 50, 25, 50, 50, 50]
    assert soil.sand.item() == 40
    assert soil.fallback_distance.item() == 0.5


@pytest.mark.parametrize("strange", [99999, -1, "250", True, "NaN", float("inf"), {"mean": 250}, [250]])
def test_a_strange_value_spoils_only_itself(of_cells, strange: object):
    soil, asked = of_cells(lambda name, label, own, usual: strange if (name, label) == ("clay", "60-100cm") else usual)
    assert asked == [True]
    assert soil.clay.item() == 25
    assert np.isfinite(soil.clay_by_depth.values[0]).tolist() == [True] * 4 + [False, True]
    assert np.isfinite(soil.sand_by_depth.values).all()
    assert "clay 60-100cm" in soil.problem.item()


def test_a_record_of_before_shallow_soil_counted_is_asked_for_again(fetch, stations_at, tmp_path, sandbox: Sandbox):
    record = {"latitude": 40.0, "longitude": -100.0, "asked": list(SOILGRIDS_PROPERTIES), "layers": {}}
    (tmp_path / "TEST__0.json").write_text(json.dumps(record))
    assert np.isfinite(fetch(stations_at(PLAINS[0])).clay.item())


def on_the_coast(world: World) -> tuple[float, float]:
    """A point at sea about 2 km off the land, found by halving from the sea to the land."""
    sea, land = -75.0, -80.0
    while abs(sea - land) > 0.015:
        middle = (sea + land) / 2
        if world.is_land(np.array([33.5]), np.array([middle]))[0]:
            land = middle
        else:
            sea = middle
    return 33.5, sea


def test_cells_are_asked_nearest_first():
    distances = [distance for distance, _, _ in cells_around(Place("A", 40.0, -100.0))]
    assert distances == sorted(distances)
    assert distances[0] == 0.5
    assert distances[-1] == 5.0


def test_the_mean_of_a_column_is_weighted_by_thickness():
    by_depth = np.array([[10, 20, 30, 40, 50, 60]], dtype="float32")
    topsoil = thickness_weighted_mean(by_depth[:, :3], ("0-5cm", "5-15cm", "15-30cm"))
    assert topsoil[0] == pytest.approx((10 * 5 + 20 * 10 + 30 * 15) / 30)
    whole = thickness_weighted_mean(by_depth)
    assert whole[0] == pytest.approx((10 * 5 + 20 * 10 + 30 * 15 + 40 * 30 + 50 * 40 + 60 * 100) / 200)
    assert np.isnan(thickness_weighted_mean(np.where(by_depth == 20, np.nan, by_depth)))[0]


def test_units_that_changed_are_not_taken_for_data():
    answer = {
        "properties": {
            "layers": [
                {
                    "name": "clay",
                    "unit_measure": {"d_factor": 10, "target_units": "g/kg"},
                    "depths": [{"label": "0-5cm", "values": {"mean": 279}}],
                }
            ]
        }
    }
    with pytest.raises(UnusableAnswer, match="'clay' in g/kg"):
        read_properties(answer)
    with pytest.raises(UnusableAnswer, match="without what was asked"):
        read_properties({"properties": {}})


def test_a_recorded_answer_is_read_with_its_own_divisors(realdata: Path):
    recorded = json.loads((realdata / "soilgrids" / "properties_query_lon30.246_lat30.254_real.json").read_text())
    layers = read_properties(recorded)
    expected = {
        "bdod": 1.39,
        "cec": 14.7,
        "cfvo": 23.6,
        "clay": 27.9,
        "nitrogen": 1.03,
        "ocd": 13.6,
        "phh2o": 8.0,
        "sand": 38.5,
        "silt": 33.6,
        "soc": 5.5,
        "wv0010": 32.2,
        "wv0033": 27.3,
        "wv1500": 12.2,
    }
    assert {name: pytest.approx(float(depth_values(name, layer)[0])) for name, layer in layers.items()} == expected
    assert sum(expected[name] for name in ("clay", "sand", "silt")) == pytest.approx(100, abs=0.1)
