"""Sealed files: every change is noticed, and what is left can be looked at."""

from __future__ import annotations

import hashlib
import json

import pytest

from peer_relay import sealed

CONTENT = b'{"text":"Gr\xc3\xbc\xc3\x9fe"}'


def test_what_was_sealed_is_one_json_object_with_the_sum_of_its_name_and_content() -> None:
    data = sealed.seal("a.json", CONTENT)
    assert sealed.unseal("a.json", data) == CONTENT
    expected = hashlib.sha256(b"a.json\n" + CONTENT).hexdigest()
    assert json.loads(data) == {"sha256": expected, "content": {"text": "Gr\u00fc\u00dfe"}}
    assert data.endswith(b"}}\n")


def test_every_flipped_bit_every_cut_and_every_other_name_is_noticed() -> None:
    data = sealed.seal("a.json", CONTENT)
    changed = [data[:n] + bytes([data[n] ^ 1 << bit]) + data[n + 1 :] for n in range(len(data)) for bit in range(8)]
    cut = [data[:length] for length in range(len(data))]
    for each in (*changed, *cut, data + b"\n", CONTENT):
        with pytest.raises(sealed.Broken):
            sealed.unseal("a.json", each)
    with pytest.raises(sealed.Broken):
        sealed.unseal("b.json", data)


def test_what_is_left_of_a_content_can_be_looked_at() -> None:
    data = sealed.seal("a.json", CONTENT)
    assert [sealed.content_of(each) for each in (data, data[:-5], CONTENT, b"")] == [
        CONTENT,
        CONTENT[:-3],
        CONTENT,
        b"",
    ]
