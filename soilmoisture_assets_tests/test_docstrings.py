"""What the Python reference is made of says what one needs to call it: shapes, units, errors, sources.

The rule goes by what a function takes, gives and raises, so that the name of a setting needs no unit. An array needs
a shape in parentheses such as (station, time); a dataset one too, or the name of what it is (a station cube, what an
asset stores); a table needs to say what a row is.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "docs" / "reference"
PACKAGE = "soilmoisture_assets."
ARRAYS = re.compile(r"ndarray|\bArray\b|Tensor|DataArray|Dataset|DataFrame")
SHAPES = re.compile(
    r"\((?:…|\.\.\.|[a-z_]+|\d+)(?:,[^()]*)?\)|station[ _]cube|\b(?:stores|gives) (?:it|them)\b|[Oo]ne row"
)
UNITS = re.compile(
    r"\[[^\]]+\]|\b[Uu]nits?\b|m3 m-3|degrees|metres|\bkm\b|\bhours\b|%|\b[Ss]hares?\b|\b[Ss]cores?\b|R²|0 \.\.\. 1|"
    r"[Cc]orrelation|standard deviation|\bbool\b|\bint\d+\b|\bint8\b|\bindex\b|\bindices\b|\blabels\b"
)
PAPER = re.compile(r"\b[A-ZÀ-Þ][\w-]+(?: et al\.| & [A-ZÀ-Þ]\w+) \(?(?:19|20)\d\d")
WHERE_TO_FIND_IT = re.compile(r"doi:|arXiv:|https?://|\"[A-Z]|Journal|NeurIPS|Analysis")


def documented() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function, method and property of the pages, by its full name."""
    for page in sorted(PAGES.glob("*.md")):
        blocks = re.findall(
            r"^::: ([\w.]+)\n(?: +options:\n(?: +\w+: \w+\n)* +members: \[(.*)\]\n)?", page.read_text(), re.MULTILINE
        )
        for name, members in blocks:
            module = importlib.import_module(name)
            own = [each for each, value in vars(module).items() if getattr(value, "__module__", None) == name]
            for member in members.split(", ") if members else [each for each in own if not each.startswith("_")]:
                yield from functions_of(f"{name}.{member}", getattr(module, member))


def functions_of(name: str, value: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    if inspect.isfunction(value):
        yield name, inspect.unwrap(value)
    if inspect.isclass(value):
        fields = [each.name for each in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        for key, each in vars(value).items():
            function = each.fget if isinstance(each, property) else each
            if inspect.isfunction(function) and not key.startswith("_") and key not in fields:
                yield f"{name}.{key}", function


DOCUMENTED = dict(documented())
OF_ARRAYS = [
    name for name, function in DOCUMENTED.items() if ARRAYS.search(str([*inspect.get_annotations(function).values()]))
]


def text_of(name: str) -> str:
    """The docstring, with the one of its module where that speaks of every function."""
    function = DOCUMENTED[name]
    around = inspect.getmodule(function).__doc__ or ""
    return (inspect.getdoc(function) or "") + (around if "Every function takes" in around else "")


def errors_raised(function: Callable[..., Any]) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc.func for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name)}


def test_the_reference_has_what_a_notebook_calls():
    wanted = {
        "notebook.open_study",
        "notebook.OpenStudy.cube",
        "learning.fit.fit_regional",
        "learning.predict.forecast",
    }
    wanted |= {"scores.r2", "plots.station_map.station_map", "attribution.shap_values.explain", "study.load_study"}
    assert {PACKAGE + each for each in wanted} <= DOCUMENTED.keys()


def test_a_function_of_the_reference_says_what_it_does():
    first = {name: (inspect.getdoc(each) or "").split("\n\n")[0] for name, each in DOCUMENTED.items()}
    assert [name for name, summary in first.items() if not summary.endswith((".", ":"))] == []


def test_a_function_of_arrays_says_their_shapes():
    assert [name for name in OF_ARRAYS if not SHAPES.search(text_of(name))] == []


def test_a_function_of_arrays_says_their_units_or_what_their_numbers_are():
    assert [name for name in OF_ARRAYS if not UNITS.search(text_of(name))] == []


def test_a_function_names_the_errors_that_it_raises():
    lacking = {
        name: {each for each in errors_raised(DOCUMENTED[name]) if each not in text_of(name)} for name in DOCUMENTED
    }
    assert {name: errors for name, errors in lacking.items() if errors} == {}


def test_a_paper_that_is_named_can_be_found():
    naming = [name for name in DOCUMENTED if PAPER.search(text_of(name))]
    assert len(naming) > 10
    assert [name for name in naming if not WHERE_TO_FIND_IT.search(text_of(name))] == []


def test_a_score_of_a_paper_names_it():
    published = [
        f"{PACKAGE}scores.{name}" for name in ("ubrmse", "r2", "kge", "pinball_loss", "crps", "median_interval")
    ]
    assert [name for name in published if "Source" not in (inspect.getdoc(DOCUMENTED[name]) or "")] == []
