"""Add pages to the documentation site that are not in docs/: two files of the root folder, and the API reference."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
FROM_ROOT = ("CONTRIBUTING.md", "CHANGELOG.md")


def on_files(files: Files, config: Any) -> Files:
    for name in FROM_ROOT:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "reference.md", content=_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Change links to files outside of docs/ to links to the site's own pages, or to plain text."""
    markdown = re.sub(rf"\]\(\.\./({'|'.join(map(re.escape, FROM_ROOT))})", r"](\1", markdown)
    return re.sub(r"\[([^]]+)\]\((?:\.\./)*(?:example-\w+|benchmarks)\b[^)]*\)", r"\1", markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Remove the markup of reStructuredText, which docstrings contain for editors."""
    html = re.sub(r":(?:\w+:)?\w+:<code>~?([^<]*)</code>", r"<code>\1</code>", html)
    return html.replace("::</p>", ":</p>")


def _reference() -> str:
    """Return a page with every public name, as Markdown."""
    tree = ast.parse((ROOT / "ganctl" / "__init__.py").read_text(encoding="utf-8"))
    names = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    parts = [
        "# Reference",
        "The names that plugins and notebooks may import. All other names may change without notice.",
    ]
    parts += ["## ganctl", *(f"::: ganctl.{name}" for name in names if name != "__version__")]
    for module in ("penalties", "sizes", "testing", "plugin.hookspecs"):
        parts.append(f"::: ganctl.{module}")
    return "\n\n".join(parts) + "\n"
