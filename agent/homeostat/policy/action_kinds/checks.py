"""What the parameters of several actuators may hold, beside those of `parameter_values.py`."""

from __future__ import annotations

import re

from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import ARGV_MAX, check_text

PROGRAM_PATTERN = r"/[^\0]+|[A-Za-z0-9_][A-Za-z0-9_.-]*"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}", re.ASCII)


def check_path(value: object) -> object:
    """An absolute path, written out: a path that is filled in could lead anywhere."""
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/") or "\0" in value:
        raise wrong("E133", f"an absolute path without '..' is wanted, not {shown(value)}")
    return value


def check_program(value: object) -> object:
    """The name of a program on the agent's PATH, or its absolute path; written out."""
    if not isinstance(value, str) or re.fullmatch(PROGRAM_PATTERN, value, re.ASCII) is None:
        raise wrong("E133", f"the name or the absolute path of a program is wanted, like tofu, not {shown(value)}")
    return value


def check_texts(value: object) -> list[object]:
    """A list of texts that may be filled in."""
    if not isinstance(value, list) or not 1 <= len(value) <= ARGV_MAX:
        raise wrong("E133", f"a list of 1 to {ARGV_MAX} texts is wanted, not {shown(value)}")
    return [check_text(element) for element in value]


def check_variables(value: object) -> object:
    """Names of variables with text, or a secret by reference."""
    if not isinstance(value, dict) or len(value) > ARGV_MAX:
        raise wrong("E133", f"a mapping of names to values is wanted, not {shown(value)}")
    for name, content in value.items():
        if not isinstance(name, str) or _VARIABLE.fullmatch(name) is None:
            raise wrong("E133", f"{shown(name)} is not the name of a variable: letters, digits and '_'")
        check_text(content, secrets=True)
    return value
