"""The root command as click sees it: commands are imported when they are used."""

from __future__ import annotations

import difflib
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from handshake_probe.cli.front import COMMANDS, HELP, PROGRAM


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the front page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__package__}.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, without importing every command."""
        return [
            CompletionItem(name, help=line)
            for name, line in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def get_help(self, ctx: click.Context) -> str:
        """The front page."""
        return HELP.rstrip()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds to click's error what was probably meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"no such command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)


root = LazyGroup(PROGRAM, no_args_is_help=True)


def examples(*lines: str) -> str:
    """The end of a help page: command lines that work, kept as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {_command(line)}" for line in lines)])


def _command(line: str) -> str:
    return line if f"| {PROGRAM} " in line else f"{PROGRAM} {line}"
