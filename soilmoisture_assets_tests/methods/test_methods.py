"""The declared methods: their order, their names in print, and which one speaks."""

import subprocess
import sys

import pytest

from soilmoisture_assets.methods import methods, ordered, speaking, title


def test_every_method_is_listed_from_the_simplest_to_all_combined():
    assert list(methods()) == [
        "persistence",
        "damped_persistence",
        "climatology",
        "era5_soil_moisture",
        "ridge",
        "filtered_ridge",
        "damped_departure",
        "gradient_boosting",
        "lstm",
        "regional_model",
        "station_model",
        "without_weather",
        "combined",
    ]


def test_no_two_methods_look_alike_in_a_figure():
    looks = [(method.colour, method.marker) for method in methods().values()]
    assert len(set(looks)) == len(looks)


def test_a_method_that_nobody_declares_comes_last_and_keeps_its_name():
    assert ordered(["unheard_of", "ridge", "persistence", "ridge"]) == ["persistence", "ridge", "unheard_of"]
    assert title("unheard_of") == "unheard of"


def test_the_combination_speaks_before_the_stations_own_model_and_that_before_the_regional_one():
    assert speaking(["station_model", "combined", "regional_model"]) == "combined"
    assert speaking(["lstm", "station_model", "regional_model"]) == "station_model"
    assert speaking(["regional_model", "lstm", "unheard_of"]) == "regional_model"


def test_without_a_model_the_highest_in_rank_speaks():
    assert speaking(["persistence", "ridge", "climatology"]) == "ridge"
    assert speaking(["unheard_of"]) == "unheard_of"
    with pytest.raises(ValueError, match="empty"):
        speaking([])


def test_the_declarations_load_nothing_heavy():
    program = (
        "import sys; from soilmoisture_assets.methods import methods; methods(); "
        "print(*{'torch', 'sklearn', 'scipy.signal', 'matplotlib'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == []
