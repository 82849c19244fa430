"""What mkdocs does to the pages of the site beside rendering them.

Belongs here: pages that have their home outside docs/ (README.md, CONTRIBUTING.md, CHANGELOG.md), notebooks as pages,
and equations as MathML, which browsers show without a script. Not here: what a page says, the list of pages
(mkdocs.yml).
"""

import html
import json
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
HOMES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Page of the site, and the file at the root that it is made from."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages whose text is elsewhere."""
    for page, home in HOMES.items():
        text = (ROOT / home).read_text(encoding="utf-8").replace("](docs/", "](")
        for name, other in HOMES.items():
            text = text.replace(f"]({other}", f"]({name}")
        files.append(File.generated(config, page, content=text))
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=_as_page(notebook)))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Equations as MathML."""
    return re.sub(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', _as_mathml, content, flags=re.DOTALL)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would fetch something from elsewhere."""
    if found := re.search(r'<(script|img|iframe)[^>]+src="?https?:[^">]+|<link[^>]+stylesheet[^>]+https?:', output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {found[0]}")
    return output


def _as_page(notebook: Path) -> str:
    """The cells of a notebook as Markdown; it is stored without outputs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        for cell, text in zip(cells, texts, strict=True)
    ]
    return "\n\n".join(parts) + "\n"


def _as_mathml(match: re.Match[str]) -> str:
    return convert(html.unescape(match[2]), display="block" if match[1] == "div" else "inline")
