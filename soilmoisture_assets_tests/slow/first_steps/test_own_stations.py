"""The first forecast of stations of one's own: the blocks of the page about it, copied one after the other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets import open_study

PAGE = Path(__file__).parents[3] / "docs" / "own_stations.md"


def test_the_page_leads_from_two_tables_to_the_forecast_of_their_stations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own = {name: value for name, value in os.environ.items() if not name.startswith("SOILMOISTURE_")}
    environment = own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "python", "", "toml", "", "python", "", "python", "python"]
    for kind, text in blocks:
        if kind == "toml":
            (tmp_path / "mine.toml").write_text(text)
            continue
        command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-ec", text]
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{text}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    monkeypatch.chdir(tmp_path)  # the study names its file from there
    latest = open_study("mine", "data").latest_forecast
    assert latest.sizes["station"] == 3
    assert latest.lead.values.tolist() == [24, 48, 72]
    assert np.isfinite(latest.soil_moisture_forecast).all()
    logged = pd.read_csv(tmp_path / "measured.csv")
    assert logged.date.tolist() == ["2021-10-30 23:00:00", *(f"2021-10-31 0{hour}:00:00" for hour in range(3))]
    assert logged.soil_moisture.tolist()[:3] == pytest.approx([0.249, 0.248, 0.248])
    assert logged.soil_moisture.isna().tolist() == [False, False, False, True]
