"""How the reference reads our docstrings: what stands behind a name says what it is, its type is in the signature.

Belongs here: our form of numpy's sections as griffe takes it. Not here: what docstrings say.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(Parameters|Attributes|Raises|Returns|Yields)\n-{3,}\n", re.MULTILINE)


class Texts(griffe.Extension):
    """Every docstring as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_numpy(obj.docstring.value)


def as_numpy(text: str) -> str:
    """The text behind a name on a line of its own; of what is returned all of it, without a name."""
    text = re.sub(r":(?:func|class|meth):`~?([^`]+)`", r"`\1`", text).replace("::\n", ":\n")
    before, *sections = SECTION.split(text)
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        lines = body.strip("\n").splitlines()
        if title in ("Returns", "Yields"):
            lines = [":", *(f"    {line}" if line.strip() else "" for line in lines)]
        else:
            lines = [re.sub(r"^(\S[^:]*?) : ", r"\1\n    ", line) for line in lines]
        before += f"{title}\n{'-' * len(title)}\n" + "\n".join(lines) + "\n\n"
    return before
