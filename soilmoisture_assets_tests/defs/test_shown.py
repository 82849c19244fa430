"""What the web UI shows of assets before anything is made, and how metadata look there."""

from pathlib import Path

import dagster as dg
import pytest

from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.shown import shown
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Experiment, load_study


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    settings = Settings(data_dir=str(tmp_path_factory.mktemp("data")), study="demo")
    return build_definitions(Deployment(load_study("demo"), settings))


def test_every_asset_says_what_it_is_whose_it_is_and_where_its_code_stands(definitions: dg.Definitions):
    graph = definitions.resolve_asset_graph()
    for node in map(graph.get, graph.get_all_asset_keys()):
        assert all([node.description, node.owners, node.kinds, node.group_name]), node.key
        assert node.tags["soilmoisture/study"] == "demo", node.key
        code, docs = node.metadata["dagster/code_references"].code_references
        assert Path(code.file_path).is_file(), node.key
        assert docs.file_path.endswith(".md"), node.key


def test_no_asset_is_called_by_its_experiment_alone(definitions: dg.Definitions):
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert [key for key in keys if key.path[-1].removesuffix("_table") in set(Experiment)] == []


def test_every_job_sensor_and_schedule_says_in_words_what_it_does(definitions: dg.Definitions):
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]
    texts = {each.name: each.description for each in (*jobs, *definitions.sensors, *definitions.schedules)}
    assert [name for name, text in texts.items() if not text or "AssetSelection" in text] == []


def test_metadata_are_in_words_with_three_digits_and_in_tables():
    found = shown({"best_share": 0.24393603205680847, "gaps": {"a|b": 0.5, "c": "one\ntwo"}, "methods": ["x", "y"]})
    assert found["best share"] == 0.244
    assert found["gaps"].value.splitlines()[2:] == ["| a\\|b | 0.5 |", "| c | one two |"]
    assert found["methods"] == "x, y"
    assert shown({"problems": []}) == {"problems": "none"}
