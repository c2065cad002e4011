"""``rempart log keys`` and ``rotate-key``: what others need to verify the log, and how that changes."""

from __future__ import annotations

import click

from rempart.cli.output import document, json_option, say
from rempart.cli.session import Session, pass_session
from rempart.controller.transparency.log_state import LogState


@click.command()
@json_option
@pass_session
def keys(session: Session, as_json: bool) -> None:
    """What others need to verify this instance's log, and how its witnesses are."""
    state = log_state(session)
    if as_json:
        document(state.model_dump(mode="json"))
        return
    say(f"{state.origin}: {state.size:,} {'entry' if state.size == 1 else 'entries'}.")
    say(f"  key          {state.key}")
    if state.previous_key is not None:
        say(f"  key before   {state.previous_key} (signs too, until rempart log rotate-key --finish)")
    say(f"  files        {state.folder}")
    if state.published != state.size:
        say(f"  published    {state.published or 0:,} of them: witnesses are missing")
    for one in state.witnesses:
        say(f"  witness      {one.key}")
        say(f"               {one.problem or 'cosigns'} ({one.url})")
    say("Others verify it with:")
    wanted = "".join(f" --witness '{one.key}'" for one in state.witnesses)
    say(f"  rempart log verify URL --key '{state.key}'{wanted}")


@click.command("rotate-key")
@click.option("--finish", is_flag=True, help="The old key signs no more, and is deleted.")
@json_option
@pass_session
def rotate_key(session: Session, finish: bool, as_json: bool) -> None:
    """Let a new key sign the log: first beside the old one, with --finish instead of it."""
    from rempart.controller.admin_api.messages import LogRotation

    with session.controller() as controller:
        state = controller.write(LogState, "POST", "/v1/log/rotation", body=LogRotation(finish=finish))
    if as_json:
        document(state.model_dump(mode="json"))
        return
    say(f"  key          {state.key}")
    if state.previous_key is not None:
        say(f"  key before   {state.previous_key}")
        say(
            "Both sign now, and the log says so. Publish the new key where the old one is, have every witness"
        )
        say("add it, and then: rempart log rotate-key --finish")
    else:
        say("It signs alone; witnesses and readers need the old one no more.")


def log_state(session: Session) -> LogState:
    """How this instance's log is."""
    with session.controller() as controller:
        return controller.ask(LogState, "/v1/log")
