"""The doctor says of accounts, addresses and services what a run would find."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from soilmoisture_assets.doctor import Finding, ask_services, check_inputs, diagnose
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.settings import Settings, load_settings
from soilmoisture_assets.sources import sources_of
from soilmoisture_assets.sources.era5.account import PUBLIC_ADDRESS, cds_account
from soilmoisture_assets.sources.http import PROBE_SECONDS
from soilmoisture_assets.sources.services import settings_within
from soilmoisture_assets.sources.source import Need
from soilmoisture_assets.study import load_study

TOKEN = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NOBODY = "http://127.0.0.1:9"
URL = "url: https://cds.climate.copernicus.eu"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without any account."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("CDSAPI_RC", "CDSAPI_URL", "CDSAPI_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def settings(**given: object) -> Settings:
    names = ("soilgrids_wcs", "elevation", "earthengine", "ornl")
    addresses = {f"{name}_url": NOBODY for name in names}
    return Settings(_env_file=None, **(addresses | given))  # type: ignore[arg-type]


def said(given: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(load_study("conus"), given)}


def need(what: str, given: Settings) -> Need:
    study = load_study("conus")
    return next(each for source in sources_of(study) for each in source.needs(study, given) if each.what == what)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{URL}/api/v2\nkey: 12345:{TOKEN}\n", "of the old form"),
        (f"{URL}/api\nkey: 12345:{TOKEN}\n", "of the old form"),
        (f"{URL}/api/v2\nkey: {TOKEN}\n", "address of the old Climate Data Store"),
        (f"{URL}/api/v2/\nkey: {TOKEN}\n", "address of the old Climate Data Store"),
        (f"url: https://cds-beta.climate.copernicus.eu/api\nkey: {TOKEN}\n", "address of the old Climate Data Store"),
        (f"{URL}\nkey: {TOKEN}\n", "is not the address of the Climate Data Store"),
        (f"{URL.replace('https', 'http')}/api\nkey: {TOKEN}\n", "is not the address of the Climate Data Store"),
        (f"url: cds.climate.copernicus.eu/api\nkey: {TOKEN}\n", "it is no address"),
        (f"url: https://me:{TOKEN}@example.org/api\nkey: {TOKEN}\n", "password or token stands in the address"),
        (f"{URL}/api\n", "no line 'key: <your token>'"),
        (f"{URL}/api\nkey:\n", "no line 'key: <your token>'"),
        ("", "no line 'key: <your token>'"),
        (f"{URL}/api\nkey: <PERSONAL-ACCESS-TOKEN>\n", "cannot be a key"),
        (f'{URL}/api\nkey: "{TOKEN}"\n', "cannot be a key"),
        (f"{URL}/api\nkey: {TOKEN[:9]} {TOKEN[9:]}\n", "cannot be a key"),
        (b"\xff\xfekey: \x00", "it is not UTF-8 text"),
        (None, "no credentials for the Copernicus Climate Data Store"),
    ],
)
def test_an_account_that_cannot_serve_is_said_by_the_doctor_and_refused_by_a_run(
    content: str | bytes | None, words: str, home: Path
):
    file = home / ".cdsapirc"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = said(settings())
    finding = found["CDS credentials"]
    assert not finding.ok
    assert words in finding.state
    assert content is None or str(file) in finding.state
    assert finding.fix
    assert TOKEN not in finding.state + finding.fix
    assert (found["CDS"].ok, found["CDS"].state) == (False, "not asked: it takes CDS credentials")
    with pytest.raises((SourceError, StudyError)) as refused:
        check_inputs(load_study("conus"), settings(), [("raw", "era5", "delivery")])
    assert str(refused.value).partition("\n")[0] == finding.state


def test_an_account_is_taken_from_where_cdsapi_takes_it(home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / ".cdsapirc").write_text(f"url: {NOBODY}/rc/\nkey: of-rc\n")
    account = cds_account(None, None)
    assert (account.url, account.key.get_secret_value()) == (f"{NOBODY}/rc", "of-rc")
    monkeypatch.setenv("CDSAPI_KEY", "of-environment")
    assert (cds_account(None, None).where, cds_account(None, None).url) == ("CDSAPI_KEY", f"{NOBODY}/rc")
    assert cds_account(NOBODY, "of-settings").where == "SOILMOISTURE_CDS_KEY"
    (home / ".cdsapirc").unlink()
    assert cds_account(None, "of-settings").url == PUBLIC_ADDRESS


def key_file(folder: Path, **changes: object) -> Path:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    content = {"type": "service_account", "client_email": "a@b.example", "private_key": pem, "project_id": "own"}
    file = folder / "key.json"
    file.write_text(json.dumps(content | {"token_uri": f"{NOBODY}/token"} | changes))
    return file


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"private_key": "canary"}'])
def test_a_file_that_is_no_key_of_a_service_account_is_said(content: str, tmp_path: Path):
    file = tmp_path / "key.json"
    file.write_text(content)
    found = said(settings(earthengine_url="https://earthengine.example", earthengine_service_account_file=file))
    assert not found["Earth Engine credentials"].ok
    assert f"{file} is not the key file of a service account" in found["Earth Engine credentials"].state
    assert "canary" not in str(found)
    assert found["Earth Engine"].state == "not asked: it takes Earth Engine credentials"


def test_a_key_file_serves_without_a_project(tmp_path: Path):
    given = settings(earthengine_url="https://earthengine.example", earthengine_service_account_file=key_file(tmp_path))
    assert need("Earth Engine credentials", given).check().endswith("project own")
    key_file(tmp_path, private_key="not a key")
    with pytest.raises(SourceError, match="not the key file of a service account"):
        need("Earth Engine credentials", given).check()


@pytest.mark.parametrize("content", ["", "[]", "not JSON", '{"refresh_token": 5}', "{}"])
def test_a_users_account_that_cannot_be_read_is_said(content: str, home: Path):
    file = home / ".config" / "earthengine" / "credentials"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    given = settings(earthengine_url="https://earthengine.example", earthengine_project="own")
    found = said(given)["Earth Engine credentials"]
    assert not found.ok
    assert "earthengine authenticate" in found.fix


# Services


@pytest.fixture
def reachable(sandbox: Sandbox) -> Callable[..., Settings]:
    """Makes settings whose services are those of the sandbox."""

    def make(**changes: object) -> Settings:
        names = {"elevation": "epqs"} | {name: name for name in ("soilgrids_wcs", "earthengine", "ornl", "cds")}
        addresses = {f"{name}_url": sandbox.urls[service] for name, service in names.items()}
        accounts = {"cds_key": TOKEN, "earthengine_project": "own"}
        return Settings(_env_file=None, **(addresses | accounts | changes))  # type: ignore[arg-type]

    return make


SERVICES = ("CDS", "SoilGrids", "EPQS", "Earth Engine")


def test_services_that_serve_are_found_without_queueing_anything(reachable, store: CdsService):
    found = said(reachable())
    assert {name: found[name].ok for name in SERVICES} == dict.fromkeys(SERVICES, True), found
    assert not store.jobs


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("cds_url", "CDS"),
        ("soilgrids_wcs_url", "SoilGrids"),
        ("elevation_url", "EPQS"),
        ("earthengine_url", "Earth Engine"),
    ],
)
def test_an_address_where_something_else_answers_is_no_service(setting: str, what: str, reachable, sandbox: Sandbox):
    found = said(reachable(**{setting: f"{sandbox.urls['epqs']}/elsewhere"}))
    assert [name for name in SERVICES if not found[name].ok] == [what]


def test_a_key_that_is_not_accepted_and_a_licence_that_is_missing_are_said(reachable, store: CdsService):
    store.key = "another"
    assert "does not accept the key" in said(reachable())["CDS"].state
    store.key, store.licence_accepted = None, False
    found = said(reachable())["CDS"]
    assert "licence of the dataset has not been accepted" in found.state
    assert "manage-licences" in found.fix


# Asked alone


def test_every_service_of_a_sandbox_study_answers_with_something_it_knows_in_some_time():
    found = ask_services(load_study("demo"), settings())
    assert [finding.what for finding in found] == ["CDS", "SoilGrids (REST)", "ORNL DAAC", "EPQS"]
    for finding in found:
        assert finding.ok, finding
        assert "answers" in finding.state
        assert 0 <= finding.seconds < PROBE_SECONDS


def test_no_service_of_a_sandbox_study_is_asked_outside_of_this_machine():
    with settings_within(load_study("demo"), settings()) as own:
        addresses = {name: url for name, url in own if name.endswith("_url") and name not in ("notices_url", "ui_url")}
    assert [name for name, url in addresses.items() if url and not url.startswith("http://127.0.0.1:")] == []


def test_a_dead_service_is_a_line_with_its_time_and_the_fix_and_hinders_no_other(sandbox: Sandbox):
    given = settings(elevation_url=sandbox.urls["epqs"], cds_key=TOKEN, cds_url=NOBODY)
    found = {finding.what: finding for finding in ask_services(load_study("conus"), given)}
    assert [name for name, finding in found.items() if finding.ok] == ["EPQS"]
    dead = found["SoilGrids"]
    assert "the connection failed" in dead.state
    assert dead.fix
    assert dead.seconds is not None


def test_a_service_whose_account_is_missing_is_not_asked():
    found = {finding.what: finding for finding in ask_services(load_study("conus"), settings())}
    assert found["CDS"].state == "not asked: it takes CDS credentials"
    assert found["CDS"].seconds is None


# Settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SOILGRIDS_URL", "https://user:canary@example.org/v2.0", "password or token stands in the address"),
        ("ELEVATION_URL", "https://canary@example.org", "password or token stands in the address"),
        ("EARTHENGINE_URL", "http://user:ca/nary@example.org", "no address"),
        ("EARTHENGINE_URL", "https://example.org/v1?key=canary", "password or token stands in the address"),
        ("CDS_URL", "https://user:canary@example.org/api", "password or token stands in the address"),
        ("CDS_URL", "ftp://canary.example.org", "no address"),
        ("SOILGRIDS_URL", "rest.canary.org", "no address"),
        ("DATA_DIR", "s3://user:canary@bucket/prefix", "password stands in it"),
        ("POSTGRES_URL", "mysql://user:canary@example.org/lab", "no address of a Postgres database"),
        ("POSTGRES_URL", "postgresql://user:12/canary@example.org/lab", "no address of a Postgres database"),
        ("POSTGRES_URL", "postgresql://user:canary@example.org", "no address of a Postgres database"),
        ("SERVICE_PATIENCE_SECONDS", "canary", "number"),
        ("SERVICE_PATIENCE_SECONDS", "0", "greater than 0"),
    ],
)
def test_a_setting_that_cannot_serve_is_refused_without_showing_it(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(f"SOILMOISTURE_{name}", value)
    with pytest.raises(StudyError, match=f"SOILMOISTURE_{name}: .*{words}") as refused:
        load_settings()
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
