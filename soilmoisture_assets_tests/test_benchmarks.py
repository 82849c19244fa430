"""Benchmarks: each can be read by Python as the package is today. What they measure takes longer than a test."""

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_all_that_a_benchmark_imports_is_there(script: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)  # as Python does for a script
    assert callable(runpy.run_path(str(script), run_name=script.stem)["main"])
