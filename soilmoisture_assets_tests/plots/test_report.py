"""The report: one page, self-contained, usable by mouse and keyboard."""

import datetime as dt
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from soilmoisture_assets.learning.features import LONGEST_MEMORY_DAYS
from soilmoisture_assets.plots import report
from soilmoisture_assets.plots.groups import group_colour
from soilmoisture_assets.plots.land_cover_map import land_cover_map
from soilmoisture_assets.plots.report import FigureEntry, build_report, without_clock
from soilmoisture_assets.plots.report_stations import station_explorer
from soilmoisture_assets.plots.report_tables import model_card, quality_table
from soilmoisture_assets.plots.shap_by_window import shap_by_window
from soilmoisture_assets.plots.skill_by_lead import skill_by_lead
from soilmoisture_assets.plots.style import save_figure
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.plots import made_up


def by_group() -> pd.DataFrame:
    rows = [
        ("network", network, "test", experiment, method, lead, 4, 0.6, 0.5, 0.7)
        for network in ("SCAN", "USCRN")
        for experiment in ("drivers", "forecast")
        for method in ("ridge", "regional_model")
        for lead in (24, 72)
    ]
    names = "grouping group split experiment method lead_hours stations median_r2 low high".split()
    return pd.DataFrame(rows, columns=names)


def calibration() -> pd.DataFrame:
    names = "experiment method split lead_hours stations below_10 below_50 below_90 coverage_80 low high".split()
    rows = [
        ("forecast", "regional_model", split, 24, 8, 0.12, 0.5, 0.91, 0.79, 0.7, 0.85)
        for split in ("validation", "test")
    ]
    return pd.DataFrame(rows, columns=names)


MADE = dt.datetime(2020, 1, 9, 6, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    figures = [
        FigureEntry.stored(save_figure(figure, folder / f"{name}.png"), name)
        for name, figure in (
            ("Skill", skill_by_lead(made_up.skill_summary(8), made_up.skill(8))),
            ("Drivers", shap_by_window(made_up.shap(8))),
        )
    ]
    interactive = folder / "land_cover_map.html"
    interactive.write_text(land_cover_map(made_up.land_cover(8), {2019: "https://tiles.example/{z}/{x}/{y}"}))
    figures.append(FigureEntry.stored(interactive, "Terrain, soil and land cover"))
    path = folder / "report.html"
    path.write_text(
        build_report(
            load_study("demo"),
            cube=made_up.cube(8),
            skill_summary=made_up.skill_summary(8),
            skill=made_up.skill(8),
            forecasts={name: made_up.forecasts(8, name, every=6) for name in ("drivers", "forecast")},
            latest=made_up.latest_forecast(8),
            shap={"drivers": made_up.shap(8)},
            figures=figures,
            by_group=by_group(),
            calibration=calibration(),
            excluded=pd.DataFrame({"station": ["SCAN__Dry_</script>_Lake"], "reason": ["31 % of test observed"]}),
            archive_problems=pd.DataFrame({"what": ["left out: the file is empty"], "files": [3]}),
            network_citations={"SCAN": "Schaefer 2007", "UNKNOWN": ""},
            provenance=[made_up.cube(8).attrs],
            made=MADE,
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as session:
        started = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def test_the_page_says_what_of_the_archive_was_left_out_and_cites_the_networks(page):
    text = page.read_text()
    assert "left out: the file is empty" in text
    assert '<th scope="row">SCAN</th><td>Schaefer 2007</td>' in text
    assert '<th scope="row">UNKNOWN</th>' not in text


def test_the_model_card_says_what_was_learned_from_and_how_good_it_is_with_intervals():
    study = load_study("demo")
    card = dict(model_card(study, made_up.cube(8), made_up.skill_summary(8), calibration()).rows)
    assert card["Learned from"] == "8 stations, 2017-01-01 to 2018-06-30"
    assert re.match(r"station model: 12 h 0\.\d\d \[0\.\d\d, 0\.\d\d\]; 24 h", card["Median R², forecast"])
    assert card["Intervals, forecast, regional model, 24 h"].startswith("hold 0.79 [0.70, 0.85] of the observations")
    assert card["Data"] == "synthetic"


def test_the_page_says_when_it_was_made_with_what_and_how_old_the_forecast_was_then(page):
    text = page.read_text()
    assert '<time class="clock" id="made" datetime="2020-01-09T06:30:00+00:00">2020-01-09 06:30 UTC</time>' in text
    assert re.search(r"soilmoisture_assets \S+ from study <code>demo</code>, with Python 3\.\d+\.\d+, torch \d", text)
    assert "Cite this study as: <q>Synthetic CONUS (sandbox)</q>" in text
    assert "starts at 2019-12-30 12:00 UTC, <span" in text
    assert "9 days before this page was made" in text


def test_pages_made_at_other_times_differ_in_the_clock_alone():
    first, second = (
        build_report(load_study("demo"), latest=made_up.latest_forecast(3), made=made)
        for made in (MADE, MADE + dt.timedelta(days=400, seconds=1))
    )
    assert first != second
    assert without_clock(first) == without_clock(second)
    assert "2020-01-09" not in without_clock(first)


def test_a_forecast_that_was_issued_without_that_of_the_weather_says_so_and_what_is_lacking():
    latest, late = made_up.latest_forecast(3), "the forecast of the weather is late: there is none"
    study = load_study("uscrn")
    said = "It is of experiment forecast: none of issued could be issued from that step."
    text = build_report(study, latest=latest.assign_attrs(experiment="forecast"), weather_lacking=[late], made=MADE)
    assert said in text
    assert "The forecast of the weather is late: there is none." in text
    assert said not in build_report(study, latest=latest.assign_attrs(experiment="issued"), made=MADE)


def test_the_page_asks_for_nothing_outside_itself(page):
    text = re.sub(r'srcdoc="[^"]*"', "", page.read_text())  # of which the browser's test knows what it asks for
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)
    assert "url(" not in text
    assert "@import" not in text


def test_masked_values_are_a_share_of_the_values_of_the_source():
    cube = made_up.cube(2).assign(
        masked_flag=("station", [3, 0]), masked_few_hours=("station", [0, 73]), source_values=("station", [100, 200])
    )
    rows = {row[0]: row[1:] for row in quality_table(cube).rows}
    assert rows["flagged by the provider"] == ["3 of 300 values", "1.00", "1"]
    assert rows["too few good hours in the step"] == ["73 of 2,920 steps", "2.50", "1"]


def test_steps_after_the_splits_are_not_among_those_that_masking_is_counted_in():
    cube = made_up.cube(2).assign(
        masked_few_hours=("station", [0, 73]), source_values=("station", [100, 200])
    )  # of 2 times 1,460 steps
    cube["split"] = cube.split.where(cube.time < cube.time[-460], 0)
    rows = {row[0]: row[1:] for row in quality_table(cube).rows}
    assert rows["too few good hours in the step"][0] == "73 of 2,000 steps"


def test_every_image_has_a_text(page):
    images = re.findall(r"<img [^>]*>", page.read_text())
    assert len(images) == 2
    assert all(re.search(r'alt="[^"]{40,}"', image) for image in images)
    assert re.search(r'<iframe title="Interactive: [^"]*changed land cover class, 2017 to 2019"', page.read_text())
    assert re.search(r"<figcaption>.*IGBP land cover class .* of the pixel each station lies in", page.read_text())


def test_skill_by_group_and_calibration_are_tables_of_the_page(page):
    text = page.read_text()
    assert "By network: median R² of the regional model, test split" in text
    assert (
        text.count('<th scope="row">USCRN</th><td class="number">4</td><td class="number">0.60 [0.50, 0.70]</td>') == 1
    )
    assert '<th scope="row">forecast, regional model</th>' in text
    assert "0.79 [0.70, 0.85]" in text


def test_figures_stand_in_the_section_they_tell_of(page):
    sections = re.split(r"<section id=", page.read_text())
    skill = next(section for section in sections if section.startswith('"skill"'))
    drivers = next(section for section in sections if section.startswith('"drivers"'))
    assert skill.count("<img ") == drivers.count("<img ") == 1


def test_synthetic_data_are_called_synthetic(page):
    assert "SYNTHETIC: made by the embedded sandbox, not measured" in page.read_text()


def test_a_study_without_results_gets_a_page_that_says_so():
    text = build_report(load_study("conus"))
    for words in ("no station cube yet", "no skill scores yet", "has no attribution", "no figures yet"):
        assert words in text
    assert "SYNTHETIC" not in text


def test_a_study_without_attribution_still_shows_its_stations():
    text = build_report(load_study("demo"), cube=made_up.cube(3), forecasts={"forecast": made_up.forecasts(3)})
    assert "This study has no attribution: drivers are not available." in text
    assert 'id="fan"' in text


def test_names_cannot_break_out_of_the_page(page):
    assert "Dry_</script>" not in page.read_text()


def test_the_page_works_in_a_browser(page, browser):
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    troubles: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("requestfailed", lambda request: troubles.append(f"failed: {request.url[:80]}"))
    tab.on("request", lambda request: requests.append(request.url) if not request.url.startswith("data:") else None)
    tab.goto(page.as_uri())

    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    before = tab.inner_text("#picked")
    tab.locator("#stations circle").nth(5).click(force=True)
    clicked = tab.inner_text("#picked")
    assert str(made_up.stations(8)["station_name"].values[5]) in clicked
    assert clicked != before
    drawn = tab.inner_html("#fan")
    tab.focus("#map")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#picked") != clicked
    assert tab.inner_html("#fan") != drawn
    for chart in ("#series svg path", "#fan svg path", "#scores table"):
        assert tab.locator(chart).count() > 0
    tab.select_option("#experiment", "drivers")
    assert tab.locator("#bars svg rect").count() == 10
    issued = tab.inner_text("#start-text")
    tab.focus("#start")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#start-text") != issued
    assert "NaN" not in tab.inner_html("#explorer figure")
    interactive = tab.frame_locator("iframe")
    interactive.locator("#year").select_option(label="2017")
    assert interactive.locator("#classes li").count() >= 17
    assert troubles == []
    assert requests == [page.as_uri()]
    tab.close()


def test_a_page_opened_later_says_how_old_it_and_its_forecast_are(page, browser):
    tab = browser.new_page()
    tab.clock.install(time=MADE + dt.timedelta(hours=20))
    tab.goto(page.as_uri())
    assert not tab.is_visible("#opened")
    tab.close()
    tab = browser.new_page()
    tab.clock.install(time=MADE + dt.timedelta(days=2500, hours=1))
    tab.goto(page.as_uri())
    assert tab.inner_text("#opened").startswith("That was 2,500 days before it was opened")
    assert "9 days before this page was made and 2,509 days before it was opened" in tab.inner_text("#findings")
    tab.close()


def test_sections_fold_by_keyboard_and_open_where_a_link_leads(page, browser):
    tab = browser.new_page()
    tab.goto(page.as_uri())
    assert tab.evaluate("[...document.querySelectorAll('details.section')].every(section => section.open)")
    tab.focus("#skill summary")
    tab.keyboard.press("Enter")
    assert not tab.is_visible("#skill table >> nth=0")
    tab.click('nav a[href="#skill"]')
    tab.wait_for_selector("#skill table >> nth=0")  # the page hears of the new address a moment later
    tab.focus("#skill summary")
    tab.keyboard.press("Enter")
    tab.emulate_media(media="print")
    assert tab.is_visible("#skill table >> nth=0")
    assert not tab.is_visible("#explorer")
    tab.close()


def test_nothing_moves_on_under_the_pointer(page, browser):
    tab = browser.new_page()
    tab.goto(page.as_uri())
    # where it glides, a link that is pressed meanwhile is let go beside it, and leads nowhere
    assert tab.evaluate("() => { scrollTo(0, 1500); return scrollY; }") == 1500
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(scheme):
    css = resources.files("soilmoisture_assets.plots").joinpath("report.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", rule)) for rule in re.findall(r":root \{(.*?)\}", css)[:2])
    colours = light | (dark if scheme == "dark" else {})
    for text in ("ink", "soft", "accent", "alert"):
        for ground in ("paper", "band"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast("#ffffff", colours["warn"]) >= 4.5


def contrast(first: str, second: str) -> float:
    """Ratio of the luminances of two colours, 1 to 21. Source: WCAG 2.2, definition of contrast ratio."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_explorer_says_of_each_station_whose_forecasts_it_shows():
    forecasts = made_up.forecasts(3, "forecast", every=6)
    mixed = forecasts.assign_coords(forecaster=("station", ["station_model", "regional_model", "regional_model"]))
    stations = made_up.stations(4)
    given = {"forecast": mixed.isel(station=[0, 1])}
    shown = station_explorer(stations, given, None, {}, "forecast")["forecasts"]["forecast"]
    assert shown["methods"] == ["station model", "regional model", "", ""]


def test_a_feature_has_the_colour_of_its_group_in_the_explorer_too():
    shap = {"drivers": made_up.shap(3)}
    drivers = station_explorer(made_up.stations(3), {}, None, shap, "drivers")["drivers"]["drivers"]
    group_of = dict(zip(drivers["features"], drivers["groups"], strict=True))
    assert drivers["colours"][group_of["slope"]] == group_colour("topography")
    assert drivers["colours"][group_of["precipitation"]] == group_colour("dynamic")


def test_the_page_says_how_far_back_a_model_sees_in_steps_and_in_running_means(page):
    said = re.findall(
        r"sees (\d+) days step by step, and before them running means .*? of up to (\d+) days", page.read_text()
    )
    assert said == [("7", str(LONGEST_MEMORY_DAYS))] * 2


def test_the_two_analyses_are_told_apart_and_neither_is_told_as_a_cause(page):
    text = page.read_text()
    drivers = re.split(r"<section id=", text)[-3]
    assert drivers.startswith('"drivers"')
    for words in (
        "<strong>Movement</strong>",
        "<strong>Level</strong>",
        "an order that is imposed",
        "neither says what",
    ):
        assert words in drivers
    own = re.sub("<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(drives|driven by|sets? apart)\b", own)


def test_a_share_is_said_alike_wherever_the_page_says_it(page):
    text = page.read_text()
    said = re.search(r"of which (\S+ %) were observed", text)
    assert said is not None
    assert f"<dt>Steps observed</dt><dd>{said[1]}</dd>" in text


def test_images_get_what_the_rest_of_a_page_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = save_figure(skill_by_lead(made_up.skill_summary(8), made_up.skill(8)), tmp_path / "figure.png")
    figures = [FigureEntry.stored(path, "Skill")]
    monkeypatch.setattr(report, "_TEXT_BYTES", 40_000)  # as long as a page without anything else is
    wide = build_report(load_study("demo"), figures=figures)
    monkeypatch.setattr(report, "PAGE_BYTES", 0.8 * len(wide))
    assert 0.5 * len(wide) < len(build_report(load_study("demo"), figures=figures)) < 0.8 * len(wide)


def test_captions_of_wide_tables_and_charts_can_be_read_on_a_telephone(page, browser):
    tab = browser.new_page(viewport={"width": 420, "height": 800})
    tab.goto(page.as_uri())
    wide = """Math.max(...[...document.querySelectorAll('caption')].map(each => each.getBoundingClientRect().width))"""
    assert tab.evaluate("document.documentElement.scrollWidth") == 420
    assert tab.evaluate(wide) <= 420
    letters = tab.evaluate("document.querySelector('#series text').getBoundingClientRect().height")
    assert letters > 9  # pixels
    tab.close()


def test_a_tall_figure_stands_alone_on_paper(tmp_path: Path):
    for name, size in (("tall", (300, 500)), ("wide", (500, 300))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    figures = [FigureEntry.stored(tmp_path / f"{name}.png", "Skill", f"figures/{name}") for name in ("tall", "wide")]
    text = build_report(load_study("demo"), figures=figures)
    assert '<figure id="figure-tall" class="tall">' in text
    assert '<figure id="figure-wide">' in text
