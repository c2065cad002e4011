"""``rempart``: the operator's command line. Parses, calls the controller, prints.

Exit status: 0 done; 1 it could not be done; 2 what was asked for cannot be right; 3 something is missing
on this machine; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import click

from rempart.cli.session import Session
from rempart.model.errors import NeedsConfirmation, NotFound, RempartError

OPTIONS = {"origins": "--origin", "ns_name": "--ns-name", "host": "HOST", "permissions": "--permission"}
"""Beginnings of fields that are called otherwise on the command line."""

_ATTRIBUTES = {"import": "import_"}
_OWN = (
    "bench case certificate dns drill log mitigation receipts record report service shield site status token"
    " transparency up zone"
)
COMMANDS: Mapping[str, str] = {name: name for name in _OWN.split()} | {
    "account": "token",
    "attacks": "mitigation",
    "ca": "certificate",
    "import": "bundle",
    "mitigations": "mitigation",
}
"""Each command's module in this package."""


class Lazily(click.Group):
    """Commands whose modules are imported when they are called: most calls need few of them, and to import
    all takes longer than what is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = getattr(import_module(f"rempart.cli.{module}"), _ATTRIBUTES.get(cmd_name, cmd_name))
        if not isinstance(found, click.Command):
            raise TypeError(f"{cmd_name} is no command")
        return found


@click.group(cls=Lazily, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMPART_CONFIG",
    help="Configuration file.  [env: REMPART_CONFIG]",
)
@click.option("--debug", is_flag=True, help="Show where an unexpected error came from.")
@click.version_option(package_name="rempart", prog_name="rempart")
@click.pass_context
def cli(context: click.Context, config_file: Path | None, debug: bool) -> None:
    """Self-hosted edge protection: DNS, TLS, filtering and a hidden origin."""
    context.obj = Session(config_file, debug=debug)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; its exit status. Every error becomes a message on standard error."""
    debug = "--debug" in arguments
    try:
        # Outside of standalone mode, click hands back what `Exit` was raised with.
        ended = cli.main(arguments, prog_name="rempart", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("rempart: interrupted", err=True)
        return 130
    except NeedsConfirmation as error:
        if error.summary:
            click.echo(error.summary.rstrip(), err=True)
        for reason in error.reasons:
            click.echo(f"  ! {reason}", err=True)
        click.echo(
            "rempart: nothing was changed. To carry out exactly this plan, repeat with "
            f"--confirm {error.digest}",
            err=True,
        )
        return error.exit_status
    except RempartError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"rempart: {in_options(error)}", err=True)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read us has enough; do not complain when the interpreter flushes.
        sys.stdout = None
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        click.echo(f"rempart: unexpected {type(error).__name__}: {error}", err=True)
        if not debug:
            click.echo(
                "rempart: this is a fault of ours; rempart --debug … shows where it comes from", err=True
            )
        return 1
    return ended if isinstance(ended, int) else 0


def in_options(error: RempartError) -> str:
    """The error in words, its field as the command line calls it: ``origins[0].host`` is an ``--origin``."""
    if isinstance(error, NotFound):
        return str(type(error)(error.message, hint=error.hint))  # it says itself what it is that is not there
    field = error.field or ""
    option = next((name for start, name in OPTIONS.items() if field.startswith(start)), None)
    return str(error) if option is None else f"{option}: {str(error).removeprefix(f'{field}: ')}"
