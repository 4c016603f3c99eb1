#!/usr/bin/env python3
"""Replace what connegd serves, and connegd itself, under load: is any answer lost, wrong, or late?

    cargo build --release --bins
    benches/live.py                      # everything, some three minutes
    benches/live.py --only swaps
    benches/live.py --smoke              # small numbers, for CI

Scenarios:

  swaps    a webroot of 100 000 resources is replaced 200 times in 20 s, by another
           build of the same site and back, while wrk asks as fast as it can. Each
           answer must be 200, and its content that of its entity tag and path in one
           of the two builds, as `mkroot ls` lists them. The p99 is compared with that of
           the same load without replacements, in interleaved rounds.
  memory   what the process holds before and after that: memory of its own,
           descriptors, maps.
  upgrade  processes take over from one another by --reuse-port, ten times under the
           same load with new connections in between: nobody is refused or reset.
  damage   of two hosts one has its webroot cut short, overwritten and revived, again
           and again: what the other answers meanwhile.

The server has one worker and is pinned to one core with all its threads, so that
opening and checking a webroot takes time from the same core that answers; wrk and
whoever replaces files are pinned to another.

Lines begin with the scenario: "ok" or "FAIL" and a figure with its bound, or "-" and
a figure without one. Times are noisy: a p99 under full load is that of a queue, and
varies by a fifth between equal rounds. Smoke runs do not judge times.

It needs wrk. CONNEGD, MKROOT, WRK and CARGO_TARGET_DIR are heeded.
Exit status: 0 all within bounds, 1 a bound is broken, 2 something is missing.
"""

import argparse
import atexit
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

# What is imported leaves nothing in the directory of the benches.
sys.dont_write_bytecode = True
from servers import HOST, RELEASE, Missing, free_port, held, required

SERVER_CORE, LOAD_CORE = 0, 1
# So many of the site's pages are asked for; their contents are known to the load.
ASKED = 500


class Report:
    def __init__(self, judge_times):
        self.failed = False
        self.judge_times = judge_times

    def held(self, name, what, good):
        self.failed |= not good
        print(f"{name:8} {'ok  ' if good else 'FAIL'} {what}", flush=True)

    def figure(self, name, what):
        print(f"{name:8} -    {what}", flush=True)


class Server:
    """A connegd on one core."""

    def __init__(self, connegd, *arguments, port=None):
        self.port = port or free_port()
        command = ["taskset", "-c", str(SERVER_CORE), connegd, "--workers", "1"]
        command += ["--listen", f"{HOST}:{self.port}", *arguments]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors)
        # Whatever goes wrong, nothing is left running.
        atexit.register(self.process.kill)
        if b"listening" not in self.process.stdout.readline():
            raise Missing(f"connegd did not start: {self.messages()}")

    def messages(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def held(self):
        """Memory of its own in KB, descriptors, maps."""
        own, _, descriptors, maps = held(self.process.pid)
        return own, descriptors, maps

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def make_builds(mkroot, work, pages):
    """Two builds of one site, and what the pages that are asked for may be: entity tag -> (path, content)."""
    builds, expected = [], {}
    step = max(1, pages // ASKED)
    for build in "ab":
        site = os.path.join(work, f"site-{build}")
        for number in range(pages):
            directory = os.path.join(site, f"d{number // 500}")
            if number % 500 == 0:
                os.makedirs(directory)
            with open(os.path.join(directory, f"p{number % 500}.html"), "w") as page:
                page.write(f"<p>build {build}, page {number}\n" + build * (600 + number % 300))
        out = os.path.join(work, f"{build}.webroot")
        subprocess.run([mkroot, "--negotiate", "--quiet", site, out], check=True)
        listing = json.loads(subprocess.run([mkroot, "ls", "--json", out], check=True, capture_output=True).stdout)
        by_path = {resource["path"]: resource for resource in listing["resources"]}
        for number in range(0, pages, step):
            path = f"/d{number // 500}/p{number % 500}"
            with open(os.path.join(site, path[1:] + ".html")) as page:
                expected[by_path[path]["variants"][0]["etag"]] = (path, page.read())
        shutil.rmtree(site)
        builds.append(out)
    return builds, expected


LUA = """
local paths, contents = %s, %s
bad, good, number = 0, 0, 0 -- global: that is what thread:get can see
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) good = 0; bad = 0; number = math.random(#paths) end
function request()
    number = number %% #paths + 1
    return wrk.format("GET", paths[number])
end
function response(status, headers, body)
    local tag = headers["ETag"]
    if status == 200 and tag and contents[tag] == body and headers["Content-Length"] == tostring(#body) then
        good = good + 1
    else
        bad = bad + 1
    end
end
function done(summary, latency, requests)
    local all, wrong = 0, 0
    for _, thread in ipairs(threads) do
        all = all + thread:get("good"); wrong = wrong + thread:get("bad")
    end
    local errors = summary.errors
    io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d %%d %%d\\n", all, wrong, errors.connect, errors.read,
        errors.write, errors.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def lua_string(text):
    return '"' + "".join(f"\\{ord(c):03d}" if c in '"\\\n' else c for c in text) + '"'


def write_script(work, expected):
    paths = sorted({path for path, _ in expected.values()})
    contents = ",".join(f"[{lua_string(tag)}]={lua_string(content)}" for tag, (_, content) in expected.items())
    script = os.path.join(work, "load.lua")
    with open(script, "w") as out:
        out.write(LUA % ("{" + ",".join(map(lua_string, paths)) + "}", "{" + contents + "}"))
    return script


class Load:
    """A wrk that checks every answer."""

    def __init__(self, wrk, port, script, seconds, connections):
        command = ["taskset", "-c", str(LOAD_CORE), wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s"]
        command += ["-s", script, f"http://{HOST}:{port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def result(self):
        output = self.process.communicate()[0].decode()
        found = re.search(r"RESULT (.*)", output)
        if not found:
            raise Missing(f"wrk did not finish:\n{output}")
        names = ["good", "wrong", "connect", "read", "write", "timeout", "p50", "p99", "max"]
        return dict(zip(names, map(int, found[1].split())))


def put(source, path):
    """Lets `path` be a new name of `source`, in one step."""
    temporary = os.path.join(os.path.dirname(path), ".next")
    os.link(source, temporary)
    os.rename(temporary, path)


def errors_of(result):
    return sum(result[name] for name in ("wrong", "connect", "read", "write", "timeout"))


def swaps(setting, report):
    work, (first, second), script = setting.work, setting.builds, setting.script
    hosts = os.path.join(work, "hosts")
    os.makedirs(hosts)
    served = os.path.join(hosts, "__default__")
    put(first, served)
    server = Server(setting.connegd, "--vhosts", hosts)
    count, seconds = (20, 4) if setting.smoke else (200, 20)
    Load(setting.wrk, server.port, script, 2, 32).result()
    before = server.held()
    p99s, wrong, answered, done = {True: [], False: []}, 0, 0, 0
    for number in range(setting.rounds):
        for with_swaps in ([False, True] if number % 2 == 0 else [True, False]):
            load = Load(setting.wrk, server.port, script, seconds, 32)
            began = time.monotonic()
            for swap in range(count if with_swaps else 0):
                time.sleep(max(0, began + swap * seconds / count - time.monotonic()))
                put((second, first)[swap % 2], served)
                done += 1
            result = load.result()
            wrong += errors_of(result)
            answered += result["good"]
            p99s[with_swaps].append(result["p99"] / 1000)
    report.held("swaps", f"{done} replacements, {answered} answers, {wrong} failed or mixed (bound 0)", wrong == 0)
    seen = server.messages().count("serving build")
    report.held("swaps", f"{seen} of them were opened and served", seen >= done * 0.9)
    ratios = [with_them / without for with_them, without in zip(p99s[True], p99s[False])]
    shown = " ".join(f"{without:.2f}/{with_them:.2f}" for with_them, without in zip(p99s[True], p99s[False]))
    ratio = statistics.median(ratios)
    what = f"p99 with replacements {ratio:.2f} of that without ({min(ratios):.2f} to {max(ratios):.2f}; ms: {shown}) (bound 1.5)"
    if report.judge_times:
        report.held("swaps", what, ratio <= 1.5)
    else:
        report.figure("swaps", what)
    deadline = time.monotonic() + 10
    while True:
        after = server.held()
        # The allocator keeps some pages; a webroot's index in memory would be 60 MB.
        is_back = after[0] <= before[0] + 4096 and after[1] <= before[1] and after[2] <= before[2] + 8
        if is_back or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    shown = f"KB {before[0]} -> {after[0]}, descriptors {before[1]} -> {after[1]}, maps {before[2]} -> {after[2]}"
    report.held("memory", f"before and after: {shown} (bounds +4096, +0, +8)", is_back)
    report.held("swaps", f"exit status {server.stop()} (bound 0)", server.process.returncode == 0)


def upgrade(setting, report):
    first = setting.builds[0]
    arguments = ["--reuse-port", first]
    server = Server(setting.connegd, *arguments)
    times = 3 if setting.smoke else 10
    seconds = times + 2
    load = Load(setting.wrk, server.port, setting.script, seconds, 32)
    stop, counted, lost = threading.Event(), [0], []

    def newcomer():
        request = b"GET /d0/p0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        while not stop.is_set():
            try:
                with socket.create_connection((HOST, server.port), 5) as connection:
                    connection.sendall(request)
                    answer = b""
                    while piece := connection.recv(65536):
                        answer += piece
                if not answer.startswith(b"HTTP/1.1 200"):
                    lost.append(answer[:40])
                counted[0] += 1
            except OSError as error:
                lost.append(str(error))

    client = threading.Thread(target=newcomer)
    client.start()
    took = []
    for _ in range(times):
        time.sleep(0.5)
        new = Server(setting.connegd, *arguments, port=server.port)
        began = time.monotonic()
        status = server.stop()
        took.append(time.monotonic() - began)
        report.failed |= status != 0
        server = new
    result = load.result()
    stop.set()
    client.join()
    # wrk counts a connection that was closed after "Connection: close" as no error; it opens another.
    bad = errors_of(result)
    what = f"{times} take-overs, {result['good']} answers over kept connections, {bad} lost or wrong (bound 0)"
    report.held("upgrade", what, bad == 0)
    report.held("upgrade", f"{counted[0]} new connections, {len(lost)} refused or reset (bound 0) {lost[:2] or ''}", not lost)
    report.figure("upgrade", f"an old process was gone {statistics.median(took):.2f} s after SIGTERM (at most {max(took):.2f})")
    report.held("upgrade", f"exit status {server.stop()} (bound 0)", server.process.returncode == 0)


def damage(setting, report):
    hosts = os.path.join(setting.work, "damaged")
    os.makedirs(hosts)
    put(setting.builds[0], os.path.join(hosts, "__default__"))
    victim = os.path.join(hosts, "victim.test")
    server = Server(setting.connegd, "--vhosts", hosts)
    times = 5 if setting.smoke else 30
    load = Load(setting.wrk, server.port, setting.script, times // 5 + 2, 32)
    request = b"GET /d0/p0 HTTP/1.1\r\nHost: victim.test\r\n\r\n"
    answers = {}
    for number in range(times):
        temporary = os.path.join(hosts, ".copy")
        shutil.copy(setting.builds[number % 2], temporary)
        os.rename(temporary, victim)
        for action in ("serve", "truncate", "overwrite"):
            if action == "truncate":
                os.truncate(victim, 5000 if number % 2 else 0)
            if action == "overwrite":
                with open(victim, "r+b") as file:
                    file.write(os.urandom(100_000))
            for _ in range(20):
                try:
                    with socket.create_connection((HOST, server.port), 5) as connection:
                        connection.sendall(request)
                        status = connection.recv(65536)[9:12].decode() or "closed"
                except OSError:
                    status = "closed"
                answers[action, status] = answers.get((action, status), 0) + 1
                time.sleep(0.002)
    result = load.result()
    bad = errors_of(result)
    report.held("damage", f"{result['good']} answers of the sound host, {bad} lost or wrong (bound 0)", bad == 0)
    shown = ", ".join(f"{action} {status}: {count}" for (action, status), count in sorted(answers.items()))
    report.figure("damage", f"the other host: {shown}")
    report.held("damage", f"exit status {server.stop()} (bound 0)", server.process.returncode == 0)


SCENARIOS = {"swaps": swaps, "upgrade": upgrade, "damage": damage}


class Setting:
    def __init__(self, options, work):
        self.smoke, self.rounds, self.work = options.smoke, options.rounds, work
        self.connegd, self.mkroot = (required(name, RELEASE / name, name) for name in ("connegd", "mkroot"))
        self.wrk = required("wrk", "wrk")
        self.builds, expected = make_builds(self.mkroot, work, 2_000 if options.smoke else 50_000)
        self.script = write_script(work, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this scenario; may be repeated")
    parser.add_argument("--smoke", action="store_true", help="small numbers, and times are not judged")
    parser.add_argument("--rounds", type=int, default=None, help="rounds of swaps, each with and without")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.smoke else 3)
    report = Report(not options.smoke)
    try:
        with tempfile.TemporaryDirectory() as work:
            setting = Setting(options, work)
            for name in options.only or SCENARIOS:
                SCENARIOS[name](setting, report)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
