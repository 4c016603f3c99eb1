#!/usr/bin/env python3
"""How many hosts can one connegd serve, and what does each of them cost?

    cargo build --release --bins
    benches/hosts.py                          # 1, 100, 1 000 and 10 000 hosts, some five minutes
    benches/hosts.py --hosts 1,50000          # others
    benches/hosts.py --smoke                  # few hosts, some seconds, for CI

Each host has a small site of its own: a page in two languages, one in HTML and
Markdown, a style sheet. Up to --different (10 000) of the sites are different files;
beyond that several hosts have the same one, by hard links.

  start     from the start of the process to its ready line, on all cores, the files in memory
  memory    resident set just after that: anonymous and of files; descriptors; maps
  request   processor time of the server per request, for hosts picked at random, all
            equally often, on kept connections; the hosts have names of their own
            ("exact") or are all below one that does ("*.": two labels to look up). With
            "10 of them" only ten hosts are asked for: what the others cost is then seen
            apart from what it costs that the processor's caches cannot hold all sites
  replace   from the rename of a new webroot over a host's old one to the first answer
            from it, and the server's processor time for that; "link": the hosts are
            symbolic links into one directory, in which the file is replaced
  add       from the rename of a webroot to the name of a new host to its first answer

For "request" all servers run at the same time, with one worker each, pinned to one
core, and are loaded by wrk on the other in turn, A B C, C B A. Processor time is taken
as in compare.py, and is as noisy: read the ratios, which are taken within a round.
Contents are not verified in the background, which would be counted. For "replace" and
"add" the client asks all the time with pauses of 0.2 ms, and is on the other core.

It needs wrk, and as many descriptors as hosts (ulimit -Hn). CONNEGD, MKROOT, WRK and
CARGO_TARGET_DIR are heeded.

Exit status: 0 measured, 1 connegd answered wrongly, 2 something is missing.
"""

import argparse
import atexit
import concurrent.futures
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is imported leaves nothing in the directory of the benches.
sys.dont_write_bytecode = True
from servers import HOST, RELEASE, Missing, Wrong, cpu_seconds, held, required

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = 16
# What is asked for in the load: a negotiated page.
FIELDS = "Accept: text/html,*/*;q=0.8\r\nAccept-Language: fr,en;q=0.5\r\n"


# ------------------------------------------------------------------- the hosts


def text(number, edition):
    return f"site {number}, edition {edition}"


def pack(mkroot, work, number, edition=0):
    """A webroot of a small site whose texts nobody else has."""
    site, out = work / f"site-{number}", work / f"{number}-{edition}.webroot"
    site.mkdir()
    says = text(number, edition)
    for name, content in [
        ("index.html.en", f"<p>Welcome to {says}.</p>\n" * 20), ("index.html.fr", f"<p>Bienvenue: {says}.</p>\n" * 20),
        ("about.html", f"<p>About {says}.</p>\n" * 20), ("about.md", f"About {says}.\n" * 20),
        ("style.css", f"/* {says} */ body {{ margin: 2em }}\n"),
    ]:
        (site / name).write_text(content)
    packed = subprocess.run([mkroot, "--negotiate", "--quiet", site, out], capture_output=True, text=True)
    if packed.returncode:
        raise Wrong(f"mkroot: exit status {packed.returncode}\n{packed.stderr}")
    shutil.rmtree(site)
    return out


def name_of(number, kind):
    return f"{'*.' if kind == '*.' else ''}h{number}.example"


def asked_for(number, kind):
    return f"{'a.b.' if kind == '*.' else ''}h{number}.example"


def directory_of(work, webroots, count, kind):
    """A directory of hosts; of the kind "link" the files lie in another, below it."""
    directory = work / f"hosts-{count}-{kind.strip('*.') or 'below'}"
    files = directory / ".files" if kind == "link" else directory
    files.mkdir(parents=True)
    for number in range(count):
        os.link(webroots[number % len(webroots)], files / name_of(number, kind))
        if kind == "link":
            os.symlink(files / name_of(number, kind), directory / name_of(number, kind))
    return directory


# ------------------------------------------------------------------ the server


class Server:
    """A connegd with one worker, and how long it took to be ready, in seconds."""

    def __init__(self, connegd, directory, *more):
        command = [connegd, "--workers", "1", "--listen", f"{HOST}:0", "--vhosts", directory, *more]
        self.errors = tempfile.TemporaryFile()
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors)
        # Whatever goes wrong, nothing is left running.
        atexit.register(self.process.kill)
        ready = re.search(rb"listening on http://[^\s:]+:(\d+)\s", self.process.stdout.readline())
        self.took = time.monotonic() - began
        if not ready:
            self.stop()
            raise Wrong(f"connegd did not start: {self.messages()}")
        self.port = int(ready[1])

    def messages(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def pin(self):
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(task), {SERVER_CORE})

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ask(connection, host):
    """Status and content of a host's page, over a kept connection."""
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n{FIELDS}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise Wrong(f"{host}: the connection is closed")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"\r\nContent-Length: (\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body.decode()


def check(server, count, kind, different):
    """Some hosts must have pages of their own, in the right language."""
    with socket.create_connection((HOST, server.port), 10) as connection:
        for number in {0, count // 2, count - 1}:
            expected = f"Bienvenue: {text(number % different, 0)}."
            if expected not in ask(connection, asked_for(number, kind))[1]:
                raise Wrong(f"{asked_for(number, kind)} has not the page of its site")


# -------------------------------------------------------------- the measurements


def start_and_memory(setting):
    print("\nstart and memory (a host: the difference to the fewest hosts)")
    print("   hosts   ready ms   min..max       anon KiB  file KiB   KiB a host: anon   file    fds    maps")
    first = None
    for count in setting.counts:
        directory, times = setting.directories[count, "exact"], []
        for _ in range(setting.rounds):
            server = Server(setting.connegd, directory)
            holds = held(server.process.pid)
            check(server, count, "exact", setting.different(count))
            times.append(server.took * 1e3)
            server.stop()
        first = first or (count, holds)
        each = [(now - then) / max(1, count - first[0]) for now, then in zip(holds, first[1])]
        print(f"{count:8}{statistics.median(times):11.1f}   {f'{min(times):.1f}..{max(times):.1f}':12}"
              f"{holds[0]:10}{holds[1]:10}{each[0]:19.2f}{each[1]:7.2f}{holds[2]:7}{holds[3]:8}")
        setting.figures.append({"what": "start", "hosts": count, "ms": times, "held": holds})


LUA = """
local requests = {}
for number = 0, %d - 1 do
    requests[number] = "GET / HTTP/1.1\\r\\nHost: %s" .. "h" .. number .. ".example\\r\\n%s\\r\\n"
end
request = function() return requests[math.random(0, %d - 1)] end
"""


def load(setting, server, asked, kind, seconds):
    """Microseconds of the server's processor time per request, for the first `asked` hosts."""
    script = setting.work / f"load-{asked}-{kind.strip('*.') or 'below'}.lua"
    before = asked_for("", kind)[:-len("h.example")]
    fields = FIELDS.replace("\r\n", "\\r\\n")
    script.write_text(LUA % (asked, before, fields, asked))
    command = ["taskset", "-c", str(LOAD_CORE), setting.wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script,
               f"http://{HOST}:{server.port}"]
    used = cpu_seconds(server.process.pid)
    done = subprocess.run(command, capture_output=True, text=True)
    used = cpu_seconds(server.process.pid) - used
    requests = re.search(r"(\d+) requests in ", done.stdout)
    errors = re.findall(r"(?:Socket errors|Non-2xx).*", done.stdout)
    if done.returncode or not requests or not int(requests[1]) or errors:
        raise Wrong(f"wrk: {done.stdout}{done.stderr}")
    return used / int(requests[1]) * 1e6


def requests(setting):
    print(f"\nprocessor time of a request, {CONNECTIONS} connections, {setting.rounds} rounds of {setting.seconds} s")
    print("   hosts  names  asked for   us a request   min..max        of that of the fewest exact names")
    servers = {}
    for count in setting.counts:
        for kind in ("exact", "*."):
            server = servers[count, kind] = Server(setting.connegd, setting.directories[count, kind], "--verify", "off")
            server.pin()
            check(server, count, kind, setting.different(count))
            load(setting, server, count, kind, 1)
    runs = [(*key, key[0]) for key in servers] + [(setting.counts[-1], kind, 10) for kind in ("exact", "*.")]
    samples = {run: [] for run in runs}
    for number in range(setting.rounds):
        for count, kind, asked in runs if number % 2 == 0 else reversed(runs):
            samples[count, kind, asked].append(load(setting, servers[count, kind], asked, kind, setting.seconds))
    base = samples[runs[0]]
    for (count, kind, asked), times in samples.items():
        ratios = [time / to for time, to in zip(times, base)]
        print(f"{count:8}  {kind:6}{asked:10}{statistics.median(times):15.2f}   {f'{min(times):.2f}..{max(times):.2f}':12}"
              f"{statistics.median(ratios):8.2f}  ({min(ratios):.2f}..{max(ratios):.2f})")
        setting.figures.append({"what": "request", "hosts": count, "names": kind, "asked": asked, "us": times})
    for server in servers.values():
        server.stop()


def until(server, connection, host, says):
    """Asks until a host's page says something; how long that took, in milliseconds."""
    began = time.monotonic()
    while says not in ask(connection, host)[1]:
        if time.monotonic() > began + 10:
            raise Wrong(f"{host}: nothing new is served: {server.messages()}")
        time.sleep(0.0002)
    return (time.monotonic() - began) * 1e3


def put(webroot, path):
    """Lets `path` be a new name of `webroot`, in one step."""
    os.link(webroot, path.parent / ".next")
    os.rename(path.parent / ".next", path)


def replacements(setting):
    print(f"\na webroot is served after, {setting.replacements} times each")
    print("   hosts  what            median ms   worst ms   server's processor ms, asking included")
    editions = setting.webroots[0], pack(setting.mkroot, setting.work, 0, edition=1)
    for count, kind in setting.replaced:
        directory = setting.directories[count, kind]
        path = (directory / ".files" if kind == "link" else directory) / name_of(0, kind)
        server = Server(setting.connegd, directory, "--verify", "off")
        server.pin()

        def measured(what, change):
            used, times = cpu_seconds(server.process.pid), []
            for number in range(setting.replacements):
                time.sleep(0.02)
                times.append(change(number))
            used = (cpu_seconds(server.process.pid) - used) / setting.replacements * 1e3
            print(f"{count:8}  {what:14}{statistics.median(times):11.1f}{max(times):11.1f}{used:12.2f}")
            setting.figures.append({"what": what, "hosts": count, "ms": times, "processor_ms": used})

        def replace(number):
            put(editions[(number + 1) % 2], path)
            return until(server, connection, asked_for(0, kind), text(0, (number + 1) % 2))

        def add(number):
            put(editions[0], directory / f"new{number}.example")
            return until(server, connection, f"new{number}.example", text(0, 0))

        with socket.create_connection((HOST, server.port), 10) as connection:
            measured("replace link" if kind == "link" else "replace", replace)
            if kind == "exact":
                measured("add", add)
        server.stop()


class Setting:
    def __init__(self, options, work):
        for name, place in [("connegd", RELEASE / "connegd"), ("mkroot", RELEASE / "mkroot"), ("wrk", "wrk")]:
            setattr(self, name, required(name, place))
        self.work, self.counts, self.most_different = work, options.hosts, options.different
        self.rounds, self.seconds, self.replacements = options.rounds, options.seconds, options.replacements
        # Ten or so, and as many as there are.
        replaced = sorted({min(self.counts, key=lambda count: abs(count - 10)), self.counts[-1]})
        self.replaced = [(count, kind) for kind in ("exact", "link") for count in replaced]
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if descriptors != resource.RLIM_INFINITY and descriptors * 3 // 4 < self.counts[-1] + 300:
            raise Missing(f"{descriptors} descriptors are too few for {self.counts[-1]} hosts (ulimit -Hn)")
        if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
            raise Missing(f"cores {SERVER_CORE} and {LOAD_CORE} are not both available")
        self.figures = []
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            numbers = range(self.different(self.counts[-1]))
            self.webroots = list(pool.map(lambda number: pack(self.mkroot, work, number), numbers))
        kinds = dict.fromkeys([(count, kind) for count in self.counts for kind in ("exact", "*.")] + self.replaced)
        self.directories = {
            (count, kind): directory_of(work, self.webroots[:self.different(count)], count, kind) for count, kind in kinds}
        size = self.webroots[-1].stat().st_size
        print(f"{len(self.webroots)} different webroots of {size} bytes or so, packed in {time.monotonic() - began:.1f} s")

    def different(self, count):
        return min(count, self.most_different)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=lambda said: sorted({int(count) for count in said.split(",")}),
                        default=[1, 10, 100, 1000, 10_000], metavar="N,N", help="how many (1,10,100,1000,10000)")
    parser.add_argument("--different", type=int, default=10_000, metavar="N", help="how many different files at most (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="of starts and of loads (5)")
    parser.add_argument("--seconds", type=int, default=2, help="of load, for each server and round (2)")
    parser.add_argument("--replacements", type=int, default=200, help="for each number of hosts (200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--smoke", action="store_true", help="few hosts, one short round")
    options = parser.parse_args()
    if options.smoke:
        options.hosts, options.rounds, options.seconds, options.replacements = [1, 50], 1, 1, 5
    if min(options.hosts[0], options.different, options.rounds, options.seconds, options.replacements) < 1:
        parser.error("all numbers must be at least 1")
    # A stop from outside goes through what is cleaned up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    with tempfile.TemporaryDirectory(prefix="connegd-hosts-") as work:
        setting = Setting(options, Path(work))
        for measure in (start_and_memory, requests, replacements):
            measure(setting)
    if options.json:
        options.json.write_text(json.dumps(setting.figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"hosts.py: {missing}", file=sys.stderr)
        sys.exit(2)
    except Wrong as wrong:
        print(f"hosts.py: {wrong}", file=sys.stderr)
        sys.exit(1)
