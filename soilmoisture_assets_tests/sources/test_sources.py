"""Which sources there are, what a study takes from which, and what one new folder needs to be one of them."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets import declarations
from soilmoisture_assets.doctor import check_inputs, diagnose
from soilmoisture_assets.errors import SourceError, StudyError, TimeAxisError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import (
    check,
    citations,
    licences,
    sources,
    sources_of,
    sources_of_input,
    variables_of,
)
from soilmoisture_assets.sources.series import fetch_month
from soilmoisture_assets.sources.services import services
from soilmoisture_assets.sources.source import SeriesRequest
from soilmoisture_assets.study import Study, load_study

MINE = """
    from soilmoisture_assets.errors import SourceError
    from soilmoisture_assets.sources.source import Need, Source


    def fetch(request):
        from .client import radiation  # a folder may have modules of its own

        return radiation(request)


    def needs(study, settings):
        yield Need("raw/mine", "key of mine", key)


    def key():
        raise SourceError("no key of mine.\\n  Ask for one.")


    SOURCE = Source(
        name="mine", title="My satellite", offers={"dynamic": ("shortwave",)}, step="1h", place="points",
        citation="Mine 2026", licence="CC0", account="a key", needs=needs, fetch=fetch,
    )
"""
CLIENT = """
    import json

    import numpy as np
    import xarray as xr


    def radiation(request):
        asked = request.workspace / "asked.jsonl"
        with asked.open("a") as file:
            file.write(json.dumps([request.month, len(request.hours), *request.variables]) + "\\n")
        stations = request.stations.station.values[::-1]  # in an order of its own
        values = np.arange(len(stations), dtype="float64")[:, None] + np.zeros(len(request.hours))
        return xr.Dataset(
            {"shortwave": (("station", "time"), values, {"units": "kW m-2"})},
            {"station": stations, "time": request.hours},
        )
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registered folder with one source in it."""
    monkeypatch.setattr(declarations, "_folders", [])
    folder = tmp_path / "sources" / "mine"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(textwrap.dedent(MINE))
    (folder / "client.py").write_text(textwrap.dedent(CLIENT))
    declarations.add_folder(tmp_path)
    return tmp_path


def demo(*names: str, **settings: object) -> Study:
    """The demo with these sources of dynamic inputs."""
    table = load_study("demo").model_dump()
    table["dynamic_inputs"] |= {"source": list(names), **settings}
    return Study.model_validate(table)


# What a study takes from which


def test_a_study_reads_the_sources_it_names_target_first():
    assert [source.name for source in sources_of(load_study("conus"))] == [
        "ismn",
        "era5",
        "soilgrids",
        "modis",
        "elevation",
    ]


def test_a_study_that_writes_one_source_is_read_as_before():
    assert load_study("demo").dynamic_inputs.sources == ("era5",)
    assert demo("era5").dynamic_inputs.sources == ("era5",)


@pytest.mark.parametrize("name", ["demo", "conus"])
def test_every_variable_of_a_built_in_study_has_a_source(name: str):
    check(load_study(name))


def test_an_unknown_source_is_refused_with_those_there_are():
    with pytest.raises(
        StudyError, match=r"unknown 'nowhere'.\n  Name some of: awdb, era5, era5_land, open_meteo, file"
    ):
        check(demo("era5", "nowhere"))


def test_a_study_without_a_source_is_refused():
    with pytest.raises(ValueError, match=r"dynamic_inputs.source: names no source"):
        demo()


def test_a_variable_that_nobody_offers_is_refused_with_those_that_are(mine: Path):
    with pytest.raises(StudyError, match=r"'temperature' is not offered by mine.\n  Choose among shortwave"):
        check(demo("mine"))
    statics = load_study("demo").model_dump()
    statics["static_attributes"] |= {"variables": ("slope", "lai_max")}
    with pytest.raises(StudyError, match=r"static_attributes.variables: 'lai_max' is not offered by ismn or soilgrids"):
        check(Study.model_validate(statics))


def test_a_source_that_would_give_nothing_is_refused_and_the_order_explained(mine: Path):
    with pytest.raises(StudyError, match=r"'mine' gives none of .*\n  Name it first"):
        check(demo("era5", "mine"))


def by_variable(**source: str | list[str]) -> Study:
    text = load_study("demo").model_dump()
    text["dynamic_inputs"] |= {"source": source}
    return Study.model_validate(text)


def test_a_study_may_name_sources_by_variable_in_order_of_preference():
    study = by_variable(temperature="era5", precipitation=["open_meteo", "era5"], shortwave="open_meteo")
    check(study)
    assert study.dynamic_inputs.sources == ("era5", "open_meteo")
    assert [source.name for source in sources_of_input(study, "precipitation")] == ["open_meteo", "era5"]
    assert variables_of(study, "era5") == ("temperature", "precipitation")
    assert variables_of(study, "open_meteo") == ("precipitation", "shortwave")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"temperature": "era5", "precipitation": "era5"}, "names no source of 'shortwave'"),
        ({"temperature": "era5", "precipitation": "era5", "shortwave": []}, "names no source of 'shortwave'"),
        (dict.fromkeys(("temperature", "precipitation", "shortwave", "dewpoint"), "era5"), "'dewpoint' is not among"),
    ],
)
def test_each_variable_then_needs_a_source_and_only_variables_have_one(source: dict[str, str], words: str):
    with pytest.raises(ValueError, match=words):
        by_variable(**source)


def test_one_that_does_not_offer_what_it_is_named_for_is_refused(mine: Path):
    named = by_variable(temperature=["era5", "mine"], precipitation="era5", shortwave="mine")
    with pytest.raises(StudyError, match="'temperature' is not offered by mine"):
        check(named)


# A source in one new folder


def test_a_folder_outside_the_package_is_a_source_like_the_others(mine: Path):
    assert "mine" in sources()
    study = demo("mine", "era5")
    check(study)
    assert [source.name for source in sources_of_input(study, "shortwave")] == ["mine"]
    assert [source.name for source in sources_of_input(study, "temperature")] == ["era5"]
    assert variables_of(study, "mine") == ("shortwave",)
    assert variables_of(study, "era5") == ("temperature", "precipitation")
    assert [source.name for source in sources_of(study)][:3] == ["ismn", "mine", "era5"]


def test_its_citation_and_licence_are_those_of_the_study_that_uses_it(mine: Path):
    assert citations(demo("mine", "era5"))["mine"] == "Mine 2026"
    assert licences(demo("mine", "era5"))["mine"] == "CC0"
    assert "mine" not in citations(demo("era5"))


def test_what_it_needs_is_in_the_doctors_list_and_keeps_a_run_of_it_from_starting(mine: Path):
    [finding] = [each for each in diagnose(demo("mine", "era5"), Settings()) if each.what == "key of mine"]
    assert (finding.ok, finding.state, finding.fix) == (False, "no key of mine.", "Ask for one.")
    with pytest.raises(SourceError, match="no key of mine"):
        check_inputs(demo("mine", "era5"), Settings(), [("raw", "mine", "station_series")])
    check_inputs(demo("mine", "era5"), Settings(), [("raw", "era5", "hourly")])
    check_inputs(demo("era5"), Settings(), [("raw", "mine", "station_series")])


def test_the_command_says_it_too(mine: Path):
    study = mine / "mine.toml"
    text = (Path(declarations.__file__).parent / "studies" / "demo.toml").read_text()
    study.write_text(f'{text}\n[dynamic_inputs]\nsource = ["mine", "era5"]\n')
    program = (
        "import sys; from pathlib import Path; from soilmoisture_assets import declarations, cli; "
        "declarations.add_folder(Path(sys.argv.pop(1))); cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(mine), "doctor", "--json", "--study", str(study)],
        capture_output=True,
        text=True,
        check=False,
        cwd=mine,
    )
    findings = {each["what"]: each for each in json.loads(ran.stdout)}
    assert ran.returncode == 1
    assert findings["key of mine"]["fix"] == "Ask for one."
    assert "My satellite" in findings["sources"]["state"]


# A month of series


@pytest.fixture
def request_of(mine: Path, stations_at: Callable[..., xr.Dataset]) -> Callable[..., SeriesRequest]:
    """Makes a request of two stations for the source in the folder."""

    def make(month: str = "2019-02-01") -> SeriesRequest:
        study = demo("mine", "era5")
        stations = stations_at((40.0, -100.0), (41.0, -101.0))
        return SeriesRequest(month, stations, variables_of(study, "mine"), Settings(), mine)

    return make


def test_fetch_is_asked_for_whole_months_by_the_end_of_the_hour(mine: Path, request_of: Callable[..., SeriesRequest]):
    for month in ("2019-02-01", "2019-03-01"):
        fetch_month(sources()["mine"], request_of(month))
    asked = [json.loads(line) for line in (mine / "asked.jsonl").read_text().splitlines()]
    assert asked == [["2019-02-01", 28 * 24, "shortwave"], ["2019-03-01", 31 * 24, "shortwave"]]
    hours = request_of("2019-02-01").hours
    assert (hours[0], hours[-1]) == (pd.Timestamp("2019-02-01T01:00"), pd.Timestamp("2019-03-01T00:00"))


def test_what_came_has_the_registrys_units_the_requests_stations_and_says_where_it_is_from(
    request_of: Callable[..., SeriesRequest],
):
    found = fetch_month(sources()["mine"], request_of())
    assert found.shortwave.dims == ("station", "time")
    assert found.shortwave.dtype == np.float32
    assert found.station.values.tolist() == ["TEST__0", "TEST__1"]
    assert found.shortwave.values[:, 0].tolist() == [1000, 0]
    assert found.shortwave.attrs["units"] == "W m-2"
    assert found.shortwave.attrs["source"] == "My satellite"
    assert found.latitude.values.tolist() == [40, 41]


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda came: came.drop_vars("shortwave"), SourceError, "source 'mine', 2019-02-01: no 'shortwave'"),
        (lambda came: came.isel(time=slice(1, None)), TimeAxisError, "Give 2019-02-01T01:00 to 2019-03-01T00:00"),
        (lambda came: came.isel(station=0), SourceError, r"no 'shortwave' \(station, time\)"),
        (lambda came: 1 / 0, SourceError, "could not be fetched \\(ZeroDivisionError"),
        (lambda came: came.isel(station=[1]), SourceError, "station 'TEST__1' is missing"),
    ],
)
def test_what_is_not_what_was_asked_for_is_refused(
    spoil: Callable[[xr.Dataset], xr.Dataset],
    error: type[Exception],
    words: str,
    request_of: Callable[..., SeriesRequest],
):
    source = sources()["mine"]
    assert source.fetch is not None
    came = source.fetch(request_of())
    with pytest.raises(error, match=words):
        fetch_month(replace(source, fetch=lambda request: spoil(came)), request_of())


def test_a_source_with_assets_of_its_own_gives_no_months(request_of: Callable[..., SeriesRequest]):
    with pytest.raises(SourceError, match="source 'era5', 2019-02-01: it gives no series by month"):
        fetch_month(sources()["era5"], request_of())


# Addresses, and what every declaration says


def test_addresses_are_those_of_the_settings_where_there_is_no_sandbox():
    settings = Settings(elevation_url="http://127.0.0.1:1/epqs")
    with services(load_study("conus"), settings) as urls:
        assert urls["elevation"] == "http://127.0.0.1:1/epqs"
        assert urls["era5"] is None


def test_a_sandbox_study_is_served_by_its_world_and_a_source_without_a_twin_by_nobody(mine: Path):
    import requests

    with services(demo("mine", "era5"), Settings()) as urls:
        assert urls["mine"] is None
        with_a_twin = {
            "era5",
            "era5_land",
            "open_meteo",
            "open_meteo issued",
            "soilgrids",
            "soilgrids_wcs",
            "elevation",
            "modis",
            "ornl",
            "uscrn",
            "awdb",
        }
        assert {name for name, url in urls.items() if url} == with_a_twin
        assert all(url.startswith("http://127.0.0.1:") for url in urls.values() if url)
        asked = requests.get(
            f"{urls['elevation']}/json", params={"x": "-100", "y": "40", "units": "Meters"}, timeout=20
        )
        assert asked.ok


def test_every_source_of_others_says_how_to_cite_it_and_its_licence():
    silent = [s.name for s in sources().values() if s.name != "file" and not (s.title and s.citation and s.licence)]
    assert silent == []


def test_collecting_the_sources_imports_no_client():
    program = (
        "import sys; from soilmoisture_assets.sources import sources; sources(); "
        "print(*{'ee', 'cdsapi', 'ismn', 'geographiclib', 'dagster'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
