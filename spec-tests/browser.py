#!/usr/bin/env python3
"""What a browser sees of a site that connegd serves.

    cargo build --release --bins
    spec-tests/browser.py
    spec-tests/browser.py --screenshots DIR    # keep pictures of three pages

It serves fixtures/sites/chart and loads its pages in Chromium without a window:
a browser sends the fields Accept, Accept-Language and Accept-Encoding of its own,
and it only shows an answer whose type, coding and length are right. Two sites made
here show what else a browser relies on: ranges, by which it seeks in a recording;
validators and Cache-Control, by which it asks again or not; and error pages.

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
import struct
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
    "--disable-background-networking", "--autoplay-policy=no-user-gesture-required", "--disable-component-update", "--disable-sync", "--window-size=1200,1600",
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

    def wait_for(self, script):
        """What a script gives that calls `done` when it has it."""
        return self.command("POST", "/execute/async", {
            "script": "const done = arguments[0]; (async () => {" + script + "})().catch(e => done(String(e)));",
            "args": []})

    def errors(self):
        """What the console has been told since the last question, for instance of a 404."""
        entries = self.command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, file):
        file.write_bytes(base64.b64decode(self.command("GET", "/screenshot")))


RATE, SECONDS = 8000, 190  # of the recording: 16 bits mono, 3 MB


def recording():
    """A WAV file whose samples count upwards, so that no two places of it are alike."""
    samples = struct.pack(f"<{RATE * SECONDS}H", *(number % 65521 for number in range(RATE * SECONDS)))
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    chunks = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def page(title, content="", language="en"):
    return (f"<!DOCTYPE html><html lang={language}><meta charset=utf-8><link rel=icon href=data:,>"
            f"<title>{title}</title>{content}").encode()


def ranges_site(root):
    root.mkdir()
    (root / "index.html").write_bytes(page("A recording", "<audio controls preload=metadata src=/sound.wav></audio>"))
    (root / "sound.wav").write_bytes(recording())
    (root / "data.txt").write_bytes(b"0123456789" * 5000)


# Names that are no references as they stand, in the order in which they are listed.
LISTED = ["a b#c?d.html", "\u00e4 & <b>.html", "v2.html", "v10.html"]


def settings_site(root):
    (root / "assets").mkdir(parents=True)
    (root / ".mkroot.toml").write_text(
        '[cache]\n"/assets/**" = "public, max-age=31536000, immutable"\n[errors]\n404 = "/404"\n'
        '[listing]\ndirectories = ["/files/**"]\n')
    (root / "files" / "older").mkdir(parents=True)
    for name in LISTED:
        (root / "files" / name).write_bytes(page(name))
    (root / "files" / "older" / "z.html").write_bytes(page("z"))
    (root / "index.html").write_bytes(page("Cached", "<link rel=stylesheet href=/assets/style.css><p>Styled"))
    (root / "assets" / "style.css").write_bytes(b"p { color: rgb(1, 2, 3) }\n" * 200)
    (root / "404.en.html").write_bytes(page("Not here", "<h1>There is no such page</h1>"))
    (root / "404.fr.html").write_bytes(page("Pas ici", "<h1>Cette page n\u2019existe pas</h1>", "fr"))


CODINGS = ["br", "zstd", "gzip"]
STYLE = "".join(f".c{number} {{ color: #{number * 7919:06x} }}\n" for number in range(300))


def derived_site(root):
    """A directory for each coding, an image and a page; all that a browser should rather have is derived."""
    for coding in CODINGS:
        (root / coding).mkdir(parents=True)
        (root / coding / "style.css").write_text(STYLE)
        (root / coding / ".mkroot.toml").write_text(f"[derive]\n{coding} = true\n")
    shutil.copy(SITE / "images" / "harbour.png", root / "photo.png")
    (root / "index.html").write_bytes(page("derived", "<p>text</p><img src=photo alt=Harbour>"))
    (root / ".mkroot.toml").write_text("[derive]\nmarkdown = true\navif = true\nwebp = true\n")


def check_derived(check, browser, site):
    browser.load(site + "/")
    check("a page that has derived Markdown is HTML", browser.run("return document.contentType") == "text/html", "")
    shown = "return [document.images[0].complete, document.images[0].naturalWidth]"
    check("an image with derived forms shows", browser.run(shown) == [True, 960], browser.run(shown))
    for coding in CODINGS:
        found = browser.wait_for(
            f"const r = await fetch('/{coding}/style.css'); done([r.headers.get('content-encoding'), await r.text()])")
        check(f"a style sheet in derived {coding} is what it was", found == [coding, STYLE], found[0])
    for accept, expected in [("*/*", "image/png"), ("image/png", "image/png"), ("image/webp", "image/webp")]:
        kind = browser.wait_for(
            f"done((await fetch('/photo', {{headers: {{accept: '{accept}'}}}})).headers.get('content-type'))")
        check(f"who accepts {accept} gets {expected}", kind == expected, kind)
    check_direct(check, browser, site, "/photo", ["image/avif"])


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


def check_ranges(check, browser, site):
    """Seeking needs ranges: a browser does not load what it leaps over."""
    browser.load(site + "/")
    found = browser.wait_for(f"""
        const audio = document.querySelector('audio');
        const event = (name) => new Promise((resolve, reject) => {{
            audio.addEventListener(name, resolve, {{once: true}});
            audio.addEventListener('error', () => reject(audio.error.message), {{once: true}});
            setTimeout(() => reject('no event ' + name), 8000);
        }});
        if (audio.readyState < 1) await event('loadedmetadata');
        const length = audio.duration, ends = [];
        for (let i = 0; i < audio.seekable.length; i++) ends.push(audio.seekable.start(i), audio.seekable.end(i));
        const seeked = event('seeked');
        audio.currentTime = length - 2;
        await seeked;
        const place = audio.currentTime, ended = event('ended');
        audio.play();
        await ended;
        done({{length, ends, place}});""")
    right = isinstance(found, dict)
    check("a recording's length is known", right and abs(found["length"] - SECONDS) < 0.1, found)
    check("all of a recording is seekable", right and found["ends"] == [0, found["length"]], found)
    check("a recording plays from near its end", right and abs(found["place"] - (SECONDS - 2)) < 0.1, found)

    found = browser.wait_for("""
        const answer = await fetch('/data.txt', {headers: {Range: 'bytes=49995-'}, cache: 'no-store'});
        done([answer.status, answer.headers.get('Content-Range'), await answer.text()]);""")
    check("fetch of a range is 206, and those bytes", found == [206, "bytes 49995-49999/50000", "56789"], found)
    found = browser.wait_for("""
        const answer = await fetch('/data.txt', {headers: {Range: 'bytes=50000-'}, cache: 'no-store'});
        await answer.text();
        done([answer.status, answer.headers.get('Content-Range')]);""")
    check("fetch beyond the end is 416", found == [416, "bytes */50000"], found)


def check_caching(check, browser, site):
    """transferSize is what the network carried: nothing from the cache, and a head only with 304."""
    browser.load(site + "/")
    found = browser.wait_for("""
        const sizes = [];
        for (const cache of ['no-store', 'reload', 'no-cache']) {
            performance.clearResourceTimings();
            const answer = await fetch('/data.txt', {cache});
            const length = (await answer.text()).length;
            await new Promise(resolve => setTimeout(resolve, 50));
            const [entry] = performance.getEntriesByType('resource');
            sizes.push([answer.status, length, entry.transferSize]);
        }
        done(sizes);""")
    right = isinstance(found, list) and all(one[:2] == [200, 50000] for one in found)
    check("a page fetched anew is carried whole", right and min(found[0][2], found[1][2]) > 50000, found)
    check("a page asked for again is not carried again (304)", right and 0 < found[2][2] < 1000, found)


def check_settings(check, site, driver, binary, work, picture):
    """What a site's author has set: how long answers are fresh, and the error pages."""
    with Browser(driver, binary, "fr", work) as browser:
        browser.load(site + "/")
        browser.load(site + "/404")  # a way off the page: to load it twice would be a reload
        browser.load(site + "/")
        found = browser.run(
            "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('.css'))"
            ".map(e => [e.transferSize, e.decodedBodySize])")
        check("an immutable style sheet is not asked for again", found == [[0, 5200]], found)
        found = browser.run("return getComputedStyle(document.querySelector('p')).color")
        check("an immutable style sheet still applies", found == "rgb(1, 2, 3)", found)
        check_error_page(check, browser, site, "fr", "Cette page n\u2019existe pas")
    with Browser(driver, binary, "en", work) as browser:
        check_error_page(check, browser, site, "en", "There is no such page")
    with Browser(driver, binary, "en", work) as browser:
        check_listing(check, browser, site, picture)


def check_error_page(check, browser, site, language, text):
    browser.load(site + "/is/not/here")
    found = browser.run(
        "return [performance.getEntriesByType('navigation')[0].responseStatus, document.documentElement.lang, "
        "document.querySelector('h1')?.textContent]")
    check(f"the error page of a reader of {language} is the site's, in that language", found == [404, language, text], found)


def check_listing(check, browser, site, picture):
    """A directory without an index, as a page: what it shows, where its links lead, on a wide screen and on a phone."""
    browser.load(site + "/files/")
    picture(browser, "listing")
    names = browser.run("return [...document.links].map(a => a.textContent.trim())")
    shown = [name for name in names if name in LISTED]
    check("a listing shows the files by their names, numbers in order", sorted(shown) == sorted(LISTED)
          and shown.index("v2.html") < shown.index("v10.html"), names)
    links = browser.run("return [...document.links].map(a => [a.textContent.trim(), a.href])")
    for name, link in links:
        if name in LISTED:
            browser.load(link)
            found = browser.run("return document.title")
            check(f"the link to {name} leads there", found == name, found)
    down = [link for name, link in links if name.rstrip("/") == "older"]
    check("a listing leads down", down == [site + "/files/older/"], links)
    browser.load(site + "/files/older/")
    links = browser.run("return [...document.links].map(a => a.href)")
    check("a listing leads up and to its files", {site + "/files/", site + "/files/older/z.html"} <= set(links), links)
    wide = browser.run("return document.documentElement.scrollWidth <= innerWidth")
    check("a listing is no wider than the window", wide, browser.run("return document.documentElement.scrollWidth"))
    found = browser.wait_for(
        "done(await Promise.all(['application/json', 'text/markdown'].map(async type => "
        "(await fetch('/files/', {headers: {accept: type}})).headers.get('content-type'))))")
    check("a listing comes as JSON and as Markdown to who asks for these",
          [kind.partition(";")[0] for kind in found] == ["application/json", "text/markdown"], found)
    # The icon is the site's affair.
    errors = [error for error in browser.errors() if "/favicon.ico" not in error]
    check("the browser found no errors in a listing", not errors, errors)


def run(check, site, driver, binary, work, picture):
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
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="write pictures of some pages to DIR")
    options = parser.parse_args()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)

    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "connegd")
    connegd = program("connegd", os.environ.get("CONNEGD", target))
    binary = program("chromium", "chromium", "chromium-browser", "google-chrome")
    chromedriver = program("chromedriver", "chromedriver")

    def serving(name, site):
        return Process(name, r"listening on http://[^\s:]+:(\d+)\s",
                       [connegd, "--listen", "127.0.0.1:0", site], work)

    def picture(browser, name):
        if options.screenshots:
            browser.screenshot(options.screenshots / f"{name}.png")

    check = Checks()
    # A browser that is just ending may still write to its profile.
    work = Path(tempfile.mkdtemp(prefix="connegd-browser-"))
    try:
        with Process("chromedriver", r"started successfully on port (\d+)",
                     [chromedriver, "--port=0"], work) as driver:
            with serving("connegd", SITE) as server:
                run(check, server.base, driver, binary, work, picture)
            ranges_site(work / "ranges")
            with serving("connegd-ranges", work / "ranges") as server, \
                    Browser(driver, binary, "en", work) as browser:
                check_ranges(check, browser, server.base)
                check_caching(check, browser, server.base)
            derived_site(work / "derived")
            with serving("connegd-derived", work / "derived") as server, \
                    Browser(driver, binary, "en", work) as browser:
                check_derived(check, browser, server.base)
            settings_site(work / "settings")
            try:
                with serving("connegd-settings", work / "settings") as server:
                    check_settings(check, server.base, driver, binary, work, picture)
            except Missing as error:
                check("a site with [cache] and [errors]", False, error)
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
