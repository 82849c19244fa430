"""Where things may be imported: Dagster at the edges only, layers one way, nothing heavy when the code loads."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from soilmoisture_assets.metadata.provenance import LIBRARIES
from soilmoisture_assets.study import BUILT_IN

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "soilmoisture_assets"
DAGSTER_ALLOWED = ("defs", "io_managers", "definitions.py", "cli")
LAYERS = [
    *(
        "commands",
        "errors",
        "interrupts",
        "machine",
        "processes",
        "progress",
        "files",
        "scores",
        "metadata",
        "study",
        "settings",
    ),
    *("declarations", "store", "sandbox"),
    *("timeline", "sources", "alignment", "learning", "methods", "scoring", "attribution", "plots"),
    *(
        "assets",
        "origins",
        "deployment",
        "notebook",
        "export",
        "doctor",
        "verification",
        "notices",
        "io_managers",
        "defs",
        "definitions",
        "cli",
        "__main__",
    ),
]
"""Folders and modules, each of which may import those before it: first what is plain, then the science, then what a
study is made of (assets) and its place on a machine (deployment), then Dagster and the command line."""
SECONDS_TO_LOAD, TIMES_DAGSTER = 3.0, 6.0
"""Of process time, or by how many times longer than Dagster's own import, on a machine that is slow."""


def imports(path: Path, *, at_module_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_module_level else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: Path) -> list[Path]:
    """The modules of a folder, or the one module of that name."""
    return sorted(folder.rglob("*.py")) or [path for path in [folder.with_suffix(".py")] if path.exists()]


def test_dagster_is_imported_in_defs_and_io_managers_only():
    guilty = [
        path.relative_to(PACKAGE).as_posix()
        for path in modules(PACKAGE)
        if path.relative_to(PACKAGE).parts[0] not in DAGSTER_ALLOWED
        and any(name.split(".")[0] == "dagster" for name in imports(path))
    ]
    assert guilty == []


def test_every_folder_and_module_stands_in_a_layer():
    standing = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert standing - {"__init__", "studies"} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_from_layers_before_it(layer: str):
    later = {f"soilmoisture_assets.{name}" for name in LAYERS[LAYERS.index(layer) + 1 :]}
    guilty = {
        path.relative_to(PACKAGE).as_posix(): name
        for path in modules(PACKAGE / layer)
        for name in imports(path)
        if any(name == package or name.startswith(package + ".") for package in later)
    }
    assert guilty == {}


def test_the_sandbox_imports_metadata_alone():
    allowed = ("soilmoisture_assets.metadata", "soilmoisture_assets.sandbox", "soilmoisture_assets.errors")
    guilty = {
        path.name: name
        for path in modules(PACKAGE / "sandbox")
        for name in imports(path)
        if name.startswith("soilmoisture_assets.") and not name.startswith(allowed)
    }
    assert guilty == {}


def test_every_module_says_what_belongs_in_it():
    silent = [
        path.relative_to(PACKAGE).as_posix()
        for path in modules(PACKAGE)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


@pytest.mark.parametrize("study", BUILT_IN)
def test_loading_the_definitions_is_quick_and_imports_nothing_heavy(study: str):
    program = (
        "import sys, time; started = time.process_time(); import dagster; imported = time.process_time(); "
        "import soilmoisture_assets.definitions as definitions; "
        f"definitions.{study}.resolve_asset_graph(); "
        "heavy = {'torch', 'shap', 'cartopy', 'sklearn', 'matplotlib', 'scipy.stats', 'scipy.optimize'}; "
        "print(time.process_time() - started, imported - started, *heavy & set(sys.modules))"
    )
    for _ in range(2):  # a second time where the machine was busy
        printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        seconds, dagster, *heavy = printed.split()
        assert heavy == []
        if quick := float(seconds) < max(SECONDS_TO_LOAD, TIMES_DAGSTER * float(dagster)):
            break
    assert quick


def test_the_workspace_has_a_code_location_per_built_in_study():
    locations = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert [location["python_module"] for location in locations] == [
        {"module_name": "soilmoisture_assets.definitions", "attribute": name, "location_name": name}
        for name in BUILT_IN
    ]


@pytest.mark.parametrize("command", ["dagster definitions validate -w workspace.yaml", "dg check defs"])
def test_dagster_loads_the_code_locations_of_the_workspace_and_of_the_project(command: str, tmp_path: Path):
    result = dagster_says(command, tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_study_that_cannot_be_used_is_said_where_its_code_location_is_loaded(tmp_path: Path):
    result = dagster_says("dg check defs", tmp_path, SOILMOISTURE_STUDY="nosuch")
    assert result.returncode != 0
    assert "study 'nosuch' is neither built in (demo, conus, uscrn, scan) nor a file" in result.stdout + result.stderr


def dagster_says(command: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    tool, *arguments = command.split()
    environment = os.environ | {"DAGSTER_HOME": "", "SOILMOISTURE_DATA_DIR": str(folder)} | settings
    here = Path(sys.executable).parent
    return subprocess.run(
        [str(shutil.which(tool, path=str(here))), *arguments],
        env=environment | {"PATH": f"{here}{os.pathsep}{environment.get('PATH', '')}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_repository_names_no_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    machine_paths = ("/ho" + "me/", "/wo" + "rk/", "/ro" + "ot/")
    guilty = [
        name
        for name in tracked
        if name.endswith((".py", ".md", ".toml", ".yaml", ".txt"))
        and any(text in (ROOT / name).read_text(errors="ignore") for text in machine_paths)
    ]
    assert guilty == []


def test_what_the_report_names_the_version_of_is_installed_with_the_package():
    """Not only with what the tests take: `make demo` installs without it."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(LIBRARIES) <= {re.split(r"[<>=\[ ]", each)[0] for each in declared}


def test_the_package_imports_nothing_that_only_the_tests_take():
    """Extras (a launcher, Postgres) are imported in the modules that say so."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of_tests = {re.split(r"[<>=\[ ]", each)[0].replace("-", "_") for each in project["dev"]} - {"soilmoisture_assets"}
    guilty = {
        path.relative_to(PACKAGE).as_posix(): name
        for path in modules(PACKAGE)
        for name in imports(path)
        if name.split(".")[0] in of_tests
    }
    assert guilty == {}


def test_what_not_every_system_has_is_in_one_module():
    of_unix = {"fcntl", "resource", "termios", "pwd", "grp"}
    assert [path.name for path in modules(PACKAGE) if of_unix & imports(path)] == ["machine.py"]
    assert [path.name for path in modules(PACKAGE) if "/proc/" in path.read_text()] == ["machine.py"]


def test_windows_is_refused_in_one_line_that_names_what_runs_there():
    program = "import sys; sys.platform = 'win32'; from soilmoisture_assets.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    [said] = ended.stderr.splitlines()
    assert (ended.returncode, "WSL" in said, said.startswith("soilmoisture: ")) == (2, True, True)
