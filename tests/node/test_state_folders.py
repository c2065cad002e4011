from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rempart.model.configuration import Configuration, UsersSection
from rempart.model.dns_cookies import key_text
from rempart.model.errors import EnvironmentLacks
from rempart.node.state_folders import (
    Owners,
    folders,
    hand_over,
    prepare,
    prepare_cookie_key,
    prepare_keys,
    read_cookie_key,
    share,
)
from rempart.snapshot.items import Delta
from rempart.snapshot.signing import private_key, public_key, sign, verify


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_have_their_modes_and_doing_it_twice_changes_nothing(state: Path) -> None:
    configuration = Configuration(state=state)
    for _ in range(2):
        owners = prepare(configuration, is_root=False)
        for folder in folders(configuration.paths, owners):
            assert mode(folder.path) == folder.mode, folder.path
    assert mode(configuration.paths.controller) == 0o700


def test_keys_are_made_once_and_the_public_one_is_mended(state: Path) -> None:
    configuration = Configuration(state=state)
    paths = configuration.paths
    owners = prepare(configuration, is_root=False)
    prepare_keys(paths, owners)
    secret = (paths.controller / "feed.key").read_bytes()
    assert mode(paths.controller / "feed.key") == 0o600
    delta = Delta(from_revision=0, to_revision=0, changes=())
    signed = sign(delta, private_key(secret))
    assert verify(signed, public_key(paths.feed_public_key.read_bytes())) == delta

    paths.feed_public_key.write_text("something else")
    prepare_keys(paths, owners)
    assert (paths.controller / "feed.key").read_bytes() == secret
    assert verify(signed, public_key(paths.feed_public_key.read_bytes())) == delta


def test_what_a_part_has_put_in_the_place_of_a_key_leads_nowhere_and_holds_nobody_up(
    state: Path, tmp_path: Path
) -> None:
    configuration = Configuration(state=state)
    paths = configuration.paths
    owners = prepare(configuration, is_root=False)
    prepare_keys(paths, owners)
    good = paths.feed_public_key.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(good)

    paths.feed_public_key.unlink()
    os.mkfifo(paths.feed_public_key)
    prepare_keys(paths, owners)
    assert paths.feed_public_key.read_bytes() == good

    paths.feed_public_key.unlink()
    paths.feed_public_key.symlink_to(elsewhere)
    prepare_keys(paths, owners)
    assert not paths.feed_public_key.is_symlink()

    secret = paths.controller / "feed.key"
    secret.rename(tmp_path / "feed.key")
    for plant in (
        lambda: os.mkfifo(secret),
        lambda: secret.symlink_to(tmp_path / "feed.key"),
        lambda: secret.write_text("no key"),
    ):
        plant()
        with pytest.raises(EnvironmentLacks, match=r"feed\.key"):
            prepare_keys(paths, owners)
        secret.unlink()


def test_the_key_of_dns_cookies_is_made_once_and_anew_when_it_is_old_and_nothing_runs(
    state: Path, tmp_path: Path
) -> None:
    configuration = Configuration(state=state)
    paths = configuration.paths
    owners = prepare(configuration, is_root=False)
    assert read_cookie_key(paths) is None

    def prepared(*, days: float = 0, is_running: bool = False) -> bytes:
        now = paths.dns_cookie_key.lstat().st_mtime + days * 86_400 if paths.dns_cookie_key.exists() else 0
        prepare_cookie_key(paths, owners, now=now, is_running=is_running)
        assert mode(paths.dns_cookie_key) == 0o600
        found = read_cookie_key(paths)
        assert found is not None
        assert len(found) == 16
        return found

    first = prepared()
    assert prepared(days=29) == first
    assert prepared(days=400, is_running=True) == first, "whoever runs has the old one"
    second = prepared(days=31)
    assert second != first

    for damage in (b"", b"no key\n", first.hex().encode()):
        paths.dns_cookie_key.write_bytes(damage)
        assert read_cookie_key(paths) is None
        prepared(is_running=True)
    # What a node that was taken over may have put there is not followed.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(key_text(first))
    paths.dns_cookie_key.unlink()
    paths.dns_cookie_key.symlink_to(elsewhere)
    assert read_cookie_key(paths) is None
    assert prepared() != first
    assert elsewhere.read_bytes() == key_text(first)


def test_engines_make_their_sockets_where_the_node_gets_in(state: Path) -> None:
    paths = Configuration(state=state).paths
    owners = Owners(
        controller=(1001, 1001),
        node=(1002, 1002),
        gate=(1005, 1005),
        haproxy=(1003, 1003),
        knot=(1004, 1004),
        shield=(1006, 1006),
    )
    made = {folder.path: folder for folder in folders(paths, owners)}
    sockets = made[paths.haproxy_socket.parent]
    assert (sockets.owner, sockets.group, sockets.mode) == (1003, 1002, 0o2750)
    boot_files = made[paths.haproxy]
    assert (boot_files.owner, boot_files.group, boot_files.mode) == (1002, 1003, 0o2750)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_an_older_version_left_for_the_node_alone_is_shared(state: Path, tmp_path: Path) -> None:
    (state / "sub").mkdir(parents=True)
    (state / "sub" / "own").touch(mode=0o600)
    (state / "foreign").touch(mode=0o600)
    outside = tmp_path / "outside"
    outside.touch(mode=0o600)
    (state / "soft").symlink_to(outside)
    (state / "hard").touch(mode=0o600)
    (state / "second").hardlink_to(state / "hard")
    for path in (state / "sub", state / "sub" / "own", state / "hard", outside):
        os.chown(path, 12345, 12345)
    share(state, 12345, 54321)
    found = {path.name: (path.stat().st_gid, mode(path)) for path in state.rglob("*")}
    assert found["own"] == (54321, 0o640)
    assert found["sub"] == (54321, 0o2750)
    assert found["foreign"] == (os.getegid(), 0o600)
    assert found["hard"] == found["second"] == (12345, 0o600)
    assert (outside.stat().st_gid, mode(outside)) == (12345, 0o600)


def test_a_link_in_place_of_a_folder_is_refused(state: Path, tmp_path: Path) -> None:
    configuration = Configuration(state=state)
    prepare(configuration, is_root=False)
    configuration.paths.knot_db.rmdir()
    configuration.paths.knot_db.symlink_to(tmp_path)
    with pytest.raises(EnvironmentLacks):
        prepare(configuration, is_root=False)


def test_a_missing_user_is_named(state: Path) -> None:
    configuration = Configuration(state=state, users=UsersSection(controller="no-such-user"))
    with pytest.raises(EnvironmentLacks, match=r"no-such-user.*bin/setup"):
        prepare(configuration, is_root=True)
    assert not state.exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_roots_files_are_handed_over_and_other_peoples_are_not(state: Path, tmp_path: Path) -> None:
    state.mkdir(parents=True)
    (state / "made-offline").write_text("x")
    (state / "sub").mkdir()
    (state / "sub" / "deep").write_text("x")
    outside = tmp_path / "outside"
    outside.write_text("x")
    (state / "hard").hardlink_to(outside) if outside.stat().st_dev == state.stat().st_dev else None
    (state / "soft").symlink_to(outside)
    hand_over(state, (12345, 12345))
    assert (state / "made-offline").stat().st_uid == 12345
    assert (state / "sub" / "deep").stat().st_uid == 12345
    assert outside.stat().st_uid == 0
