#!/usr/bin/env python3
"""What a browser sees of a site that connegd serves.

    cargo build --release --bins
    spec-tests/browser.py
    spec-tests/browser.py --screenshots DIR    # keep pictures of three pages

It serves fixtures/sites/chart and loads its pages in Chromium without a window:
a browser sends the fields Accept, Accept-Language and Accept-Encoding of its own,
and it only shows an answer whose type, coding and length are right.

It needs Python 3.9 or later, Chromium and its driver (Debian: apt-get install
chromium chromium-driver). The browser is steered over HTTP, as the WebDriver
specification says (https://www.w3.org/TR/webdriver2/), so no library is needed.
All traffic stays on the loopback.

The server can be given by the environment: CONNEGD. CARGO_TARGET_DIR is heeded.

Exit status: 0 all passed, 1 something failed, 2 a program is missing or did not start.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "fixtures" / "sites" / "chart"
# Nothing but the pages asked for, whatever the browser of a person would fetch besides.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,1600",
]
# Without this a proxy from the environment would be asked for the loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Missing(Exception):
    """A program is missing or did not start: exit status 2."""


def program(name, *places):
    for place in places:
        path = shutil.which(place)
        if path:
            return path
    raise Missing(f"no program {name}; looked for {', '.join(map(str, places))}")


class Process:
    """A server on a free port, which it prints, until the end of the with block."""

    def __init__(self, name, ready, command, work):
        self.name, self.ready, self.log = name, ready, work / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            ready = re.search(self.ready, self.log.read_text(errors="replace"))
            if ready:
                self.base = f"http://127.0.0.1:{ready.group(1)}"
                return self
            time.sleep(0.02)
        self.__exit__()
        raise Missing(f"{self.name} did not start:\n{self.log.read_text(errors='replace')}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Browser:
    """A session: one fresh browser, with the languages of its user."""

    def __init__(self, driver, binary, languages, work):
        profile = tempfile.mkdtemp(dir=work)
        arguments = [*ARGUMENTS, f"--accept-lang={languages}", f"--user-data-dir={profile}"]
        self.base = driver.base
        self.session = ""
        opened = self.command("POST", "", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}})
        self.session = "/" + opened["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.command("DELETE", "")  # ends the browser

    def command(self, method, path, parameters=None):
        data = json.dumps(parameters or {}).encode() if method == "POST" else None
        request = urllib.request.Request(
            f"{self.base}/session{self.session}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with OPENER.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Missing(f"the driver says: {json.load(error)['value']['message']}") from None

    def load(self, url):
        """Loads a page, with its images and style sheets."""
        self.command("POST", "/url", {"url": url})

    def run(self, script):
        return self.command("POST", "/execute/sync", {"script": script, "args": []})

    def errors(self):
        """What the console has been told since the last question, for instance of a 404."""
        entries = self.command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, file):
        file.write_bytes(base64.b64decode(self.command("GET", "/screenshot")))


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, right, found):
        if right:
            self.passed += 1
            print(f"ok    {what}")
        else:
            self.failed += 1
            print(f"FAIL  {what}: {found}")


def check_home(check, browser, language):
    page = f"/ for a reader of {language}"
    content_type = browser.run("return document.contentType")
    check(f"{page} is a page", content_type == "text/html", content_type)
    charset = browser.run("return document.characterSet")
    check(f"{page} is in UTF-8", charset == "UTF-8", charset)
    found = browser.run("return document.documentElement.lang")
    check(f"{page} is in that language", found == language, found)

    images = browser.run("return [...document.images].map(i => [i.currentSrc, i.complete, i.naturalWidth])")
    broken = [source for source, complete, width in images if not complete or width == 0]
    check(f"{page}: its images show", images and not broken, broken or "it has none")

    rules = browser.run("return [...document.styleSheets].map(s => s.cssRules.length)")
    check(f"{page}: its style sheet applies", rules and rules[0] > 0, rules)
    sizes = browser.run(
        "return performance.getEntriesByType('resource').filter(e => new URL(e.name).pathname == '/style')"
        ".map(e => [e.encodedBodySize, e.decodedBodySize])")
    # The fixture has the style sheet in three codings, each of them shorter than it is.
    coded = len(sizes) == 1 and 0 < sizes[0][0] < sizes[0][1]
    check(f"{page}: its style sheet came coded", coded, sizes)


def check_direct(check, browser, site, path, expected):
    browser.load(site + path)
    found = browser.run("return document.contentType")
    check(f"{path} is {' or '.join(expected)}", found in expected, found)
    address = browser.run("return location.pathname")
    check(f"{path} is still the address", address == path, address)
    if found.startswith("image/") and found != "image/svg+xml":
        width = browser.run("return document.images[0].naturalWidth")
        check(f"{path} shows", width > 0, width)


def run(check, site, driver, binary, work, screenshots):
    def picture(browser, name):
        if screenshots:
            browser.screenshot(screenshots / f"{name}.png")

    with Browser(driver, binary, "en", work) as browser:
        browser.load(site + "/")
        check_home(check, browser, "en")
        picture(browser, "home-en")
        check_direct(check, browser, site, "/2005/chart", ["image/svg+xml"])
        picture(browser, "chart")
        check_direct(check, browser, site, "/images/harbour", ["image/avif", "image/webp"])
        picture(browser, "harbour")
        check_direct(check, browser, site, "/vocab/terms", ["text/html"])
        check_direct(check, browser, site, "/docs/intro", ["text/html"])
        errors = browser.errors()
        check("the browser found no errors", not errors, errors)

    with Browser(driver, binary, "fr", work) as browser:
        browser.load(site + "/")
        check_home(check, browser, "fr")
        picture(browser, "home-fr")
        errors = browser.errors()
        check("the browser found no errors", not errors, errors)


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="write pictures of three pages to DIR")
    options = parser.parse_args()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)

    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "connegd")
    connegd = program("connegd", os.environ.get("CONNEGD", target))
    binary = program("chromium", "chromium", "chromium-browser", "google-chrome")
    chromedriver = program("chromedriver", "chromedriver")

    check = Checks()
    # A browser that is just ending may still write to its profile.
    work = Path(tempfile.mkdtemp(prefix="connegd-browser-"))
    try:
        server = Process("connegd", r"listening on http://[^\s:]+:(\d+)\s",
                         [connegd, "--listen", "127.0.0.1:0", SITE], work)
        with server, Process("chromedriver", r"started successfully on port (\d+)",
                             [chromedriver, "--port=0"], work) as driver:
            run(check, server.base, driver, binary, work, options.screenshots)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"browser.py: {missing}", file=sys.stderr)
        sys.exit(2)
