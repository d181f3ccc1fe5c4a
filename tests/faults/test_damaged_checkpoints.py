"""Damaged checkpoints and files of other types are refused with an error."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest
import torch
from helpers.in_process_cli import assert_error, run
from PIL import Image

from ganctl import GanctlError
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

CUTS = FLIPS = 100


@pytest.fixture
def good(tiny_run: Run) -> bytes:
    return tiny_run.checkpoints[-1].read_bytes()


def assert_refused(path: Path, word: str = "is") -> None:
    with pytest.raises(GanctlError, match=word) as refused:
        checkpoint.load(path)
    assert refused.value.status == 4
    assert str(path) in refused.value.message
    assert refused.value.hint
    assert "weights_only" not in str(refused.value)


def test_intact_checkpoint_loads(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(good)
    assert checkpoint.load(path)["step"] > 0


def test_truncated_checkpoint_is_refused(good: bytes, tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / "x.pt"
    # The archive's directory and the seal are at the end.
    ends = [len(good) - back for back in (1, 2, 63, 64, 65, 77, 78, 79, 80, 100)]
    offsets = ends + [rng.randrange(1, len(good)) for _ in range(CUTS - len(ends))]
    assert len(offsets) == CUTS
    for offset in offsets:
        path.write_bytes(good[:offset])
        assert_refused(path)


def test_checkpoint_with_a_flipped_bit_is_refused(good: bytes, tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / "x.pt"
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        headers = [info.header_offset for info in archive.infolist()]
        directory = archive.start_dir
    seal = len(good) - checkpoint.SEAL_LENGTH
    spots = [*rng.sample(headers, 5), *(directory + 8 * i for i in range(5)), *range(seal - 5, seal + 5)]
    spots += [rng.randrange(len(good)) for _ in range(FLIPS - len(spots))]
    assert len(spots) == FLIPS
    for spot in spots:
        damaged = bytearray(good)
        damaged[spot] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert_refused(path)


def test_torch_loads_a_checkpoint_with_a_flipped_bit(good: bytes) -> None:
    """torch.load does not detect a changed weight, so checkpoints need a seal."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    damaged = bytearray(good)
    damaged[largest.header_offset + 1000] ^= 1
    assert torch.load(io.BytesIO(damaged), weights_only=True)["format"] == 1


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _torch_save(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _torchscript() -> bytes:
    """Return an archive that torch.load treats as TorchScript and passes to torch.jit.load."""
    buffer = io.BytesIO(_torch_save({"format": 1}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/constants.pkl", b"\x80\x02).")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(bytes(1000), "is not a ganctl checkpoint", id="zeros"),
        pytest.param(
            b"<!DOCTYPE html><html><body>404</body></html>\n" * 9, "is not a ganctl checkpoint", id="html"
        ),
        pytest.param(b"just some text\n", "is not a ganctl checkpoint", id="text"),
        pytest.param(_png(), "is not a ganctl checkpoint", id="png"),
        pytest.param(_torch_save({"format": 1, "step": 3}), "not written by ganctl", id="torch.save"),
        pytest.param(_torch_save(torch.nn.Linear(2, 2)), "not written by ganctl", id="a whole module"),
        pytest.param(_torchscript(), "not written by ganctl", id="TorchScript"),
        pytest.param(b"PK\x03\x04" + bytes(1000), "is damaged", id="a broken zip"),
        pytest.param(checkpoint.SEAL + b"0" * 64, "is damaged", id="only a seal"),
    ],
)
def test_file_that_is_not_a_checkpoint_is_refused(
    content: bytes, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    assert_refused(path, word)
    assert_error(run(capsys, "sample", "--ckpt", path), 4, path, word)
    assert_error(run(capsys, "train", "--resume", path), 4, path, word)
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_zero_filled_checkpoint_is_refused(good: bytes, tmp_path: Path) -> None:
    """After a power failure, a file can have its full size but contain only zeros."""
    path = tmp_path / "x.pt"
    path.write_bytes(bytes(len(good)))
    assert_refused(path, "is not a ganctl checkpoint")
    path.write_bytes(good[:4096] + bytes(len(good) - 4096))
    assert_refused(path, "is damaged")


@pytest.mark.filterwarnings("ignore:.*TorchScript")
@pytest.mark.parametrize("content", [_torch_save([1, 2]), _torchscript(), _torch_save({"format": "1"})])
def test_sealed_file_that_is_not_a_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(checkpoint.seal(content))
    assert_refused(path, "is not a ganctl checkpoint")
