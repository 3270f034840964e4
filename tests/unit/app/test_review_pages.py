"""Whatever text a journal holds, a report shows it and is not built by it."""

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.contract.entry_strategies import any_entry
from tests.unit.learn.incident_streams import START, Stream

from homeostat.app.review.facts import Facts
from homeostat.app.review.html import as_html
from homeostat.app.review.markdown import as_markdown, paragraph, plain
from homeostat.app.review.report import Report, visible
from homeostat.app.review.similar import Past, Similar
from homeostat.app.review.writing import review
from homeostat.learn.trace import trace_incidents
from homeostat.model import entries as e
from homeostat.model.feedback import Feedback
from homeostat.model.policy import Effect
from homeostat.model.reasons import AttemptVerdict

HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "]]><!--",
    "&lt;b&gt; &#60;",
    "**a** _b_ `c` ~~d~~ $e$",
    "[a](javascript:alert(1)) ![b](http://127.0.0.1/b.png)",
    "<https://127.0.0.1> www.a.b a@b.c",
    "| a | b |\n| --- | --- |\n",
    "# a",
    "\n\n- a\n1. b\n> c\n===\n",
    "``` a",
    "\\",
    "a\u202eb\x00c\x1b[31m",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def mapped(value: Any, of_text: Callable[[str], str]) -> Any:
    """The value with every text in it changed, and numbers that stay within what clocks show."""
    match value:
        case Enum() | bool() | None:
            return value
        case str():
            return of_text(value)
        case float():
            return abs(value) % 1000.0
        case tuple():
            return tuple(mapped(it, of_text) for it in value)
        case Mapping():
            return {mapped(key, of_text): mapped(it, of_text) for key, it in value.items()}
        case msgspec.Struct():
            names = value.__struct_fields__
            return type(value)(**{name: mapped(getattr(value, name), of_text) for name in names})
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
            return type(value)(**{name: mapped(it, of_text) for name, it in fields.items()})
        case _:
            return value


def report(drawn: list[e.Entry], of_text: Callable[[str], str]) -> Report:
    """Of an incident in which each of the entries was said, with its texts changed."""
    stream = Stream("i1").confirm()
    opened = stream.entries[0]
    assert isinstance(opened, e.Suspected)
    stream.entries[0] = msgspec.structs.replace(opened, policy=of_text("p"), policy_hash=of_text("h"))
    for number, key in enumerate(("run", "undo")):
        stream.entries.append(
            e.ActionIntended(
                at=START + 11.0,
                incident="i1",
                key=of_text(key),
                node=of_text("step"),
                action=of_text("action"),
                target=of_text("target"),
                arguments={of_text("name"): of_text("value")},
                effect=Effect.SAFE,
                number=1,
                deadline_at=START + 99.0,
                undoes=of_text("run") if number else None,
            )
        )
    stream.choose(of_text("step"), {of_text("errors"): of_text("high")}, node=of_text("remedy"))
    ended = e.AttemptEnded(at=START + 12.0, key=of_text("run"), verdict=AttemptVerdict.HARMFUL, succeeded=False)
    stream.entries.append(ended)
    for second, entry in enumerate(drawn):
        if not isinstance(entry, e.Suspected):
            stream.entries.append(msgspec.structs.replace(mapped(entry, of_text), at=START + 12.0 + second))
    (trace,) = trace_incidents(stream.records())
    past = Past(of_text("i0"), START - 99.0, None, None, None, {of_text("errors"): of_text("high")}, of_text("step"))
    drill = e.DrillRan(at=START + 99.0, fault=of_text("fault"), began_at=START, passed=False, why=of_text("why"))
    alike = [Similar(past, 0.5, of_text("errors"), nearest=True)]
    said = Feedback("i1", 1, 2, 3, note=of_text("note"), wrong_step=of_text("step"), missing_step=of_text("none"))
    surveys = [e.FeedbackGiven(at=START, by=of_text("ann"), answer="a", given_at=START, feedback=said)]
    facts = Facts(
        stream.entries, trace, START + 1e6, 60.0, similar=alike, relapse=past, relapse_of=past, surveys=surveys
    )
    return review(dataclasses.replace(facts, drill=drill if len(drawn) % 2 else None))


class Structure(HTMLParser):
    """Tags with their attributes, without the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Where a bar's own words stand depends on nothing that is said in them.
        self.found.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")

    def handle_data(self, data: str) -> None:
        self.text += data


def markdown_structure(text: str) -> list[object]:
    found: list[object] = []
    for token in MARKDOWN.parse(text):
        found.append((token.type, token.tag, token.level, sorted(token.attrs)))
        found += [(it.type, it.tag) for it in token.children or () if it.type != "text"]
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(any_entry(), max_size=6), TEXTS)
def test_no_text_of_a_journal_becomes_markup(drawn: list[e.Entry], text: str) -> None:
    harmless = report(drawn, lambda it: f"x{it.encode().hex()}" if it else "")
    hostile = report(drawn, lambda it: f"{text}{it}" if it else "")
    page = as_html(hostile)
    assert Structure(page).found == Structure(as_html(harmless)).found
    assert visible(text) in Structure(page).text
    page.encode("utf-8")
    assert markdown_structure(as_markdown(hostile)) == markdown_structure(as_markdown(harmless))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("a\ud800")
@example("_a_b_ __c__ d_e")
@example("1. a")
@example("- a")
@example("a  \nb\\")
@example("&amp &amp; &#x26;")
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    one_line = "; ".join(part.strip() for part in visible(text).strip().split("\n") if part.strip())
    for written, begin, inside in (
        (paragraph(text), "paragraph_open", ""),
        (f"| a |\n| --- |\n| {plain(text)} |", "table_open", "a"),
        (f"# {plain(text)}", "heading_open", ""),
    ):
        tokens = MARKDOWN.parse(written)
        shown = "".join(child.content for token in tokens for child in token.children or ())
        assert shown.removeprefix(inside) == one_line, written
        assert not one_line or tokens[0].type == begin


def test_ids_and_what_is_no_markup_stay_readable() -> None:
    for text in ("payments-5xx-001", "auth_restart", "+2m30s", "2026-01-20", "http_5xx < 1% for 2m", "(a) {b} c.d: e!"):
        assert plain(text) == text
    assert plain("https://a.b www.a.b c@d.e") == r"https\://a.b www\.a.b c\@d.e"


def test_a_page_asks_for_nothing_and_runs_nothing() -> None:
    page = as_html(report([], str))
    assert "default-src 'none'" in page
    for never in ("<script", "href", "src=", "url(", "@import", "http:", "https:"):
        assert never not in page
