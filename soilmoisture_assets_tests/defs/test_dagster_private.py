"""What this package changes of Dagster still takes hold."""

from pathlib import Path

import dagster as dg
import pytest
from alembic.script import Script

from soilmoisture_assets.defs.dagster_private import read_migrations


def test_migrations_that_have_been_read_are_not_read_again_for_another_database(monkeypatch: pytest.MonkeyPatch):
    read_migrations()
    read: list[Path] = []
    monkeypatch.setattr(Script, "_from_path", lambda scripts, path: read.append(path))
    with dg.instance_for_test() as instance:
        instance.create_run_for_job(_nothing)
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert read == []


@dg.job
def _nothing() -> None:
    """Does nothing."""
