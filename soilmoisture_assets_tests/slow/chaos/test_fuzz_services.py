"""Answers of every service, damaged at random: each is read right, refused, or missing; never a traceback or a hang."""

import copy
import datetime as dt
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from requests.adapters import BaseAdapter

from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.metadata.variables import IGBP_CLASSES, SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Request, Sandbox
from soilmoisture_assets.sandbox.uscrn import stations_of
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.awdb import answers as awdb
from soilmoisture_assets.sources.awdb.client import _places, _read_stations, _years_with
from soilmoisture_assets.sources.elevation.client import read_elevation
from soilmoisture_assets.sources.era5 import cds_queue
from soilmoisture_assets.sources.era5.cds_queue import CdsQueue, CdsRequest
from soilmoisture_assets.sources.http import Answer, HttpClient, UnusableAnswer, read_json
from soilmoisture_assets.sources.http import _read as read_as_the_client_does
from soilmoisture_assets.sources.modis.earthengine import COLLECTION, _translate, read_classes, read_years
from soilmoisture_assets.sources.modis.ornl import read_subset
from soilmoisture_assets.sources.modis.records import is_class
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.soilgrids.records import DEPTH_LAYERS, depth_values
from soilmoisture_assets.sources.soilgrids.rest import read_properties
from soilmoisture_assets.sources.soilgrids.wcs import Bounds, read_window
from soilmoisture_assets.sources.station_cache import Place
from soilmoisture_assets.sources.uscrn import files as uscrn
from soilmoisture_assets_tests.slow import amount

SEED, TRIALS = 20261128, amount(10_000, 200)
LONGEST = 5.0
"""Seconds; one body that takes longer hangs."""
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, -1e308, 10**400, 0.5, "", "NaN", "1_0", "x" * 300, "ÿ\x00", [], {}, [None], [[]],
    {"mean": 1}, math.nan, math.inf, -32768, 255, "2018_01_01", "http://127.0.0.1:9/x", "successful", "failed",
)  # fmt: skip

Read = Callable[[bytes], Any]


def damaged(body: bytes, chance: random.Random, lines: bool = False) -> bytes:
    """The body with bytes flipped, cut, repeated or put in, or as JSON (or lines) with something exchanged or gone."""
    kind = chance.randrange(8)
    if lines and kind < 4:
        fields = body.split(b" ")
        for _ in range(chance.randint(1, 3)):
            strange = str(chance.choice(STRANGE)).encode("utf-8", "replace")
            fields[chance.randrange(len(fields))] = chance.choice((strange, chance.choice(fields)))
        return b" ".join(fields)
    if kind < 4:
        content = json.loads(body)
        for _ in range(chance.randint(1, 3)):
            _exchange(content, chance)
        return json.dumps(content).encode()
    if kind == 4:
        return body[: chance.randrange(len(body) + 1)]
    if kind == 5:
        at = chance.randrange(len(body) + 1)
        nested = chance.choice((b"[", b'{"a":', b"\xff\xfe", b"<html>", b"1e9", b"\x00", b'"')) * chance.choice(
            (1, 5000)
        )
        return body[:at] + nested + body[at:]
    flipped = bytearray(body)
    for _ in range(chance.choice((1, 1, 3, 30))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _exchange(content: Any, chance: random.Random) -> None:
    """Exchange, repeat or remove something somewhere in a tree."""
    while isinstance(content, dict | list) and content:
        places: list[Any] = list(content) if isinstance(content, dict) else list(range(len(content)))
        place = chance.choice(places)
        if isinstance(content[place], dict | list) and content[place] and chance.random() < 0.8:
            content = content[place]
            continue
        choice = chance.random()
        if choice < 0.2:
            del content[place]
        elif choice < 0.3 and isinstance(content, list):
            content.append(copy.deepcopy(content[place]))
        elif choice < 0.4 and isinstance(content, dict):
            content[f"{place} "] = content.pop(place)
        else:
            content[place] = copy.deepcopy(chance.choice(STRANGE))
        return


def fuzzed(
    name: str, bodies: list[bytes], read: Read, agrees: Callable[[bytes, Any], bool], lines: bool = False
) -> Counter[str]:
    """Feed damaged bodies to a reader and count what became of them."""
    chance, counts = random.Random(SEED), Counter[str]()
    for _ in range(TRIALS):
        body = damaged(chance.choice(bodies), chance, lines)
        began = time.monotonic()
        try:
            found = read(body)
        except (UnusableAnswer, SoilMoistureError):
            counts["refused"] += 1
        except Exception as error:
            counts["tracebacks"] += 1
            print(f"{name}: {type(error).__name__}: {error}: {body[:300]!r}")
        else:
            counts["read" if agrees(body, found) else "silently wrong"] += 1
            if not agrees(body, found):
                print(f"{name}: {found}: {body[:300]!r}")
        counts["hung"] += time.monotonic() - began > LONGEST
    print(f"\n{name}: seed {SEED}, {TRIALS} damaged answers: {dict(counts)}")
    return counts


def assert_none_got_through(counts: Counter[str]) -> None:
    assert (counts["tracebacks"], counts["hung"], counts["silently wrong"]) == (0, 0, 0)
    assert counts["read"] > TRIALS / 50
    assert counts["refused"] > TRIALS / 50


@pytest.fixture
def served(sandbox: Sandbox) -> Callable[..., bytes]:
    """The body that the sandbox answers with."""

    def answer(service: str, path: str, **query: str | list[str]) -> bytes:
        values = {name: [value] if isinstance(value, str) else value for name, value in query.items()}
        single = {name: each[-1] for name, each in values.items()}
        return sandbox.answer(service, Request("GET", path, single, values=values)).body

    return answer


def test_answers_of_soilgrids(served):
    places = (("40.0", "-100.0"), ("30.0", "-75.0"))
    asked = {"property": list(SOILGRIDS_PROPERTIES), "depth": [*DEPTH_LAYERS, "0-30cm"]}
    bodies = [served("soilgrids", "/properties/query", lat=lat, lon=lon, **asked) for lat, lon in places]

    def read(body: bytes) -> dict[str, np.ndarray]:
        return {name: depth_values(name, layer) for name, layer in read_properties(read_json(body)).items()}

    def agrees(body: bytes, found: dict[str, np.ndarray]) -> bool:
        """Each value is what the body says at its place, and none lies outside what a soil can have."""
        said = {str(layer["name"]): layer for layer in json.loads(body)["properties"]["layers"]}
        for name, values in found.items():
            layer, variable = said[name], VARIABLES[name]
            means = {str(depth["label"]): depth["values"]["mean"] for depth in layer["depths"]}
            labels = ["0-30cm"] if name == "ocs" else list(DEPTH_LAYERS)
            for label, value in zip(labels, values.tolist(), strict=True):
                if math.isnan(value):
                    continue
                right = means[label] / layer["unit_measure"]["d_factor"]
                if isinstance(means[label], bool) or not math.isclose(value, right, rel_tol=1e-5, abs_tol=1e-9):
                    return False
                if not variable.valid_min <= right <= variable.valid_max:
                    return False
        return True

    assert_none_got_through(fuzzed("SoilGrids", bodies, read, agrees))


def test_windows_of_the_maps_of_soilgrids(served):
    """Whatever is made of a damaged window, it is read or refused; a flipped bit of a value cannot be seen."""
    bounds, crs = Bounds(-10_600_000, 4_600_000, -10_590_000, 4_610_000), "EPSG/0/152160"
    subset = [f"X({bounds.west},{bounds.east})", f"Y({bounds.south},{bounds.north})"]
    asked = {"subset": subset, "subsettingcrs": crs}
    bodies = [
        served("soilgrids_wcs", "/", map=f"/map/{name}.map", coverageid=f"{name}_0-5cm_mean", **asked)
        for name in ("clay", "sand")
    ]
    chance, counts = random.Random(SEED), Counter[str]()
    for _ in range(TRIALS):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.choice((1, 3, 30))):
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        cut = bytes(body[: chance.choice((len(body), chance.randrange(len(body)))) or None])
        began = time.monotonic()
        try:
            window = read_as_the_client_does(lambda answer: read_window(answer, bounds), Answer(200, {}, cut))
        except (UnusableAnswer, SourceError):
            counts["refused"] += 1
        else:
            counts["read" if window.values.shape == (40, 40) else "silently wrong"] += 1
        counts["hung"] += time.monotonic() - began > LONGEST
    print(f"\nSoilGrids maps: seed {SEED}, {TRIALS} damaged answers: {dict(counts)}")
    assert_none_got_through(counts)


def test_answers_of_ornl(served):
    asked = {"latitude": "40.0", "longitude": "-100.0", "band": "LC_Type1"}
    body = served("ornl", "/MCD12Q1/subset", startDate="A2018001", endDate="A2019001", **asked)
    place, years = Place("A", 40.0, -100.0), [2018, 2019]

    def agrees(body: bytes, found: dict[int, Any]) -> bool:
        rows = [row for row in json.loads(body)["subset"] if isinstance(row, dict)]
        said = {(str(row.get("modis_date"))[1:5], json.dumps(row.get("data"))) for row in rows}
        return all((str(year), json.dumps([code])) in said for year, code in found.items() if is_class(code))

    def read(body: bytes) -> dict[int, Any]:
        return read_subset(read_json(body), place, years)

    assert_none_got_through(fuzzed("ORNL DAAC", [body], read, agrees))


def test_answers_of_the_elevation_service(served):
    places = (("-105.5", "39.7"), ("-75.0", "30.0"))
    bodies = [served("epqs", "/json", x=x, y=y, units="Meters") for x, y in places]

    def agrees(body: bytes, found: dict[str, Any]) -> bool:
        if found["elevation"] is None:
            return bool(found["reason"])
        said, variable = json.loads(body)["value"], VARIABLES["elevation"]
        right = float(said) == found["elevation"] and not isinstance(said, bool)
        return right and variable.valid_min <= found["elevation"] <= variable.valid_max

    assert_none_got_through(fuzzed("EPQS", bodies, read_elevation, agrees))


@pytest.mark.parametrize("through_its_client", [False, True])
def test_answers_of_earth_engine(
    served, sandbox: Sandbox, through_its_client: bool, tmp_path: Path, stations_at, monkeypatch: pytest.MonkeyPatch
):
    import ee

    from soilmoisture_assets.sources.modis import earthengine

    bodies: list[bytes] = []
    truly = sandbox.answer

    def kept(service: str, request: Request):
        response = truly(service, request)
        if request.path.endswith("value:compute"):
            bodies.append(response.body)
        return response

    sandbox.answer = kept  # type: ignore[method-assign]
    places = stations_at((40.0, -100.0), (47.5, -121.0))
    earthengine.fetch_land_cover(places, tmp_path, [2018, 2019], url=sandbox.urls["earthengine"])
    ofyears, sampled = bodies
    years, expression = [2018, 2019], ee.ImageCollection(COLLECTION).aggregate_array("system:index")

    def read(body: bytes) -> Any:
        result = read_json(body)
        result = through_client(body) if through_its_client else result.get("result") if isinstance(result, dict) else 0
        return read_years(result) if isinstance(result, list) else read_classes(result, years)

    def through_client(body: bytes) -> Any:
        def send(client: HttpClient, method: str, url: str, look: Callable[[Answer], Answer], **_: Any) -> Answer:
            return look(Answer(200, {"content-type": "application/json"}, body))

        with monkeypatch.context() as patched:
            patched.setattr(HttpClient, "send", send)
            return _translate(expression.getInfo)

    def agrees(body: bytes, found: Any) -> bool:
        if isinstance(found, list):
            said = json.loads(body)["result"]
            return all(f"{year}_01_01" in said and 2000 <= year < 3000 for year in found)
        said = {
            each["properties"]["station"]: each["properties"]
            for each in json.loads(body)["result"]["features"]
            if isinstance(each, dict) and isinstance(each.get("properties"), dict)
            and isinstance(each["properties"].get("station"), str)
        }  # fmt: skip
        known = [(said[name].get(f"{year}_01_01_LC_Type1"), code) for name, own in found.items()
                 for year, code in own.items() if is_class(code)]  # fmt: skip
        return all(right == code and int(code) in IGBP_CLASSES for right, code in known)

    try:
        assert_none_got_through(fuzzed("Earth Engine", [ofyears, sampled, sampled], read, agrees))
    finally:
        ee.Reset()


def test_answers_of_awdb(served):
    asked = {"stationTriplets": "2001:SY:SCAN,2002:SY:SCAN", "elements": "SMS:*:*,TAVG,PRCP,SRADV", "duration": "DAILY"}
    bodies = [
        served("awdb", "/data", **asked, beginDate=f"2019-01-{day}", endDate=f"2019-01-{day + 4}", returnFlags="true")
        for day in (10, 20)
    ]

    def read(body: bytes) -> dict[str, list[awdb.Series]]:
        return awdb.read_answer(body, "AWDB", awdb.DAILY)

    def agrees(body: bytes, found: dict[str, list[awdb.Series]]) -> bool:
        """Each value is a number of the body at its stamp, and one whose flag says that it was measured."""
        said = {each["stationTriplet"]: each["data"] for each in json.loads(body)}
        for station, own in found.items():
            for series, block in zip(own, said[station], strict=True):
                rows = {row["date"][:10]: row for row in block["values"]}  # of a stamp that comes twice the last
                for stamp, value in zip(series.stamps, series.values.tolist(), strict=True):
                    row = rows[str(stamp)[:10]]
                    if not math.isnan(value) and (
                        type(row.get("value")) not in (int, float)
                        or row["value"] != value
                        or (row.get("qcFlag") or "") not in awdb.GOOD
                    ):
                        return False
        return True

    assert_none_got_through(fuzzed("AWDB", bodies, read, agrees))


def test_lists_of_stations_of_awdb(served):
    asked = {"stationTriplets": "*:*:SCAN,*:*:SNTL", "returnStationElements": "true", "activeOnly": "false"}
    body = served("awdb", "/stations", **asked)

    def read(body: bytes) -> list[tuple[str, float, float, tuple[int, int]]]:
        found = _read_stations(body)
        places = _places(found)
        return [(p.key, p.latitude, p.longitude, _years_with(s, "DAILY")) for p, s in zip(places, found, strict=True)]

    def agrees(body: bytes, found: list[tuple[str, float, float, tuple[int, int]]]) -> bool:
        said = {each.get("stationTriplet"): each for each in json.loads(body) if isinstance(each, dict)
                if isinstance(each.get("stationTriplet"), str)}  # fmt: skip
        return all(math.isfinite(latitude) and math.isfinite(longitude) and key in said
                   for key, latitude, longitude, _ in found)  # fmt: skip

    assert_none_got_through(fuzzed("stations of AWDB", [body], read, agrees))


def test_files_of_uscrn(served, world: World):
    station = stations_of(world)[0].file_name
    year = world.start.year
    whole = served("uscrn", f"/hourly02/{year}/CRNH0203-{year}-{station}.txt")
    rows = whole.splitlines(keepends=True)
    bodies = [b"".join(rows[first : first + 6]) for first in (0, 600)]

    def read(body: bytes) -> uscrn.Rows:
        return uscrn.read_rows(body, "USCRN", uscrn.HOURLY)

    def agrees(body: bytes, found: uscrn.Rows) -> bool:
        """Each value stands in the column of its row."""
        column = uscrn.HOURLY.columns.index("P_CALC")
        said = {float(line.split()[column]) for line in body.splitlines() if len(line.split()) == 38}
        values = found.values["P_CALC"]
        return {*values[np.isfinite(values)].tolist()} <= said

    assert_none_got_through(fuzzed("USCRN", bodies, read, agrees, lines=True))


class _Damaging(BaseAdapter):
    """Answers as the sandbox does, in this process, and damages the answers of one step."""

    def __init__(self, store: CdsService, chance: random.Random) -> None:
        super().__init__()
        self._store, self._chance = store, chance
        self.step = 0
        self._asked = 0

    def begin(self) -> None:
        self.step, self._asked = self._chance.randrange(1, 9), 0

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self._asked += 1
        path = str(request.path_url).partition("?")[0].removeprefix("/cds")
        query = dict(part.partition("=")[::2] for part in str(request.path_url).partition("?")[2].split("&"))
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(str(request.method), path, query, headers, body, service_url="http://cds.example/cds")
        answer = self._store(asked)
        response = requests.Response()
        response.status_code, response.request, response.url = 404, request, str(request.url)
        content = b"{}"
        if answer is not None:
            response.status_code, content = answer.status, answer.body
        if self._asked >= self.step and self._chance.random() < 0.7:
            content = damaged(content, self._chance) if content[:1] == b"{" else content[: self._chance.randrange(99)]
            if self._chance.random() < 0.2:
                response.status_code = self._chance.choice((200, 201, 400, 404, 408, 422, 429, 500, 503))
        response.raw = _Body(content)
        return response

    def close(self) -> None:
        pass


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read1(self, *_: Any, **__: Any) -> bytes:
        content, self._content = self._content, b""
        return content

    def close(self) -> None:
        pass

    def release_conn(self) -> None:
        pass


def test_answers_of_the_climate_data_store(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cds_queue, "LONGEST_REJECTED", dt.timedelta(seconds=0.02))
    store, chance = CdsService(world, polls=1), random.Random(SEED)
    inputs = {"variable": ["2m_temperature"], "location": {"latitude": 40.0, "longitude": -100.0},
              "date": ["2019-01-01/2019-01-02"], "data_format": "csv"}  # fmt: skip
    request = CdsRequest("one", cds_queue_dataset(), inputs)
    right = store._file(next(iter(_job(store, request).values())))[0]
    counts, adapter = Counter[str](), _Damaging(store, chance)
    for trial in range(TRIALS):
        folder = tmp_path / str(trial % 50)
        queue = CdsQueue("http://cds.example/cds", "token", folder, poll_seconds=0.0005, patience=Patience(0.005))
        for scheme in ("http://", "https://"):
            queue._session.mount(scheme, adapter)
        adapter.begin()
        store.jobs.clear()
        began = time.monotonic()
        try:
            [outcome] = queue.fetch([request], check=lambda request, file: None, split=lambda request: [])
            if outcome.error is not None:
                counts["refused"] += 1
            else:
                counts["read" if outcome.files[0].read_bytes() == right else "silently wrong"] += 1
                queue.forget(outcome)
        except SourceError:
            counts["refused"] += 1
        except Exception as error:
            counts["tracebacks"] += 1
            print(f"CDS: {type(error).__name__}: {error}")
        counts["hung"] += time.monotonic() - began > LONGEST
    print(f"\nClimate Data Store: seed {SEED}, {TRIALS} deliveries with damaged answers: {dict(counts)}")
    assert_none_got_through(counts)


def cds_queue_dataset() -> str:
    return "reanalysis-era5-single-levels-timeseries"


def _job(store: CdsService, request: CdsRequest) -> dict[str, Any]:
    body = json.dumps({"inputs": request.inputs}).encode()
    path = f"/retrieve/v1/processes/{request.dataset}/execution"
    store(Request("POST", path, headers={"private-token": "token"}, body=body))
    return store.jobs
