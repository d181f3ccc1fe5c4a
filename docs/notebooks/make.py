"""Execute the notebooks of this folder anew: each an experiment of docs/experiments.md at reduced length.

    pip install -e '.[notebooks]'
    GANCTL_DATA_ROOT=… python docs/notebooks/make.py [NAME…]

MNIST and CIFAR-10 must lie in the data root, CIFAR-10 as its 50,000 training pictures in ``cifar10-jpg/train.zip``.
All of them take some ten minutes of one processor core.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
MOST_BYTES = 500_000  # of each, so that a clone stays small


def pack(notebook: nbformat.NotebookNode) -> None:
    """Give every picture a palette: it is seen the same and takes a third."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                buffer = io.BytesIO()
                picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
                picture.quantize(128, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
                data["image/png"] = base64.b64encode(buffer.getvalue()).decode() + "\n"


def execute(path: Path, data_root: Path) -> None:
    """Run every cell in a folder of its own, in which ``data`` is the data root, and write the notebook back."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(data_root.resolve())
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    pack(notebook)
    for cell in notebook.cells:
        cell.metadata = {}  # when it ran
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    text = nbformat.writes(notebook) + "\n"
    for place in (str(data_root.resolve()), tempfile.gettempdir() + "/", str(Path.home()) + "/"):
        if place in text:
            sys.exit(f"{path.name} has {place} in it, a path of this machine.")
    if len(text.encode()) > MOST_BYTES:
        sys.exit(f"{path.name} takes {len(text.encode()):,} bytes: show less.")
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}  {len(text.encode()):,} bytes")


if __name__ == "__main__":
    root = Path(os.environ.pop("GANCTL_DATA_ROOT", "data"))
    for notebook in [HERE / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        execute(notebook, root)
