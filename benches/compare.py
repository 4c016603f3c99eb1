#!/usr/bin/env python3
"""Compare connegd with other servers: processor time, latency, memory. Anyone can check the claims of speed here.

    benches/build
    benches/compare.py                        # the question "chart", with the servers that are there
    benches/compare.py --servers all --question all --rounds 9 --json raw.json --plots plots
    benches/compare.py --from raw.json more.json --plots plots    # tables and plots again, nothing is measured
    benches/compare.py --smoke                # all questions in small numbers, for CI

It needs Linux, Python 3.9 or later, taskset (util-linux) and, for the questions that say so, wrk. The servers are connegd; `bare`
(the limit: the kernel's part and next to nothing else) and `minihttp` (a quick server library), see benches/peers; nginx, lighttpd,
h2o and Apache from the distribution; static-web-server from crates.io. servers.py has their configurations.

  chart        a negotiated image of 1 KB; nginx and others are asked for the literal file
  literal      the file's own name, of all
  large        a literal file of 1 MB
  browser      a page, with all the fields that Chrome sends
  conditional  the image again with If-None-Match: 304
  pipelined    16 requests at a time (wrk)
  connect      a new connection for each request: `Connection: close`, and the server closes
  siblings     chart among 10 to 100 000 other files in its directory
  index        one of 1 000 to 1 000 000 resources, at random, equally often (--most 10000000: ten times as many; that takes
               some 10 GB of disk, and minutes); time from start to ready, memory
  idle         memory of the server for 10 000 connections that have asked once and wait; a live request beside them
  latency      requests at a constant rate: 70 % of what each server can answer, and 70 % of what nginx can, for all alike
  sizes        files of 100 KB, 1 MB and 64 MB: processor time per gigabyte (this is the question "hot" of io.py)

Servers are on the loopback, each with one worker and pinned to one core; the load is pinned to another. Each answer is checked
before any load; benches/peers/load.rs checks all under load too. The servers are loaded in turn, A B C, C B A, so that a slow
minute of the machine falls on all of them; each round starts them afresh, because one process can be a few per cent quicker than
the next of the same program, for as long as it lives.

Processor time is the run time of all threads of the server and of its children (/proc/PID/task/*/schedstat, nanoseconds) over the
requests that were answered. It holds the kernel's work on the server's side of the loopback, which is most of it. It is a better
measure than requests per second here, because on the loopback the load is often the slower side: the column "busy" tells how much
of its core the server used. A server that is not busy also batches less: it sleeps and wakes more often, and that is in its figure,
the more so the quicker it is. Therefore the load of benches/peers asks, which keeps nearly all of them busy; with `--client wrk
--connections 16`, which does not, connegd and bare look up to a sixth more expensive beside the others.

Latency is counted from when the request should have been sent, so a pause of the server is in all the answers that it delays. The
rate of the first table is 70 % of what the server answered when 64 connections asked as fast as they could; where its core was not
busy then the load was the slower side, and the table says so. All figures of the second table are for one rate.

How noisy: on a shared virtual machine with two cores single rounds of one server differ by 20 to 50 per cent when anything else
runs. The ratios are therefore taken within each round, and their median is shown. With `bare` in the place of connegd, so that the
true ratio is 1, seven rounds of 2 s gave 1.01, 1.01 and 1.03 while other programs ran; five rounds of 3 s without fresh servers
gave 0.93 to 1.15. So read differences below 5 per cent as none, and use more rounds rather than longer ones. In "siblings" and
"index" there are rows whose true ratio is 1 (`bare`, which has no directory; the smallest webroot a second time): they show the
noise of that run. "busy" far below 75 per cent in all rows, or stolen time (below the table) above a few per cent, means that
others had the cores: measure again. Of the latencies, p99.9 and the most belong to the machine as much as to the server: a
virtual machine that is stopped for 3 ms is in them. Memory repeats within a per cent or two.

Aims are printed as met or missed beside the ratios. A missed one is no failure.

Paths can be given by the environment: CONNEGD, MKROOT, BARE, MINIHTTP, LOAD, MILLION, NGINX, LIGHTTPD, H2O, STATIC_WEB_SERVER,
APACHE, APACHE_MODULES, WRK. CARGO_TARGET_DIR is heeded.

Exit status: 0 measured, 1 a server answered wrongly, 2 something is missing.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is imported leaves nothing in the directory of the benches.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import plots
from servers import (HOST, HOW_TO_GET, LITERAL, PLACES, RELEASE, ROOT, Fleet, Missing, Wrong, apache_command, ask, cpu_seconds,
                     descendants, free_port, held, program, readable_copy, required, stolen, verify)

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

# What is asked for, and which answer is right.
#   path      asked of the servers that negotiate, and of the peers
#   literal   asked of the servers that do not negotiate
#   file      the file of the site whose bytes are the right body
#   type      the right Content-Type, without parameters
#   fields    request fields
#   large     the generated site with a 1 MB file, not the fixture
#   etag      ask with If-None-Match; the right answer is 304
#   depth     requests in one batch
#   close     a new connection for each request
#   note      what to bear in mind
CHART = dict(path="/2005/chart", literal="/2005/chart.svg", file="2005/chart.svg", type="image/svg+xml", fields=CHART_FIELDS)
REQUESTS = {
    "chart": CHART,
    "literal": {**CHART, "path": "/2005/chart.svg"},
    "large": dict(
        path="/large.svg", literal="/large.svg", file="large.svg",
        type="image/svg+xml", fields=CHART_FIELDS, large=True,
        note="bare and minihttp copy the body, sendfile does not, so bare is no limit here"),
    "browser": dict(
        path="/", literal="/index.en.html", file="index.en.html",
        type="text/html", fields=CHROME_FIELDS),
    "conditional": {**CHART, "etag": True},
    "pipelined": {**CHART, "depth": 16},
    "connect": {**CHART, "close": True},
}
# Processor time of connegd over that of another, at most. "best nginx" is the better of its two; "best peer" the best of
# all that are real servers, so neither bare nor minihttp.
AIMS = {
    "chart": [("bare", 1.10), ("nginx sendfile off", 0.77), ("nginx sendfile on", 0.55), ("apache", 0.10)],
    "browser": [("bare", 1.20), ("best nginx", 0.70)],
    "conditional": [("bare", 1.10), ("best peer", 0.80)],
    "pipelined": [("bare", 1.6), ("best peer", 1 / 6)],
    "connect": [("bare", 1.20), ("best nginx", 1.0)],
}
AIM_FLAT = 0.03  # siblings: how far from 1
AIM_INDEX = {1_000_000: 1.15}  # of the smallest
AIM_IDLE = 6.0  # KiB each

SIBLINGS = [10, 1_000, 10_000, 100_000]
INDEX = [1_000, 100_000, 1_000_000, 10_000_000]
AGAIN = -1_000  # the smallest a second time, for the noise
ARTICLE = "/section-{:02}/article-{}"  # as benches/support names them
PATIENT = 64  # connections, where the rate is given
SHARE = 0.7  # of what a server can answer, for the latency


# -------------------------------------------------------------------- the load


def run_load(command, seconds):
    """Runs a client for about so long; gives what it prints."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        raise Wrong(f"{command[3]} did not end") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise Wrong(f"{command[3]} failed:\n{text}")
    return text


def wrk(programs, options, entry, seconds, depth, work):
    """As many requests as can be had; gives requests answered, requests per second, and errors."""
    command = ["taskset", "-c", options.load_core, programs["wrk"], "-t1", f"-c{options.connections}", f"-d{seconds}s"]
    for name, value in entry["fields"].items():
        command += ["-H", f"{name}: {value}"]
    if depth > 1:
        script = work / "pipeline.lua"
        script.write_text(
            "local batch\n"
            "init = function(args)\n"
            f"  batch = string.rep(wrk.format(), {depth})\n"
            "end\n"
            "request = function() return batch end\n")
        command += ["-s", script]
    text = run_load([*command, f"http://{HOST}:{entry['server'].port}{entry['path']}"], seconds)
    done = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not done or not rate:
        raise Wrong(f"wrk failed:\n{text}")
    return {"requests": int(done[1]), "rate": float(rate[1]), "errors": re.findall(r"(?:Socket errors|Non-2xx).*", text)}


def load_command(programs, options, entry, *more):
    """The load of benches/peers, which knows the right answer."""
    command = ["taskset", "-c", options.load_core, programs["load"], f"{HOST}:{entry['server'].port}", entry["path"], *more]
    for name, value in entry["fields"].items():
        command += ["--field", f"{name}: {value}"]
    if "answer" in entry:
        command += ["--status", entry["answer"].status, "--length", len(entry["answer"].body)]
    return command


def load(programs, options, entry, seconds, *more):
    """What the load has seen: requests, rate, quantiles, errors."""
    seconds = 0.25 if options.smoke else seconds
    seen = json.loads(run_load(load_command(programs, options, entry, "--seconds", seconds, *more), seconds))
    if not seen["requests"]:
        raise Wrong(f"{entry['name']}: no request was answered: {seen['error']}")
    seen["errors"] = [f"{seen['errors']} times; the first: {seen['error']}"] if seen["errors"] else []
    return seen


def costed(options, entry, action):
    """Runs a load; gives what it gives, and what that cost the server."""
    server = entry["server"]
    steal, start, before = stolen(options.server_core), time.monotonic(), cpu_seconds(server.process.pid)
    seen = action()
    wall, used = time.monotonic() - start, cpu_seconds(server.process.pid) - before
    if server.process.poll() is not None:
        raise Wrong(f"{server.name} ended under load:\n{server.output()}")
    if not seen["requests"]:
        raise Wrong(f"{server.name}: no request was answered")
    return {"server": entry["name"], "case": entry["case"], **seen, "cpu_seconds": used, "wall_seconds": wall,
            "us": used / seen["requests"] * 1e6, "busy": used / wall,
            "stolen_seconds": stolen(options.server_core) - steal}


def in_turn(entries, number):
    """Every other round goes the other way, so that none always follows the same."""
    return entries if number % 2 == 0 else entries[::-1]


# ----------------------------------------------------------------- the servers


class Site:
    """What is served: a directory that all servers can read, and the webroot of it."""

    def __init__(self, programs, directory):
        self.directory, self.packed = directory, directory.with_suffix(".webroot")
        if "connegd" in programs:
            done = subprocess.run([programs["mkroot"], "--quiet", "--negotiate", directory, self.packed],
                                  capture_output=True, text=True)
            if done.returncode:
                raise Wrong(f"mkroot failed:\n{done.stdout}{done.stderr}")


def start_servers(fleet, programs, options, question, site, tell=False, only=None, case="", room=1024, own=()):
    """Starts and checks the servers for a question; gives an entry for each: its server, path, fields and answer.
    Notes and heads are printed in the first round (`tell`). `own` are further options of connegd."""
    source = site.directory / question["file"]
    if not source.is_file():
        raise Missing(f"the site has no {question['file']}")
    entries = []

    def wanted(name, needs):
        return needs in programs and (only is None or name in only)

    def add(name, command, port=None, literal=False, own_etag=True, fields=None):
        server = fleet.start(f"{name} {case}".strip(), command, port)
        entry = {"name": name, "case": case, "server": server, "path": question["literal" if literal else "path"],
                 "fields": dict(fields or question["fields"])}
        entries.append(entry)
        try:
            if question.get("etag") and own_etag:
                answer = ask(server.port, entry["path"], entry["fields"])
                if etag := answer.field("etag"):
                    entry["fields"]["If-None-Match"] = etag
                elif date := answer.field("last-modified"):
                    entry["fields"]["If-Modified-Since"] = date
                    if tell:
                        print(f"note: {name} has no ETag, it is asked with If-Modified-Since")
                else:
                    raise Wrong("neither ETag nor Last-Modified")
            entry["answer"] = ask(server.port, entry["path"], entry["fields"])
            verify(entry["answer"], question, source)
        except (Wrong, OSError, ValueError) as error:
            raise Wrong(f"{name}: {error}") from None
        if options.show and tell:
            print(f"--- {name}: GET {entry['path']}")
            print(entry["answer"].head.decode("latin-1").rstrip().replace("\r", ""))
            print(f"    head {len(entry['answer'].head)} bytes, body {len(entry['answer'].body)} bytes\n")
        return entry

    # connegd comes first: the peers answer with a head of its length, and to
    # its fields, so that what the kernel carries is the same.
    body, fields = source, None
    peer = ["--listen", f"{HOST}:0", "--path", question["path"], "--type", question["type"]]
    if wanted("connegd", "connegd"):
        entry = add("connegd", [programs["connegd"], "--listen", f"{HOST}:0", "--workers", "1", *own, site.packed])
        peer += ["--head-length", len(entry["answer"].head)]
        fields = entry["fields"]
        if tell and entry["answer"].field("content-encoding"):
            # The peers cannot name a coding; they send the bare body's length.
            print("note: connegd sends a coded body; the peers send the plain one")
    if question.get("etag"):
        peer += ["--status", "304"]
    for name in ("bare", "minihttp"):
        if wanted(name, name) and not (question.get("close") and name == "minihttp"):
            more = ["--close", "1"] if question.get("close") else []
            add(name, [programs[name], *peer, *more, "--body", body], own_etag=False, fields=fields)
    for name, needs, command in LITERAL:
        if wanted(name, needs):
            port = free_port()
            add(name, command(programs[needs], fleet.work, site.directory, port, room=room), port, literal=True)
    if wanted("apache", "apache"):
        port = free_port()
        add("apache", apache_command(programs["apache"], fleet.work, site.directory, port, room), port)

    lengths = {entry["name"]: len(entry["answer"].head) + len(entry["answer"].body) for entry in entries}
    for name in ("bare", "minihttp"):
        if tell and "connegd" in lengths and lengths.get(name, lengths["connegd"]) != lengths["connegd"]:
            print(f"note: the answer of {name} has {lengths[name]} bytes, that of connegd {lengths['connegd']}")
    return entries


def large_site(directory):
    """A site with one file of 1 MB that does not compress well; always the same."""
    directory.mkdir()
    letters = random.Random(1)
    head, tail = "<svg xmlns='http://www.w3.org/2000/svg'><!--", "--></svg>\n"
    middle = letters.randbytes(400_000).hex()
    middle += "." * (1_000_000 - len(head) - len(middle) - len(tail))
    (directory / "large.svg").write_text(head + middle + tail)
    return directory


def crowded_site(directory, site, count):
    """The site, with so many small files beside the chart; the names of half of them begin as its does."""
    readable_copy(site, directory)
    for number in range(count):
        name = f"chart{number:06}.txt" if number % 2 else f"f{number:06}.txt"
        (directory / "2005" / name).write_text(f"{number}\n")
    return directory


@contextlib.contextmanager
def place(parent=None):
    """A directory for as long as a question takes."""
    with tempfile.TemporaryDirectory(prefix="compare-", dir=parent) as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


# ------------------------------------------------------------------- figures


def by_round(samples, measure, server, case=None):
    return {one["round"]: one[measure] for one in samples
            if one["server"] == server and (case is None or one["case"] == case)}


def median(values):
    return statistics.median(values)


def typical(samples, measure, server, case=None):
    return median(by_round(samples, measure, server, case).values())


def ratios(samples, measure, one, other):
    """The ratio of two servers, or of two cases (server, case), in each round."""
    mine, theirs = (by_round(samples, measure, *(who if isinstance(who, tuple) else (who,))) for who in (one, other))
    return [mine[number] / theirs[number] for number in mine if theirs.get(number)]


def names_of(samples):
    return list(dict.fromkeys(one["server"] for one in samples))


def cases_of(samples):
    return sorted({one["case"] for one in samples})


def span(values, form):
    return f"{min(values):{form}}..{max(values):{form}}"


def best(samples, measure, which):
    """The name of the best nginx, or of the best peer, by its median."""
    names = [name for name in names_of(samples)
             if name.startswith("nginx") or (which == "best peer" and name not in ("connegd", "bare", "minihttp"))]
    return min(names, key=lambda name: typical(samples, measure, name), default=None)


def print_aim(label, each, limit=None, low=None):
    verdict = ""
    if limit is not None:
        met = median(each) <= limit and (low is None or median(each) >= low)
        bound = f"<= {limit:.2f}" if low is None else f"{low:.2f}..{limit:.2f}"
        verdict = f"; aim {bound}: {'met' if met else 'missed'}"
    print(f"{label} = {median(each):.3f}  ({span(each, '.3f')}{verdict})")


def print_noise(samples):
    """Stolen time, and errors under load."""
    timed = [one for one in samples if one.get("wall_seconds")]
    if timed:
        share = sum(one["stolen_seconds"] for one in timed) / sum(one["wall_seconds"] for one in timed)
        print(f"stolen time of the servers' core: {share:.1%}")
    for one in samples:
        for error in one.get("errors", []):
            print(f"errors: {one['server']} {one['case']}, round {one['round'] + 1}: {error}")


# ------------------------------------------------- processor time per request


def measure_requests(name, programs, options):
    question, samples, about = REQUESTS[name], [], {}
    with place() as ground:
        if question.get("large"):
            site = Site(programs, large_site(ground / "site"))
        else:
            site = Site(programs, readable_copy(options.site, ground / "site"))
        for number in range(options.rounds):
            with Fleet(options.server_core) as fleet:
                entries = start_servers(fleet, programs, options, question, site, tell=number == 0)
                about = {"path": question["path"],
                         "bytes": {one["name"]: len(one["answer"].head) + len(one["answer"].body) for one in entries}}

                def run(entry, seconds):
                    more = ["--close"] if question.get("close") else []
                    if (options.client == "load" or more) and not question.get("depth"):
                        return load(programs, options, entry, seconds, *more, "--connections", options.connections)
                    return wrk(programs, options, entry, seconds, question.get("depth", 1), fleet.work)

                if options.smoke:
                    # All answers have been checked; that the loads run need not be shown for all six.
                    entries = [one for one in entries if name in ("chart", "connect") or one["name"] == "connegd"]
                else:
                    for entry in entries:
                        run(entry, 1)
                if "wrk" not in programs and (options.client == "wrk" or question.get("depth")):
                    print(f"{name}: the answers are right; not loaded, for wrk is missing")
                    break
                for entry in in_turn(entries, number):
                    samples.append({**costed(options, entry, lambda entry=entry: run(entry, options.seconds)), "round": number})
    return about, samples


def report_requests(name, about, samples):
    names = names_of(samples)
    if not names:
        return
    nginx = best(samples, "us", "best nginx")
    print(f"\n{name}: {about['path']}, processor time per {'connection and ' if name == 'connect' else ''}request")
    print(f"{'server':<20}{'us CPU/req':>11}  {'min..max':<18}{'req/s':>9}{'busy':>7}{'/bare':>8}{'/nginx':>8}{'answer':>9}")
    for server in names:
        us = by_round(samples, "us", server).values()
        to_bare = f"{median(ratios(samples, 'us', server, 'bare')):.2f}" if "bare" in names else "-"
        to_nginx = f"{median(ratios(samples, 'us', server, nginx)):.2f}" if nginx else "-"
        print(f"{server:<20}{median(us):>11.3f}  {span(us, '.3f'):<18}{typical(samples, 'rate', server):>9.0f}"
              f"{typical(samples, 'busy', server):>7.0%}{to_bare:>8}{to_nginx:>8}{about['bytes'][server]:>9}")
    print_noise(samples)
    if "connegd" in names:
        for other, limit in AIMS.get(name, [("bare", None), ("best nginx", None)]):
            found = best(samples, "us", other) if other.startswith("best") else other
            if found in names:
                shown = f"{other} ({found})" if found != other else other
                print_aim(f"connegd / {shown}", ratios(samples, "us", "connegd", found), limit)
    if "note" in REQUESTS[name]:
        print(f"note: {REQUESTS[name]['note']}")


def plot_requests(name, about, samples):
    names = names_of(samples)

    def rows(measure):
        return [(server, typical(samples, measure, server), kind(server)) for server in
                sorted(names, key=lambda server: typical(samples, "us", server))]
    groups = [("processor time of the server per request, µs", rows("us")),
              ("requests per second, one core for the server and one for the load", rows("rate"))]
    return {"": plots.bars(f"{name}: GET {about['path']}", groups, apart=True)}


def kind(server):
    return {"connegd": "auto", "bare": "own", "minihttp": "own"}.get(server, "peer")


# -------------------------------------------------- a directory with many files


def measure_siblings(name, programs, options):
    samples = []
    servers = ["connegd", "bare", "nginx sendfile off", "apache"]
    with place() as ground:
        sites = {}
        for count in [10, 1_000] if options.smoke else SIBLINGS:
            sites[count] = Site(programs, crowded_site(ground / f"site-{count}", options.site, count))
        for number in range(options.rounds):
            with Fleet(options.server_core) as fleet:
                entries = []
                for count, site in sites.items():
                    # Contents are not verified meanwhile: that would be counted, and be more where there are more.
                    entries += start_servers(fleet, programs, options, CHART, site, only=servers, case=count,
                                             own=("--verify", "off"))
                # A server's sizes follow each other, so that what they are compared with is near in time.
                entries.sort(key=lambda entry: servers.index(entry["name"]))
                if not options.smoke:
                    for entry in entries:
                        load(programs, options, entry, 1, "--connections", options.connections)
                for entry in in_turn(entries, number):
                    def run(entry=entry):
                        return load(programs, options, entry, options.seconds, "--connections", options.connections)
                    seen = costed(options, entry, run)
                    samples.append({**seen, "round": number})
    return {}, samples


def report_siblings(name, _, samples):
    if not samples:
        return
    counts = cases_of(samples)
    print(f"\n{name}: {CHART['path']} among other files in its directory, processor time per request, µs")
    print(f"{'server':<20}{'files':>8}{'us CPU/req':>12}  {'min..max':<20}{f'of {counts[0]}':>8}  min..max")
    for server in names_of(samples):
        for count in counts:
            us = by_round(samples, "us", server, count).values()
            each = ratios(samples, "us", (server, count), (server, counts[0]))
            print(f"{server:<20}{count:>8}{median(us):>12.3f}  {span(us, '.3f'):<20}{median(each):>8.3f}  {span(each, '.3f')}")
    print_noise(samples)
    for server, limit in (("connegd", 1 + AIM_FLAT), ("bare", None)):
        for count in counts[1:] if server in names_of(samples) else []:
            each = ratios(samples, "us", (server, count), (server, counts[0]))
            print_aim(f"{server}, {count} / {counts[0]} files", each, limit, limit and 1 - AIM_FLAT)


def plot_siblings(name, _, samples):
    counts = cases_of(samples)
    series = [(server, [(math.log10(count), typical(samples, "us", server, count)) for count in counts])
              for server in names_of(samples)]
    ticks = [(math.log10(count), plots.short(count).removesuffix(".0")) for count in counts]
    return {"": plots.lines("A request and its file's siblings", "files in the directory", "processor time per request, µs, logarithmic",
                            ticks, series, y_logarithmic=True)}


# ------------------------------------------------------------- a large index


def measure_index(name, programs, options):
    samples, about = [], {}
    counts = [1_000, 20_000] if options.smoke else [count for count in INDEX if count <= options.most]
    options.work.mkdir(parents=True, exist_ok=True)
    with place(options.work) as ground:
        for count in counts:
            webroot = ground / f"{count}.webroot"
            done = subprocess.run([programs["million"], "--write", str(count), webroot], capture_output=True, text=True)
            if done.returncode:
                raise Wrong(f"million --write {count} failed: {done.stderr}")
            about[str(count)] = {"index": int(done.stdout), "file": webroot.stat().st_size}
            with open(webroot, "rb") as file:
                while file.read(1 << 24):
                    pass
        for number in range(options.rounds):
            with Fleet(options.server_core) as fleet:
                entries, ready = [], {}
                for count in [*counts, AGAIN]:
                    command = [programs["connegd"], "--listen", f"{HOST}:0", "--workers", "1", "--verify", "off",
                               ground / f"{abs(count)}.webroot"]
                    began = time.monotonic()
                    server = fleet.start(f"connegd {count}", command, seconds=120)
                    ready[count] = (time.monotonic() - began) * 1e3
                    entries.append({"name": "connegd", "case": count, "server": server, "path": ARTICLE,
                                    "fields": {"Accept": "text/html"}})

                def run(entry, seconds, seed):
                    return load(programs, options, entry, seconds, "--count", abs(entry["case"]), "--seed", seed,
                                "--begins", "{} as text/html", "--connections", options.connections)

                for entry in entries:
                    # Until it has nearly all of its pages.
                    mapped, seen = -1, 0
                    for seed in range(100, 160):
                        run(entry, 1, seed)
                        mapped, seen = seen, held(entry["server"].process.pid)[1]
                        if seen < mapped * 1.01:
                            break
                for entry in in_turn(entries, number):
                    one = costed(options, entry, lambda entry=entry: run(entry, options.seconds, number + 1))
                    anonymous, files, *_ = held(entry["server"].process.pid)
                    samples.append({**one, "round": number, "ready": ready[entry["case"]], "anonymous": anonymous, "files": files})
    return about, samples


def report_index(name, about, samples):
    counts = [count for count in cases_of(samples) if count > 0]
    print(f"\n{name}: one of so many resources at random, processor time per request; memory and index in MiB")
    print(f"{'resources':>12}{'us CPU/req':>11}  {'min..max':<16}{'of the least':>12}  {'min..max':<14}{'busy':>5}{'ready ms':>10}"
          f"{'RssAnon':>9}{'RssFile':>9}{'index':>9}")
    for count in [AGAIN, *counts]:
        us = by_round(samples, "us", "connegd", count).values()
        each = ratios(samples, "us", ("connegd", count), ("connegd", counts[0]))
        ready, anonymous, files, busy = (typical(samples, what, "connegd", count) for what in ("ready", "anonymous", "files", "busy"))
        label = f"{-count} again" if count < 0 else count
        print(f"{label:>12}{median(us):>11.3f}  {span(us, '.3f'):<16}{median(each):>12.3f}  {span(each, '.3f'):<14}{busy:>5.0%}"
              f"{ready:>10.1f}{anonymous / 1024:>9.1f}{files / 1024:>9.1f}{about[str(abs(count))]['index'] / 2**20:>9.1f}")
    print("ready: from the start of the process, on one core, the file in memory")
    print_noise(samples)
    for count in counts[1:]:
        print_aim(f"{count} / {counts[0]} resources", ratios(samples, "us", ("connegd", count), ("connegd", counts[0])),
                  AIM_INDEX.get(count))


def plot_index(name, _, samples):
    counts = [count for count in cases_of(samples) if count > 0]
    ticks = [(math.log10(count), plots.short(count)) for count in counts]
    points = [(math.log10(count), typical(samples, "us", "connegd", count)) for count in counts]
    return {"": plots.lines("Requests for random resources", "resources of the webroot", "processor time per request, µs",
                            ticks, [("connegd", points)])}


# ---------------------------------------------------------- idle connections


def resident(pid):
    """Resident memory of a process and all below it, in KiB."""
    total = 0
    for one in descendants(pid):
        with contextlib.suppress(OSError, TypeError):
            anonymous, files, *_ = held(one)
            total += anonymous + files
    return total


def measure_idle(name, programs, options):
    samples = []
    count, pause = (200, 0.5) if options.smoke else (options.idle, options.idle_seconds)
    room, limit = count + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < room + 200:
        raise Missing(f"{count} connections need as many descriptors: ulimit -n {room + 200}, or --idle with fewer")
    # It takes no more connections than half its descriptors.
    counts = {"lighttpd": min(count, limit // 2 - 100)}
    if counts["lighttpd"] < count:
        print(f"note: lighttpd has {counts['lighttpd']} connections, for want of descriptors")
    with place() as ground:
        site = Site(programs, readable_copy(options.site, ground / "site"))
        for number in range(1 if options.smoke else min(options.rounds, 3)):
            with Fleet(options.server_core) as fleet:
                entries = start_servers(fleet, programs, options, CHART, site, room=room,
                                        own=("--keep-alive-timeout", "600", "--max-connections", room))
                entries = [entry for entry in entries if entry["name"] != "minihttp"]
                for entry in in_turn(entries, number):
                    try:
                        one = hold(programs, options, entry, counts.get(entry["name"], count), pause)
                        samples.append({"server": entry["name"], "case": count, "round": number, **one})
                    except Wrong as wrong:
                        if entry["name"] == "connegd":
                            raise
                        print(f"note: {entry['name']} is left out of round {number + 1}: {wrong}")
    return {"pause": pause}, samples


def hold(programs, options, entry, count, pause):
    """What idle connections cost one server."""
    pid = entry["server"].process.pid

    def probe():
        return load(programs, options, entry, options.seconds, "--connections", 1, "--rate", 500)

    probe()  # so that what a first request takes is there already
    without, before = probe(), resident(pid)
    command = load_command(programs, options, entry, "--connections", count, "--sources", 20, "--hold")
    holder = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if holder.stdout.readline().strip() != "held":
            raise Wrong(f"it does not take {count} connections")
        at_once = resident(pid)
        time.sleep(pause)
        later, beside = resident(pid), probe()
        seen = json.loads(holder.communicate("", timeout=30)[0])
    finally:
        holder.kill()
        holder.wait()
    errors = without["errors"] + beside["errors"]
    if seen["errors"]:
        errors.append(f"{seen['errors']} times; the first: {seen['error']}")
    if seen["open"] != count:
        errors.append(f"{count - seen['open']} of {count} idle connections were closed")
    return {"errors": errors, "at_once": (at_once - before) / count, "each": (later - before) / count,
            "without": quantile(without, 0.99), "beside": quantile(beside, 0.99)}


def quantile(seen, share):
    """In milliseconds."""
    return dict(map(tuple, seen["quantiles"]))[share] / 1e3


def report_idle(name, about, samples):
    if not samples:
        return
    count = samples[0]["case"]
    print(f"\n{name}: {count} connections that have asked once and wait: memory of the server for each, KiB; "
          "p99 of a live request, ms")
    print(f"{'server':<20}{'at once':>9}{'after ' + str(about['pause']) + ' s':>12}  {'min..max':<14}"
          f"{'p99 without':>12}  {'min..max':<14}{'p99 with':>9}  min..max")
    for server in names_of(samples):
        each, without, beside = (by_round(samples, what, server).values() for what in ("each", "without", "beside"))
        print(f"{server:<20}{typical(samples, 'at_once', server):>9.2f}{median(each):>12.2f}  {span(each, '.2f'):<14}"
              f"{median(without):>12.3f}  {span(without, '.3f'):<14}{median(beside):>9.3f}  {span(beside, '.3f')}")
    print_noise(samples)
    print("note: resident memory, so that of the kernel is not in it, nor what a server has set aside before (nginx, its table)")
    if "connegd" in names_of(samples):
        print_aim("connegd, KiB each", list(by_round(samples, "each", "connegd").values()), AIM_IDLE)


def plot_idle(name, about, samples):
    if not samples:
        return {}
    count = samples[0]["case"]
    rows = sorted((typical(samples, "each", server), server) for server in names_of(samples))
    bars = [(server, max(value, 0.01), kind(server)) for value, server in rows]
    return {"": plots.bars(f"{plots.short(count)} idle connections: memory of the server for each", [("", bars)],
                           f"KiB, after {about['pause']} s")}


# ------------------------------------------------------------------- latency


LATE = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]


def measure_latency(name, programs, options):
    samples = []
    servers = ["connegd", "bare", "nginx sendfile off", "nginx sendfile on", "h2o", "lighttpd"]
    seconds = options.seconds
    with place() as ground:
        site = Site(programs, readable_copy(options.site, ground / "site"))
        most = {}
        for number in range(1 if options.smoke else 3):
            with Fleet(options.server_core) as fleet:
                entries = start_servers(fleet, programs, options, CHART, site, only=servers)
                for entry in in_turn(entries, number):
                    load(programs, options, entry, 0.5, "--connections", PATIENT)
                    seen = costed(options, entry, lambda entry=entry: load(programs, options, entry, seconds, "--connections", PATIENT))
                    most.setdefault(entry["name"], []).append((seen["rate"], seen["busy"]))
        most = {server: [median(one) for one in zip(*seen)] for server, seen in most.items()}
        slowest = min((server for server in most if server.startswith("nginx")), default="connegd", key=lambda server: most[server][0])
        same = SHARE * most[slowest][0]
        for number in range(options.rounds):
            with Fleet(options.server_core) as fleet:
                entries = start_servers(fleet, programs, options, CHART, site, only=servers)
                for entry in in_turn(entries, number):
                    load(programs, options, entry, 0.5, "--connections", PATIENT)
                    for case, rate in (("own", SHARE * most[entry["name"]][0]), ("same", same)):
                        entry["case"] = case
                        seen = costed(options, entry, lambda: load(programs, options, entry, seconds, "--connections", PATIENT, "--rate", rate))
                        samples.append({**seen, "round": number, "asked": rate})
    return {"most": most, "slowest": slowest}, samples


def report_latency(name, about, samples):
    for case, title in (("own", f"{SHARE:.0%} of what each can answer"), ("same", f"{SHARE:.0%} of what {about['slowest']} can answer")):
        some = [one for one in samples if one["case"] == case]
        print(f"\n{name}: chart at a constant rate, {title}; milliseconds, medians of the rounds' quantiles")
        print(f"{'server':<20}{'req/s':>8}{'busy':>6}" + "".join(f"{label:>9}" for label, _ in LATE) + "  p99.9 min..max")
        for server in names_of(some):
            each = {label: [quantile(one, share) for one in some if one["server"] == server] for label, share in LATE}
            print(f"{server:<20}{typical(some, 'asked', server):>8.0f}{typical(some, 'busy', server):>6.0%}"
                  + "".join(f"{median(values):>9.3f}" for values in each.values()) + f"  {span(each['p99.9'], '.3f')}")
        tails = [{**one, "tail": quantile(one, 0.999)} for one in some]
        other = best(tails, "tail", "best nginx")
        if other and "connegd" in names_of(tails):
            print_aim(f"connegd / {other}, p99.9", ratios(tails, "tail", "connegd", other), 1.0)
    print_noise(samples)
    for server, (rate, busy) in about["most"].items():
        if busy < 0.9:
            print(f"note: {server} could do more than the {rate:.0f} a second that it was asked: its core was {busy:.0%} busy")


def plot_latency(name, about, samples):
    found = {}
    ticks = [(0, "0"), (0.301, "50 %"), (1, "90 %"), (2, "99 %"), (3, "99.9 %"), (4, "99.99 %")]
    for case, title in (("own", f"at {SHARE:.0%} of its own most"), ("same", f"at {SHARE:.0%} of nginx's most, all alike")):
        some = [one for one in samples if one["case"] == case]
        series = []
        for server in names_of(some):
            rounds = [dict(map(tuple, one["quantiles"])) for one in some if one["server"] == server]
            # As many nines as a quantile has, so far it is to the right.
            series.append((server, [(-math.log10(1 - share), median(one[share] for one in rounds) / 1e3)
                                    for share in rounds[0] if share < 0.99995]))
        found[f"-{case}"] = plots.lines(f"Latency {title}", "share of the answers that took no longer", "milliseconds, logarithmic", ticks,
                                        series, y_logarithmic=True)
    return found


# ---------------------------------------------------------------- large files


def sending():
    """benches/io.py, whose question "hot" this is. Its name is that of a module of Python, so it is taken by its path."""
    spec = importlib.util.spec_from_file_location("sending", Path(__file__).resolve().parent / "io.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure_sizes(name, programs, options):
    bench = sending()
    options.work.mkdir(parents=True, exist_ok=True)
    settings = argparse.Namespace(**{**vars(options), "models": ["auto"], "sizes": ["100 KB", "1 MB", "64 MB"], "connections": 32})
    print("\nauto is connegd")
    with place(options.work) as ground:
        return {}, [{**row, "name": "connegd" if row["name"] == "auto" else row["name"]}
                    for row in bench.hot(bench.Setting(settings, ground))]


def report_sizes(name, _, rows):
    for size in dict.fromkeys(row["size"] for row in rows):
        sending().hot_report([row for row in rows if row["size"] == size])


def plot_sizes(name, _, rows):
    return {"": sending().plot_hot(rows)}


# -------------------------------------------------------------------------- main


# Of each question: what measures it, prints it, draws it.
QUESTIONS = {
    **dict.fromkeys(REQUESTS, (measure_requests, report_requests, plot_requests)),
    "siblings": (measure_siblings, report_siblings, plot_siblings),
    "index": (measure_index, report_index, plot_index),
    "idle": (measure_idle, report_idle, plot_idle),
    "latency": (measure_latency, report_latency, plot_latency),
    "sizes": (measure_sizes, report_sizes, plot_sizes),
}
ALWAYS = ["connegd", "bare", "minihttp", "nginx"]


def find_programs(options):
    """What is there. In a smoke run only what is built here is required."""
    if not shutil.which("taskset"):
        raise Missing("taskset is missing (package util-linux)")
    programs = {}
    for name in options.servers or PLACES:
        variable, *tries = PLACES[name]
        found = program(variable, *tries)
        if found:
            programs[name] = found
            continue
        text = f"{name} is missing: {HOW_TO_GET[name]} (or set {variable})"
        if name == "connegd" or not options.smoke and (options.servers or name in ALWAYS):
            raise Missing(text)
        print(f"skipped: {text}")
    programs["load"] = required("load", RELEASE / "load")
    programs["million"] = required("million", RELEASE / "examples" / "million")
    if "connegd" in programs:
        programs["mkroot"] = required("mkroot", RELEASE / "mkroot")
    if found := program("WRK", "wrk"):
        programs["wrk"] = found
    elif not options.smoke and {*REQUESTS, "siblings"} - {"connect"} & {*options.question}:
        raise Missing("wrk is missing: apt-get install wrk (or set WRK)")
    return programs


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--question", action="append", choices=[*QUESTIONS, "all"],
                        help="may be repeated (chart)")
    parser.add_argument("--rounds", type=int, default=5,
                        help="each with fresh servers (5); at most 3 of the question idle")
    parser.add_argument("--seconds", type=int, default=3,
                        help="of load, for each server and round (3)")
    parser.add_argument("--connections", type=int, default=64, help="kept by the load (64)")
    parser.add_argument("--client", choices=["load", "wrk"], default="load", help="what asks, where either can (load)")
    parser.add_argument("--servers",
                        help=f"which to run, of {', '.join(PLACES)}; all: each must be there "
                        f"({', '.join(ALWAYS)}, and which of the others are installed)")
    parser.add_argument("--site", type=Path, default=ROOT / "fixtures/sites/chart")
    parser.add_argument("--most", type=int, default=1_000_000, help="resources of the question index (1000000)")
    parser.add_argument("--idle", type=int, default=10_000, help="connections of the question idle (10000)")
    parser.add_argument("--idle-seconds", type=int, default=15, help="how long they are idle before memory is read (15)")
    parser.add_argument("--show", action="store_true", help="print the head of each answer")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the raw samples")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write compare-*.svg there")
    parser.add_argument("--from", metavar="FILE", dest="saved", type=Path, nargs="+",
                        help="tables and plots of what --json has written; nothing is measured")
    parser.add_argument("--smoke", action="store_true",
                        help="all questions, one round in small numbers with what is installed")
    parser.add_argument("--work", type=Path, default=RELEASE.parent, help="a directory on a disk with room for large webroots")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    options = parser.parse_args()
    if options.servers:
        options.servers = list(PLACES) if options.servers == "all" else options.servers.split(",")
        if unknown := set(options.servers) - set(PLACES):
            parser.error(f"unknown server: {', '.join(sorted(unknown))}")
    if options.smoke:
        options.rounds = options.seconds = 1
    if options.rounds < 1 or options.seconds < 1 or options.connections < 1:
        parser.error("rounds, seconds and connections must be at least 1")
    names = options.question or ["all" if options.smoke else "chart"]
    options.question = list(QUESTIONS) if "all" in names else list(dict.fromkeys(names))
    options.site = options.site.resolve()
    return options


def measured(options):
    """Measures and reports; gives what was found, by question."""
    cores = os.sched_getaffinity(0)
    if options.load_core not in cores and len(cores) == 1:
        options.server_core = options.load_core = min(cores)
        print("note: one core only; the servers and the load share it")
    elif not {options.server_core, options.load_core} <= cores:
        raise Missing(f"cores {options.server_core} and {options.load_core} are not both available: {sorted(cores)}")
    if not options.site.is_dir():
        raise Missing(f"no site at {options.site}")
    # Servers and loads get it from here.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs, found = find_programs(options), {}
    for name in options.question:
        measure, report, _ = QUESTIONS[name]
        try:
            about, samples = measure(name, programs, options)
        except Missing as missing:
            if not options.smoke:
                raise
            print(f"skipped: {name}: {missing}")
            continue
        found[name] = {"about": about, "samples": samples}
        if name != "sizes":  # which prints its own
            report(name, about, samples)
        if options.json:  # after each question: the next may fail
            settings = {"rounds": options.rounds, "seconds": options.seconds, "connections": options.connections, "client": options.client,
                        "kernel": os.uname().release}
            options.json.write_text(json.dumps({"settings": settings, "questions": found}, indent=1))
        for one in samples:
            if one.get("server") == "connegd" and one["errors"]:
                raise Wrong(f"connegd: errors under load: {one['errors'][0]}")
    return found


def reread(options):
    """What was saved; rounds of the same question in several files follow each other."""
    found = {}
    for file in options.saved:
        for name, one in json.loads(file.read_text())["questions"].items():
            if name not in found:
                found[name] = one
                continue
            if name == "sizes":
                raise Missing("the question sizes is in more than one file: give one of them")
            after = 1 + max((sample["round"] for sample in found[name]["samples"]), default=-1)
            found[name]["samples"] += [{**sample, "round": sample["round"] + after} for sample in one["samples"]]
    for name, one in found.items():
        QUESTIONS[name][1](name, one["about"], one["samples"])
    return found


def main():
    options = arguments()
    # A stop from outside goes through the finally blocks too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    try:
        found = reread(options) if options.saved else measured(options)
        if options.plots:
            options.plots.mkdir(parents=True, exist_ok=True)
            for name, one in found.items():
                if one["samples"]:
                    for more, picture in QUESTIONS[name][2](name, one["about"], one["samples"]).items():
                        (options.plots / f"compare-{name}{more}.svg").write_text(picture)
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
