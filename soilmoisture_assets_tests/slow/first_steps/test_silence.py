"""A run without a network: it says what it waits for, and ends with the reason."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soilmoisture_assets_tests.slow.first_steps.heard import LONGEST_SILENCE, hear, newcomer
from soilmoisture_assets_tests.slow.place import SERVICES

COMMAND = Path(sys.executable).with_name("soilmoisture")


@pytest.fixture
def nobody_answers() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(100)
        yield f"http://127.0.0.1:{mute.getsockname()[1]}"


@pytest.mark.parametrize(
    ("study", "service", "address"), [("uscrn", "USCRN", ""), ("scan", "AWDB", "http://no.invalid")]
)
def test_a_run_without_a_network_is_never_silent_for_long_and_names_the_service(
    study: str, service: str, address: str, nobody_answers: str, tmp_path: Path
):
    services = {f"SOILMOISTURE_{name.upper()}": address or nobody_answers for name in SERVICES}
    environment = newcomer(tmp_path) | services | {"SOILMOISTURE_SERVICE_PATIENCE_SECONDS": "45"}
    heard = hear([COMMAND, "run", "--study", study], environment, tmp_path)
    print(f"{study}: {heard.silence:.0f} s of silence at most in {heard.lines[-1][0]:.0f} s\n{heard.text}")
    assert heard.code == 2, heard.text
    assert heard.silence < LONGEST_SILENCE, heard.text
    assert f"soilmoisture: {service}: " in heard.text
