"""Mutated bytes of whatever comes from outside. All randomness comes from the generator that is handed in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import yaml
from tests.unit.policy.fuzz_corpus import VALUES
from tests.unit.policy.fuzzing import mutate_text

KINDS = ("json", "jsonl", "yaml", "toml", "text", "bytes")

_ODD_NUMBERS = (0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 1e-320, 0.1, float("inf"), float("nan"))
_ODD_TEXTS = (
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202eevil", "\u2066x", "\ufeff", "\x1b[2J", "\r\n", "\x7f"),
    *("é" * 300, "a" * 70_000, "9" * 5000, "..", "../../x", "/", "%s{0}", "-1", "NaN", "Infinity", "True", "nobody"),
)
_ODD_VALUES: tuple[Any, ...] = (*VALUES, *_ODD_NUMBERS, *_ODD_TEXTS, {"a": _ODD_TEXTS[0]}, [[[[[[]]]]]])
_ODD_BYTES = (
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\x1a", b"\r", b"\n\n"),
    *(
        "\u202e".encode(),
        "\u2028".encode(),
        b"\\ud800",
        b"\\u0000",
        b"1e999999",
        b"-0",
        b"--",
        b"&a *a",
        b"<<: ",
        b"!!",
    ),
    *(b"[" * 200, b"{" * 200, b"9" * 400, b'"' * 9),
)
_LONG: tuple[bytes, ...] = (
    *(b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"a" * 200_000, b"- " * 50_000, b"a.b" * 50_000),
    *(b"\n" * 100_000, b"0." + b"1" * 50_000, b"[[a]]\n" * 5_000, b"#" * 100_000, b"> " * 50_000, b"*" * 50_000),
)


def mutated(seed: bytes, kind: str, random: Random) -> bytes:
    """Change a seed in one to four places: in its tree, its text or its bytes."""
    content = seed
    chance = random.random()
    if chance < 0.45:
        content = _TREES.get(kind, _mutate_as_text)(content, random)
    elif chance < 0.65:
        content = _mutate_as_text(content, random)
    for _ in range(random.choice((0, 0, 1, 2)) if content != seed else random.choice((1, 1, 2, 4))):
        content = mutate_bytes(content, random)
    return content


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """Change bytes in one place, as a disk, a network or somebody who tries things out would."""
    at = random.randrange(len(content) + 1)
    end = min(len(content), at + random.choice((1, 1, 2, 8, 64, 512)))
    match random.randrange(8):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[end:]
        case 2:
            return content[:at] + random.choice(_ODD_BYTES) + content[at:]
        case 3:
            return content[:at] + random.choice(_ODD_BYTES) + content[end:]
        case 4:
            return content[:at] + random.randbytes(end - at) + content[end:]
        case 5:
            return content[:at] + content[at:end] * random.choice((2, 3, 50)) + content[end:]
        case 6 if random.random() < 0.1:
            return content[:at] + random.choice(_LONG) + content[at:]
        case _:
            return (
                content[:at]
                + bytes(byte ^ (1 << random.randrange(8)) for byte in content[at : at + 1])
                + content[at + 1 :]
            )


def _mutate_as_text(content: bytes, random: Random) -> bytes:
    return mutate_text(content.decode(errors="replace"), random).encode(errors="surrogatepass")


def _mutate_json(content: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(content)
    except ValueError:
        return mutate_bytes(content, random)
    return _dumped(_mutate_tree(tree, random), random)


def _mutate_lines(content: bytes, random: Random) -> bytes:
    """Change one line of JSON, or the order of the lines."""
    lines = content.splitlines()
    at = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines)), lines[at])
        case _:
            lines[at] = _mutate_json(lines[at], random)
    return b"\n".join(lines) + b"\n"


def _mutate_yaml(content: bytes, random: Random) -> bytes:
    try:
        tree = yaml.safe_load(content)
        return _dumped(_mutate_tree(json.loads(json.dumps(tree, default=str)), random), random)
    except (yaml.YAMLError, ValueError):
        return _mutate_as_text(content, random)


def _mutate_toml(content: bytes, random: Random) -> bytes:
    """Give one key another value, written as JSON: most of that is TOML."""
    lines = content.decode(errors="replace").split("\n")
    keys = [number for number, line in enumerate(lines) if re.match(r"\s*[\w\"'-]+\s*=", line)]
    if not keys:
        return _mutate_as_text(content, random)
    at = random.choice(keys)
    key, _, _ = lines[at].partition("=")
    value = _dumped(random.choice(_ODD_VALUES), random).decode(errors="surrogatepass")
    lines[at] = f"{key}= {random.choice((value, value, value.replace(':', ' ='), 'inf', 'nan', '1979-05-27', '0x_f'))}"
    return "\n".join(lines).encode(errors="surrogatepass")


def _dumped(tree: Any, random: Random) -> bytes:
    text = json.dumps(tree, indent=random.choice((None, None, 1)), ensure_ascii=random.random() < 0.5)
    if random.random() < 0.03:
        depth = random.choice((60, 1100, 3500))
        deep = random.choice(("[" * depth + "]" * depth, '{"x":' * depth + "1" + "}" * depth))
        text = text.replace("{", f'{{"x": {deep}, ', 1) if random.random() < 0.5 else text.replace(": ", f": {deep}", 1)
    return text.encode(errors="surrogatepass")


def _mutate_tree(tree: Any, random: Random) -> Any:
    places = list(_places(tree))
    if not places or random.random() < 0.03:
        return random.choice(_ODD_VALUES)
    holder, key = random.choice(places)
    match random.randrange(6):
        case 0:
            del holder[key]
        case 1:
            other, place = random.choice(places)
            holder[key] = json.loads(json.dumps(other[place]))
        case 2 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        case 3 if isinstance(holder, dict):
            holder[str(random.choice((*_ODD_TEXTS[:12], *holder)))] = holder.pop(key)
        case 4:
            holder[key] = [holder[key]] if random.random() < 0.5 else {"x": holder[key]}
        case _:
            holder[key] = random.choice(_ODD_VALUES)
    return tree


def _places(tree: Any) -> Any:
    """Every (collection, key) below a value."""
    pending = [tree]
    while pending:
        holder = pending.pop()
        if isinstance(holder, dict | list):
            for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
                yield holder, key
                pending.append(holder[key])


_TREES: dict[str, Callable[[bytes, Random], bytes]] = {
    "json": _mutate_json,
    "jsonl": _mutate_lines,
    "yaml": _mutate_yaml,
    "toml": _mutate_toml,
    "bytes": mutate_bytes,
}
