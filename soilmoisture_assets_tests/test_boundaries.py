"""Where things may be imported: Dagster at the edges only, layers one way, nothing heavy when the code loads."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "soilmoisture_assets"
DAGSTER_ALLOWED = ("defs", "io_managers", "definitions.py", "cli")
LAYERS = [
    *("metadata", "study", "store", "sources", "alignment"),
    *("learning", "methods", "scoring", "attribution", "plots", "defs"),
]
SECONDS_TO_LOAD = 3.0


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


def test_loading_the_definitions_is_quick_and_imports_nothing_heavy():
    program = (
        "import sys, time; started = time.process_time(); from soilmoisture_assets.definitions import defs; "
        "heavy = {'torch', 'shap', 'cartopy', 'sklearn', 'matplotlib'} & set(sys.modules); "
        "print(time.process_time() - started, *heavy)"
    )
    fastest, heavy = min(
        (float(seconds), heavy)
        for seconds, *heavy in (
            subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
            for _ in range(2)
        )
    )
    assert heavy == []
    assert fastest < SECONDS_TO_LOAD


def test_the_workspace_and_the_project_name_one_code_location():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    workspace = (ROOT / "workspace.yaml").read_text()
    assert f"location_name: {project['code_location_name']}" in workspace
    assert f"module_name: {project['code_location_target_module']}" in workspace


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
