"""Cloudflare's comments and tags in zone files; the first table is from its documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.record_parsing import parse_record
from rempart.model.zonefile_comments import Annotation, read_annotation, write_annotation
from tests.model.record_cases import ZONE, draft


@pytest.mark.parametrize(
    ("comment", "annotation"),
    [
        ("", Annotation()),
        ("cf_tags=awesome", Annotation(tags=("awesome:",))),
        (
            'cf_tags=tag1,tag2:value2,tag3:"value,with,commas",'
            'tag4:"value with \\"escaped\\" quotation marks"',
            Annotation(
                tags=(
                    "tag1:",
                    "tag2:value2",
                    "tag3:value,with,commas",
                    'tag4:value with "escaped" quotation marks',
                )
            ),
        ),
        ("just a comment without tags", Annotation("just a comment without tags")),
        (
            "this comment contains cf_tags= as text cf_tags=",
            Annotation("this comment contains cf_tags= as text"),
        ),
        (
            "simple example cf_tags=important,ticket:THIS-12345",
            Annotation("simple example", ("important:", "ticket:THIS-12345")),
        ),
        ("cf_tags=cf-proxied:true", Annotation(proxied=True)),
        ("cf_tags=test:1,cf-flatten-cname", Annotation(tags=("test:1",), flatten_cname=True)),
        (
            "x cf_tags=tag-without-value,cf-proxied:false",
            Annotation("x", ("tag-without-value:",), proxied=False),
        ),
        ("cf_tags=cf-unknown:1", Annotation()),
        ("see cf_tags=what is this", Annotation("see cf_tags=what is this", unread=True)),
        ('cf_tags=a:"b', Annotation('cf_tags=a:"b', unread=True)),
        ("nocf_tags=a", Annotation("nocf_tags=a")),
    ],
)
def test_reading(comment: str, annotation: Annotation) -> None:
    assert read_annotation(comment) == annotation


def test_writing() -> None:
    record = parse_record(
        ZONE, draft("A", "192.0.2.1", comment="web", tags=("a:1", "b", 'c:x="y"'), proxied=True)
    )
    assert write_annotation(record) == ' ; web cf_tags=a:1,b,c:"x\\u003d\\"y\\"",cf-proxied:true'
    assert write_annotation(parse_record(ZONE, draft("TXT", "x"))) == ""
    assert (
        write_annotation(parse_record(ZONE, draft("TXT", "x", comment="see cf_tags=a")))
        == " ; see cf_tags=a cf_tags="
    )


_texts = st.text(
    st.sampled_from('ab =,:"\\;cf_tags') | st.characters(exclude_categories=["C", "Z"]), max_size=30
) | st.sampled_from(["cf_tags=a:b", "x cf_tags=", ' cf_tags=a:"b', '", cf_tags=cf-proxied:true'])


@given(_texts, st.lists(_texts, max_size=3), st.booleans())
def test_what_is_written_is_read(comment: str, values: list[str], proxied: bool) -> None:
    tags = tuple(f"t{number}:{value}" for number, value in enumerate(values))
    record = parse_record(ZONE, draft("A", "192.0.2.1", comment=comment, tags=tags, proxied=proxied))
    annotation = read_annotation(write_annotation(record).removeprefix(" ;").strip())
    assert annotation == Annotation(record.comment, record.tags, proxied)


@given(_texts)
def test_any_comment_is_read(comment: str) -> None:
    read_annotation(comment)
