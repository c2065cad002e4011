from __future__ import annotations

from pathlib import Path

from rempart.node.logs import keep_bounded, last_lines


def test_a_log_is_cut_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    with path.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(b"%d" % number * 100 + b"\n")
            assert keep_bounded(path, limit=100, copies=2)
        writer.write(b"last\n")
    assert path.read_bytes() == b"last\n"
    assert not keep_bounded(path, limit=100, copies=2)
    copies = [tmp_path / f"part.log.{number}" for number in (1, 2, 3)]
    assert copies[0].read_text() == "4" * 100 + "\n"
    assert copies[1].read_text() == "3" * 100 + "\n"
    assert not copies[2].exists()


def test_of_an_overlong_log_the_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_bytes(b"a" * 1_000 + b"b" * 200)
    keep_bounded(path, limit=100)
    assert (tmp_path / "part.log.1").read_bytes() == b"b" * 200


def test_nobody_is_led_elsewhere_by_a_link(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"x" * 1_000)
    (tmp_path / "part.log").symlink_to(target)
    assert not keep_bounded(tmp_path / "part.log", limit=100)
    assert target.stat().st_size == 1_000


def test_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    assert last_lines(path, 3) == ()
    path.write_text("".join(f"{number} {'x' * 50}\n" for number in range(100)))
    assert last_lines(path, 2, width=4) == ("98 x", "99 x")
