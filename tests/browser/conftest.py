"""A real, headless Chromium, and the board in it."""

import base64
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.browser import scripted_api

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    # Names of other sites, which lead to this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("there is no chromium with its chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    # Named, like the driver, so that selenium does not look for others on the network.
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield running
    running.quit()


class Page:
    """The board as a person meets it: what can be seen, read and pressed."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.driver.get(url)

    def ready(self) -> None:
        """The sample is there, so the API has answered."""
        self.until(lambda: self.value("body"))

    def send(self, request: str | None = None) -> None:
        self.ready()
        if request is not None:
            self.run("document.getElementById('body').value = arguments[0]", request)
        self.element("send").click()

    def element(self, id_: str) -> Any:
        return self.driver.find_element("id", id_)

    def text(self, id_: str) -> str:
        return self.element(id_).get_property("textContent")

    def value(self, id_: str) -> str:
        return self.element(id_).get_property("value")

    def rows(self) -> dict[str, str]:
        """What the table says of each responder; nothing of those that are not in it."""
        return defaultdict(
            str,
            self.run(
                "return Array.from(document.querySelectorAll('#answers tr'), row =>"
                " [row.cells[0].innerText, row.cells[1].innerText + ' | ' + row.cells[2].innerText])"
            ),
        )

    def counts(self) -> dict[str, int]:
        return {
            name: int(count)
            for name, count in self.run(
                "return Array.from(document.querySelectorAll('#counts div'), one =>"
                " [one.querySelector('dt').textContent, one.querySelector('dd').textContent])"
            )
        }

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def command(self, name: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        ends = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < ends, f"not within {seconds} seconds; problem: {self.text('problem')!r}, news: {self.text('news')!r}"
            time.sleep(0.05)
        return found

    def until_closed(self, seconds: float = 60) -> None:
        self.until(lambda: self.text("status") in ("Complete", "Partial", "Failed"), seconds)

    def complaints(self) -> list[str]:
        """What the browser's console says of errors in the page; refused calls are the tests' own."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["source"] != "network"]

    def picture(self, name: str) -> None:
        """Keeps the whole page as artifacts/board-NAME.png."""
        ARTIFACTS.mkdir(exist_ok=True)
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        (ARTIFACTS / f"board-{name}.png").write_bytes(base64.b64decode(taken["data"]))


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """Fails the test if the page did something that its policy forbids, or threw."""
    page = Page(chromium)
    yield page
    complaints = page.complaints()
    page.driver.get("about:blank")
    assert not complaints


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[scripted_api.Serve]:
    """`serve(script)` is the address of an API that follows the script."""
    with ExitStack() as servers:
        yield lambda script, **more: servers.enter_context(scripted_api.serve(script, monkeypatch, **more))
