"""A headless Chromium for tests of pages, driven by Selenium; both are Debian packages (make deps-browser)."""
import base64
import contextlib
import json
import shutil
import time

import pytest

selenium = pytest.importorskip("selenium", reason="python3-selenium is not installed (make deps-browser)")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def available():
    return CHROMIUM is not None and DRIVER is not None


class Page:
    """One page in a window of this size."""

    def __init__(self, driver):
        self.driver = driver

    def js(self, code, *args):
        return self.driver.execute_script(code, *args)

    def keys(self, *names):
        """Presses keys where the focus is."""
        actions = webdriver.ActionChains(self.driver)
        for name in names:
            actions.send_keys(name)
        actions.perform()

    def click(self, css):
        self.js("document.querySelector(arguments[0]).click()", css)

    def text(self, css):
        return self.js("return document.querySelector(arguments[0]).textContent", css)

    def resize(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def media(self, **features):
        """What the system prefers, or the medium: media="print"."""
        medium = features.pop("media", "")
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()]})

    def open(self, path):
        self.driver.get(f"file://{path}")
        until = time.monotonic() + 60
        while not self.js("return document.documentElement.dataset.ready"):
            assert time.monotonic() < until, self.errors()
            time.sleep(0.02)

    def errors(self):
        """What the console has said since the last call."""
        return [line["message"] for line in self.driver.get_log("browser")]

    def requests(self):
        """Addresses asked for since the last call."""
        sent = (json.loads(line["message"])["message"] for line in self.driver.get_log("performance"))
        return [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]

    def picture(self, path, css=None):
        """A PNG of the whole page, or of an element."""
        box = self.js("""const e = arguments[0] ? document.querySelector(arguments[0]) : document.documentElement;
            const b = e.getBoundingClientRect();
            return {x: b.left + scrollX, y: b.top + scrollY, width: b.width, height: b.height, scale: 1};""", css)
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": box})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def page(width=1280, height=900):
    options = Options()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    try:
        shown = Page(driver)
        shown.resize(width, height)
        yield shown
    finally:
        driver.quit()
