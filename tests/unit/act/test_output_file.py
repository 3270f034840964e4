from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from homeostat.act.output import OutputFile, readable
from homeostat.act.redaction import Redactor


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 60))
def test_head_and_tail_are_kept_and_the_digest_is_over_them(chunks: list[bytes], bytes_max: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "output")
        output = OutputFile(path, bytes_max, Redactor([]))
        for chunk in chunks:
            output.feed(chunk)
        printed = output.finish()
        kept = path.read_bytes()
    everything = b"".join(chunks)
    head_max, tail_max = bytes_max // 2, bytes_max - bytes_max // 2
    assert printed.bytes_total == len(everything)
    assert printed.sha256 == hashlib.sha256(kept).hexdigest()
    assert printed.truncated == (len(everything) > bytes_max)
    if printed.truncated:
        marker = b"\n[... %d bytes left out ...]\n" % (len(everything) - bytes_max)
        assert kept == everything[:head_max] + marker + everything[len(everything) - tail_max :]
    else:
        assert kept == everything


def test_a_full_disk_stops_the_keeping_and_not_the_reading() -> None:
    output = OutputFile(Path("/dev/full"), 1000, Redactor([]))
    for _ in range(100):
        output.feed(b"x" * 100)
    printed = output.finish()
    assert printed.problem == "its output could not be kept: No space left on device"
    assert printed.bytes_total == 10_000
    assert printed.truncated
    assert printed.text == "x" * 4000


def test_a_character_cut_at_the_front_is_replaced() -> None:
    assert readable("ü".encode()[1:] + b"ber") == "\ufffdber"
