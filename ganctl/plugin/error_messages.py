"""Convert any exception to a message, a hint and an exit status, and print the message and hint on stderr."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from ganctl.errors import FAILED, INTERRUPTED, RESOURCES, USAGE, GanctlError
from ganctl.plugin import discovery, single_file
from ganctl.system.environment_errors import environment_error
from ganctl.system.memory import is_out_of_memory
from ganctl.system.pasteable_commands import ganctl_command

#: Modules of ganctl with functions that components call, and modules that watch the operations of components.
CALLED_BY_COMPONENTS = (
    "ganctl.batchwise",
    "ganctl.dataset",
    "ganctl.image_files",
    "ganctl.kernels",
    "ganctl.latent",
    "ganctl.loss",
    "ganctl.penalties",
    "ganctl.recipe",
    "ganctl.regularizer",
    "ganctl.sizes",
    "ganctl.training.graph.cpu_trace",
    "ganctl.training.graph.host_syncs",
    "ganctl.training.network_calls",
)


def show(error: BaseException, args: Sequence[str] = ()) -> int:
    """Print ``error`` on stderr, with its traceback if ``GANCTL_DEBUG=1``, and return the exit status.

    Args:
        args: command-line arguments of ganctl, for hints that repeat the command.
    """
    if isinstance(
        error, BrokenPipeError
    ):  # the reader closed the pipe, as with ``ganctl list models | head``
        return FAILED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        cause = error.__cause__ if isinstance(error, click.Abort) else error
        if not getattr(cause, "reported", False):
            print("interrupted", file=sys.stderr)
        return getattr(cause, "status", INTERRUPTED)  # SIGTERM has a different status
    message, hint, status = explain(error, args)
    if os.environ.get("GANCTL_DEBUG") == "1":
        traceback.print_exception(type(error), error, error.__traceback__)
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return status


def explain(error: BaseException, args: Sequence[str] = ()) -> tuple[str, str, int]:
    """Return the message, the hint and the exit status for ``error``, raised by the command ``ganctl ARGS``."""
    if isinstance(error, GanctlError):
        return _one_line(error.message), _without_line_breaks(error.hint), error.status
    if isinstance(error, click.ClickException):
        return _explain_usage(error, args)
    if (known := environment_error(error)) is not None:
        return known.message, known.hint, known.status
    text = _one_line(str(error)) or type(error).__name__
    if is_out_of_memory(error):
        return f"Out of memory: {text}", "Try a smaller --batch-size or --image-size.", RESOURCES
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" (writing {error.filename})" if error.filename else ""
        return f"The disk is full{where}: {error.strerror}.", "Free disk space. See: ganctl doctor", RESOURCES
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.strerror}: {error.filename}",
            f"Check the path. {_see_traceback(args)}",
            FAILED,
        )
    culprit = _third_party(error) or "ganctl"
    return (
        f"{type(error).__name__}: {text}" if str(error) else text,
        f"This is a bug in {culprit}. Report it with the traceback and the output of 'ganctl doctor'. "
        + _see_traceback(args),
        FAILED,
    )


def _explain_usage(error: click.ClickException, args: Sequence[str]) -> tuple[str, str, int]:
    hint = ""
    if isinstance(error, click.NoSuchOption) and error.option_name == "--debug":
        hint = f"Put it before the command: {_with_debug(args)}"
    elif isinstance(error, click.UsageError) and error.ctx:
        hint = f"See: {ganctl_command(*error.ctx.command_path.split()[1:], '--help')}"
    return _one_line(error.format_message()), hint, error.exit_code if error.exit_code else USAGE


def _third_party(error: BaseException) -> str:
    """Describe the third-party component or plugin whose code raised ``error``, or return "" for ganctl's own code.

    Frames in torch and ganctl that were called by a component are skipped, because the component is at fault.
    """
    if not discovery.load.cache_info().currsize:
        return ""
    by_package = {package: plugin for plugin in discovery.load().all for package in _packages(plugin)}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package == "ganctl" and not module.startswith(CALLED_BY_COMPONENTS):
            return ""
        if package == single_file.NAMESPACE:
            return f"the plugin file {frame.f_code.co_filename}"
        if package in by_package and by_package[package].distribution != "ganctl":
            return _component(by_package[package], frame) or _describe(by_package[package])
    return ""


def _packages(plugin: discovery.Plugin) -> set[str]:
    """Return the top-level packages that contain the hooks and components of ``plugin``."""
    addresses = [c.target if isinstance(c.target, str) else c.target.__module__ for c in plugin.components]
    return {address.partition(":")[0].partition(".")[0] for address in (plugin.module, *addresses)} - {
        "torch"
    }


def _component(plugin: discovery.Plugin, frame: FrameType) -> str:
    """Describe the component of ``plugin`` whose factory or method is in ``frame``, or return "" if there is none."""
    owner = type(frame.f_locals["self"]).__name__ if "self" in frame.f_locals else frame.f_code.co_name
    module = frame.f_globals.get("__name__", "")
    for component in plugin.components:
        address = component.target
        if not isinstance(address, str):
            address = f"{address.__module__}:{getattr(address, '__name__', '')}"
        if address == f"{module}:{owner}":
            return f"the {component.kind} '{component.name}' of {plugin.origin}"
    return ""


def _describe(plugin: discovery.Plugin) -> str:
    return f"plugin '{plugin.name}' of {plugin.origin}"


def _with_debug(args: Sequence[str]) -> str:
    return ganctl_command("--debug", *(word for word in args if word != "--debug"))


def _see_traceback(args: Sequence[str]) -> str:
    if not args:
        return "The option --debug, before the command, shows the traceback."
    return f"See the traceback: {_with_debug(args)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_line_breaks(text: str) -> str:
    """Join lines, but keep the spaces within a line, which may be part of a quoted path."""
    return re.sub(r"\s*[\n\r]\s*", " ", text).strip()
