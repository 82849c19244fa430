"""What somebody does first: `make demo` in a copy of the sources without its history, from nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from soilmoisture_assets_tests.conventions import faults
from soilmoisture_assets_tests.slow.first_steps.heard import LONGEST_SILENCE, hear, newcomer

ROOT = Path(__file__).parents[2]


def test_make_demo_installs_runs_and_ends_with_the_report_and_is_never_silent_for_long(tmp_path: Path):
    sources, home = tmp_path / "sources", tmp_path / "home"
    home.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, sources / name)
    environment = newcomer(home)
    environment.pop("PYTHONPATH", None)  # what it installs is what it runs
    heard = hear(["make", "demo", f"PYTHON={sys.executable}"], environment, sources)
    print(f"{heard.silence:.0f} s of silence at most in {heard.lines[-1][0]:.0f} s\n{heard.text}")
    assert heard.code == 0, heard.text
    assert heard.silence < LONGEST_SILENCE, heard.text
    [report] = re.findall(r"Report: (\S+)", heard.text)
    assert Path(report).is_file()
    assert faults([*(sources / "data" / "demo").rglob("*.nc")]) == []
