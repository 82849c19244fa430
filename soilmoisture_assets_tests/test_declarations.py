"""Declarations from outside the package: through the entry points of an installed package."""

import os
import subprocess
import sys
from pathlib import Path

FILES = {
    "mine.py": """
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.plots.figure import FigureDeclaration
from soilmoisture_assets.sources.source import Source

METHOD = Method(name="mine", title="mine", rank=1, colour="#123456", marker="h", dash=":", sees="all", source="here")
FIGURE = FigureDeclaration("mine", "Mine", "Weather", 1, "Mine.", {"cube": "cube/station_cube"}, lambda given: "")
SOURCE = Source("mine", "Mine", {"dynamic": ("shortwave",)}, "1h", "points", citation="Mine", licence="CC0")
""",
    "broken.py": "1 / 0",
    "mine-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
}
POINTS = """
[soilmoisture_assets.methods]
mine = {module}:METHOD

[soilmoisture_assets.plots]
mine = mine:FIGURE

[soilmoisture_assets.sources]
mine = mine:SOURCE
"""


def collected_with(folder: Path, module: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program where a package is installed whose method stands in a module."""
    files = FILES | {"mine-1.0.dist-info/entry_points.txt": POINTS.format(module=module)}
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_package_adds_a_method_a_figure_and_a_source_by_its_entry_points(tmp_path: Path):
    program = (
        "from soilmoisture_assets.methods import methods; from soilmoisture_assets.sources import sources\n"
        "from soilmoisture_assets.plots.figure import figures\n"
        "print(next(iter(methods())), sources()['mine'].title, 'mine' in [each.name for each in figures()])"
    )
    ran = collected_with(tmp_path, "mine", program)
    assert ran.stdout.split() == ["mine", "Mine", "True"], ran.stderr


def test_one_that_cannot_be_imported_is_named(tmp_path: Path):
    ran = collected_with(tmp_path, "broken", "from soilmoisture_assets.methods import methods; methods()")
    assert "broken:METHOD: cannot be imported (ZeroDivisionError: division by zero)." in ran.stderr
