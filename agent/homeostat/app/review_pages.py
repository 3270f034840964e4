"""A report as Markdown, or as one HTML page that needs nothing else. All text is escaped: none of it becomes markup."""

from __future__ import annotations

import re
from html import escape

from homeostat.app.review import Report, Section

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}.summary{font-size:1.1rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .7rem;border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top;white-space:pre-line;
overflow-wrap:anywhere}th{color:#57606a;white-space:nowrap}td:first-child{white-space:nowrap}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}th{color:#9da7b1}}
@media print{body{color:#000;background:#fff;max-width:none;margin:0}tr{break-inside:avoid}.wide{overflow:visible}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>:@/=$^])")


def as_html(report: Report) -> str:
    """The report as a page."""
    parts = "".join(_html(section) for section in report.sections)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}">'
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style><h1>{escape(report.title)}</h1>"
        f"<p class=summary>{escape(report.summary)}</p>{parts}</html>\n"
    )


def _html(section: Section) -> str:
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    if not section.rows:
        return f"<h2>{escape(section.title)}</h2>{note}"
    heads = "".join(f"<th>{escape(name)}</th>" for name in section.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in section.rows)
    return f"<h2>{escape(section.title)}</h2>{note}<div class=wide><table><tr>{heads}</tr>{rows}</table></div>"


def as_markdown(report: Report) -> str:
    """The report as Markdown with tables."""
    parts = [f"# {plain(report.title)}", plain(report.summary)]
    for section in report.sections:
        parts.append(f"## {section.title}")
        if section.note:
            parts.append(plain(section.note))
        if section.rows:
            lines = [section.columns, tuple("---" for _ in section.columns)]
            table = [f"| {' | '.join(line)} |" for line in lines]
            table += [f"| {' | '.join(plain(cell) for cell in row)} |" for row in section.rows]
            parts.append("\n".join(table))
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line."""
    one_line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    return _MARKUP.sub(r"\\\1", one_line.replace("&", "&amp;").replace("<", "&lt;"))
