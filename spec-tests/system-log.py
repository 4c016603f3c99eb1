#!/usr/bin/env python3
"""What connegd tells the system's log.

    cargo build --release --bins
    spec-tests/system-log.py

In a mount namespace of its own, so that the machine keeps its log to itself, a socket is bound at /dev/log, and connegd
writes there: lines of the access log as local6.info, messages as daemon, each with its severity. What arrives must be what
RFC 3164 calls a message, one line each. Then who keeps the log is started again, and goes away.

It needs to be root, Python 3.9, unshare and mount. The environment can give another program: CONNEGD. CARGO_TARGET_DIR is
heeded. All traffic stays on the loopback.

Exit status: 0 all passed or left out, 1 something failed, 2 a program is missing or did not start.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from environment import Missing, run
from served import CONNEGD, MKROOT, Checks, Running

PLACE = Path("/dev/log")
# The rest of /dev that a server may want.
DEVICES = ["null", "zero", "full", "random", "urandom"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DAEMON, LOCAL6 = 3, 22
ERROR, INFO = 3, 6


def keeper():
    """Who keeps the log."""
    PLACE.unlink(missing_ok=True)
    kept = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    kept.bind(str(PLACE))
    kept.settimeout(20)
    return kept


def split(datagram):
    """Facility, severity, process and text."""
    found = re.fullmatch(rb"<(\d+)>connegd\[(\d+)\]: (.*)", datagram, re.DOTALL)
    if not found:
        return None
    priority = int(found.group(1))
    return priority // 8, priority % 8, int(found.group(2)), found.group(3).decode("utf-8", "backslashreplace")


def get(url, **fields):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in fields.items()})
    try:
        with OPENER.open(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Server(Running):
    def __init__(self, webroot, *options):
        super().__init__("--access-log", "syslog", "--error-log", "syslog", *options, webroot)
        self.url = self.said[0].split()[2]


def check_all(check, work):
    webroot = work / "site.webroot"
    (work / "site").mkdir()
    (work / "site" / "page.html").write_bytes(b"<p>yes")
    subprocess.run([MKROOT, "--negotiate", "-q", work / "site", webroot], check=True)

    try:
        with Server(webroot):
            found = "it started"
    except Missing as error:
        found = str(error)
    check("nobody keeps the log: that is said, and nothing is served", "/dev/log" in found, found)

    kept = keeper()
    with Server(webroot) as server:
        pid = server.process.pid
        status = get(server.url + "/page", User_Agent='a "b" \\', Referer="http://x/")
        line = split(kept.recv(65536))
        check("a line of the access log is local6.info", line and line[:3] == (LOCAL6, INFO, pid), line)
        rest = re.sub(r"\[[^]]*\]", "[]", line[3]) if line else None
        check("it is the line that a file would have, without its end",
              status == 200 and rest == r'127.0.0.1 - - [] "GET /page HTTP/1.1" 200 6 "http://x/" "a \"b\" \\"', rest)
        for number in range(200):
            get(f"{server.url}/{number}")
        numbers = sorted(int(re.search(r"GET /(\d+) ", split(kept.recv(65536))[3]).group(1)) for _ in range(200))
        check("200 requests are 200 datagrams", numbers == list(range(200)), numbers)
        # A webroot that is none.
        (work / "new").write_bytes(b"no webroot")
        os.replace(work / "new", webroot)
        message = split(kept.recv(65536))
        check("a message is daemon.err", message and message[:3] == (DAEMON, ERROR, pid), message)
        check("it says what it is about", message and "site.webroot: it does not begin as a webroot does" in message[3], message)
        subprocess.run([MKROOT, "--negotiate", "-q", work / "site", webroot], check=True)
        kept.settimeout(1)
        # Whatever it says about the one that is served again, if anything.
        while True:
            try:
                message = split(kept.recv(65536))
                check("what went well is daemon.info", message and message[:2] == (DAEMON, INFO), message)
            except socket.timeout:
                break
        kept.close()
        again = keeper()
        get(server.url + "/again")
        line = split(again.recv(65536))
        check("who keeps the log may be started again", line and "GET /again " in line[3], line)
        again.close()
        PLACE.unlink()
        began = time.monotonic()
        statuses = {get(server.url + "/page") for _ in range(50)}
        check("nobody keeps the log any more: requests are answered all the same",
              statuses == {200} and time.monotonic() - began < 10, statuses)
        # Until the last of them is lost, too.
        time.sleep(0.5)
        last = keeper()
        get(server.url + "/last")
        found = split(last.recv(65536))
        check("who comes back gets what is written from then on", found and "GET /last " in found[3], found)
        # Every ten seconds, if there is something to be said.
        found = split(last.recv(65536))
        check("and is told how many lines were lost", found and found[:2] == (DAEMON, ERROR)
              and found[3].startswith("lines of the access log are lost, 50 so far: "), found)
        last.close()

    kept = keeper()
    with Server(webroot, "--log-format", "json") as server:
        get(server.url + "/page")
        line = split(kept.recv(65536))
        said = json.loads(line[3]) if line else {}
        check("JSON goes there as well", said.get("target") == "/page" and line[:2] == (LOCAL6, INFO), line)
    kept.close()


def inside(work):
    """Makes a /dev of our own, in a namespace that ends with this process."""
    dev = work / "dev"
    dev.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", dev], check=True)
    for name in DEVICES:
        (dev / name).touch()
        subprocess.run(["mount", "--bind", f"/dev/{name}", dev / name], check=True)
    subprocess.run(["mount", "--move", dev, "/dev"], check=True)


def main():
    for program in (MKROOT, CONNEGD, "unshare", "mount"):
        if not shutil.which(program):
            raise Missing(f"missing: {program}")
    if sys.argv[1:] != ["--inside"]:
        private = ["unshare", "--mount", "--propagation", "private"]
        # A tmpfs is what must be allowed.
        allowed = os.geteuid() == 0 and subprocess.run(
            [*private, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if not allowed:
            print("left out: only root can have a /dev/log of its own, where namespaces are allowed")
            return 0
        return subprocess.run([*private, sys.executable, Path(__file__).resolve(), "--inside"]).returncode
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="connegd-log-") as work:
        inside(Path(work))
        check_all(check, Path(work))
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    run(main)
