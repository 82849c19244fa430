"""README and docs/ name what is there: files, assets, commands, messages; and the picture is that of the graph."""

import ast
import fnmatch
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from soilmoisture_assets.cli import app
from soilmoisture_assets.defs import automation
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import BUILT_IN, Study, load_study

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OF_THE_SITE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Pages that docs/hooks.py makes, and from what."""
ON_LAYERS = ("raw/", "cube/", "models/", "analysis/", "figures/", "report/")
DEMO = Deployment(load_study("demo"), Settings())
ASSETS = [*DEMO.graph]


def quoted(page: Path) -> list[str]:
    """What stands between backquotes in the text of a page, blocks of code left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def blocks(page: Path, kind: str) -> list[str]:
    """Blocks of code of one kind."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for of, text in found if of == kind]


def commands(page: Path) -> list[list[str]]:
    """The words of each line of shell, and of each command in the text, without settings before and comments behind."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()] + quoted(page)
    words = [shlex.split(line, comments=True) for line in lines if "soilmoisture " in line or "make " in line]
    return [[word for word in each if not re.fullmatch(r"[A-Z_]+=.*", word)] for each in words]


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_a_page_names_files_that_are_there(page: Path):
    named = [name for name in quoted(page) if re.fullmatch(r"[\w./*]+(/|\.\w+)", name) and "/" in name]
    named = [name for name in named if not name.startswith(("/", "data/", "site/", *ON_LAYERS))]
    missing = [name for name in named if not any([*ROOT.glob(name), *(ROOT / "soilmoisture_assets").glob(name)])]
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    made = {ROOT / "docs" / name for name in OF_THE_SITE}
    made |= {each.with_suffix(".md") for each in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    there = [name for name in linked if (page.parent / name).resolve() in made or (page.parent / name).exists()]
    assert missing + [name for name in linked if name not in there] == []


@each_page
def test_a_page_names_assets_that_the_demo_has(page: Path):
    paths = [name for name in quoted(page) if name.startswith(ON_LAYERS) and "<" not in name and "…" not in name]
    assert [path for path in paths if not fnmatch.filter(ASSETS, path) + fnmatch.filter(ASSETS, f"{path}_*")] == []


def test_the_table_of_scripts_names_figures_that_the_demo_has_and_leaves_none_out():
    table = ROOT.joinpath("docs", "reference_study.md").read_text()
    cells = " ".join(row.split("|")[3] for row in table.splitlines() if row.startswith("| ") and "|---" not in row)
    named = re.findall(r"`([^`]+)`", cells)
    drawn = [path.removeprefix("figures/") for path in ASSETS if path.startswith("figures/")]
    assert [name for name in named if not fnmatch.filter(drawn, name)] == []
    assert [figure for figure in drawn if not any(fnmatch.fnmatch(figure, name) for name in named)] == []


@each_page
def test_a_page_shows_commands_that_the_program_takes(page: Path):
    for words in commands(page):
        if words[:1] == ["soilmoisture"] and len(words) > 1:
            context = taken(words[1:])
            study, select = context.params.get("study"), context.params.get("select") or ""
            on_the_page = [tomllib.loads(block).get("name") for block in blocks(page, "toml")]
            if study is not None and study not in (*BUILT_IN, "NAME", *on_the_page):
                assert study.endswith(".toml"), words
                assert "/" not in study or (ROOT / study).exists(), words
            keys = re.findall(r'key:"(?:\w+/)?((?:raw|cube|models|analysis|figures|report)/[^"]+)"', select)
            files = ["raw/file/stations"]  # of a study of station files
            assert [key for key in keys if key not in [*ASSETS, *files]] == [], words
            assert {*re.findall(r"group:(\w+)", select)} <= {name.partition("/")[0] for name in ASSETS}, words


def taken(arguments: list[str]) -> Any:
    """The context of a command line as the program reads it; raises what a wrong one is refused with."""
    command: Any = typer.main.get_command(app)
    arguments = [word for word in arguments if word != "--debug"]
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command.make_context("soilmoisture", arguments)


@each_page
def test_a_page_names_targets_that_make_has(page: Path):
    targets = re.findall(r"^([\w /.-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    known = {name for line in targets for name in line.split()}
    assert {words[1] for words in commands(page) if words[:1] == ["make"] and len(words) > 1} <= known


@each_page
def test_a_study_on_a_page_is_one(page: Path):
    demo = tomllib.loads(resources.files("soilmoisture_assets.studies").joinpath("demo.toml").read_text())
    for block in blocks(page, "toml"):
        table = tomllib.loads(block)
        Study.model_validate(table if "name" in table else demo | table)


def test_the_pages_of_the_site_are_all_in_its_table_of_contents():
    text = (ROOT / "mkdocs.yml").read_text()
    named = {*re.findall(r"[\w/]+\.md", text[text.index("nav:") :])}
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} | OF_THE_SITE.keys()
    there |= {f"notebooks/{each.stem}.md" for each in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert named == there


def texts_of_the_program() -> Iterator[str]:
    """Every text in the code as it is printed, with … where a value goes."""
    for module in (ROOT / "soilmoisture_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)


def test_each_message_that_is_explained_is_one_of_the_program():
    explained = [block.rstrip("\n") for block in blocks(ROOT / "docs" / "troubleshooting.md", "text")]
    texts = [*texts_of_the_program()]
    assert len(explained) > 30
    assert [message for message in explained if not any(message in text for text in texts)] == []


def test_the_skill_on_the_front_page_is_that_of_the_page_on_skill():
    front, whole = (
        {
            line
            for line in page.read_text().replace("*", "").splitlines()
            if re.match(r"\| [a-z ]+ \|.*0\.\d{3} / ", line)
        }
        for page in (ROOT / "README.md", ROOT / "docs" / "skill.md")
    )
    assert len(front) == 3
    assert front <= whole


def test_the_citation_is_of_the_newest_version_of_the_changelog():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version, released = re.findall(r"^## (\S+) – (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    named = {key: citation[key] for key in ("title", "version", "license")}
    assert named == {"title": project["name"], "version": version, "license": project["license"]}
    assert str(citation.get("date-released", "unreleased")) == released


def test_the_two_tables_of_the_page_become_a_file_that_a_run_would_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = ROOT / "docs" / "own_stations.md"
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python")[:2]:
        exec(compile(block, str(page), "exec"), {})
    Path("mine.toml").write_text(blocks(page, "toml")[0])
    inspected = CliRunner().invoke(app, ["inspect", "stations", "stations.nc"])
    assert (inspected.exit_code, "3 stations" in inspected.output, "lost" in inspected.output) == (0, True, False)
    found = CliRunner().invoke(app, ["doctor", "--study", "mine.toml"])
    assert (found.exit_code, "A run has what it needs." in found.output) == (0, True)


def test_the_page_on_running_names_what_runs_by_itself():
    running = [*automation.schedules(DEMO), *automation.sensors(DEMO)]
    assert {each.name for each in running} <= {f"demo__{name}" for name in quoted(ROOT / "docs" / "running.md")}


def test_the_picture_of_the_path_of_a_value_is_that_of_the_graph():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "architecture.svg").read_text() == module.picture(), "run python docs/architecture.py"
