"""The pages build without a warning, say all there is, lead somewhere, and ask nothing of another host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance.test_readme import ROOT

from homeostat.app.settings import Settings
from homeostat.cli import COMMANDS

DOCS = ROOT / "docs"
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "use": "href"}
"""Where a browser fetches something without being asked."""
OUTSIDE = re.compile(r"^(https?:)?//")


def build(source: Path, to: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", "-b", "html"]
    return subprocess.run(
        [*command, "-d", str(to / "doctrees"), str(source), str(to / "html")],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(DOCS, folder)
    assert built.returncode == 0, built.stderr
    return folder / "html"


class Fetches(HTMLParser):
    """Collects what a page has a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in FETCHED and given.get("rel") not in ("canonical", "author"):
            self.found.append(given.get(FETCHED[tag]) or "")


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text())


@pytest.mark.timeout(170)
def test_no_page_asks_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    fetched = 0
    for page in pages:
        reader = Fetches()
        reader.feed(page.read_text())
        fetched += len(reader.found)
        assert [one for one in reader.found if OUTSIDE.match(one)] == [], page.name
    assert fetched > len(pages), "the pages fetch their own styles and scripts, or the reader sees nothing"
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^)\"']*", style.read_text()) == [], style.name


def test_the_reference_has_every_setting_command_and_operation(site: Path) -> None:
    settings = text_of(site / "reference/settings.html")
    for table, field in Settings.model_fields.items():
        if table not in ("root", "people"):
            assert f"[{table}" in settings
            for key in getattr(field.annotation, "model_fields", {}):
                assert key in settings, f"{table}.{key}"
    commands = (site / "reference/command-line.html").read_text()
    for command in COMMANDS:
        assert f'id="homeostat-{command}"' in commands
    assert "/api/v1/overview" in text_of(site / "reference/api.html")
    assert "homeostat_incidents_escalated_total" in text_of(site / "reference/metrics.html")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    shutil.copytree(DOCS / "_extensions", source / "_extensions")
    (tmp_path / "OUTSIDE.md").write_text("# Outside\n\n[x](docs/nowhere_5.md)\n")
    (source / "other.md").write_text("# Other\n\n```{include} ../OUTSIDE.md\n```\n\n[x](index.md#page)\n")
    links = "[x](nowhere_1.md)\n[x](#nowhere_2)\n[x](other.md#nowhere_3)\n{ref}`nowhere_4`\n[x](../OUTSIDE.md)\n"
    (source / "index.md").write_text(f"# Page\n\n{links}\n```{{toctree}}\nother\n```\n")
    (source / "orphan.md").write_text("# Nobody knows this page\n")
    built = build(source, tmp_path)
    assert built.returncode == 1
    complaints = [line for line in built.stderr.splitlines() if "WARNING" in line]
    assert [sum(f"nowhere_{number}" in line for line in complaints) for number in range(1, 6)] == [1] * 5, complaints
    assert len([line for line in complaints if "orphan.md" in line]) == 1
    assert len(complaints) == 6, complaints


def test_links_to_other_hosts_have_the_form_of_links() -> None:
    for document in [ROOT / "README.md", *DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for link in re.findall(r"\]\((https?:[^)]*)\)", document.read_text()):
            parts = urlsplit(link)
            assert parts.scheme == "https", f"{document.name}: {link}"
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), f"{document.name}: {link}"
            assert not re.search(r"\s", link), f"{document.name}: {link}"
