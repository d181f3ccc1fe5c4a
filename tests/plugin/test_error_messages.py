"""Test the form in which users see errors: two lines on stderr and an exit status."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from helpers.plugin_distributions import COMMAND, install

from ganctl.cli import main
from ganctl.errors import CHECKPOINT, FAILED, RESOURCES, USAGE, GanctlError
from ganctl.plugin import error_messages
from ganctl.system.pasteable_commands import ganctl_command

Run = Callable[..., subprocess.CompletedProcess[str]]


class OutOfMemoryError(RuntimeError):
    """An exception with the same name as torch's exception."""


@pytest.mark.parametrize(
    ("error", "message", "hint", "status"),
    [
        (GanctlError("No.", "Try.", status=CHECKPOINT), "No.", "Try.", CHECKPOINT),
        (GanctlError("Two\nlines"), "Two lines", "", FAILED),
        (MemoryError(), "Out of memory", "--batch-size", RESOURCES),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "2 GiB", "--image-size", RESOURCES),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "Out of memory",
            "--batch-size",
            RESOURCES,
        ),
        (RuntimeError("MPS backend out of memory"), "Out of memory", "--batch-size", RESOURCES),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y.pt"), "/x/y.pt", "doctor", RESOURCES),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk is full", "doctor", RESOURCES),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x", "path", FAILED),
        (
            ZeroDivisionError("division by zero"),
            "ZeroDivisionError: division by zero",
            "bug in ganctl",
            FAILED,
        ),
        (AssertionError(), "AssertionError", "bug in ganctl", FAILED),
        (click.BadParameter("is odd"), "is odd", "", USAGE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_exceptions_have_the_expected_message_hint_and_status(
    error: Exception, message: str, hint: str, status: int
) -> None:
    shown_message, shown_hint, code = error_messages.explain(error)
    assert message in shown_message
    assert hint in shown_hint
    assert bool(hint) == bool(shown_hint)
    assert code == status
    assert "\n" not in shown_message + shown_hint


def test_traceback_is_shown_only_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        print(1 / 0)

    def shown() -> list[str]:
        assert error_messages.show(caught.value) == FAILED
        return capsys.readouterr().err.splitlines()

    monkeypatch.delenv("GANCTL_DEBUG", raising=False)
    assert [line.split(":")[0] for line in shown()] == ["error", "hint"]
    monkeypatch.setenv("GANCTL_DEBUG", "1")
    assert "Traceback (most recent call last):" in shown()


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (("smaple",), "There is no command 'smaple'.", "Did you mean 'sample'? See: ganctl --help"),
        (("xyzzy",), "There is no command 'xyzzy'.", "Choose from: bench, "),
        (("models",), "There is no command 'models'.", "See: ganctl list models"),
        (("list", "--jsn"), "No such option", "See: ganctl list --help"),
        (("--jsn",), "No such option", "See: ganctl --help"),
        (("list", "--debug"), "No such option", "before the command"),
        (("info",), "Missing argument 'NAME'", "See: ganctl info --help"),
        (("info", "dcgan", "--image-size", "0"), "--image-size", "See: ganctl info --help"),
        (("completion", "csh"), "'csh' is not one of", "See: ganctl completion --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_errors_have_a_message_and_a_hint(
    args: tuple[str, ...], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == USAGE
    error_line, hint_line = capsys.readouterr().err.splitlines()
    assert error_line.startswith("error: ")
    assert message in error_line
    assert hint_line.startswith("hint: ")
    assert hint in hint_line


def test_misspelled_option_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--jsn"])
    assert "--json" in capsys.readouterr().err


def install_command(tmp_path: Path, body: str) -> dict[str, str]:
    """Install a plugin whose command ``hello`` runs ``body``, and return the environment variables for importing it."""
    source = COMMAND.format(module="acme").replace("print(", f"{body}\n        print(")
    install(tmp_path, "acme", source)
    return {"PYTHONPATH": str(tmp_path)}


def test_error_for_a_bug_in_a_plugin_contains_the_plugin_name(ganctl: Run, tmp_path: Path) -> None:
    result = ganctl("hello", env=install_command(tmp_path, "[][1]"))
    assert result.returncode == FAILED
    error, hint = result.stderr.splitlines()
    assert error == "error: IndexError: list index out of range"
    assert "This is a bug in plugin 'acme' of acme 1.0" in hint


def test_debug_shows_the_traceback(ganctl: Run, tmp_path: Path) -> None:
    environment = install_command(tmp_path, "[][1]")
    for result in (
        ganctl("--debug", "hello", env=environment),
        ganctl("hello", env={**environment, "GANCTL_DEBUG": "1"}),
    ):
        assert result.returncode == FAILED
        assert "acme.py" in result.stderr
        assert result.stderr.splitlines()[-2].startswith("error: IndexError")


def test_exit_status_of_a_plugin_command_is_kept(ganctl: Run, tmp_path: Path) -> None:
    environment = install_command(tmp_path, "click.get_current_context().exit(7)")
    assert ganctl("hello", env=environment).returncode == 7


def test_return_value_of_a_command_is_not_an_exit_status(ganctl: Run, tmp_path: Path) -> None:
    assert ganctl("hello", env=install_command(tmp_path, "return 7")).returncode == 0


def test_interrupt_prints_no_traceback(ganctl: Run, tmp_path: Path) -> None:
    import_and_die = "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(30)"
    result = ganctl("hello", env=install_command(tmp_path, import_and_die))
    assert result.returncode == 128 + signal.SIGINT
    assert "Traceback" not in result.stderr


def test_sigterm_has_a_distinct_exit_status(ganctl: Run, tmp_path: Path) -> None:
    body = "from ganctl.system.signals import Interrupted; raise Interrupted(15)"
    assert ganctl("hello", env=install_command(tmp_path, body)).returncode == 128 + signal.SIGTERM


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_closed_pipe_prints_nothing(ganctl: Run, tmp_path: Path) -> None:
    environment = {**os.environ, **install_command(tmp_path, "print('line\\n' * 100_000)")}
    for command in ("hello", "list"):
        process = subprocess.Popen(
            [sys.executable, "-m", "ganctl", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == FAILED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_stdout_on_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "ganctl", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert result.returncode == RESOURCES
    assert result.stderr.startswith("error: The disk is full")
    assert len(result.stderr.splitlines()) == 2


def test_hint_repeats_the_command_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "a file")

    monkeypatch.setattr("ganctl.plugin.discovery.registry", fail)
    with pytest.raises(SystemExit):
        main(["list", "models"])
    assert "See the traceback: ganctl --debug list models" in capsys.readouterr().err


def test_hint_keeps_the_spaces_of_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    hint = f"Resume it: {ganctl_command('train', '--resume', Path('two  spaces'))}"
    error_messages.show(GanctlError("Something failed.\nReally.", f"Stop.\n  {hint}"))
    assert capsys.readouterr().err == f"error: Something failed. Really.\nhint: Stop. {hint}\n"
