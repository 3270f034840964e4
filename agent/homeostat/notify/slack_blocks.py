"""How a message looks in Slack: Block Kit, within all of its limits.

Text that comes from policies, journals and people is escaped and marked as verbatim, so that nothing in it mentions
anybody or becomes a link (https://docs.slack.dev/messaging/formatting-message-text). The limits are those of
https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from homeostat.notify.message import Message, Question
from homeostat.notify.routing import DEMANDS
from homeostat.notify.slack_button import ButtonAction, Shown, encode

BLOCKS_MAX = 50
TEXT_MAX = 3000
HEADER_MAX = 150
FIELD_MAX = 2000
CONFIRM_TEXT_MAX = 300
SECTIONS_MAX = 6
"""Ours: what is longer is read in the console."""
LINKS_MAX = 5
_LINK_MAX = 1000
_LABEL_MAX = 75
_BUTTONS_MAX = 25

Block = dict[str, Any]


def escaped(text: str, length_max: int) -> str:
    """Text of which Slack makes nothing but text, with what is cut off told by an ellipsis.

    Args:
        text: anything.
        length_max: characters of what is given back.
    """
    parts: list[str] = []
    length = 0
    for character in text:
        part = _ENTITIES.get(character) or (character if character.isprintable() or character == "\n" else " ")
        length += len(part)
        parts.append(part)
        if length > length_max:
            break
    return "".join(parts) if length <= length_max else _cut(parts, length_max)


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _cut(parts: list[str], length_max: int) -> str:
    """As many whole parts as leave room for the ellipsis: half an entity would be shown as it is."""
    length = sum(map(len, parts))
    while parts and length > length_max - 1:
        length -= len(parts.pop())
    return f"{''.join(parts)}…"


def date_token(at: float) -> str:
    """A moment in the reader's own time zone; without one, in UTC."""
    fallback = datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
    return f"<!date^{int(at)}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def message_blocks(message: Message, *, has_buttons: bool) -> list[Block]:
    """The blocks of a message.

    Args:
        message: what is said.
        has_buttons: whether it may be answered here.
    """
    blocks = [_header(message.title), _context([*_about(message), *_links(message)])]
    if len(message.title) > HEADER_MAX:
        blocks.append(_section(escaped(message.title, TEXT_MAX)))
    if message.question is not None:
        blocks.append(_question(message.question))
    blocks += _sections(message.lines)
    buttons = list(_buttons(message)) if has_buttons else []
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return blocks[:BLOCKS_MAX]


def without_buttons(blocks: Sequence[Block], gone: Collection[ButtonAction], note: str) -> list[Block]:
    """The same blocks without some of their buttons, and why."""
    kept = [block for block in blocks if block.get("type") in ("header", "context", "section", "divider")]
    rows = [block.get("elements") for block in blocks if block.get("type") == "actions"]
    buttons = [one for row in rows if isinstance(row, list) for one in row if isinstance(one, dict)]
    left = [one for one in buttons if one.get("action_id") not in gone][:_BUTTONS_MAX]
    row: list[Block] = [{"type": "actions", "elements": left}] if left else []
    return [*kept[: BLOCKS_MAX - 2], _context([escaped(note, TEXT_MAX)]), *row]


def fallback_text(message: Message) -> str:
    """What notifications and screen readers say."""
    return escaped(f"{message.severity}: {message.title}", TEXT_MAX)


def _header(title: str) -> Block:
    plain = "".join(character if character.isprintable() else " " for character in title).strip() or "Homeostat"
    text = plain if len(plain) <= HEADER_MAX else f"{plain[: HEADER_MAX - 1]}…"
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(texts: Sequence[str]) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text) for text in texts if text][:10]}


def _about(message: Message) -> Iterator[str]:
    if message.policy:
        yield f"policy {escaped(message.policy, 200)}"
    yield f"severity {escaped(message.severity, 50) or 'info'}"
    yield date_token(message.at)


def _links(message: Message) -> Iterator[str]:
    for label, url in message.links[:LINKS_MAX]:
        safe = quote(url, safe=":/?#[]@!$&'()*+,;=%~")
        if urlsplit(url).scheme in ("http", "https") and len(safe) <= _LINK_MAX:
            name = escaped(label.replace("|", " "), _LABEL_MAX) or "link"
            yield f"<{safe.replace('&', '&amp;')}|{name}>"


def _question(question: Question) -> Block:
    fields = {
        "Step": question.node,
        "Action": f"{question.action} on {question.target}",
        "Wanted by": question.requester,
        "Who may agree": ", ".join(question.approvers),
    }
    texts = [f"*{name}*\n{escaped(value, FIELD_MAX - 50)}" for name, value in fields.items()]
    texts.append(f"*Silence is a no from*\n{date_token(question.expires_at)}")
    return {"type": "section", "fields": [_mrkdwn(text) for text in texts]}


def _sections(lines: Sequence[str]) -> list[Block]:
    """Lines in as few sections as hold them, none cut in two."""
    texts = [""]
    for line in lines:
        text = escaped(line.replace("\n", " "), TEXT_MAX)
        if not text.strip():
            continue
        if len(texts[-1]) + 1 + len(text) <= TEXT_MAX:
            texts[-1] = f"{texts[-1]}\n{text}" if texts[-1] else text
        else:
            texts.append(text)
    shown = [_section(text) for text in texts[:SECTIONS_MAX] if text]
    return [*shown, _context(["there is more in the console"])] if len(texts) > SECTIONS_MAX else shown


def _buttons(message: Message) -> Iterator[Block]:
    if message.incident is None or message.topic not in DEMANDS:
        return
    question = message.question
    if question is not None:
        value = encode(Shown(message.incident, question.node, question.plan, f"{question.expires_at:.3f}"))
        if value is not None:
            what = f"{question.action} on {question.target}"
            yield _button(ButtonAction.APPROVE, "Approve", value, "primary", f"Start {what}?")
            yield _button(ButtonAction.DENY, "Deny", value, "danger", f"Refuse {what}?")
    value = encode(Shown(message.incident))
    if value is not None:
        yield _button(ButtonAction.ACKNOWLEDGE, "Acknowledge", value)


def _button(action: ButtonAction, label: str, value: str, style: str | None = None, asks: str | None = None) -> Block:
    button: Block = {"type": "button", "action_id": action.value, "text": _plain(label), "value": value}
    if style is not None:
        button["style"] = style
    if asks is not None:
        printable = "".join(character if character.isprintable() else " " for character in asks)
        cut = printable if len(printable) <= CONFIRM_TEXT_MAX else f"{printable[: CONFIRM_TEXT_MAX - 1]}…"
        button["confirm"] = {
            "title": _plain(f"{label}?"),
            "text": _plain(cut),
            "confirm": _plain(label),
            "deny": _plain("Back"),
        }
    return button


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
