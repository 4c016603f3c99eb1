#!/usr/bin/env -S python3 -B
"""What a browser sees of a site that connegd serves.

    cargo build --release --bins
    spec-tests/browser.py
    spec-tests/browser.py --screenshots DIR    # keep pictures of three pages

It serves fixtures/sites/chart and loads its pages in Chromium without a window:
a browser sends the fields Accept, Accept-Language and Accept-Encoding of its own,
and it only shows an answer whose type, coding and length are right. Two sites made
here show what else a browser relies on: ranges, by which it seeks in a recording;
validators and Cache-Control, by which it asks again or not; and error pages. It fills
in the form that explains decisions, by keys and clicks, and asks over TLS.

It needs Python 3.9 or later, Chromium and its driver (Debian: apt-get install
chromium chromium-driver). The browser is steered over HTTP, as the WebDriver
specification says (https://www.w3.org/TR/webdriver2/), so no library is needed.
All traffic stays on the loopback.

The server can be given by the environment: CONNEGD. CARGO_TARGET_DIR is heeded.

Exit status: 0 all passed, 1 something failed, 2 a program is missing or did not start.
"""

import argparse
import base64
import hashlib
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

from environment import Missing
from served import Checks

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "fixtures" / "sites" / "chart"
KEYS = ROOT / "fixtures" / "tls"
# Nothing but the pages asked for, whatever the browser of a person would fetch besides.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--autoplay-policy=no-user-gesture-required", "--disable-component-update", "--disable-sync", "--window-size=1200,1600",
]
# Without this a proxy from the environment would be asked for the loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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

    def address(self, what, scheme="http"):
        """What it says behind `what` about where else it listens."""
        return re.search(rf"{what} ({scheme}://\S+)", self.log.read_text(errors="replace")).group(1)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# What an element is called in answers of the driver (WebDriver, section 12.1).
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER = "\ue007"


class Browser:
    """A session: one fresh browser, with the languages of its user."""

    def __init__(self, driver, binary, languages, work, further=(), preferences=None):
        profile = tempfile.mkdtemp(dir=work)
        arguments = [*ARGUMENTS, f"--accept-lang={languages}", f"--user-data-dir={profile}", *further]
        self.base = driver.base
        self.session = ""
        opened = self.command("POST", "", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": binary, "args": arguments, "prefs": preferences or {}},
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

    def find(self, selector):
        return self.command("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector):
        """What a person reads there."""
        return self.command("GET", f"/element/{self.find(selector)}/text")

    def click(self, selector):
        self.command("POST", f"/element/{self.find(selector)}/click", {})

    def follow(self, link):
        """Clicks the first link with this text."""
        element = self.command("POST", "/element", {"using": "link text", "value": link})[ELEMENT]
        self.command("POST", f"/element/{element}/click", {})

    def type(self, selector, keys):
        """Types into what is there, in the place of what it holds."""
        element = self.find(selector)
        self.command("POST", f"/element/{element}/clear", {})
        self.command("POST", f"/element/{element}/value", {"text": keys})

    def choose(self, selector, title):
        """Chooses an option by its title, as a person does by typing its first letters."""
        self.command("POST", f"/element/{self.find(selector)}/value", {"text": title})

    def enter(self, selector):
        """Looks into a frame from now on; without a selector, at the page again."""
        frame = {ELEMENT: self.find(selector)} if selector else None
        self.command("POST", "/frame", {"id": frame})

    def pretend(self, command, **parameters):
        """Changes what the browser takes its user's machine for (Chrome DevTools Protocol)."""
        self.command("POST", "/goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": parameters})

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


def scripted_site(root):
    """A page that would do more than be shown, if it could, and one in the style of its site."""
    root.mkdir()
    (root / "style.css").write_bytes(b"h1 { color: rgb(1, 2, 3) }\n")
    (root / "dot.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"><rect width="7" height="5"/></svg>')
    (root / "index.html").write_bytes(page(
        "Scripted", "<link rel=stylesheet href=style.css><h1>As it was</h1><img src=/dot.svg alt=Dot>"
        "<script>document.querySelector('h1').textContent = 'changed'; top.document.title = 'changed'</script>"
        "<img src=/nothing onerror=\"document.querySelector('h1').textContent = 'changed'\">"
        "<form action=/elsewhere><button>Go</button></form>"))


def check_explain(check, browser, site, desk, how):
    """The form that explains decisions, filled in as a person does it."""
    def verdict():
        return browser.text(".verdict")

    browser.load(desk + "/")
    browser.follow("/explain")
    check(f"{how}: the desk's page leads to the form", browser.text("h1") == "Why this answer?", browser.text("h1"))
    labels = browser.run("return [...document.querySelectorAll('input, select, textarea')].map(e => [e.id, e.labels.length])")
    check(f"{how}: each control has a label", len(labels) > 4 and all(count == 1 for _, count in labels), labels)
    browser.click("label[for=url]")
    focused = browser.run("return document.activeElement.id")
    check(f"{how}: who clicks a label can type", focused == "url", focused)

    browser.type("#url", "/2005/chart")
    browser.choose("#client", "curl")
    browser.click("button")
    check(f"{how}: curl gets the shorter one", verdict() == "200 chart.svg image/svg+xml, 1083 bytes", verdict())
    rows = browser.run("return [...document.querySelectorAll('tbody tr')].map(r => [r.cells[0].innerText, r.cells[r.cells.length - 1].innerText])")
    check(f"{how}: the table has both and says which", rows == [["chart.png", "acceptable"], ["chart.svg", "chosen"]], rows)
    with OPENER.open(urllib.request.Request(site + "/2005/chart", headers={"Accept": "*/*"}), timeout=20) as answer:
        head = [f"{name}: {value}" for name, value in answer.headers.items() if name not in ("Date", "Server", "Connection")]
    shown = browser.run("return [...document.querySelectorAll('section')].find(s => s.innerText.startsWith('The answer'))"
                        ".querySelector('pre').innerText").strip().split("\n")
    check(f"{how}: the head that it shows is that of the server", shown == ["HTTP/1.1 200 OK", *head], [shown, head])

    browser.click("summary")
    browser.type("#fields", "Accept: image/png")
    browser.choose("#client", "only the fields below")
    browser.type("#url", "/2005/chart" + ENTER)
    check(f"{how}: Enter asks, and fields of one's own count", verdict() == "200 chart.png image/png, 15102 bytes", verdict())
    rows = browser.run("return [...document.querySelectorAll('tbody tr')].map(r => r.className)")
    check(f"{how}: the other one is refused", rows == ["chosen", "refused"], rows)
    width = browser.run("return document.querySelector('.image img').naturalWidth")
    check(f"{how}: the image shows", width == 640, width)
    kept = browser.run("return [document.querySelector('#fields').value, document.querySelector('#client').value, "
                       "document.querySelector('details').open]")
    check(f"{how}: the form is still filled in", kept == ["Accept: image/png", "own", True], kept)
    command = browser.run("return document.querySelector('.command').textContent")
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    check(f"{how}: a shell gets the same", b"\r\nContent-Location: chart.png\r\n" in done.stdout, [command, done.stdout[:300]])

    browser.follow("an RDF tool")
    check(f"{how}: the link to another client leads to what it gets", verdict().startswith("406 Not Acceptable"), verdict())
    browser.type("#url", "/2005/chrt" + ENTER)
    near = browser.run("return [...document.querySelectorAll('main a')].map(a => a.textContent)")
    check(f"{how}: what is called alike is offered", verdict().startswith("404 ") and "/2005/chart" in near, [verdict(), near])

    browser.load(desk + "/explain?url=/&client=chrome")
    check(f"{how}: a page for Chrome", verdict() == "200 index.en.html text/html; charset=utf-8, en, 4377 bytes", verdict())
    browser.enter("iframe")
    found = [browser.text("h1"), *browser.run(
        "return [[...document.images].every(i => i.complete && i.naturalWidth > 0), getComputedStyle(document.body).fontFamily]")]
    check(f"{how}: the page shows in a frame, with its images and in its style",
          found[:2] == ["The Harbour Almanac", True] and "Palatino" in found[2], found)
    browser.enter(None)
    errors = browser.errors()
    check(f"{how}: nothing was missing or blocked", not errors, errors)


def check_preview(check, browser, desk):
    """A page in a frame is looked at: it does nothing. What is blocked in it no log of the driver has."""
    browser.load(desk + "/explain?url=/&client=chrome")
    title = browser.run("return document.title")
    browser.enter("iframe")
    browser.click("button")
    found = browser.run("return [document.querySelector('h1').textContent, getComputedStyle(document.querySelector('h1')).color,"
                        " document.querySelector('img').naturalWidth]")
    browser.enter(None)
    check("a page in a frame has its style and its image, and its scripts do not run", found == ["As it was", "rgb(1, 2, 3)", 7], found)
    after = [browser.run("return document.title"), browser.run("return document.querySelectorAll('.verdict').length")]
    check("it changes nothing around it, and its form leads nowhere", after == [title, 1] and title.endswith("Why this answer?"), after)


def check_looks(check, browser, desk, directory):
    """Light and dark, wide and narrow: no page is wider than its window, and pictures of all are kept."""
    pages = {"form": "", "image": "?url=/2005/chart&client=own&fields=Accept:+image/png", "page": "?url=/&client=chrome",
             "refused": "?url=/2005/chart&client=rdf", "fault": "?url=/&client=own&fields=Accept",
             "long": f"?url=/{'a' * 2000}&client=own&fields=X:{'b' * 2000}"}
    for scheme, ground in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 28)")]:
        browser.pretend("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for width in (1200, 400):
            browser.pretend("setDeviceMetricsOverride", width=width, height=1600, deviceScaleFactor=1, mobile=width < 800)
            for name, query in pages.items():
                browser.load(desk + "/explain" + query)
                found = browser.run(
                    "return [document.scrollingElement.scrollWidth, getComputedStyle(document.body).backgroundColor]")
                picture = directory / f"explain-{name}-{scheme}-{width}.png"
                # What is in a frame is painted a moment after that can be seen.
                browser.wait_for("const frame = document.querySelector('iframe'); frame?.scrollIntoView(); "
                                 "setTimeout(done, frame ? 300 : 0)")
                browser.screenshot(picture)
                check(f"/explain, {name}, {scheme}, {width} px: as wide as the window, and not empty",
                      found[0] <= width and found[1] == ground and picture.stat().st_size > 15_000,
                      [found, picture.stat().st_size])


def key_of(certificate):
    """The digest of a certificate's key, as the browser wants it."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], stdout=subprocess.PIPE, check=True)
    key = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key.stdout, stdout=subprocess.PIPE, check=True)
    return base64.b64encode(hashlib.sha256(key.stdout).digest()).decode()


def check_secure(check, driver, binary, work, secure, plain, desk):
    """Over TLS, with a certificate that the browser is told to take; and on the way there from HTTP."""
    trusting = [f"--ignore-certificate-errors-spki-list={key_of(KEYS / 'localhost.pem')}"]
    with Browser(driver, binary, "fr", work, trusting) as browser:
        browser.load(secure + "/")
        check_home(check, browser, "fr")
        found = browser.run("return [isSecureContext, performance.getEntriesByType('navigation')[0].nextHopProtocol]")
        check("it came over TLS, by HTTP/1.1", found == [True, "http/1.1"], found)
        check_direct(check, browser, secure, "/images/harbour", ["image/avif", "image/webp"])
        browser.load(plain + "/docs/intro?a=b")
        found = browser.run("return [location.href, document.documentElement.lang]")
        check("from HTTP it is sent on to the same page", found == [secure + "/docs/intro?a=b", "fr"], found)
        errors = browser.errors()
        check("the browser found no errors over TLS", not errors, errors)
        browser.load(desk + "/explain?url=/&client=firefox")
        browser.enter("iframe")
        found = browser.run("return [...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length")
        browser.enter(None)
        check("what is explained is fetched over TLS, too", found == 2, found)
    with Browser(driver, binary, "en", work) as browser:
        try:
            browser.load(secure + "/")
            found = browser.run("return document.title")
        except Missing as refused:
            found = str(refused)
        check("who does not trust the certificate sees nothing",
              found == "Privacy error" or "ERR_CERT_AUTHORITY_INVALID" in found, found)


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

    def serving(name, site, *further):
        return Process(name, r"listening on https?://[^\s:]+:(\d+)\s",
                       [connegd, "--listen", "127.0.0.1:0", *further, site], work)

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
            desk = ["--ops", "127.0.0.1:0"]
            scripted_site(work / "scripted")
            with serving("connegd-explain", SITE, *desk) as server:
                address = server.address("operations on")
                with Browser(driver, binary, "en", work) as browser:
                    check_explain(check, browser, server.base, address, "/explain")
                    check_looks(check, browser, address, options.screenshots or work)
                no_scripts = {"profile.managed_default_content_settings.javascript": 2}
                with Browser(driver, binary, "en", work, preferences=no_scripts) as browser:
                    check_explain(check, browser, server.base, address, "/explain without scripts")
            with serving("connegd-scripted", work / "scripted", *desk) as server, \
                    Browser(driver, binary, "en", work) as browser:
                check_preview(check, browser, server.address("operations on"))
            tls = ["--tls-cert", KEYS / "localhost.pem", "--tls-key", KEYS / "localhost.key", "--listen-http", "127.0.0.1:0",
                   "--redirect-http"]
            with serving("connegd-secure", SITE, *tls, *desk) as server:
                secure, plain = (server.address("listening on", scheme).replace("127.0.0.1", "localhost")
                                 for scheme in ("https", "http"))
                check_secure(check, driver, binary, work, secure, plain, server.address("operations on"))
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
