"""README and docs/ name what is there: files, assets, commands; and the picture is that of the graph."""

import fnmatch
import importlib.util
import re
from pathlib import Path

import pytest

from soilmoisture_assets.cli import app
from soilmoisture_assets.defs import automation
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import load_study

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ON_LAYERS = ("raw/", "cube/", "models/", "analysis/", "figures/", "report/")
DEMO = Deployment(load_study("demo"), Settings())
ASSETS = [*DEMO.graph]


def quoted(page: Path) -> list[str]:
    """What stands between backquotes in the text of a page, blocks of code left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_are_there(page: Path):
    named = [name for name in quoted(page) if re.fullmatch(r"[\w./*]+(/|\.\w+)", name) and "/" in name]
    named = [name for name in named if not name.startswith(("/", "data/", *ON_LAYERS))]
    missing = [name for name in named if not any([*ROOT.glob(name), *(ROOT / "soilmoisture_assets").glob(name)])]
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert missing + [name for name in linked if not (page.parent / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_assets_that_the_demo_has(page: Path):
    paths = [name for name in quoted(page) if name.startswith(ON_LAYERS) and "<" not in name and "…" not in name]
    assert [path for path in paths if not fnmatch.filter(ASSETS, path) + fnmatch.filter(ASSETS, f"{path}_*")] == []


def test_the_table_of_scripts_names_figures_that_the_demo_has_and_leaves_none_out():
    table = ROOT.joinpath("README.md").read_text().partition("### From the scripts")[2].partition("\n## ")[0]
    cells = " ".join(row.split("|")[3] for row in table.splitlines() if row.startswith("| ") and "|---" not in row)
    named = re.findall(r"`([^`]+)`", cells)
    drawn = [path.removeprefix("figures/") for path in ASSETS if path.startswith("figures/")]
    assert [name for name in named if not fnmatch.filter(drawn, name)] == []
    assert [figure for figure in drawn if not any(fnmatch.fnmatch(figure, name) for name in named)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_commands_that_there_are(page: Path):
    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {group.name for group in app.registered_groups}
    # behind -n it is the namespace of a cluster
    assert set(re.findall(r"(?<!-n )\bsoilmoisture ([a-z]+)", page.read_text())) <= commands


def test_the_readme_names_what_runs_by_itself():
    running = [*automation.schedules(DEMO), *automation.sensors(DEMO)]
    assert {each.name for each in running} <= {f"demo__{name}" for name in quoted(ROOT / "README.md")}


def test_the_picture_of_the_path_of_a_value_is_that_of_the_graph():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "architecture.svg").read_text() == module.picture(), "run python docs/architecture.py"
