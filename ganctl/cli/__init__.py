"""The command ``ganctl``. This file combines its subcommands, each of which has its own file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ganctl.cli.bench import bench
from ganctl.cli.completion import completion
from ganctl.cli.doctor import doctor
from ganctl.cli.evolution import evolution
from ganctl.cli.explore import explore
from ganctl.cli.info import info
from ganctl.cli.interpolate import interpolate
from ganctl.cli.list_components import list_components
from ganctl.cli.plugins import plugins as plugins_command
from ganctl.cli.report import report
from ganctl.cli.sample import sample
from ganctl.cli.sweep import sweep
from ganctl.cli.terminal_output import replace_unencodable_characters
from ganctl.cli.train import train
from ganctl.cli.traverse import traverse
from ganctl.cli.watch import watch
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import installed_entry_points
from ganctl.plugin.discovery import GROUP, Plugin, Plugins, discover, load
from ganctl.plugin.enabled_plugins import NONE
from ganctl.plugin.registry import KINDS
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.system.progress import print_warnings
from ganctl.version import __version__

#: Commands, grouped by task and in the order of ``ganctl --help``. Commands of plugins follow them.
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Train": (train, sweep),
    "Look": (sample, traverse, interpolate, explore, watch, evolution),
    "Compare": (report,),
    "Extend": (list_components, info, plugins_command),
    "Check this installation": (doctor, bench, completion),
}
COMMANDS = {str(command.name): command for section in SECTIONS.values() for command in section}
#: Commands that discover plugins before they import torch.
DISCOVER_FIRST = {"list", "info", "plugins", "doctor", "completion"}


class Ganctl(click.Group):
    """Commands of ganctl and of plugins. Plugins are loaded only if ganctl does not have the requested command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_plugin_commands(ctx)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return COMMANDS[name]
        found = _plugin_commands(ctx).get(name, [])
        if len(found) > 1:
            choices = " or ".join(f"{plugin.distribution}:{name}" for plugin, _ in found)
            claims = ", ".join(f"{plugin.origin} (plugin '{plugin.name}')" for plugin, _ in found)
            raise GanctlError(
                f"Several plugins register the command '{name}': {claims}.",
                f"Choose one: {choices}",
                status=USAGE,
            )
        return found[0][1] if found else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            hint = f"{did_you_mean(name, self.list_commands(ctx))} See: ganctl --help"
            if name in KINDS.values():
                hint = f"See: {ganctl_command('list', name)}"
            raise GanctlError(f"There is no command '{name}'.", hint, status=USAGE)
        # Silent while the shell completes a line.
        quiet = ctx.resilient_parsing or {"--help", "-h"} & set(args)
        if name in COMMANDS.keys() - DISCOVER_FIRST and not quiet:
            _warn_of_hidden_commands(name, load())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections = {title: {str(c.name): c for c in commands} for title, commands in SECTIONS.items()}
        sections["From plugins"] = {
            name: found[0][1]
            for name, found in _plugin_commands(ctx).items()
            if len(found) == 1 and not found[0][1].hidden
        }
        width = max(len(name) for commands in sections.values() for name in commands)
        for title, commands in sections.items():
            if commands:
                rows = [
                    (name.ljust(width), command.get_short_help_str(formatter.width - width - 4))
                    for name, command in commands.items()
                ]
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> None:
        super().invoke(ctx)  # the return value of a command is not an exit status
        if ctx.invoked_subcommand in DISCOVER_FIRST:
            _warn_of_hidden_commands(ctx.invoked_subcommand, discover())


def _warn_of_hidden_commands(name: str, loaded: Plugins) -> None:
    """Print a warning if plugins have commands with the same name as ganctl's command ``name``."""
    for plugin in loaded.all:
        if name in (command.name for command in plugin.commands):
            print_warnings(
                [
                    f"'{name}' is a command of ganctl. "
                    f"The command of {plugin.origin} is called {plugin.distribution}:{name}"
                ]
            )


def _plugin_commands(ctx: click.Context) -> dict[str, list[tuple[Plugin, click.Command]]]:
    """Return the commands of plugins by name, and also by ``distribution:name`` if a name is ambiguous."""
    # load() would print warnings while the shell is completing a line.
    loaded = discover() if ctx.resilient_parsing else load()
    commands: dict[str, list[tuple[Plugin, click.Command]]] = {}
    for plugin in loaded.all:
        for command in plugin.commands:
            commands.setdefault(str(command.name), []).append((plugin, command))
    for name, found in list(commands.items()):
        if name in COMMANDS:
            del commands[name]
        if name in COMMANDS or len(found) > 1:
            for plugin, command in found:
                commands.setdefault(f"{plugin.distribution}:{name}", []).append((plugin, command))
    return commands


def _debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        os.environ["GANCTL_DEBUG"] = "1"


def _no_plugins(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        os.environ["GANCTL_PLUGINS"] = NONE  # worker processes inherit the environment


@click.group(
    cls=Ganctl,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--debug", is_flag=True, expose_value=False, callback=_debug, help="Show the tracebacks of errors."
)
@click.option(
    "--no-plugins",
    is_flag=True,
    is_eager=True,  # so that --help does not show commands of plugins
    expose_value=False,
    callback=_no_plugins,
    help="Load only ganctl's own plugins.",
)
@click.version_option(__version__, "--version", message="ganctl %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The GAN laboratory: train, sample, compare, extend."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.invoked_subcommand not in DISCOVER_FIRST:
        installed_entry_points.read(GROUP)  # otherwise, importing torch may fail


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line. Exit with status 0, or print an error on stderr and exit with its status."""
    if sys.stdout is None:  # closed with ``>&-``
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    replace_unencodable_characters()
    args = sys.argv[1:] if args is None else args
    try:
        # Without standalone_mode, click returns the status of ctx.exit() and raises all other exceptions.
        status: Any = cli.main(args, prog_name="ganctl", standalone_mode=False, obj=args)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from ganctl.plugin import error_messages

        status = error_messages.show(error, args)
        try:
            sys.stdout.flush()
        except OSError:  # closed pipe or full disk: Python would flush again at exit and print the error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
