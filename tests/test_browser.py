"""The pages in a browser: they work, log nothing to the console and load no external files."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.servers import ROOT

pytestmark = [
    pytest.mark.needs_tools,
    pytest.mark.sqlite,
]

SCREENSHOTS = ROOT / "build" / "screenshots"
ANA = {"username": "ana", "password": "Correct-Horse-7"}


class Browser:
    """A headless Chromium that records its requests and console messages."""

    def __init__(self, profile: Path):
        options = webdriver.ChromeOptions()
        for option in (
            "headless=new",
            "no-sandbox",
            "disable-dev-shm-usage",
            "force-device-scale-factor=1",
            f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{option}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(30)

    def show(self, width: int, height: int, *, scheme: str = "light") -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def find(self, css: str) -> WebElement:
        """Wait for a visible element, and scroll to it."""

        def visible(driver: webdriver.Chrome) -> WebElement | None:
            found = driver.find_elements(By.CSS_SELECTOR, css)
            return next((each for each in found if each.is_displayed()), None)

        element = WebDriverWait(self.driver, 15).until(visible, css)
        assert element is not None
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def click(self, css: str) -> None:
        element = self.find(css)
        self.driver.execute_script("arguments[0].click()", element)

    def type(self, css: str, text: str) -> None:
        element = self.find(css)
        element.clear()
        element.send_keys(text)

    def wait_for(self, css: str, text: str) -> None:
        WebDriverWait(self.driver, 15).until(lambda _: text in self.find(css).text, text)

    def photograph(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def said(self) -> list[str]:
        """Return the warnings and errors on the console."""
        found = self.driver.get_log("browser")
        return [each["message"] for each in found if each["level"] in ("WARNING", "SEVERE")]

    def hosts(self) -> set[str]:
        """Return the hosts of all requests."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        urls = [
            urlsplit(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return {url.netloc for url in urls if url.scheme in ("http", "https", "ws", "wss")}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    started = Browser(tmp_path / "profile")
    yield started
    started.driver.quit()


@pytest.fixture
def server(live_server) -> str:
    url: str = live_server().url
    return url


def test_swagger_ui_logs_in_creates_and_lists_a_task(browser, server):
    assert httpx.post(f"{server}/api/v1/auth/register", json=ANA).status_code == 201
    browser.show(1280, 900)
    browser.driver.get(f"{server}/docs")
    browser.find(".opblock")
    browser.photograph("docs")

    logout_lock = "#operations-auth-logout button.authorization__btn"
    assert browser.find(logout_lock).get_attribute("aria-label").endswith("unlocked")

    browser.click("button.authorize")
    browser.type("#oauth_username", ANA["username"])
    browser.type("#oauth_password", "Wrong-Horse-8")
    browser.click(".auth-container:has(#oauth_username) button.authorize")
    wrong = httpx.post(f"{server}/api/v1/auth/login", json={**ANA, "password": "Wrong-Horse-8"})
    browser.wait_for(".modal-ux-content .errors", f"Error: {wrong.json()['detail']}")
    browser.photograph("docs-wrong-password")
    assert [message for message in browser.said() if "401" not in message] == []
    browser.type("#oauth_password", ANA["password"])
    browser.click(".auth-container:has(#oauth_username) button.authorize")
    browser.wait_for(".modal-ux-content", "Logout")
    browser.photograph("docs-signed-in")
    browser.click(".modal-ux .close-modal")
    assert browser.find(logout_lock).get_attribute("aria-label").endswith(" locked")

    made = "#operations-tasks-create_task"
    browser.click(f"{made} .opblock-summary-control")
    browser.find(f"{made} textarea.body-param__text")
    browser.click(f"{made} button.execute")
    browser.wait_for(f"{made} .live-responses-table tr.response .response-col_status", "201")

    listed = "#operations-tasks-list_tasks"
    browser.click(f"{listed} .opblock-summary-control")
    browser.click(f"{listed} button.execute")
    browser.wait_for(f"{listed} .live-responses-table tr.response .response-col_status", "200")
    browser.wait_for(
        f"{listed} .live-responses-table tr.response .response-col_description", '"title"'
    )
    browser.photograph("docs-tried")

    assert browser.said() == []
    assert browser.hosts() == {urlsplit(server).netloc}


def test_redoc_shows_and_finds_operations(browser, server):
    browser.show(1280, 900)
    browser.driver.get(f"{server}/redoc")
    browser.wait_for("h1", "Task API")
    document = httpx.get(f"{server}/openapi.json").json()
    for methods in document["paths"].values():
        for operation in methods.values():
            section = f"operation/{operation['operationId']}"
            assert browser.driver.find_elements(By.CSS_SELECTOR, f'[id$="{section}"]'), section
    browser.photograph("redoc")
    browser.type('input[role="search"], input[type="text"]', "trash")
    browser.wait_for('[data-role="search:results"]', "trash")

    assert browser.said() == []
    assert browser.hosts() == {urlsplit(server).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_start_page_is_accessible(browser, server, scheme, width):
    browser.show(width, 800, scheme=scheme)
    browser.driver.get(f"{server}/")
    browser.wait_for("h1", "Task API")
    browser.wait_for(".health", "ok")
    browser.photograph(f"first-page-{scheme}-{width}")

    page_width = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert page_width <= width
    ground, ink = browser.driver.execute_script(
        "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    )
    is_dark = _brightness(ground) < _brightness(ink)
    assert is_dark == (scheme == "dark")
    assert browser.said() == []
    assert browser.hosts() == {urlsplit(server).netloc}


def _brightness(color: str) -> int:
    return sum(int(part) for part in color.strip("rgba()").split(",")[:3])
