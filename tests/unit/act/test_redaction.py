from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.act.redaction import MASK, Redactor


def redacted(secrets: list[str], chunks: list[bytes]) -> bytes:
    redactor = Redactor(secrets)
    return b"".join([*(redactor.feed(chunk) for chunk in chunks), redactor.finish()])


def cut(content: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[a:b] for a, b in pairwise(borders)]


@given(st.text("ab", min_size=1, max_size=6), st.text("abc", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_however_it_is_cut_no_whole_secret_comes_through(secret: str, text: str, places: list[int]) -> None:
    content = text.encode()
    kept = redacted([secret], cut(content, places))
    assert secret.encode() not in kept.replace(MASK, b"|")
    assert kept == content.replace(secret.encode(), MASK)


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4),
    st.text("abc", max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_of_many_secrets_none_comes_through(secrets: list[str], text: str, places: list[int]) -> None:
    kept = redacted(secrets, cut(text.encode(), places))
    parts = kept.split(MASK)
    assert not any(secret.encode() in part for secret in secrets for part in parts)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_what_holds_no_secret_is_untouched(content: bytes, places: list[int]) -> None:
    secret = "zzzz-never-there-zzzz"
    assert redacted([secret], cut(content, places)) == content
    assert redacted([], cut(content, places)) == content


SECRET = 'pa"ss/w&rd ü'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_usual_spellings_are_masked(spelled: str) -> None:
    kept = redacted([SECRET], [b"<", spelled.encode(), b">"])
    assert MASK in kept
    assert len(kept) <= len(MASK) + 6


def test_lines_of_a_key_are_masked_one_by_one() -> None:
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----"
    assert redacted([pem], [b"  MIIEvQIBADANBg  "]) == b"  " + MASK + b"  "


def test_a_sentence_is_masked() -> None:
    assert Redactor(["tok"]).text("to tok") == "to [secret]"
