"""Declarations: things that say what they are, collected wherever they stand.

Belongs here: how the modules of a package, the entry points of installed packages and folders named by a setting are
gathered. Not here: what is declared (sources/, methods/, plots/).

A source, a method and a figure is one module (or package) with one constant: ``SOURCE``, ``METHOD``, ``FIGURE``. One
that stands outside this package is found through an entry point of the group ``soilmoisture_assets.<kind>``, or in a
registered folder that has a subfolder of that kind.
"""

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from soilmoisture_assets.errors import StudyError

KINDS = {"sources": "SOURCE", "methods": "METHOD", "plots": "FIGURE"}
"""Folder of each kind, and the constant that declares one."""

_folders: list[Path] = []


def add_folder(folder: Path) -> None:
    """Look for declarations in the subfolders ``sources``, ``methods`` and ``plots`` of a folder, too.

    Raises
    ------
    StudyError : there is no such folder.
    """
    resolved = folder.resolve()
    if not resolved.is_dir():
        raise StudyError(f"{folder}: no such folder of extensions.\n  Correct SOILMOISTURE_EXTENSIONS.")
    if resolved not in _folders:
        _folders.append(resolved)


def collect(kind: str) -> dict[str, Any]:
    """Every declaration of a kind by its name, those of the package first, each in the order of its modules' names.

    They are looked for once per process and set of folders: a file put there later is not seen.

    Raises
    ------
    StudyError : two have one name, or one outside the package cannot be imported; says which.
    """
    return dict(_collected(kind, tuple(_folders), tuple(sys.path)))


@cache
def _collected(kind: str, folders: tuple[Path, ...], _search_path: tuple[str, ...]) -> dict[str, Any]:
    constant, package = KINDS[kind], importlib.import_module(f"soilmoisture_assets.{kind}")
    found = [
        (module.__name__, getattr(module, constant))
        for module in (importlib.import_module(f"{package.__name__}.{name}") for name in _names(package))
        if hasattr(module, constant)
    ]
    found += [(point.value, _loaded(point.value, point.load)) for point in entry_points(group=package.__name__)]
    for folder in folders:
        for path in sorted((folder / kind).glob("*")):
            if (module := _module_at(path)) is not None and hasattr(module, constant):
                found.append((str(path), getattr(module, constant)))
    by_name: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, declared in found:
        if declared.name in by_name:
            raise StudyError(
                f"{where}: '{declared.name}' is declared by {origin[declared.name]} already.\n  Rename one of them."
            )
        by_name[declared.name], origin[declared.name] = declared, where
    return by_name


def _names(package: ModuleType) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def _module_at(path: Path) -> ModuleType | None:
    """The module of a file or of a folder with ``__init__.py``; None of anything else. Loaded once."""
    file = path / "__init__.py" if path.is_dir() else path
    if file.suffix != ".py" or not file.is_file() or path.name.startswith(("_", ".")):
        return None
    name = f"soilmoisture_extension_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            _loaded(str(path), lambda: spec.loader.exec_module(module))
        except StudyError:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _loaded(where: str, load: Any) -> Any:
    try:
        return load()
    except Exception as error:  # whatever code that is not ours raises
        raise StudyError(f"{where}: cannot be imported ({type(error).__name__}: {error}).") from error
