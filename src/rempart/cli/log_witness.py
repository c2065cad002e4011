"""``rempart log witness``: watch over somebody else's log."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from rempart.cli.output import json_option, note, say

_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def witness() -> None:
    """A witness: cosigns a log's checkpoints as long as nothing is ever taken back."""


@witness.command()
@_folder
@click.option(
    "--name", metavar="NAME", help="What it is called for ever, when it is begun: witness.example.org"
)
@click.option("--log", "logs", multiple=True, metavar="KEY", help="Verifier key of a log; may be repeated.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9183, show_default=True, type=click.IntRange(1, 65535))
def serve(folder: Path, name: str | None, logs: tuple[str, ...], listen: str, port: int) -> None:
    """Be the witness kept in FOLDER until told to end.

    Its key is made there once, mode 600. FOLDER must never be put back from an older copy: a witness that
    forgets is none.
    """
    from rempart.controller.sockets import listening_at, server
    from rempart.controller.transparency.witness_service import WitnessKeeper, witness_application
    from rempart.governance.log.note import parse_verifier_key
    from rempart.node import logs as logging

    logging.configure()
    keeper = WitnessKeeper(folder, name, map(parse_verifier_key, logs))

    async def run() -> None:
        running = server(witness_application(keeper), at_once=100)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, running, "should_exit", True)
        await running.serve(sockets=[listener])

    try:
        with listening_at(listen, port, "--port") as listener:
            note(f"witness {keeper.key}")
            asyncio.run(run())
    finally:
        keeper.close()


@witness.command()
@_folder
@json_option
def key(folder: Path, as_json: bool) -> None:
    """The verifier key of the witness kept in FOLDER."""
    from rempart.cli.output import document
    from rempart.controller.transparency.keys import key_in
    from rempart.controller.transparency.witness_service import KEY
    from rempart.governance.log.note import KeyKind
    from rempart.model.errors import NotFound

    found = key_in(folder / KEY, KeyKind.COSIGNATURE, None)
    if found is None:
        raise NotFound(f"there is no witness in {folder}", hint="rempart log witness serve begins one")
    if as_json:
        document({"name": found.name, "key": str(found.verifier)})
    else:
        say(str(found.verifier))
