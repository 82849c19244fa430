"""The report of a finished study: its tables are the stores they come from, and it is short on paper."""

import html
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

from soilmoisture_assets.attribution.ranks import rank_interval
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots.groups import group_title
from soilmoisture_assets.plots.labels import MASKING_REASONS, feature_label
from soilmoisture_assets.plots.style import percent
from soilmoisture_assets_tests.integration.conftest import Workplace

MOST_PAGES, MOST_BYTES = 24, 15_000_000


@pytest.fixture(scope="module")
def page(finished: Workplace) -> Path:
    return finished.data / "small" / "report" / "report.html"


def tables(page: Path, caption: str) -> list[dict[str, list[str]]]:
    """Rows of the tables whose caption begins so, by their first cell."""
    found = []
    for table in re.findall(rf"<caption>{caption}.*?</table>", page.read_text(), re.DOTALL):
        rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table)
        found.append({html.unescape(head): re.findall(r"<td[^>]*>(.*?)</td>", cells) for head, cells in rows})
    return found


def numbers(cell: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[−\d.]+", cell)]


def test_the_skill_tables_are_the_skill_summary(finished: Workplace, page: Path):
    stored = finished.deployment().read("analysis/skill_summary")
    stored = stored[stored.split == "test"]
    compared = 0
    for experiment, rows in stored.groupby("experiment"):
        [table] = tables(page, f"Experiment {experiment}, test split: median R² over \\d+ stations \\[")
        assert set(table) == {method_title(method) for method in rows.method}
        leads = sorted(rows.lead_hours.unique())
        for row in rows.itertuples():
            cell = table[method_title(row.method)][leads.index(row.lead_hours)]
            assert numbers(cell) == pytest.approx([row.median_r2, row.low, row.high], abs=0.005001), row
            assert ("≈" in cell) == (row.behind_best > 0 >= row.behind_low), row
            compared += 1
    assert compared == len(stored)


def test_the_calibration_table_is_the_calibration(finished: Workplace, page: Path):
    """Its rows are told apart by their first two cells, so they are read in their order."""
    stored = finished.deployment().read("analysis/calibration")
    stored = stored[stored.split == "test"]
    [body] = re.findall(r"<caption>Calibration, test split.*?</table>", page.read_text(), re.DOTALL)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in re.findall(r"<tr><th scope=\"row.*?</tr>", body)]
    assert [row[:2] for row in rows] == [
        [f"{row.experiment}, {method_title(row.method)}", f"{row.lead_hours} h"] for row in stored.itertuples()
    ]
    for cells, row in zip(rows, stored.itertuples(), strict=True):
        expected = [row.below_10, row.below_50, row.below_90, row.coverage_80, row.low, row.high]
        assert numbers(" ".join(cells[2:])) == pytest.approx(expected, abs=0.005001), row


def test_the_tables_of_groups_of_stations_are_the_skill_by_group(finished: Workplace, page: Path):
    stored = finished.deployment().read("analysis/skill_by_group")
    stored = stored[(stored.split == "test") & (stored.method == "combined")]
    assert len(stored)
    heads = [(e, lead) for e in stored.experiment.unique() for lead in sorted(stored.lead_hours.unique())]
    for grouping, rows in stored.groupby("grouping"):
        [table] = tables(page, f"By {grouping}: ")
        assert set(table) == set(rows.group)
        for row in rows.itertuples():
            cell = table[row.group][1 + heads.index((row.experiment, row.lead_hours))]
            known = [each for each in (row.median_r2, row.low, row.high) if np.isfinite(each)]
            assert numbers(cell) == pytest.approx(known, abs=0.005001), row


def test_the_quality_table_counts_the_cube(finished: Workplace, page: Path):
    cube = finished.deployment().read("cube/station_cube").load()
    [table] = tables(page, "Masked in the target, by reason")
    for name, reason in {**MASKING_REASONS, "masked_few_hours": "too few good hours in the step"}.items():
        assert (reason in table) == (name in cube), name
        if name in cube:
            masked, _, stations = table[reason]
            assert int(masked.split(" of ")[0].replace(",", "")) == int(cube[name].sum()), name
            assert int(stations) == int((cube[name] > 0).sum()), name


@pytest.mark.parametrize("experiment", ["drivers", "forecast"])
def test_the_driver_tables_are_the_shap_values(finished: Workplace, page: Path, experiment: str):
    shap = finished.deployment().read(f"analysis/shap_values_{experiment}").load()
    groups, features = tables(page, f"Movement of the forecast, experiment {experiment}:")
    for table, values, item, before in (
        (groups, shap.group_shap_of_seed, "group", 0),
        (features, shap.mean_absolute_shap_of_seed, "feature", 1),
    ):
        means = 1e3 * values.mean(["seed", "station"])
        ranks = rank_interval(values.isel(window=-1).transpose("seed", "station", item).values)
        named = {
            (group_title if item == "group" else feature_label)(str(name)): str(name) for name in values[item].values
        }
        assert len(table) == min(values.sizes[item], 12 if item == "feature" else 99)
        for label, cells in table.items():
            own = means.sel({item: named[label]})
            assert numbers(" ".join(cells[before:-1])) == pytest.approx(list(own.values), abs=0.005001), label
            place = list(values[item].values).index(named[label])
            assert numbers(cells[-1])[0] == np.floor(ranks.low[place]), label
            assert numbers(cells[-1])[-1] == np.ceil(ranks.high[place]), label
    shared = float(shap.shared_residual.mean() / shap.movement_spread.mean())
    assert f"{percent(shared)} of which was shared among them" in html.unescape(page.read_text())


def test_the_page_begins_with_five_findings(page: Path):
    [listed] = re.findall(r'<ul class="findings">(.*?)</ul>', page.read_text(), re.DOTALL)
    assert listed.count("<li>") == 5


def test_the_coverage_table_counts_the_cube(finished: Workplace, page: Path):
    cube = finished.deployment().read("cube/station_cube").load()
    [table] = tables(page, "Stations per network")
    networks = cube.network.values.astype(str)
    assert set(table) == {*networks, "all"}
    for name, cells in table.items():
        own = cube.isel(station=np.flatnonzero((networks == name) | (name == "all")))
        observed = own.soil_moisture_scored.notnull()
        shares = [100 * float(observed.sel(time=own.split == code).mean("time").median()) for code in (1, 2, 3)]
        assert numbers(" ".join(cells)) == pytest.approx([own.sizes["station"], *shares], abs=0.50001), name


def test_the_findings_are_those_of_the_stores(finished: Workplace, page: Path):
    text = html.unescape(page.read_text())
    summary = finished.deployment().read("analysis/skill_summary")
    [best] = summary[
        (summary.split == "test") & (summary.experiment == "forecast") & (summary.lead_hours == 72)
        & (summary.method == "combined")
    ].itertuples()  # fmt: skip
    said = re.search(r"72 h ahead, the combined forecast has a median R² of ([^o]*) over (\d+) stations", text)
    assert said is not None
    assert numbers(said[1]) == pytest.approx([best.median_r2, best.low, best.high], abs=0.005001)
    assert int(said[2]) == best.stations
    latest = finished.deployment().read("models/latest_forecast")
    start = pd.Timestamp(latest.start.values.max())
    assert f"of {latest.sizes['station']} stations up to 72 h ahead, starts at {start:%Y-%m-%d %H:%M} UTC" in text


def test_the_report_is_small(page: Path):
    assert page.stat().st_size < MOST_BYTES


def test_the_report_is_short_on_paper(page: Path, chromium: str, tmp_path: Path):
    paper = tmp_path / "report.pdf"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={paper}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    sheets = re.findall(rb"/Type\s*/Page\b.*?/MediaBox\s*\[([^\]]*)\]", paper.read_bytes(), re.DOTALL)
    assert 3 < len(sheets) <= MOST_PAGES
    width, height = (round(float(each)) for each in sheets[0].split()[2:])
    assert (width, height) == pytest.approx((595, 842), abs=2)  # A4 in points


def test_no_table_of_the_report_is_cut_on_a_wide_screen(page: Path, chromium: str):
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(page.as_uri())
        tables = "[...document.querySelectorAll('.scroll')]"
        cut = tab.evaluate(f"{tables}.filter(each => each.scrollWidth > each.clientWidth).map(each => each.ariaLabel)")
        assert tab.evaluate(f"{tables}.length") > 10
        assert cut == []
        browser.close()
