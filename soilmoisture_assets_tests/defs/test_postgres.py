"""The instance on a real Postgres server: what is wrong with it is said, and runs of many stations work."""

import hashlib
import threading
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from soilmoisture_assets.cli.doctor import doctor
from soilmoisture_assets.cli.migrate import migrate
from soilmoisture_assets.cli.terminal import instance_of
from soilmoisture_assets.defs.making import WANTED_TAG, Made, Work
from soilmoisture_assets.defs.postgres import server
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets_tests.defs.made_up import SERIES, TABLE, Bench, table_of
from soilmoisture_assets_tests.postgres_server import PASSWORD, USER, PostgresServer

MANY = 600
"""Half of them are asked for: several times what the index of Postgres takes in one tag."""


@pytest.fixture
def settings(
    postgres_server: PostgresServer, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with an empty database of the test's own; the commands of this process have them too."""
    url = postgres_server.database(request.node.name.lower())
    for name, value in {"POSTGRES_URL": url, "DATA_DIR": str(tmp_path / "data"), "STUDY": "demo"}.items():
        monkeypatch.setenv(f"SOILMOISTURE_{name}", value)
    monkeypatch.setenv("DAGSTER_HOME", "")  # which opening the instance sets
    return Settings(_env_file=None)  # type: ignore[call-arg]


def refused(url: str) -> str:
    with pytest.raises(StudyError) as error:
        server(SecretStr(url.replace("postgresql://", "postgresql+psycopg2://")))
    return str(error.value)


def test_why_a_server_does_not_serve_is_said_with_the_fix_and_without_the_password(postgres_server: PostgresServer):
    wrong = f"{PASSWORD} wrong"
    there, nobody = f"127.0.0.1:{postgres_server.port}", "127.0.0.1:1"
    fixes = {
        postgres_server.url("postgres", wrong): "Correct the user or the password",
        postgres_server.url("nosuch"): "createdb",
        postgres_server.url("postgres").replace(there, nobody): "Start the server",
    }
    for url, fix in fixes.items():
        said = refused(url)
        assert said.startswith("Postgres at 127.0.0.1:")
        assert fix in said
        assert PASSWORD not in said


def test_doctor_says_which_server_serves(settings: Settings, capsys: pytest.CaptureFixture[str]):
    doctor("demo", as_json=True)
    said = capsys.readouterr().out
    assert "version 1" in said
    assert "database test_doctor_says_which_server_serves" in said
    assert PASSWORD not in said


def test_a_user_who_may_make_no_tables_is_told_how(settings: Settings, postgres_server: PostgresServer):
    database = "test_a_user_who_may_make_no_tables_is_told_how"
    postgres_server.ask(database, "create role guest login password 'guest'")
    said = refused(postgres_server.url(database, "guest").replace(f"//{USER}:", "//guest:"))
    assert said.endswith(f"ALTER DATABASE {database} OWNER TO guest")


def test_tables_of_another_version_are_refused_until_they_are_migrated(
    settings: Settings, postgres_server: PostgresServer
):
    database = "test_tables_of_another_version_are_refused_until_they_are_migrated"[:63]
    with instance_of(settings) as instance:
        newest = postgres_server.ask(database, "select version_num from alembic_version")
        instance.add_dynamic_partitions("kept", ["a"])
    postgres_server.ask(database, "drop table instance_info")
    postgres_server.ask(database, "update alembic_version set version_num = '7e2f3204cf8e'")
    with pytest.raises(StudyError, match="soilmoisture migrate"), instance_of(settings):
        pass
    migrate()
    assert postgres_server.ask(database, "select version_num from alembic_version") == newest
    with instance_of(settings) as instance:
        assert instance.get_dynamic_partitions("kept") == ["a"]


def test_tables_that_another_command_is_just_making_are_waited_for(settings: Settings, postgres_server: PostgresServer):
    database = "test_tables_that_another_command_is_just_making_are_waited_for"[:63]
    with instance_of(settings):
        newest = postgres_server.ask(database, "select version_num from alembic_version")
    postgres_server.ask(database, "delete from alembic_version")
    said = f"insert into alembic_version values ('{newest}')"
    later = threading.Timer(1, postgres_server.ask, (database, said))
    later.start()
    with instance_of(settings) as instance:
        assert instance.get_runs() == []
    later.join()


def test_a_run_of_any_number_of_stations_fits_in_the_tables(settings: Settings, tmp_path: Path):
    names = [f"NET__{hashlib.sha256(bytes([number % 256, number // 256])).hexdigest()}" for number in range(MANY)]
    asked: list[str] = []

    def make(work: Work) -> list[Made]:
        asked.extend(work.asked)
        return []

    series = Asset(SERIES, ".csv", "A series per station.", names_from=TABLE, partitions="station")
    makes = [(Asset(TABLE, ".nc", "Stations."), table_of(lambda: names)), (series, make)]
    with instance_of(settings) as instance:
        place = Bench(tmp_path, makes, instance)  # type: ignore[arg-type]
        place.run(TABLE)
        outcome = place.launch(SERIES, names[::2])
        assert outcome.error is None
        assert sorted(asked) == sorted(names[::2])
        [tag] = [run.tags[WANTED_TAG] for run in instance.get_runs(dg.RunsFilter(run_ids=[outcome.run_id]))]
        assert len(tag) < 50
