"""Execute the notebooks in this folder, short versions of the experiments in docs/experiments.md.

    pip install -e '.[notebooks]'
    GANCTL_DATA_ROOT=… python docs/notebooks/make.py [NAME…]

The data root must contain MNIST, and the 50,000 training images of CIFAR-10 in ``cifar10-jpg/train.zip``. All notebooks
together take about ten minutes on one processor core.
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
MAX_BYTES = 500_000  # per notebook, to keep the repository small


def quantize_images(notebook: nbformat.NotebookNode) -> None:
    """Convert every image to a palette, which reduces its size to a third without a visible difference."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                buffer = io.BytesIO()
                image = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
                image.quantize(128, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
                data["image/png"] = base64.b64encode(buffer.getvalue()).decode() + "\n"


def execute(path: Path, data_root: Path) -> None:
    """Execute all cells in a temporary folder, where ``data`` is a link to the data root, and save the notebook."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(data_root.resolve())
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    quantize_images(notebook)
    for cell in notebook.cells:
        cell.metadata = {}  # execution times
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    text = nbformat.writes(notebook) + "\n"
    for folder in (str(data_root.resolve()), tempfile.gettempdir() + "/", str(Path.home()) + "/"):
        if folder in text:
            sys.exit(f"{path.name} contains a path of this machine: {folder}. Do not print paths.")
    if len(text.encode()) > MAX_BYTES:
        sys.exit(
            f"{path.name} has {len(text.encode()):,} bytes, more than {MAX_BYTES:,}. Show fewer or smaller images."
        )
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}  {len(text.encode()):,} bytes")


if __name__ == "__main__":
    root = Path(os.environ.pop("GANCTL_DATA_ROOT", "data"))
    for notebook in [HERE / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        execute(notebook, root)
