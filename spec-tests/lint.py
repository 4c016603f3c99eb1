#!/usr/bin/env python3
"""What a peer's judge of HTTP messages says of connegd's answers.

    cargo build --release --bins
    spec-tests/lint.py
    spec-tests/lint.py --notes                 # what is good and worth knowing, too

The judge is httplint (https://github.com/mnot/httplint), by one of the authors of
RFC 9110. It is given an answer of every kind, as raw bytes from the socket, beside
the request that it answers. A note that something is bad or to be warned of is a
failure unless EXPLAINED, below, has a reason for it; and so is an explanation that
no answer needs any more.

It needs Python 3.11 or later with venv, and the package registry once: httplint and
what it builds on are installed below the target directory, in the versions that
spec-tests/lint-requirements.txt names. All other traffic stays on the loopback.

The server can be given by the environment: CONNEGD. CARGO_TARGET_DIR is heeded.

Exit status: 0 all is well or explained, 1 something is not, 2 a program or package
is missing or did not start.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import environment
from environment import ROOT, TARGET, Missing

SITE = ROOT / "fixtures" / "sites" / "chart"
OLD_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

# Notes that are no faults here: (name of the note, the answers, as a regular expression) → why.
EXPLAINED = {
    ("FRESHNESS_HEURISTIC", "negotiated.*|literal.*|head|directory|listing.*|single range|suffix range|range, neg.*|several.*"):
        "for how long an answer is fresh only the site's author knows: [cache] says it, and this site has none",
    ("PARTIAL_WITHOUT_RANGE", "several ranges"):
        "in multipart/byteranges it is the parts that have Content-Range, and the head must not (RFC 9110, 15.3.7.2)",
    ("STATUS_BAD_REQUEST", "bad.*"): "the request was bad on purpose",
    ("STATUS_URI_TOO_LONG", "long target"): "the target was too long on purpose",
    ("STATUS_VERSION_NOT_SUPPORTED", "version"): "the version was one that does not exist",
}


# ----------------------------------------------------------------------- answers


class Server:
    """connegd on a free port until the end of the with block."""

    def __init__(self, work):
        site = work / "site"
        shutil.copytree(SITE, site, ignore=shutil.ignore_patterns(".mkroot.toml"))
        settings = (SITE / ".mkroot.toml").read_text()
        (site / ".mkroot.toml").write_text(settings + '\n[listing]\ndirectories = ["/letters"]\n')
        given = os.environ.get("CONNEGD", str(TARGET / "release" / "connegd"))
        connegd = shutil.which(given)
        if not connegd:
            raise Missing(f"connegd is missing: looked for {given} (set CONNEGD to use another)")
        self.log = work / "connegd.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([connegd, "--listen", "127.0.0.1:0", "--header-timeout", "1", site],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            ready = re.search(r"listening on http://[^\s:]+:(\d+)\s", self.log.read_text(errors="replace"))
            if ready:
                self.port = int(ready.group(1))
                return self
            time.sleep(0.02)
        self.__exit__()
        raise Missing(f"connegd did not start:\n{self.log.read_text(errors='replace')}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, data):
        """All that comes back until the server closes. A request is to say `Connection: close`, or be refused."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(data)
            try:
                while part := connection.recv(1 << 16):
                    received += part
            except OSError as error:
                received = received or str(error).encode()
        return received


def parsed(data):
    """Status line in its three parts, fields as pairs, and content."""
    head, end, content = data.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    version, _, rest = line.partition(b" ")
    status, _, phrase = rest.partition(b" ")
    if not end or not version.startswith(b"HTTP/"):
        raise ValueError(f"no answer: {data[:100]!r}")
    pairs = [tuple(part.strip() for part in field.split(b":", 1)) for field in fields]
    return (version[5:], status, phrase), pairs, content


def request(line, *fields):
    method, target = line.split(" ", 1)
    pairs = [("Host", "localhost"), ("User-Agent", "lint"), ("Connection", "close"),
             *(tuple(field.split(": ", 1)) for field in fields)]
    text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    return text.encode("latin-1")


def questions(server):
    """(name, the right status, request) of every kind of answer."""
    _, fields, _ = parsed(server.ask(request("HEAD /2005/chart.png")))
    validators = {name.lower(): value.decode() for name, value in fields}
    etag, date = validators[b"etag"], validators[b"last-modified"]
    return [
        ("negotiated", 200, request("GET /2005/chart", "Accept: image/svg+xml")),
        ("negotiated language", 200, request("GET /", "Accept: text/html", "Accept-Language: fr")),
        ("negotiated coding", 200, request("GET /style", "Accept: text/css", "Accept-Encoding: gzip")),
        ("negotiated Brotli", 200, request("GET /style", "Accept-Encoding: br")),
        ("negotiated charset", 200, request("GET /letters/greeting", "Accept-Charset: iso-8859-1")),
        ("literal text", 200, request("GET /robots.txt")),
        ("literal image", 200, request("GET /2005/chart.png")),
        ("head", 200, request("HEAD /2005/chart", "Accept: image/png")),
        ("head of an error", 404, request("HEAD /nothing")),
        ("not modified by tag", 304, request("GET /2005/chart.png", f"If-None-Match: {etag}")),
        ("not modified by date", 304, request("GET /2005/chart.png", f"If-Modified-Since: {date}")),
        ("not modified, negotiated", 304, request("GET /2005/chart", "Accept: image/png", f"If-None-Match: {etag}")),
        ("single range", 206, request("GET /2005/chart.png", "Range: bytes=0-99")),
        ("suffix range", 206, request("GET /2005/chart.png", "Range: bytes=-1", f"If-Range: {etag}")),
        ("range, negotiated", 206, request("GET /2005/chart", "Accept: image/png", "Range: bytes=100-")),
        ("several ranges", 206, request("GET /2005/chart.png", "Range: bytes=0-99,1000-1099")),
        ("range not there", 416, request("GET /2005/chart.png", "Range: bytes=99999999-")),
        ("precondition by tag", 412, request("GET /2005/chart.png", 'If-Match: "other"')),
        ("precondition by date", 412, request("GET /2005/chart.png", f"If-Unmodified-Since: {OLD_DATE}")),
        ("directory", 301, request("GET /docs")),
        ("listing", 200, request("GET /letters/", "Accept: text/html")),
        ("listing as JSON", 200, request("GET /letters/", "Accept: application/json")),
        ("listing as Markdown", 200, request("GET /letters/", "Accept: text/markdown")),
        ("not found", 404, request("GET /nothing", "Accept: text/html")),
        ("not found, plain", 404, request("GET /nothing", "Accept: text/plain")),
        ("not acceptable", 406, request("GET /2005/chart", "Accept: text/html")),
        ("method", 405, request("DELETE /2005/chart")),
        ("trace", 405, request("TRACE /2005/chart")),
        ("unknown method", 501, request("BREW /2005/chart")),
        ("options", 200, request("OPTIONS /2005/chart")),
        ("options of all", 200, request("OPTIONS *")),
        ("bad request", 400, request("GET /2005/chart", "Host: another")),
        ("bad target", 400, request("GET /../x")),
        ("long target", 414, request("GET /" + "x" * 9000)),
        ("large head", 431, request("GET /", *(f"X-{number}: x" for number in range(200)))),
        ("too much content", 413, request("GET /", "Content-Length: 99999999")),
        ("expectation", 417, request("GET /", "Expect: miracles")),
        ("version", 505, request("GET /").replace(b"HTTP/1.1", b"HTTP/2.0")),
        ("coding", 501, request("GET /", "Transfer-Encoding: gzip, chunked")),
        ("time-out", 408, b"GET /2005/chart HTTP/1.1\r\nHost: localhost\r\n"),
    ]


# ---------------------------------------------------------------------- judgement


def notes(sent, answer):
    """What httplint has to say of an answer."""
    from httplint import HttpRequestLinter, HttpResponseLinter

    head, _, _ = sent.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, target, version = line.split(b" ")
    asked = HttpRequestLinter(start_time=time.time())
    asked.process_request_topline(method, target, version[5:])
    asked.process_headers([tuple(part.strip() for part in field.split(b":", 1)) for field in fields if field])
    asked.finish_content(True)

    (version, status, phrase), fields, content = parsed(answer)
    linter = HttpResponseLinter(start_time=time.time())
    linter.request = asked
    linter.is_head_response = method == b"HEAD"
    linter.base_uri = "http://localhost" + target.decode("latin-1") if target.startswith(b"/") else "http://localhost/"
    linter.process_response_topline(version, status, phrase)
    linter.process_headers(fields)
    linter.feed_content(content)
    linter.finish_content(True)

    def flat(some):
        for note in some:
            yield type(note).__name__, note.level.name, note.subject, note.summary
            yield from flat(note.subnotes)

    return list(flat(linter.notes))


def run(server, everything):
    failed, used, answers = 0, set(), 0
    print(f"{'answer':<26}{'status':<8}notes")
    for name, status, sent in questions(server):
        answers += 1
        try:
            answer = server.ask(sent)
            found = int(parsed(answer)[0][1])
        except (OSError, ValueError) as error:
            failed += 1
            print(f"{name:<26}{'-':<8}FAIL {error}")
            continue
        if found != status:
            failed += 1
            print(f"{name:<26}{found:<8}FAIL the status is to be {status}")
            continue
        lines = []
        for note, level, subject, summary in notes(sent, answer):
            text = f"{note} ({subject}): {summary}"
            if level not in ("BAD", "WARN"):
                lines += [f"{level.lower()} {text}"] if everything else []
                continue
            reasons = [key for key in EXPLAINED if key[0] == note and re.fullmatch(key[1], name)]
            used.update(reasons)
            failed += not reasons
            lines.append(f"explained {text}" if reasons else f"FAIL {level.lower()} {text}")
        for number, text in enumerate(lines or ["-"]):
            print(f"{name:<26}{found:<8}{text}" if number == 0 else f"{'':<34}{text}")
    for note, kinds in EXPLAINED.keys() - used:
        failed += 1
        print(f"FAIL the explanation of {note} for {kinds} is needed by no answer")
    print(f"{answers} answers, {len(used)} explanations, {failed} failed")
    return 1 if failed else 0


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", action="store_true", help="print all notes, not only those that are faults")
    options = parser.parse_args()
    environment.enter("lint")
    work = Path(tempfile.mkdtemp(prefix="connegd-lint-"))
    try:
        with Server(work) as server:
            return run(server, options.notes)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    environment.run(main)
