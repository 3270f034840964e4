"""The console in a real browser, beside a real agent: live, over restarts, by two people, and without a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect
from tests.live.console_stage import WAIT_MS, Stage, chromium

from homeostat.model import entries as e

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]
PHONE = {"width": 390, "height": 844}
TABS = 9


@pytest.fixture(scope="module")
def browser(chromium_binary: str) -> Iterator[Browser]:
    with chromium(chromium_binary) as started:
        yield started


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("console") / "w") as started:
        yield started


def mark(page: Page) -> None:
    """What a reload would wipe out."""
    page.evaluate("window.looked = true")


def was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.looked === true"))


def wait_live(pages: Sequence[Page]) -> None:
    for page in pages:
        expect(page.locator("#link")).to_have_text("live", timeout=WAIT_MS)


def test_an_incident_from_its_opening_to_the_second_persons_yes(stage: Stage, browser: Browser) -> None:
    stage.calm()
    dana, eli = stage.sign_in(browser, "dana"), stage.sign_in(browser, "eli")
    home = dana.new_page()
    home.goto(stage.url)
    wait_live([home])
    mark(home)
    stage.shop.errors = 10.0
    home.wait_for_selector("#open tbody tr a")
    assert was_not_reloaded(home), "the incident came by itself"
    address = str(home.locator("#open tbody tr a").first.get_attribute("href"))

    sockets: list[WebSocketRoute] = []
    tabs = [eli.new_page() for _ in range(TABS)]

    def through(route: WebSocketRoute) -> None:
        sockets.append(route)
        route.connect_to_server()

    tabs[0].route_web_socket("**/live*", through)
    for tab in tabs:
        tab.goto(stage.url + address)
        mark(tab)
    wait_live(tabs)
    unlit = tabs[1].inner_html("#plan")

    home.goto(stage.url + address)
    home.fill(".pending input[name=note]", "replica is 3 h behind")
    home.click("text=Start it")
    home.click("button:has-text('Approve')")
    expect(home.locator("[role=alert]")).to_contain_text("somebody else must agree")
    assert stage.effects() == 0

    for tab in tabs:
        expect(tab.locator("button:has-text('Approve')")).to_be_enabled(timeout=WAIT_MS)
    sockets[0].close()
    expect(tabs[0].locator("#link")).not_to_have_text("live")
    wait_live(tabs[:1])
    assert len(sockets) >= 2, "it has connected anew"

    stage.end_console()
    for tab in tabs:
        expect(tab.locator("#link")).to_have_class("away", timeout=WAIT_MS)
        expect(tab.locator("button:has-text('Approve')")).to_be_disabled()
    stage.serve()
    wait_live(tabs)

    tabs[2].fill(".pending input[name=note]", "backup is from 02:00")
    tabs[2].click("button:has-text('Approve')")
    for tab in tabs:
        expect(tab.locator("#line")).to_contain_text("agreed to by eli", timeout=WAIT_MS)
    stage.shop.wait_for("the action", lambda: stage.effects() == 1)
    assert tabs[1].inner_html("#plan") != unlit
    stage.shop.errors = 0.0
    for number, tab in enumerate(tabs):
        expect(tab.locator("#state .state")).to_have_text("recovered", timeout=WAIT_MS)
        assert number == 2 or was_not_reloaded(tab), "the one that sent the form was"
        expect(tab.locator("#plan g.succeeded").first).to_be_attached()
        assert tab.evaluate("window.violations") == []
    assert stage.troubles == []
    granted = [entry for entry in stage.shop.entries() if isinstance(entry, e.ApprovalGranted)]
    assert [(entry.by, entry.note) for entry in granted[-1:]] == [("eli", "backup is from 02:00")]


def test_without_a_script_and_on_a_phone(stage: Stage, browser: Browser) -> None:
    stage.calm()
    stage.shop.errors = 10.0
    incident = stage.shop.wait_pending("request")["incident"]
    assert stage.shop.run("request", incident, "restore", "--as", "dana").returncode == 0

    phone = stage.sign_in(browser, "dana", viewport=PHONE, is_mobile=True, has_touch=True)
    page = phone.new_page()
    for address in ("/", f"/incidents/{incident}", "/login", "/incidents/none"):
        page.goto(stage.url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address

    page.goto(f"{stage.url}/incidents/{incident}")
    right = "one => [one, one.closest('.pending')].map(each => each.getBoundingClientRect().right)"
    field, card = page.locator(".pending input[name=note]").evaluate(right)  # at once: the page renews itself
    assert 0 < field <= card, "what is typed into stays in its frame"

    plain = stage.sign_in(browser, "eli", java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{stage.url}/")
    page.click("#pending a.button")
    page.fill(".pending input[name=note]", "by form alone")
    page.click("button:has-text('Approve')")
    assert page.url == f"{stage.url}/incidents/{incident}"
    expect(page.locator("#line")).to_contain_text("agreed to by eli")
    stage.shop.wait_for("the action", lambda: stage.effects() == 1)
    page.click("text=Sign out")
    page.goto(f"{stage.url}/")
    assert page.url == f"{stage.url}/login"
    assert stage.troubles == []
