"""Settings: the environment is read, secrets stay secret."""

import pytest

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.settings import load_settings


def test_a_secret_never_prints(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOILMOISTURE_CDS_KEY", "abc-secret")
    settings = load_settings()
    assert "abc-secret" not in f"{settings!r} {settings}"
    assert settings.cds_key is not None
    assert settings.cds_key.get_secret_value() == "abc-secret"


def test_a_setting_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOILMOISTURE_THREADS", "many")
    with pytest.raises(StudyError, match="SOILMOISTURE_THREADS"):
        load_settings()
