from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import image_openers
from PIL import Image

from ganctl import GanctlError
from ganctl.data import decode_pool


def save(folder: Path, *names: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name in names:
        number = int("".join(filter(str.isdigit, name)) or 0)
        Image.new("L", (4, 4), number % 256).save(folder / name)
    return list(names)


def run(
    opener: object, folder: Path, names: list[str], **options: object
) -> tuple[list[int], dict[str, str]]:
    """Return the gray values in the order in which they arrive, and the errors by file name."""
    values: list[int] = []
    errors: dict[str, str] = {}
    stream = decode_pool.decode(functools.partial(opener, folder=str(folder)), names, None, None, **options)  # type: ignore
    for start, block in stream:
        errors |= {names[start + position]: error for position, error in block.failed}
        if block.pixels is not None:
            values += block.pixels[:, 0, 0, 0].tolist()
            assert len(block.decoded) == len(block.pixels)
    return values, errors


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def pids(folder: Path) -> set[int]:
    return {int(line.split()[0]) for line in Path(f"{folder}.opened").read_text().splitlines()}


def test_order_is_independent_of_the_number_of_workers(tmp_path: Path) -> None:
    names = save(tmp_path / "set", *(f"{i}.png" for i in range(200)))
    for count in (1, 3):
        values, errors = run(image_openers.without_torch, tmp_path / "set", names, workers=count)
        assert values == list(range(200))
        assert not errors


def test_no_names_yield_no_blocks() -> None:
    assert list(decode_pool.decode(image_openers.plain, [], None, None)) == []  # type: ignore[arg-type]


def test_only_images_that_crash_a_worker_are_reported_as_failed(tmp_path: Path) -> None:
    names = save(tmp_path / "set", *(f"{'crash' if i in (3, 4, 90) else ''}{i}.png" for i in range(100)))
    values, errors = run(image_openers.crashing, tmp_path / "set", names, workers=2)
    assert values == [i for i in range(100) if i not in (3, 4, 90)]
    assert list(errors) == ["crash3.png", "crash4.png", "crash90.png"]
    assert "SIGSEGV" in errors["crash3.png"]


def test_too_many_crashes_are_an_error(tmp_path: Path) -> None:
    names = save(tmp_path / "set", *(f"{i}.png" for i in range(100)))
    with pytest.raises(GanctlError, match="SIGKILL") as error:
        run(image_openers.always_crashing, tmp_path / "set", names, workers=2)
    assert error.value.status == 6


def test_output_of_libraries_does_not_disturb_the_results(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = save(tmp_path / "set", *(f"{i}.png" for i in range(40)))
    assert run(image_openers.printing, tmp_path / "set", names)[0] == list(range(40))
    assert capfd.readouterr() == ("", "")


def test_opener_that_a_worker_cannot_import_is_an_error() -> None:
    with pytest.raises(GanctlError, match="lambda"):
        list(decode_pool.decode(lambda name: Image.new("L", (1, 1)), ["a"], None, None))
    vars(image_openers)["missing"] = missing = lambda name: None
    missing.__qualname__ = missing.__name__ = "missing"
    missing.__module__ = "helpers.image_openers"
    with pytest.raises(GanctlError, match="cannot be used in a worker process: AttributeError"):
        list(
            decode_pool.decode(missing, ["a"], None, None)
        )  # image_openers.missing does not exist in a new process


def test_error_of_a_worker_that_does_not_start_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken here')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(GanctlError, match="ImportError: numpy is broken here"):
        list(decode_pool.decode(np.array, ["a"], None, None))  # type: ignore[arg-type]


def test_closing_the_generator_stops_the_workers(tmp_path: Path) -> None:
    names = save(tmp_path / "set", *(f"{i}.png" for i in range(400)))
    opener = functools.partial(image_openers.slow, folder=str(tmp_path / "set"))
    with contextlib.closing(decode_pool.decode(opener, names, None, None, workers=2)) as stream:
        next(stream)
        running = pids(tmp_path / "set")
    assert (
        len(Path(f"{tmp_path / 'set'}.opened").read_text().splitlines()) < 400
    )  # most images have not been opened
    assert len(running) == 2
    assert not any(alive(pid) for pid in running)
    assert threading.active_count() == 1


def test_exception_from_a_signal_handler_stops_the_workers(tmp_path: Path) -> None:
    names = save(tmp_path / "set", *(f"{i}.png" for i in range(400)))
    opener = functools.partial(image_openers.slow, folder=str(tmp_path / "set"))
    main = os.getpid()

    def interrupt() -> None:
        while not Path(f"{tmp_path / 'set'}.opened").exists():
            time.sleep(0.01)
        os.kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        for _ in decode_pool.decode(opener, names, None, None, workers=2):
            pass
    assert not any(alive(pid) for pid in pids(tmp_path / "set"))
