"""What single lines of a runbook say: a step's number, its owner, its check, what is for a failure only.

Two kinds of text must never become the next step of a sequence, since that is reached only when all before it worked:
- a part that takes things back (`Rollback`, `Back out`, `Undo`, `Revert`) or is for a failure (`If it fails`);
- a step "If the restore fails, ...". It is the fallback of the step before it where the two clearly belong together.
"""

from __future__ import annotations

import re

from homeostat.policy.fields import NAME_CHARACTERS_MAX

BOX = re.compile(r"\[[ xX]\](\s+|$)")
STEP_HEADING = re.compile(r"(?:step\s+)?\d{1,3}(?:[.):]|\s*[-:]|$)\s*|step\s+\d{1,3}\s+", re.IGNORECASE)
CHECK = re.compile(r"(?:verify|check|confirm|ensure|make sure|expect(?:ed|s)?|you should (?:see|get))\b", re.IGNORECASE)
IF = re.compile(r"(?:if|when|in case|otherwise)\b", re.IGNORECASE)

_OWNER_LINE = re.compile(r"(?:owner|contact)\s*:\s*(\S.*)", re.IGNORECASE)
_CONTACT = re.compile(r"contact\s+@([A-Za-z][A-Za-z0-9_-]{0,40})", re.IGNORECASE | re.ASCII)
_AT = re.compile(r"(?<![\w.@/])@([A-Za-z][A-Za-z0-9_-]{0,40})", re.ASCII)
_TEAM = re.compile(
    r"\(((?:owner:\s*)?(?:[A-Z]{2,8}|[A-Z][a-z]+(?: [A-Za-z]+){0,2} (?:team|lead|on-?call)|@?[\w-]+-oncall))\)[:.]?$"
)
_TAKES_BACK = re.compile(
    r"(?:the |how to |to )?(?:roll(?:ing)?[ -]?back|back(?:ing)?[ -]?out|undo(?:ing)?|revert(?:ing)?"
    r"|fall[ -]?back|contingency)\b",
    re.IGNORECASE,
)
_PART_ABOUT_IT = re.compile(r"\b(?:rollback|roll-back|backout|back-out)\b", re.IGNORECASE)
_NAMES_A_PART = re.compile(
    r"[\s:.-]*(?:(?:the |this )?(?:plan|procedure|steps?|instructions|section|change|path"
    r"|if (?:needed|necessary|required)|\([^()]{0,60}\))[\s:.-]*)*",
    re.IGNORECASE,
)
_FAILURE = re.compile(r"(?:if|when|should|in case|on failure)\b", re.IGNORECASE)
_FAILS = re.compile(
    r"(?<!not )(?<!never )\bfail(?:s|ed|ure|ures|ing)?\b(?!\s*-?over)"
    r"|\b(?:(?:do|does|did) not|(?:do|does|did)n['\u2019]t) (?:work|help|succeed)\b|\bgo(?:es)? wrong\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"if\s+([^,;:.]{1,200}?)\s*(?:[,;:.]|\bthen\b|$)", re.IGNORECASE)
_OF_SEVERAL = re.compile(
    r"\b(?:any|anything|all|above|either|both|none|nothing|one of|steps?\s+\d+|steps|or|and)\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(r"(?:it|this|that|(?:this|that|the) (?:step|command))\b", re.IGNORECASE)
_ELSE = re.compile(r"\b(?:otherwise|else|if not|if so)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]{4,}")
_SAYS_NOTHING = frozenset({"fail", "does", "work", "help", "step", "this", "that", "then", "with", "from", "when"})
_STEM = 4
"""Letters by which `restore`, `restored` and `restoring` are one word."""


def owner_line(text: str) -> str:
    """Whoever a text names in a line `Owner: name`, `Contact: name` or `Contact @name`; nobody is ''."""
    for line in map(str.strip, text.splitlines()):
        match = _OWNER_LINE.match(line) or _CONTACT.match(line)
        if match:
            return match[1].strip().lstrip("@")[:NAME_CHARACTERS_MAX].strip()
    return ""


def is_owner_alone(text: str) -> bool:
    """Whether a line is there only to name the owner; whom to contact, and about what, is for the person to read."""
    return re.match(r"\s*owner\s*:\s*\S", text, re.IGNORECASE) is not None


def without_owner(text: str) -> tuple[str, str]:
    """A line without the team at its end, and whoever it names; a name with an @ stays where it is."""
    team = _TEAM.search(text)
    if team:
        owner = re.sub(r"owner:\s*", "", team[1]).lstrip("@")
        return text[: team.start()].rstrip(), owner
    at = _AT.search(text)
    return text, at[1] if at else ""


def takes_back(text: str) -> bool:
    """Whether a title is about taking something back: `Rollback`, `Back out the change`."""
    return _TAKES_BACK.match(text.strip()) is not None or _PART_ABOUT_IT.search(text) is not None


def is_aside(text: str, *, is_step: bool) -> bool:
    """Whether what stands below a title is no part of the sequence.

    Args:
        text: the title, without number and box.
        is_step: it is numbered or an item, and so says that it is a step: then `Roll back the release` is one, and
            only a bare `Rollback` or `Rollback plan` is not.
    """
    text = text.strip().rstrip(":").strip()
    if is_for_failure(text):
        return not is_step or _CONDITION.fullmatch(text) is not None
    if not is_step and _PART_ABOUT_IT.search(text):
        return True
    match = _TAKES_BACK.match(text)
    return match is not None and (not is_step or _NAMES_A_PART.fullmatch(text, match.end()) is not None)


def is_for_failure(text: str) -> bool:
    """Whether a line is to be carried out only when something failed: `If the restore fails, ...`."""
    text = text.strip()
    if _FAILURE.match(text) is None:
        return False
    condition = _CONDITION.match(text)
    return _FAILS.search(condition[1] if condition else text.partition(",")[0]) is not None


def is_fallback_of(text: str, before: str, *, only_pointing: bool = False) -> bool:
    """Whether a line for a failure certainly means the failure of what was written before it.

    It does where it says `it`, `this` or `that`, or shares a word with it: `If the restore fails` after `Restore the
    backup`. It does not where it may mean several steps, or also says what to do when nothing failed.

    Args:
        text: the line.
        before: all that the step before it says.
        only_pointing: a word that both have is not enough.
    """
    condition = _CONDITION.match(text.strip())
    if condition is None or _ELSE.search(text) or _OF_SEVERAL.search(condition[1]):
        return False
    if _POINTS_BACK.match(condition[1]):
        return True
    return not only_pointing and not _stems(condition[1]).isdisjoint(_stems(before))


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.lower())} - _SAYS_NOTHING
