"""A real browser for pages, phone or desk: what it asks for, complains of and cannot fit.

Debian: `apt-get install chromium chromium-driver`. Skipped, with the reason, where there is none.
"""

import json
import shutil
from pathlib import Path

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome")
LOCAL = ("file:", "data:", "blob:", "chrome:", "about:")
WIDTHS = (390, 1280)
HEIGHT = 900


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Browser:
    """One window; each page that is opened starts with no complaint and no request."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, width=1280, dark=False):
        """Load a page at a width, as a phone's screen is: a window is never so narrow."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(url)

    def run(self, script, *arguments):
        """The value of a script's `return`."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, seconds=20):
        """Until a script's value is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.1).until(lambda _: self.run(script))

    def list_complaints(self):
        """What is on the console since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def list_requests(self, own=()):
        """Addresses outside the page and outside ``own`` that it asked for."""
        asked = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        return [url for url in asked if not url.startswith((*LOCAL, *own))]

    def find_overflow(self):
        """Elements that reach beyond the window, where the page is wider than it."""
        return self.run(
            "const room = document.documentElement.clientWidth;"
            "if (document.documentElement.scrollWidth <= room) return [];"
            "return [...document.querySelectorAll('body *')]"
            ".filter((x) => x.getBoundingClientRect().right > room + 1)"
            ".map((x) => x.tagName + '#' + x.id + '.' + x.getAttribute('class')).slice(0, 9);"
        )

    def find_violations(self):
        """What axe says against the page, figures left out: rule and the first elements."""
        from axe_selenium_python import Axe

        axe = Axe(self.driver)
        axe.inject()
        rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa"]}}
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run({include: [['html']], exclude: [['svg']]}, arguments[0])"
            ".then((found) => done(found.violations))"
            ".catch((error) => done([{id: String(error), nodes: []}]));",
            rules,
        )
        return {rule["id"]: [node["html"][:120] for node in rule["nodes"][:4]] for rule in found}


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no browser: needs chromium and chromedriver on the path")
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = selenium.ChromeOptions()
    options.binary_location = binary
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = selenium.ChromeService(executable_path=driver)
    started = selenium.Chrome(options=options, service=service)
    started.set_script_timeout(120)
    yield Browser(started)
    started.quit()
