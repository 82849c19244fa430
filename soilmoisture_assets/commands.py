"""What to type: the ``soilmoisture`` commands that messages give, to be copied as they are.

Belongs here: how a command is written. Not here: which one helps, which each message knows; the commands (cli/).
"""

import shlex


def command(name: str, *options: str, study: str | None = None, data_dir: str | None = None) -> str:
    """``soilmoisture run --study mine.toml --select '…'``, quoted for a shell.

    Parameters
    ----------
    study, data_dir : where they are not those that a command takes by itself.
    """
    words = ["soilmoisture", name, *(("--study", study) if study else ()), *options]
    setting = f"SOILMOISTURE_DATA_DIR={shlex.quote(data_dir)} " if data_dir else ""
    return setting + shlex.join(words)


def with_inputs(*paths: str) -> tuple[str, str]:
    """Options of ``run`` that make assets and all they are made from."""
    return "--select", " or ".join(f'+key:"{path}"' for path in paths)
