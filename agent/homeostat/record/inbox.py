"""The agent's inbox: what people say, one small file each, until it is in the journal.

Any process on the host that may write into the folder may put an answer in; the folder is its owner's alone. An answer
is delivered at least once, and a file that is no answer is set aside with its name and never in the way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from homeostat.model.answers import AGENT_NAME, SCHEDULE_NAME, SWITCHES, Answer, AnswerKind
from homeostat.model.drill_entries import DrillRan
from homeostat.model.errors import JournalWriteError, UsageError
from homeostat.model.feedback import RATING_MAX, RATING_MIN, Feedback

ANSWERS_MAX = 200
"""Taken in at once; the rest waits for the next tick."""
BYTES_MAX = 16 << 10
TEXT_MAX = 1000
POLICIES_MAX = 50
"""Of one drill."""
PEOPLE_MAX = 10
TABLETOP_ANSWERS_MAX = 12
TABLETOP_STEPS_MAX = 4
"""Named in one answer."""
_NAME = re.compile(r"[A-Za-z0-9_@.+ -]{1,64}", re.ASCII)
_SUFFIX = ".json"


class FolderInbox:
    """Implements `model.ports.Inbox` on a folder.

    Args:
        folder: made when the first answer is put in.
        failed: told of files that cannot be read.
    """

    def __init__(self, folder: Path, failed: Callable[[str, Exception], None]) -> None:
        self._folder = folder
        self._failed = failed

    def collect(self) -> Sequence[Answer]:
        """See `model.ports.Inbox`."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if entry.name.endswith(_SUFFIX))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._failed("inbox", error)
            return []
        found = [self._read(self._folder / name) for name in names if not name.startswith(".")]
        return first_to_hear(filter(None, found))

    def settle(self, answers: Sequence[str]) -> None:
        """See `model.ports.Inbox`."""
        for answer in answers:
            try:
                (self._folder / f"{answer}{_SUFFIX}").unlink(missing_ok=True)
            except OSError as error:
                self._failed("inbox", error)

    def _read(self, path: Path) -> Answer | None:
        try:
            return _answer_in(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError, UsageError) as error:
            self._failed(f"inbox {path.name}", error)
            self._set_aside(path)
            return None

    def _set_aside(self, path: Path) -> None:
        try:
            path.rename(path.with_suffix(".refused"))
        except OSError as error:
            self._failed(f"inbox {path.name}", error)


def _answer_in(path: Path) -> Answer:
    """Raises OSError, ValueError, RecursionError, MsgspecError, UsageError: it holds no answer."""
    # A pipe that nobody writes to must not hold the loop up.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
        content = file.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise ValueError(f"larger than {BYTES_MAX} bytes")
    answer = msgspec.json.decode(content, type=Answer)
    check(answer)
    if f"{answer.id}{_SUFFIX}" != path.name:
        raise ValueError("its id is not its name")
    return answer


def first_to_hear(answers: Iterable[Answer]) -> list[Answer]:
    """Give as many as are taken in at once, oldest first.

    The kill switch is always among them: it must not wait behind answers that nobody takes.
    Ids are drawn: only the time says that it was pulled after it had been lifted.
    """
    first = sorted(answers, key=lambda answer: (answer.kind not in SWITCHES, answer.at, answer.id))[:ANSWERS_MAX]
    return sorted(first, key=lambda answer: (answer.at, answer.id))


def put(folder: Path, answer: Answer) -> None:
    """Put an answer in, whole and durable.

    Raises:
        UsageError: it says what no answer may. JournalWriteError: the folder cannot be written.
    """
    content = encoded(answer)
    temporary = folder / f".{answer.id}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # A disk that is nearly full takes a part of it, and says so only by how much it took.
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.rename(folder / f"{answer.id}{_SUFFIX}")
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise JournalWriteError(f"{folder}: the answer cannot be written: {error.strerror}") from error


def encoded(answer: Answer) -> bytes:
    """An answer as an inbox keeps it. Raises UsageError: it says what no answer may, or is too large to be read."""
    check(answer)
    content = msgspec.json.encode(answer)
    if len(content) > BYTES_MAX:
        raise UsageError(f"an answer holds at most {BYTES_MAX} bytes, not {len(content)}; shorten its texts")
    return content


def check(answer: Answer) -> None:
    """Refuse what would look like something else in the journal or on a page. Raises UsageError."""
    check_name(answer.by)
    if re.fullmatch(r"[A-Za-z0-9-]{1,80}", answer.id, re.ASCII) is None:
        raise UsageError(f"{answer.id!r} is no answer's id")
    for text in (answer.note, answer.incident or "", answer.node or "", answer.policy or "", answer.plan, answer.key):
        check_text(text)
    if (answer.kind is AnswerKind.DRILL) != (answer.drill is not None):
        raise UsageError("an answer of kind 'drill' brings a drill, and no other does")
    if answer.drill is not None:
        _check_drill(answer.drill)
    if (answer.kind is AnswerKind.FEEDBACK) != (answer.feedback is not None):
        raise UsageError("an answer of kind 'feedback' brings a survey, and no other does")
    if answer.feedback is not None:
        _check_feedback(answer.feedback)


def _check_drill(ran: DrillRan) -> None:
    if len(ran.policies) > POLICIES_MAX:
        raise UsageError(f"a drill is for at most {POLICIES_MAX} policies, not {len(ran.policies)}")
    for text in (ran.fault, ran.why, ran.tier, *ran.policies, *ran.policies.values()):
        check_text(text)
    _check_tabletop(ran)


def _check_tabletop(ran: DrillRan) -> None:
    if len(ran.people) > PEOPLE_MAX:
        raise UsageError(f"at most {PEOPLE_MAX} people sit at a tabletop, not {len(ran.people)}")
    if len(ran.answers) > TABLETOP_ANSWERS_MAX:
        raise UsageError(f"a tabletop has at most {TABLETOP_ANSWERS_MAX} answers, not {len(ran.answers)}")
    for name in ran.people:
        check_name(name)
    for answer in ran.answers:
        for steps in (answer.expected, answer.picked):
            if len(steps) > TABLETOP_STEPS_MAX:
                raise UsageError(f"an answer names at most {TABLETOP_STEPS_MAX} steps, not {len(steps)}")
        for text in (answer.comment, *answer.expected, *answer.picked):
            check_text(text)


def _check_feedback(feedback: Feedback) -> None:
    for name in ("clarity", "usability", "confidence"):
        rating = getattr(feedback, name)
        if not RATING_MIN <= rating <= RATING_MAX:
            raise UsageError(f"{name} is rated from {RATING_MIN} to {RATING_MAX}, not {rating}")
    for text in (feedback.incident, feedback.note, feedback.wrong_step, feedback.missing_step):
        check_text(text)


def check_name(name: str) -> None:
    """Refuse what is no person's name. Raises UsageError."""
    if _NAME.fullmatch(name) is None or not name.strip():
        raise UsageError(f"{name!r} is no name; letters, digits, space and _@.+- are allowed, at most 64")
    if name.strip().casefold() in (AGENT_NAME, SCHEDULE_NAME):
        raise UsageError(f"'{name}' is how the journal names the agent itself; say who you are")


def check_text(text: str) -> None:
    """Refuse what would look like something else where it is shown. Raises UsageError."""
    if len(text) > TEXT_MAX or not text.isprintable():
        raise UsageError(f"text of at most {TEXT_MAX} printable characters is wanted, without line breaks")
