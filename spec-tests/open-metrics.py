#!/usr/bin/env python3
"""What Prometheus thinks of connegd's numbers.

    cargo build --release --bins
    spec-tests/open-metrics.py

Serves hosts over TLS, asks for things that are answered in all ways, replaces a webroot by another and one by rubbish, and
reads /metrics before and after with the parser of Prometheus's Python client, which holds to OpenMetrics 1.0. What is
counted must be what was done, and every metric must be in docs/operating.md. Where the program prometheus is installed it
reads them, too, and promtool the settings and rules that docs/operating.md has.

It needs Python 3.9 or later and fetches what spec-tests/open-metrics-requirements.txt names. The environment can give other
programs: MKROOT, CONNEGD. All other traffic stays on the loopback.

Exit status: 0 all passed, 1 something failed, 2 a program or package is missing or did not start.
"""

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from environment import ROOT, Missing, enter, run
from served import CONNEGD, MKROOT, Checks, Running

if __name__ == "__main__":
    enter("open-metrics")
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402

KEYS = ROOT / "fixtures" / "tls"
PAGE = ROOT / "docs" / "operating.md"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server(Running):
    """connegd, and what it says about itself."""

    def __init__(self, hosts, work):
        super().__init__("--vhosts", hosts, "--ops", "127.0.0.1:0", "--tls-cert", KEYS / "localhost.pem",
                         "--tls-key", KEYS / "localhost.key", "--access-log", work / "access.log", lines=2)
        for what, _, url in (line.split() for line in self.said):
            if what == "listening":
                self.port = int(url.rsplit(":", 1)[1])
            else:
                self.desk = url
        self.context = ssl.create_default_context(cafile=KEYS / "authority.pem")

    def get(self, host, path, method="GET", **fields):
        """Status, fields and content of one answer, on a connection of its own."""
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self.context)
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, path, headers={"Host": host, "Accept": "*/*", "Connection": "close", **fields})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def ask(self, path):
        try:
            with OPENER.open(self.desk + path, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def families(self):
        """All metrics by their names, and their samples by names and labels."""
        _, headers, text = self.ask("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = {}
        for family in families.values():
            for sample in family.samples:
                samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return headers, families, samples


def eventually(what):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False


def site(work, name, files):
    root = work / name
    root.mkdir()
    for path, content in files.items():
        (root / path).write_bytes(content)
    return root


def pack(source, out):
    subprocess.run([MKROOT, "--negotiate", "-q", source, out], check=True)


def check_counts(check, server, one, hosts):
    """What is done, and what is counted then."""
    page = {"Accept": "text/html", "Accept_Language": "fr"}
    _, _, before = server.families()
    status, fields, _ = server.get("a.example", "/page", **page)
    done = [status]
    done.append(server.get("a.example", "/page", If_None_Match=fields["ETag"], **page)[0])
    done.append(server.get("a.example", "/nothing")[0])
    done.append(server.get("a.example", "/page", Accept="image/png")[0])
    done.append(server.get("a.example", "/long.bin", Range="bytes=5-14")[0])
    done.append(server.get("a.example", "/long.bin")[0])
    done.append(server.get("b.example", "/page", "HEAD", **page)[0])
    done.append(server.get("nobody.example", "/")[0])
    check("the server answered as it should", done == [200, 304, 404, 406, 206, 200, 200, 421], done)

    # One takes the place of another, one is none.
    (one / "more.txt").write_bytes(b"more")
    pack(one, hosts / "a.example")
    served = eventually(lambda: server.get("a.example", "/more.txt")[0] == 200)
    (hosts / ".new").write_bytes(b"no webroot")
    os.replace(hosts / ".new", hosts / "b.example")
    refused = eventually(lambda: server.families()[2].get(("connegd_refused_webroots_total", ())) == 1)
    check("a webroot was replaced, and another one refused", served and refused, [served, refused])

    headers, families, after = server.families()
    media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    check("they are of the type of OpenMetrics", headers["Content-Type"] == media_type, headers["Content-Type"])
    check("each has a type and a word of help", all(family.type != "unknown" and family.documentation
                                                    for family in families.values()), list(families))
    for host, status, kind, requests, content in [
        ("a.example", 200, "text/html", 1, 11), ("a.example", 304, "text/html", 1, 0), ("a.example", 404, "", None, None),
        ("a.example", 406, "", 1, None), ("a.example", 206, "application/octet-stream", 1, 10),
        ("a.example", 200, "application/octet-stream", 1, 300_000), ("b.example", 200, "text/html", 1, 0),
        ("", 421, "", 1, None),
    ]:
        labels = (("host", host), ("status", str(status)), ("type", kind))
        found = [after.get((f"connegd_{name}_total", labels)) for name in ("requests", "response_bytes")]
        right = found[0] is not None and all(wanted in (None, value) for wanted, value in zip((requests, content), found))
        check(f"{status} {kind or 'of no type'} for {host or 'nobody'} is counted, with its bytes", right, found)
    for name, value in [("connegd_swaps_total", 1), ("connegd_refused_webroots_total", 1), ("connegd_hosts", 2),
                        ("connegd_access_log_lost_lines_total", 0), ("connegd_connections_refused_total", 0)]:
        check(f"{name} is {value}", after.get((name, ())) == value, after.get((name, ())))
    answers = sum(value for (name, _), value in after.items() if name == "connegd_requests_total")
    classes = after["connegd_request_duration_seconds_bucket", (("le", "+Inf"),)]
    check("as many are timed as are counted", answers == classes == after["connegd_request_duration_seconds_count", ()],
          [answers, classes])
    full = after["connegd_tls_handshakes_total", (("result", "full"),)]
    resumed = after["connegd_tls_handshakes_total", (("result", "resumed"),)]
    check("so many handshakes, all of them new or resumed", full + resumed == answers, [full, resumed, answers])
    expiry = [value for (name, labels), value in after.items() if name == "connegd_certificate_expiry_seconds"]
    ends = subprocess.run(["openssl", "x509", "-in", KEYS / "localhost.pem", "-noout", "-enddate"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    check("the certificate expires when openssl says so",
          expiry == [ssl.cert_time_to_seconds(ends.strip().partition("=")[2])], [expiry, ends])
    began = after["process_start_time_seconds", ()]
    check("the process is one that began lately", 0 <= time.time() - began < 600, began)
    fewer = [key for key, value in before.items() if key[0].endswith(("_total", "_count", "_bucket")) and value > after.get(key, 0)]
    check("no count has become less", not fewer, fewer)
    return families


def check_page(check, families):
    """The table of metrics has all of them, and no others."""
    rows = re.findall(r"^\| `((?:connegd|process)_[a-z_]+)[`{]", PAGE.read_text(), re.MULTILINE)
    wanted = set()
    for family in families.values():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        wanted.add(family.name + suffix)
    check("docs/operating.md has all of them", wanted == set(rows), wanted ^ set(rows))


def check_health(check, server, hosts):
    status, _, text = server.ask("/readyz")
    check("/readyz: it is ready", (status, text) == (200, "ready\n"), [status, text])
    sites = json.loads(server.ask("/sites")[2])
    shown = sorted((one["host"], one["available"]) for one in sites)
    check("/sites has both, also the one whose successor was refused",
          shown == [("a.example", True), ("b.example", True)], shown)
    for name in ("a.example", "b.example"):
        (hosts / name).unlink()
    found = eventually(lambda: server.ask("/readyz")[0] == 503)
    check("/readyz: nothing is left to serve", found, server.ask("/readyz"))
    check("/healthz: it is well all the same", server.ask("/healthz")[2] == "ok\n")


def blocks(kind):
    """What stands in docs/operating.md in blocks of this kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def check_prometheus(check, server, work):
    """What the program itself says."""
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        print("left out: prometheus is not installed")
        return
    for number, block in enumerate(blocks("yaml")):
        file = work / f"block{number}.yml"
        file.write_text(block)
        kind = "rules" if block.startswith("groups:") else "config" if block.startswith("scrape_configs:") else None
        if kind:
            done = subprocess.run(["promtool", "check", kind, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            check(f"promtool check {kind}: docs/operating.md", done.returncode == 0, done.stdout)
    settings = work / "prometheus.yml"
    target = server.desk.removeprefix("http://")
    settings.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: connegd\n"
                        f"  static_configs: [{{targets: ['{target}']}}]\n")
    log = work / "prometheus.log"
    with open(log, "w") as out:
        prometheus = subprocess.Popen(
            ["prometheus", "--config.file", settings, "--storage.tsdb.path", work / "tsdb", "--web.listen-address", "127.0.0.1:0"],
            stdout=out, stderr=out)
    try:
        # It does not say which port it got, so the kernel is asked.
        def port():
            inodes = {link.readlink().name for link in Path(f"/proc/{prometheus.pid}/fd").iterdir() if link.is_symlink()}
            for line in Path(f"/proc/{prometheus.pid}/net/tcp").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    return int(words[1].rsplit(":", 1)[1], 16)
            raise OSError("it does not listen yet")

        def said():
            try:
                with OPENER.open(f"http://127.0.0.1:{port()}/api/v1/query?query=connegd_hosts", timeout=20) as answer:
                    return [one["value"][1] for one in json.load(answer)["data"]["result"]]
            except (OSError, ValueError):
                return []

        check("prometheus has read them", eventually(lambda: said() == ["2"]), [said(), log.read_text()[-2000:]])
    finally:
        prometheus.send_signal(signal.SIGTERM)
        prometheus.wait(20)


def main():
    for program in (MKROOT, CONNEGD, "openssl"):
        if not shutil.which(program):
            raise Missing(f"missing: {program}; build it first, or set MKROOT and CONNEGD")
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="connegd-metrics-") as work:
        work = Path(work)
        one = site(work, "one", {"page.en.html": b"<p>yes", "page.fr.html": b"<p>oui, oui", "long.bin": b"x" * 300_000})
        hosts = work / "hosts"
        hosts.mkdir()
        for name in ("a.example", "b.example"):
            pack(one, hosts / name)
        with Server(hosts, work) as server:
            families = check_counts(check, server, one, hosts)
            check_page(check, families)
            check_prometheus(check, server, work)
            check_health(check, server, hosts)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    run(main)
