"""Build, install, use and uninstall the plugin in docs/example-plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.virtual_environments import Environment, needs_pip

EXAMPLE = Path(__file__).parents[2] / "docs" / "example-plugin"
TINY = "--steps 2 --batch-size 16 -o data.n=64 -o generator.width=8 -o discriminator.width=8"


@needs_pip
@pytest.mark.slow
def test_plugin_works_when_installed_and_errors_name_it_when_missing(tmp_path: Path) -> None:
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    fresh = Environment(tmp_path / "venv")
    fresh.sh(f"pip wheel --no-deps --wheel-dir {tmp_path} {source}", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    fresh.sh(f"pip install {wheel}", tmp_path)
    assert "7 passed" in fresh.sh("pytest -q -p no:cacheprovider", source)
    shutil.rmtree(source)

    assert "ganctl-example 0.1.0" in fresh.sh("ganctl plugins", tmp_path)
    fresh.sh(f"ganctl train --model example --data example-waves --out run {TINY}", tmp_path)
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("*.pt")
    fresh.sh(f"ganctl sample --ckpt {checkpoint} --n 4 --out four.png", tmp_path)
    assert (tmp_path / "four.png").stat().st_size > 100

    fresh.sh("pip uninstall --yes ganctl-example", tmp_path)
    output = fresh.sh(f"ganctl sample --ckpt {checkpoint}", tmp_path, fails=True).strip().splitlines()
    assert len(output) == 2
    assert "of ganctl-example 0.1.0, which is not installed" in output[0]
    assert "pip install 'ganctl-example==0.1.0'" in output[1]
    assert "There is no model 'example'." in fresh.sh(
        "ganctl train --model example --data glyphs", tmp_path, fails=True
    )
