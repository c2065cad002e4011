"""What others have published: the log's arithmetic must come to the very same octets."""

from __future__ import annotations

import pytest

from rempart.governance.log.canonical import canonical, parse_canonical
from rempart.governance.log.checkpoint import Checkpoint, parse_checkpoint
from rempart.governance.log.hashing import EMPTY_ROOT, add_peak, leaf_hash, root_of, root_of_peaks
from rempart.governance.log.note import (
    KeyKind,
    SigningKey,
    cosigned_at,
    cosigned_message,
    parse_note,
    parse_signing_key,
    parse_verifier_key,
    verified,
)
from rempart.governance.log.tiles import Tile, levels, tile_at, tiles_of
from rempart.governance.log.tree import consistency_path, consistent, included, inclusion_path
from rempart.model.errors import InvalidInput
from tests.governance.log.logs import reader

# The tree that Certificate Transparency's implementations share (transparency-dev/merkle, testonly).
CT_LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")
] + [bytes(range(0x60, 0x70))]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CT_CONSISTENCY = {
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def test_roots_of_the_tree_of_certificate_transparency() -> None:
    hashes = list(map(leaf_hash, CT_LEAVES))
    peaks: list[bytes] = []
    for size, root in enumerate(CT_ROOTS):
        assert root_of(hashes[:size]).hex() == root
        assert root_of_peaks(peaks).hex() == root
        if size < len(hashes):
            add_peak(peaks, size, hashes[size])
    assert EMPTY_ROOT.hex() == CT_ROOTS[0]


@pytest.mark.parametrize(("index", "size"), CT_INCLUSION)
def test_inclusion_in_the_tree_of_certificate_transparency(index: int, size: int) -> None:
    hashes = list(map(leaf_hash, CT_LEAVES))
    path = [bytes.fromhex(one) for one in CT_INCLUSION[index, size]]
    assert list(inclusion_path(index, size, reader(hashes))) == path
    assert included(index, size, hashes[index], path, bytes.fromhex(CT_ROOTS[size]))


@pytest.mark.parametrize(("old", "size"), CT_CONSISTENCY)
def test_consistency_in_the_tree_of_certificate_transparency(old: int, size: int) -> None:
    hashes = list(map(leaf_hash, CT_LEAVES))
    path = [bytes.fromhex(one) for one in CT_CONSISTENCY[old, size]]
    assert list(consistency_path(old, size, reader(hashes))) == path
    assert consistent(old, size, bytes.fromhex(CT_ROOTS[old]), bytes.fromhex(CT_ROOTS[size]), path)


def test_the_note_of_the_specification() -> None:
    key = parse_verifier_key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = parse_note(
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlT"
        "gK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n".encode()
    )
    assert note.text == "This is an example message.\n"
    assert len(verified(note, (key,))) == 1
    with pytest.raises(InvalidInput, match="does not hold"):
        verified(parse_note(note.encode().replace(b"This", b"That")), (key,))


def test_keys_that_others_use() -> None:
    # Go's checksum database; the pair in the documentation of golang.org/x/mod/sumdb/note.
    parse_verifier_key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = parse_signing_key(private)
    assert str(key.verifier) == public
    assert key.text == private
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    assert key.sign(text).line == (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
        "BwJnAM=\n"
    )


def test_a_cosigned_message_is_that_of_the_specification() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosigned_message(text, 1679315147) == f"cosignature/v1\ntime 1679315147\n{text}".encode()
    checkpoint = parse_checkpoint(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root).text == text
    witness = SigningKey("witness.example.com/w1", KeyKind.COSIGNATURE, bytes(32))
    signature = witness.cosign(text, 1679315147)
    assert cosigned_at(signature) == 1679315147
    assert witness.verifier.holds(text, signature.value)


def test_the_tiles_of_70000_entries() -> None:
    """The example of c2sp.org/tlog-tiles."""
    found = {level: list(tiles_of(70_000, level)) for level in levels(70_000)}
    assert [tile.width for tile in found[0]] == [256] * 273 + [112]
    assert [tile.width for tile in found[1]] == [256, 17]
    assert [tile.width for tile in found[2]] == [1]
    assert len(found) == 3
    assert [tile.width for level in levels(256) for tile in tiles_of(256, level)] == [256, 1]
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert tile_at("tile/entries/x001/x234/067.p/3") == Tile(None, 1234067, 3)


@pytest.mark.parametrize(
    "path",
    ["tile/0/1", "tile/0/0001", "tile/64/000", "tile/00/000", "tile/0/x000/001", "tile/0/001.p/256",
     "tile/0/001.p/0", "tile/0/001.p/01", "tile/0/001.p/", "tile/0/../0/000", "tile/0/000/", "tile/0/٠٠٠",
     "tile/8/0/000", "checkpoint"],
)  # fmt: skip
def test_paths_that_are_no_tiles(path: str) -> None:
    assert tile_at(path) is None


def test_the_order_of_names_in_rfc_8785() -> None:
    """Section 3.2.3: by UTF-16 code units, so the surrogates of the emoji come before U+FB33."""
    names = ("\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33")
    written = canonical(dict.fromkeys(sorted(names), 0))
    value = parse_canonical(written)
    assert isinstance(value, dict)
    assert list(value) == list(names)
    assert written.startswith(b'{"\\r":0,"1":0,')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": [1, -2, True, None], "a": {}}, '{"a":{},"b":[1,-2,true,null]}'),
        ('\x00\x1f\b\t\n\f\r"\\/\x7fé€', '"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\/\x7fé€"'),
        (2**53 - 1, "9007199254740991"),
    ],
)
def test_how_values_are_written(value: object, written: str) -> None:
    assert canonical(value) == written.encode()
    assert parse_canonical(written.encode()) == value


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":1}', '{"b":1,"a":1}', '{"a": 1}', "1.0", "1e3", "-0", "NaN", "9007199254740992", '"\\u00e9"',
     '"\\/"', "[1]\n", "", "[" * 30_000, '"\\ud800"', "9" * 60_000],
)  # fmt: skip
def test_what_is_not_canonical(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_canonical(text.encode())


@pytest.mark.parametrize(
    "value", [1.5, 2**53, -(2**53), b"x", {1: 2}, {"a": "\ud800"}, {"\ud800": 1}, object()]
)
def test_what_cannot_be_written(value: object) -> None:
    with pytest.raises(InvalidInput):
        canonical(value)
