#!/usr/bin/env python3
"""Compare the processor time of connegd with that of other servers.

    cargo build --release --bins --examples
    benches/compare.py                        # the question "chart"
    benches/compare.py --question all --rounds 9 --seconds 3 --json raw.json
    benches/compare.py --apache --show
    benches/compare.py --smoke                # one short round, for CI

It needs Linux, Python 3.9 or later, taskset (util-linux) and wrk; nginx and
apache2 are used from the distribution, with configurations written here. The
peers are the examples `bare` (the limit: the kernel's part and next to nothing
else) and `minihttp` (a quick server library); see benches/peers.

For one question at a time all the servers are started on the loopback, each
with one worker and pinned to one core; wrk is pinned to another. Each answer is
checked before any load. Then the servers are loaded in turn, A B C, C B A, so
that a slow minute of the machine falls on all of them; each round starts them
afresh, because one process can be a few per cent quicker than the next of the
same program, for as long as it lives.

The figure is processor time of the server per request: the run time of all its
threads (/proc/PID/task/*/schedstat, nanoseconds) over the requests that wrk saw
answered. It holds the kernel's work on the server's side of the loopback, which
is most of it. It is a better measure than requests per second here, because on
the loopback wrk is often the slower side: the column "busy" tells how much of
its core the server used. A server that is not busy also batches less: it sleeps
and wakes more often, and that is in its figure.

How noisy: on a shared virtual machine with two cores single rounds of one server
differ by 20 to 50 per cent when anything else runs. The ratios are therefore
taken within each round, and their median is shown. With `bare` in the place of
connegd, so that the true ratio is 1, seven rounds of 2 s gave 1.01, 1.01 and
1.03 while other programs ran; five rounds of 3 s without fresh servers gave 0.93
to 1.15. So read differences below 5 per cent as none, and use more rounds rather
than longer ones. "busy" far below 75 per cent in all rows, or stolen time (below
the table) above a few per cent, means that others had the cores: measure again.

Paths can be given by the environment: CONNEGD, MKROOT, BARE, MINIHTTP, NGINX,
APACHE, APACHE_MODULES, WRK. CARGO_TARGET_DIR is heeded.

Exit status: 0 measured, 1 a server answered wrongly, 2 something is missing.
"""

import argparse
import gzip
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
HOST = "127.0.0.1"
AIM_BARE = 1.25  # connegd / bare, at most
AIM_NGINX = 0.85  # connegd / best nginx, at most
TICK = os.sysconf("SC_CLK_TCK")

CHART_FIELDS = {"Accept": "image/svg+xml; q=1, image/*; q=0.5"}
# What Chrome sends for a page; with the Host field 16 fields and about 770 bytes.
# Sixteen is as many as minihttp takes.
CHROME_FIELDS = {
    "Connection": "keep-alive",
    "Cache-Control": "max-age=0",
    "sec-ch-ua": '"Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
    "image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://www.example.org/2005/chart",
    "Accept-Language": "en-GB,en-US;q=0.9,en;q=0.8,fr;q=0.7,de;q=0.6",
}

# A question: what is asked for, and which answer is right.
#   path      asked of the servers that negotiate, and of the peers
#   literal   asked of nginx, which does not negotiate
#   file      the file of the site whose bytes are the right body
#   type      the right Content-Type, without parameters
#   fields    request fields
#   large     the generated site with a 1 MB file, not the fixture
#   etag      ask with If-None-Match; the right answer is 304
#   depth     requests in one batch
#   no_aim    why the aims do not hold for this question
QUESTIONS = {
    "chart": dict(
        path="/2005/chart", literal="/2005/chart.svg", file="2005/chart.svg",
        type="image/svg+xml", fields=CHART_FIELDS),
    "literal": dict(
        path="/2005/chart.svg", literal="/2005/chart.svg", file="2005/chart.svg",
        type="image/svg+xml", fields=CHART_FIELDS),
    "large": dict(
        path="/large.svg", literal="/large.svg", file="large.svg",
        type="image/svg+xml", fields=CHART_FIELDS, large=True,
        no_aim="bare and minihttp copy the body, sendfile does not, so bare is no limit here"),
    "browser": dict(
        path="/", literal="/index.en.html", file="index.en.html",
        type="text/html", fields=CHROME_FIELDS),
    "conditional": dict(
        path="/2005/chart", literal="/2005/chart.svg", file="2005/chart.svg",
        type="image/svg+xml", fields=CHART_FIELDS, etag=True),
    "pipelined": dict(
        path="/2005/chart", literal="/2005/chart.svg", file="2005/chart.svg",
        type="image/svg+xml", fields=CHART_FIELDS, depth=16),
}


class Missing(Exception):
    """Something needed is not there: exit status 2."""


class Wrong(Exception):
    """A server did not answer as it should: exit status 1."""


# ---------------------------------------------------------------- processes


def descendants(pid):
    """The process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def ticks(directory):
    """User and system time of a process or thread, in whole ticks."""
    words = (directory / "stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def cpu_seconds(pid):
    """Run time of the process tree: of its threads, in nanoseconds. The ticks of
    a process are coarse but hold its ended threads too; so when they say more,
    a thread has ended (or the kernel has no schedstat), and they are taken."""
    total = 0.0
    for process in descendants(pid):
        directory = Path(f"/proc/{process}")
        threads = 0.0
        try:
            for task in list((directory / "task").iterdir()):
                try:
                    threads += int((task / "schedstat").read_text().split()[0]) / 1e9
                except (OSError, IndexError):
                    pass
            total += max(threads, ticks(directory))
        except OSError:
            pass  # the process has ended
    return total


def stolen(core):
    """Seconds that the hypervisor kept the core from us, or 0."""
    for line in Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{core}" and len(words) > 8:
            return int(words[8]) / TICK
    return 0.0


class Server:
    """A running server, stopped by its own pid."""

    def __init__(self, name, command, work, core, port=None):
        self.name = name
        self.log = work / f"{name.replace(' ', '-')}.log"
        # Output goes to a file: a full pipe could stop a server that logs.
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work)
        self.port = port

    def wait_ready(self):
        """Waits for the ready line or, of a given port, for a connection."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if self.port is None:
                ready = re.search(r"listening on http://[^\s:]+:(\d+)\s", self.output())
                if ready:
                    self.port = int(ready.group(1))
                    return
            else:
                try:
                    socket.create_connection((HOST, self.port), 1).close()
                    return
                except OSError:
                    pass
            time.sleep(0.02)
        raise Wrong(f"{self.name} did not start:\n{self.output()}")

    def output(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        if self.process.poll() is not None:
            return
        below = descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in below:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()


def program(variable, *places):
    """The path of a program: from the environment, or the first that exists."""
    given = os.environ.get(variable)
    if given:
        # Servers are started in another directory, so no relative paths.
        found = shutil.which(given)
        return str(Path(found).resolve()) if found else None
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for place in places:
        found = shutil.which(str(place), path=search)
        if found:
            return found
    return None


def required(name, *places):
    """The path of a program that there is nothing to be done without."""
    path = program(name.upper(), *places)
    if not path:
        raise Missing(f"{name} is missing: looked for {places[0]} (set {name.upper()} to use another)")
    return path


def held(pid):
    """What a process holds: anonymous memory and memory of files in KiB, descriptors, maps."""
    directory = Path(f"/proc/{pid}")
    status = (directory / "status").read_text()
    anonymous, files = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("RssAnon", "RssFile"))
    return anonymous, files, len(os.listdir(directory / "fd")), len((directory / "maps").read_text().splitlines())


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


# ------------------------------------------------------------------- answers


class Answer:
    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.strip().lower()] = value.strip()

    def field(self, name):
        return self.fields.get(name, "")


def ask(port, path, fields):
    """One request on its own connection, with the fields that wrk will send."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}:{port}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    with socket.create_connection((HOST, port), 10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                raise Wrong(f"connection closed within the head: {data!r}")
            data += part
        end = data.index(b"\r\n\r\n") + 4
        answer = Answer(data[:end], b"")
        length = int(answer.field("content-length") or 0)
        if answer.status == 304:
            length = 0
        body = data[end:]
        while len(body) < length:
            part = connection.recv(1 << 20)
            if not part:
                raise Wrong(f"body of {len(body)} bytes, not {length}")
            body += part
        if len(body) > length:
            raise Wrong(f"{len(body) - length} bytes after the end of the answer")
        answer.body = body
        return answer


def verify(answer, question, source):
    """Raises Wrong unless this is the right answer to the question."""
    if question.get("etag"):
        if answer.status != 304:
            raise Wrong(f"status {answer.status}, not 304")
        return
    if answer.status != 200:
        raise Wrong(f"status {answer.status}, not 200")
    kind = answer.field("content-type").partition(";")[0].strip()
    if kind != question["type"]:
        raise Wrong(f"Content-Type {kind!r}, not {question['type']!r}")
    body = answer.body
    coding = answer.field("content-encoding")
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding:
        # No decoder for it here: the coded file must be beside the source.
        suffix = {"br": ".br", "zstd": ".zst"}.get(coding, "." + coding)
        source = source.with_name(source.name + suffix)
    if body != source.read_bytes():
        raise Wrong(f"the body is not that of {source.name}")


# -------------------------------------------------------------- configurations


def nginx_command(nginx, work, site, port, sendfile, more=""):
    """No log, no limit of requests on a connection, open files kept. tcp_nopush
    stays off: it would cost two more system calls for each small answer. `more` are
    further directives."""
    home = work / f"nginx-{port}"
    home.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n    ".join(
        f"{name}_temp_path {home}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (home / "nginx.conf").write_text(f"""\
daemon off;
{user}
worker_processes 1;
pid {home}/pid;
error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    types {{ text/html html; image/svg+xml svg; image/png png; text/plain txt; }}
    access_log off;
    sendfile {sendfile};
    {more}
    keepalive_requests 1000000000;
    keepalive_timeout 65;
    open_file_cache max=10000 inactive=60s;
    {temporary}
    server {{
        listen {HOST}:{port};
        root {site};
    }}
}}
""")
    return [nginx, "-e", home / "error.log", "-c", home / "nginx.conf"]


def apache_command(apache, work, site, port):
    """The event MPM with one process of a fixed number of threads, MultiViews,
    no access log, no limit of requests on a connection."""
    modules = Path(os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules"))
    home = work / "apache"
    home.mkdir()
    built_in = subprocess.run([apache, "-l"], capture_output=True, text=True).stdout
    load = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so"
        for name in ("mpm_event", "unixd", "authz_core", "mime", "negotiation", "dir")
        if f"mod_{name}.c" not in built_in and f" {name}.c" not in built_in
        and (modules / f"mod_{name}.so").exists())
    # Apache refuses to serve as root; these are nobody's numbers everywhere.
    user = "User #65534\nGroup #65534" if os.geteuid() == 0 else ""
    (home / "httpd.conf").write_text(f"""\
ServerRoot {home}
ServerName {HOST}
Listen {HOST}:{port}
PidFile {home}/pid
DefaultRuntimeDir {home}
ErrorLog {home}/error.log
LogLevel warn
{load}
{user}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 64
MinSpareThreads 64
MaxSpareThreads 64
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 65
TypesConfig /dev/null
AddType text/html .html
AddType image/svg+xml .svg
AddType image/png .png
AddType text/plain .txt
AddLanguage en .en
AddLanguage fr .fr
AddLanguage de .de
LanguagePriority en fr de
ForceLanguagePriority Prefer Fallback
DirectoryIndex index
DocumentRoot {site}
<Directory {site}>
    Options +MultiViews
    AllowOverride None
    Require all granted
</Directory>
""")
    return [apache, "-D", "FOREGROUND", "-f", home / "httpd.conf"]


def large_site(directory):
    """A site with one file of 1 MB that does not compress well; always the same."""
    directory.mkdir()
    letters = random.Random(1)
    head, tail = "<svg xmlns='http://www.w3.org/2000/svg'><!--", "--></svg>\n"
    middle = letters.randbytes(400_000).hex()
    middle += "." * (1_000_000 - len(head) - len(middle) - len(tail))
    (directory / "large.svg").write_text(head + middle + tail)
    return directory


def readable_copy(site, directory):
    """nginx and Apache may serve as another user, who must be able to read."""
    shutil.copytree(site, directory, ignore_dangling_symlinks=True)
    for folder, _, files in os.walk(directory):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    return directory


# -------------------------------------------------------------------- the load


def load(wrk, options, port, path, fields, depth, work, seconds):
    """Runs wrk; gives requests answered, requests per second, and errors."""
    command = ["taskset", "-c", str(options.load_core), wrk, "-t1",
               f"-c{options.connections}", f"-d{seconds}s"]
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    if depth > 1:
        script = work / "pipeline.lua"
        script.write_text(
            "local batch\n"
            "init = function(args)\n"
            f"  batch = string.rep(wrk.format(), {depth})\n"
            "end\n"
            "request = function() return batch end\n")
        command += ["-s", str(script)]
    command.append(f"http://{HOST}:{port}{path}")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    try:
        text, _ = process.communicate(timeout=seconds + 30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    done = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if process.returncode or not done or not rate:
        raise Wrong(f"wrk failed:\n{text}")
    errors = re.findall(r"(?:Socket errors|Non-2xx).*", text)
    return int(done.group(1)), float(rate.group(1)), errors


# ------------------------------------------------------------------ a question


def start_servers(programs, options, question, site, work, servers, tell):
    """Starts and checks the servers of the question; appends each with its path,
    fields and answer to `servers`, so that the caller can stop what was started.
    Notes and heads are printed in the first round only (`tell`)."""
    source = site / question["file"]
    if not source.is_file():
        raise Missing(f"the site has no {question['file']}")

    def add(name, command, port=None, literal=False, own_etag=True, fields=None):
        server = Server(name, command, work, options.server_core, port)
        entry = {"server": server}
        servers.append(entry)
        server.wait_ready()
        entry["path"] = question["literal" if literal else "path"]
        entry["fields"] = dict(fields or question["fields"])
        try:
            if question.get("etag") and own_etag:
                etag = ask(server.port, entry["path"], entry["fields"]).field("etag")
                if not etag:
                    raise Wrong("no ETag")
                entry["fields"]["If-None-Match"] = etag
            entry["answer"] = ask(server.port, entry["path"], entry["fields"])
            verify(entry["answer"], question, source)
        except (Wrong, OSError, ValueError) as error:
            raise Wrong(f"{name}: {error}") from None
        if options.show and tell:
            print(f"--- {name}: GET {entry['path']}")
            print(entry["answer"].head.decode("latin-1").rstrip().replace("\r", ""))
            print(f"    head {len(entry['answer'].head)} bytes, "
                  f"body {len(entry['answer'].body)} bytes\n")
        return entry

    copy = None
    if "nginx" in options.servers or options.apache:
        copy = readable_copy(site, work / "site")

    # connegd comes first: the peers answer with a head of its length, and to
    # its fields, so that what the kernel carries is the same.
    body, fields = source, None
    peer = ["--listen", f"{HOST}:0", "--path", question["path"], "--type", question["type"]]
    if programs.get("connegd"):
        packed = work / "site.webroot"
        result = subprocess.run(
            [programs["mkroot"], "--negotiate", str(site), str(packed)],
            capture_output=True, text=True, cwd=work)
        if result.returncode:
            raise Wrong(f"mkroot failed:\n{result.stdout}{result.stderr}")
        entry = add("connegd", [programs["connegd"], "--listen", f"{HOST}:0",
                                "--workers", "1", packed])
        peer += ["--head-length", len(entry["answer"].head)]
        fields = entry["fields"]
        if tell and entry["answer"].field("content-encoding"):
            # The peers cannot name a coding; they send the bare body's length.
            print("note: connegd sends a coded body; the peers send the plain one")
    if question.get("etag"):
        peer += ["--status", "304"]
    for name in ("bare", "minihttp"):
        if programs.get(name):
            add(name, [programs[name], *peer, "--body", body], own_etag=False, fields=fields)
    if programs.get("nginx"):
        for sendfile in ("on", "off"):
            port = free_port()
            add(f"nginx sendfile {sendfile}",
                nginx_command(programs["nginx"], work, copy, port, sendfile), port, literal=True)
    if programs.get("apache"):
        port = free_port()
        add("apache", apache_command(programs["apache"], work, copy, port), port)

    lengths = {entry["server"].name: len(entry["answer"].head) + len(entry["answer"].body)
               for entry in servers}
    for name in ("bare", "minihttp"):
        if tell and lengths.get(name) != lengths.get("connegd", lengths.get(name)) \
                and name in lengths:
            print(f"note: the answer of {name} has {lengths[name]} bytes, "
                  f"that of connegd {lengths['connegd']}")


def measure(programs, options, question, work, servers, number):
    """One round: each server is warmed up, then loaded. A sample by server."""
    depth = question.get("depth", 1)

    def run(entry, seconds):
        server = entry["server"]
        steal = stolen(options.server_core)
        start = time.monotonic()
        before = cpu_seconds(server.process.pid)
        done, rate, errors = load(programs["wrk"], options, server.port, entry["path"],
                                  entry["fields"], depth, work, seconds)
        wall = time.monotonic() - start
        used = cpu_seconds(server.process.pid) - before
        if server.process.poll() is not None:
            raise Wrong(f"{server.name} ended under load:\n{server.output()}")
        if not done:
            raise Wrong(f"{server.name}: no request was answered")
        return {"requests": done, "rate": rate, "errors": errors, "cpu_seconds": used,
                "wall_seconds": wall, "us": used / done * 1e6, "busy": used / wall,
                "stolen_seconds": stolen(options.server_core) - steal}

    for entry in servers:
        run(entry, 1)
    # Every other round goes the other way, so that none always follows the same.
    order = servers if number % 2 == 0 else reversed(servers)
    return {entry["server"].name: run(entry, options.seconds) for entry in order}


def median(values):
    return statistics.median(values)


def ratios(samples, name, other):
    """The ratio of two servers in each round."""
    return [a["us"] / b["us"] for a, b in zip(samples[name], samples[other])]


def report(name, question, servers, samples, options):
    lengths = {entry["server"].name: len(entry["answer"].head) + len(entry["answer"].body)
               for entry in servers}
    us = {server: median([one["us"] for one in rounds]) for server, rounds in samples.items()}
    nginx = min((server for server in us if server.startswith("nginx")),
                key=us.get, default=None)
    print(f"\n{name}: {question['path']}, {options.connections} connections, "
          f"{options.rounds} rounds of {options.seconds} s")
    print(f"{'server':<20}{'us CPU/req':>11}  {'min..max':<16}{'req/s':>9}{'busy':>7}"
          f"{'/bare':>8}{'/nginx':>8}{'answer':>9}")
    for server, rounds in samples.items():
        all_us = [one["us"] for one in rounds]
        to_bare = f"{median(ratios(samples, server, 'bare')):.2f}" if "bare" in us else "-"
        to_nginx = f"{median(ratios(samples, server, nginx)):.2f}" if nginx else "-"
        print(f"{server:<20}{us[server]:>11.3f}  "
              f"{f'{min(all_us):.3f}..{max(all_us):.3f}':<16}"
              f"{median([one['rate'] for one in rounds]):>9.0f}"
              f"{median([one['busy'] for one in rounds]):>7.0%}"
              f"{to_bare:>8}{to_nginx:>8}{lengths[server]:>9}")
    every = [one for rounds in samples.values() for one in rounds]
    share = sum(one["stolen_seconds"] for one in every) / sum(one["wall_seconds"] for one in every)
    print(f"stolen time of the servers' core: {share:.1%}")
    for server, rounds in samples.items():
        for number, one in enumerate(rounds, 1):
            for error in one["errors"]:
                print(f"errors: {server}, round {number}: {error}")
    if "connegd" in us:
        for other, label, aim in (("bare", "bare", AIM_BARE), (nginx, "best nginx", AIM_NGINX)):
            if other in us:
                each = ratios(samples, "connegd", other)
                verdict = f"aim <= {aim:.2f}: {'met' if median(each) <= aim else 'missed'}"
                if "no_aim" in question:
                    verdict = "no aim"
                print(f"connegd / {label} = {median(each):.2f}  "
                      f"({min(each):.2f}..{max(each):.2f}; {verdict})")
    if "no_aim" in question:
        print(f"note: {question['no_aim']}")


def run_round(name, programs, options, number, samples):
    """A round with servers started for it. Adds a sample for each server; gives
    the servers, which are stopped by then, for their answers."""
    question = QUESTIONS[name]
    work = Path(tempfile.mkdtemp(prefix="compare-"))
    work.chmod(0o755)
    servers = []
    try:
        site = large_site(work / "large") if question.get("large") else options.site.resolve()
        if not site.is_dir():
            raise Missing(f"no site at {site}")
        start_servers(programs, options, question, site, work, servers, tell=number == 0)
        if programs.get("wrk"):
            measured = measure(programs, options, question, work, servers, number)
            for entry in servers:
                server = entry["server"].name
                samples.setdefault(server, []).append(measured[server])
        return servers
    finally:
        for entry in servers:
            entry["server"].stop()
        shutil.rmtree(work, ignore_errors=True)


def run_question(name, programs, options):
    samples = {}
    for number in range(options.rounds):
        servers = run_round(name, programs, options, number, samples)
        if not samples:
            print(f"{name}: the answers are right; not loaded, for wrk is missing")
            return None
    report(name, QUESTIONS[name], servers, samples, options)
    if any(one["errors"] for one in samples.get("connegd", [])):
        raise Wrong("connegd: errors under load")
    return samples


def find_programs(options):
    """What is there. In a smoke run only connegd and mkroot are required."""
    if not shutil.which("taskset"):
        raise Missing("taskset is missing (package util-linux)")
    places = {
        "connegd": ("CONNEGD", RELEASE / "connegd"),
        "mkroot": ("MKROOT", RELEASE / "mkroot"),
        "bare": ("BARE", RELEASE / "examples" / "bare"),
        "minihttp": ("MINIHTTP", RELEASE / "examples" / "minihttp"),
        "nginx": ("NGINX", "nginx"),
        "apache": ("APACHE", "apache2", "httpd"),
        "wrk": ("WRK", "wrk"),
    }
    wanted = set(options.servers) | {"wrk"}
    if "connegd" in wanted:
        wanted.add("mkroot")
    if options.apache:
        wanted.add("apache")
    programs = {}
    for name in sorted(wanted):
        variable, *tries = places[name]
        programs[name] = program(variable, *tries)
        if programs[name]:
            continue
        text = f"{name} is missing: looked for {os.environ.get(variable) or tries[0]} " \
               f"(set {variable} to use another)"
        if not options.smoke or name in ("connegd", "mkroot"):
            raise Missing(text)
        print(f"skipped: {text}")
    return programs


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--question", action="append", choices=[*QUESTIONS, "all"],
                        help="may be repeated (chart)")
    parser.add_argument("--rounds", type=int, default=5,
                        help="each with fresh servers (5)")
    parser.add_argument("--seconds", type=int, default=3,
                        help="of load, for each server and round (3)")
    parser.add_argument("--connections", type=int, default=16, help="kept by wrk (16)")
    parser.add_argument("--servers", default="connegd,bare,minihttp,nginx",
                        help="which to run (connegd,bare,minihttp,nginx)")
    parser.add_argument("--apache", action="store_true", help="Apache MultiViews too")
    parser.add_argument("--site", type=Path, default=ROOT / "fixtures/sites/chart")
    parser.add_argument("--show", action="store_true", help="print the head of each answer")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the raw samples")
    parser.add_argument("--smoke", action="store_true",
                        help="one round of 1 s with what is installed")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    unknown = set(options.servers) - {"connegd", "bare", "minihttp", "nginx"}
    if unknown:
        parser.error(f"unknown server: {', '.join(sorted(unknown))}")
    if options.smoke:
        options.rounds = options.seconds = 1
    if options.rounds < 1 or options.seconds < 1 or options.connections < 1:
        parser.error("rounds, seconds and connections must be at least 1")
    names = options.question or ["chart"]
    options.question = list(QUESTIONS) if "all" in names else list(dict.fromkeys(names))
    return options


def main():
    options = arguments()
    # A stop from outside goes through the finally blocks too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    try:
        cores = os.sched_getaffinity(0)
        if options.load_core not in cores and len(cores) == 1:
            options.server_core = options.load_core = min(cores)
            print("note: one core only; the servers and the load share it")
        elif not {options.server_core, options.load_core} <= cores:
            raise Missing(f"cores {options.server_core} and {options.load_core} are not both "
                          f"available: {sorted(cores)}")
        programs = find_programs(options)
        raw = {name: run_question(name, programs, options) for name in options.question}
        if options.json:
            settings = {"rounds": options.rounds, "seconds": options.seconds,
                        "connections": options.connections}
            options.json.write_text(json.dumps({"settings": settings, "samples": raw}, indent=1))
    except Missing as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except Wrong as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
