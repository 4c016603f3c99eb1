#!/usr/bin/env python3
"""Abuse connegd in the ways that take servers down, and print what it costs.

    cargo build --release --bins
    benches/abuse.py                          # everything, some three minutes
    benches/abuse.py --only idle --only mutated
    benches/abuse.py --smoke                  # small numbers, below a minute, for CI
    benches/abuse.py --json figures.json

The question is always the same: what do clients that behave badly cost the server,
and what do they cost those that behave well? Scenarios:

  slowloris     heads that come a byte a second
  readers       clients that read a large file at 1 KB/s
  idle          10 000 connections that only wait: bytes of memory each
  pipelined     100 000 requests at once, from one who never reads
  mutated       100 000 damaged requests: each is answered well or the connection closed
  descriptors   more clients than the server may have descriptors
  flood         connections opened and closed at once, 20 000 at least
  disconnects   clients that leave in the middle of a large answer
  address       50 connections of one client address, of which 10 are allowed
  sigterm       the signal to end, during a download
  full          200 idle connections hold all places, and another client comes

Each prints lines that begin with its name: "ok" or "FAIL" and a figure with the
bound it is held to, or "-" and a figure that no bound is set for. An option that
this connegd lacks is a FAIL, and the scenario runs without it.

The server has one worker and is pinned to one core; the clients, and a probe, are
pinned to another. The probe is a process of its own that behaves well: every 5 ms
it asks for a negotiated page over a kept connection and over a new one, and
notes how long the whole answer took. The times hold what the probe itself waits
for its core, so they are upper bounds. The clients come from several loopback
addresses, 127.0.0.2 and up, and one Python process holds them all.

How noisy: memory figures repeat within a few per cent. Times depend on whatever
else runs on the two cores; a p99 of a few ms may be 20 ms beside a compiler.
Smoke runs are held to bounds ten times as wide.

It needs Linux and Python 3.9 or later, and a hard limit of 10 200 descriptors for
10 000 connections (with less there are fewer, and it says so). Paths can be given
by the environment: CONNEGD, MKROOT. CARGO_TARGET_DIR is heeded.

Exit status: 0 all within bounds, 1 a bound is broken, 2 something is missing.
"""

import argparse
import collections
import errno
import hashlib
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "fixtures" / "sites" / "chart"
HOST = "127.0.0.1"
PAGE, PAGE_FILE = "/2005/chart", SITE / "2005" / "chart.svg"
LARGE, LARGE_BYTES = "/large.bin", 64 << 20
TICK = os.sysconf("SC_CLK_TCK")
BIND_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # Linux's number; Python has the name since 3.12

# Names of connegd's options, once.
HEADER_TIMEOUT, SEND_TIMEOUT, SEND_RATE = "--header-timeout", "--send-timeout", "--min-send-rate"
TOTAL, PER_ADDRESS = "--max-connections", "--max-connections-per-address"
WARM = 1200  # requests
# Room for all, in scenarios that are not about the caps.
ROOM = {TOTAL: 16000, PER_ADDRESS: 16000}


class Missing(Exception):
    """Something needed is not there: exit status 2."""


class Wrong(Exception):
    """The server did not do as it should, so that a scenario cannot go on."""


# ------------------------------------------------------------------- the server


class Server:
    """A running connegd, stopped by its pid at the end of the with block."""

    def __init__(self, setting, report, options=None, warm_up=0, descriptors=None):
        command = [setting.connegd, "--listen", f"{HOST}:0", "--workers", "1"]
        for option, value in {**ROOM, **(options or {})}.items():
            if option in setting.known:
                command += [option, str(value)]
            elif option in (options or {}):
                report.line(False, f"connegd has no option {option}")
        self.log = setting.work / "connegd.log"

        def prepare():
            os.sched_setaffinity(0, {setting.server_core})
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, setting.webroot], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare)
        self.pid, self.warm_up = self.process.pid, warm_up

    def __enter__(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            ready = re.search(r"listening on http://[^\s:]+:(\d+)\s", self.output())
            if ready:
                self.port = int(ready.group(1))
                self.base = self.descriptors()
                # A coroutine's stack is used again when its connection has ended, in turn with a thousand others.
                # With all of them touched, a growth of memory is one of the scenario's.
                for _ in range(self.warm_up or 1):
                    get(self.port, PAGE)
                wait_until(lambda: self.descriptors() <= self.base, 5)
                return self
            time.sleep(0.02)
        self.__exit__()
        raise Wrong(f"connegd did not start:\n{self.output()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()  # not SIGTERM: that would wait for what the scenario left open
            self.process.wait()

    def output(self):
        return self.log.read_text(errors="replace")

    def memory(self):
        """Resident memory in bytes: all of it, and what is no file's."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        rss, anonymous = (int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) for name in ("Rss", "Anonymous"))
        return rss * 1024, anonymous * 1024

    def anonymous(self):
        return self.memory()[1]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        """Seconds of processor time so far."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICK


    def waited(self):
        """Seconds that its threads were ready to run and their core was not free, so far."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[1]) for thread in threads) / 1e9


def socket_memory():
    """Bytes that the kernel holds in the buffers of all TCP sockets, of both ends."""
    pages = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.M)[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def wait_until(condition, seconds):
    """The seconds until the condition held, or None if it did not in time."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            return None
        time.sleep(0.01)
    return time.monotonic() - start


# ------------------------------------------------------ requests, one at a time


def request(path, *fields):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: image/svg+xml", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(port, source=None, seconds=5.0, receive_buffer=None):
    """A connected socket that waits `seconds` at most."""
    connection = socket.socket()
    try:
        connection.settimeout(seconds)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            connection.setsockopt(socket.IPPROTO_IP, BIND_NO_PORT, 1)
            connection.bind((source, 0))
        connection.connect((HOST, port))
        return connection
    except OSError:
        connection.close()
        raise


def whole(data):
    """The length of the answer that the data begins with, or None if more is to come. Not for HEAD."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = re.search(rb"\r\ncontent-length:[ \t]*(\d+)", data[:end], re.I)
    total = end + 4 + (int(length[1]) if length else 0)
    return total if len(data) >= total else None


def exchange(connection, path):
    """Asks, and gives the status and the content of the answer."""
    connection.sendall(request(path))
    data = bytearray()
    while whole(data) is None:
        part = connection.recv(1 << 16)
        if not part:
            raise Wrong(f"closed after {len(data)} bytes of an answer")
        data += part
    return int(data[9:12]), bytes(data[data.index(b"\r\n\r\n") + 4:])


def get(port, path, source=None):
    with connect(port, source) as connection:
        return exchange(connection, path)


def serves(port, source=None):
    """Whether another client gets the page, whole and right."""
    try:
        return get(port, PAGE, source) == (200, PAGE_FILE.read_bytes())
    except (OSError, Wrong):
        return False


# ---------------------------------------------------------------------- a probe


def probe(port, source):
    """The probe's own process: asks until its input ends, then prints what it saw, in ms."""
    right = (200, PAGE_FILE.read_bytes())
    times, waits, errors = {"kept": [], "new": []}, [], []
    kept = None

    def waited():
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e6

    def timed(kind, ask):
        before, start = waited(), time.monotonic()
        try:
            if ask() != right:
                raise Wrong("a wrong answer")
        except (OSError, Wrong) as error:
            errors.append(f"{kind}: {error}")
            return False
        finally:
            times[kind].append((time.monotonic() - start) * 1000)
            waits.append(waited() - before)
        return True

    while not select.select([sys.stdin], [], [], 0.005)[0]:
        try:
            kept = kept or connect(port, source)
        except OSError as error:
            errors.append(f"kept: {error}")
        if kept and not timed("kept", lambda: exchange(kept, PAGE)):
            kept.close()
            kept = None
        timed("new", lambda: get(port, PAGE, source))
    print(json.dumps({"times": times, "waited": max(waits, default=0), "errors": errors}))


class Probe:
    """A client that behaves well, from the beginning to the end of the with block."""

    def __init__(self, report, server, bound, source=HOST):
        self.report, self.server, self.bound = report, server, bound
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--probe", str(server.port), source],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)  # Python starts, and the first samples are of a quiet server

    def __enter__(self):
        self.start, self.waited = time.monotonic(), self.server.waited()
        return self

    def __exit__(self, kind, *_):
        took, waited = time.monotonic() - self.start, 0 if kind else self.server.waited() - self.waited
        try:
            output, _ = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        if kind:
            return
        if not output:
            raise Wrong("the probe ended without figures")
        seen = json.loads(output)
        for name, what in (("kept", "over a kept connection"), ("new", "each over a new connection")):
            times = sorted(seen["times"][name])
            if not times:
                self.report.line(False, f"probe {what}: no answer at all")
                continue
            p50, p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
            self.report.line(
                p99 < self.bound,
                f"probe {what}, {len(times)} requests: p50 {p50:.2f}, p99 {p99:.2f}, max {times[-1]:.1f} ms "
                f"(p99 < {self.bound})",
                **{f"{name}_p50_ms": p50, f"{name}_p99_ms": p99, f"{name}_max_ms": times[-1]})
        self.report.line(None, f"noise: during one request the probe waited up to {seen['waited']:.1f} ms for its core; "
                         f"the server waited {waited * 1000:.0f} ms in {took:.1f} s for its own",
                         probe_waited_ms=seen["waited"], server_waited_s=waited)
        failed = len(seen["errors"])
        self.report.line(not failed, f"probe: {failed} requests failed (0)" + "".join(
            f"; {error}" for error in sorted(set(seen["errors"]))[:3]), probe_failed=failed)


# ------------------------------------------------- many connections that never block


class Client:
    """One of a crowd. What it has received is in `data`, up to `keep` bytes of it; `received` counts all."""

    __slots__ = ("crowd", "socket", "out", "half_close", "reads", "keep", "data", "received", "connected", "ended",
                 "ended_at", "events", "note")

    def __init__(self, crowd, out, half_close, reads, keep, source, receive_buffer):
        self.crowd, self.out, self.half_close, self.reads, self.keep = crowd, bytearray(out), half_close, reads, keep
        self.data, self.received, self.connected = bytearray(), 0, False
        self.ended, self.ended_at, self.note = None, None, None
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_IP, BIND_NO_PORT, 1)
        self.socket.bind((source, 0))
        code = self.socket.connect_ex((HOST, crowd.port))
        if code not in (0, errno.EINPROGRESS):
            self.end("refused")
            return
        self.events = select.EPOLLOUT | select.EPOLLRDHUP | (select.EPOLLIN if reads else 0)
        crowd.epoll.register(self.socket, self.events)
        crowd.clients[self.socket.fileno()] = self

    def send(self, data):
        self.out += data
        self.flush()

    def flush(self):
        try:
            if self.out:
                del self.out[:self.socket.send(self.out)]
            if not self.out and self.half_close and self.connected:
                self.half_close = False
                self.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            # Sending fails once the other side has closed; what it had said before can still be read.
            self.out.clear()
            self.half_close = False
            if not self.reads:
                self.end("reset")
                return
        self.listen_for(select.EPOLLOUT if self.out else 0)

    def listen_for(self, writing):
        events = select.EPOLLRDHUP | writing | (select.EPOLLIN if self.reads else 0)
        if not self.ended and events != self.events:
            self.events = events
            self.crowd.epoll.modify(self.socket, events)

    def receive(self, most=1 << 16):
        try:
            part = self.socket.recv(most)
        except BlockingIOError:
            return
        except OSError:
            self.end("reset")
            return
        if not part:
            self.end("closed")
            return
        self.received += len(part)
        if len(self.data) < self.keep:
            self.data += part[:self.keep - len(self.data)]

    def on(self, events):
        if events & select.EPOLLOUT:
            self.connected = True
            self.flush()
        if self.ended:
            return
        if events & select.EPOLLIN:
            self.receive()
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.end("reset")
        elif events & select.EPOLLRDHUP:
            self.end("closed")

    def end(self, how, reset=False):
        """Closes this side, with RST if that is said."""
        if self.ended:
            return
        self.ended, self.ended_at = how, time.monotonic()
        self.crowd.clients.pop(self.socket.fileno(), None)
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()  # which takes it out of the epoll too

    def status(self):
        return int(self.data[9:12]) if re.match(rb"HTTP/1\.1 \d{3} ", self.data) else None


class Crowd:
    """Connections to one port. Everything is done in `turn`."""

    def __init__(self, port):
        self.port, self.epoll, self.clients, self.joined = port, select.epoll(), {}, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in list(self.clients.values()):
            client.end("left", reset=True)
        self.epoll.close()

    def join(self, out=b"", half_close=False, reads=True, keep=1 << 16, source=None, receive_buffer=None):
        """Another client, which sends `out` and, if that is said, closes its side. From an address in turn."""
        self.joined += 1
        return Client(self, out, half_close, reads, keep, source or f"127.0.0.{2 + self.joined % 40}", receive_buffer)

    def join_all(self, number, **how):
        """That many clients, no faster than they are let in: a full backlog would measure the kernel."""
        clients = []
        while len(clients) < number:
            some = [self.join(**how) for _ in range(min(100, number - len(clients)))]
            self.run(5, lambda: all(one.connected or one.ended for one in some))
            clients += some
        return clients

    def turn(self, seconds):
        for descriptor, events in self.epoll.poll(max(seconds, 0), 1024):
            client = self.clients.get(descriptor)
            if client:
                client.on(events)

    def run(self, seconds, done=lambda: False):
        """Until it is done, or so many seconds have passed. Gives whether it is done."""
        until = time.monotonic() + seconds
        while not done():
            left = until - time.monotonic()
            if left <= 0:
                return done()
            self.turn(min(left, 0.05))
        return True


# --------------------------------------------------------------------- a report


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.figures, self.name = {}, ""

    def begin(self, name):
        self.name = name
        self.figures[name] = {}

    def line(self, right, text, **figures):
        """A figure, with whether its bound is kept; None where none is set."""
        self.figures[self.name].update(figures)
        self.passed += right is True
        self.failed += right is False
        mark = {True: "ok", False: "FAIL", None: "-"}[right]
        print(f"{self.name:<12}{mark:<6}{text}")

    def memory(self, what, before, after, bound, **figures):
        """Growth in bytes, of anonymous memory; a shrinking is fine."""
        self.line(after - before < bound, f"{what}: {(after - before) / 1024:+.0f} KB of anonymous memory "
                  f"(< {bound / 1024:.0f} KB)", growth_bytes=after - before, **figures)


def returned(report, server, seconds=5):
    """Holds the server to have let go of all connections."""
    before = server.base
    took = wait_until(lambda: server.descriptors() <= before, seconds)
    now = server.descriptors()
    report.line(took is not None, f"the server's descriptors: {before} before, {now} after"
                + (f", {took:.2f} s later" if took is not None else "") + f" (as before, within {seconds} s)",
                descriptors_before=before, descriptors_after=now)


def still_right(report, server):
    if server.process.poll() is not None:
        raise Wrong(f"the server has ended, with status {server.process.returncode}:\n{server.output()}")
    report.line(serves(server.port), "afterwards the server answers rightly")


# ---------------------------------------------------------------- the scenarios


def slowloris(setting, report):
    """Heads a byte a second. The time-out must not start anew with each byte."""
    number, timeout = setting.choose(1000, 100), setting.choose(5, 2)
    head = request(PAGE, "User-Agent: " + "x" * 100)
    with Server(setting, report, {HEADER_TIMEOUT: timeout}) as server, Crowd(server.port) as crowd:
        memory = server.anonymous()
        with Probe(report, server, setting.latency):
            clients = crowd.join_all(number, out=head[:1])
            start = time.monotonic()
            held = server.anonymous() - memory
            # A tenth of them sends in each tenth of a second.
            for tick in range(1, (timeout + 5) * 10):
                crowd.run(start + tick / 10 - time.monotonic())
                if not crowd.clients:
                    break
                for client in clients[tick % 10::10]:
                    if not client.ended and not client.data:
                        at = 1 + tick // 10
                        client.send(head[at:at + 1])
        gone = [client for client in clients if client.ended == "closed"]
        last = max((client.ended_at for client in clients if client.ended), default=start) - start
        said = sum(client.status() == 408 for client in clients)
        report.line(None, f"{number} heads begun: {held / number / 1024:.1f} KB of anonymous memory each",
                    connections=number, bytes_each=held / number)
        report.line(not crowd.clients and len(gone) == number and last < timeout + 3,
                    f"{len(gone)} of {number} were closed, the last after {last:.1f} s "
                    f"(all, within {timeout + 3} s; {HEADER_TIMEOUT} {timeout})", closed=len(gone), last_s=last)
        report.line(said == number, f"{said} were told 408 (all)", told_408=said)
        returned(report, server)
        still_right(report, server)


def readers(setting, report):
    """A large file at 1 KB/s; then the same under a minimum rate."""
    number, seconds, timeout = setting.choose(500, 50), setting.choose(10, 3), 3

    def read_slowly(crowd, clients, seconds, done=lambda: False):
        until, tick = time.monotonic() + seconds, 0
        while time.monotonic() < until and not done():
            crowd.run(0.1)
            for client in clients[tick % 10::10]:
                if not client.ended:
                    client.receive(1024)
            tick += 1

    # A small window, or the kernel would take megabytes in their name.
    how = dict(out=request(LARGE), reads=False, receive_buffer=4096)
    with Server(setting, report, warm_up=WARM) as server, Crowd(server.port) as crowd:
        before, kernel = server.memory(), socket_memory()
        with Probe(report, server, setting.latency):
            clients = crowd.join_all(number, **how)
            read_slowly(crowd, clients, seconds)
        after = server.memory()
        report.line(None, f"beside {len(crowd.clients)} of {number} clients that read 1 KB/s: "
                    f"resident memory {(after[0] - before[0]) / 1024:+.0f} KB, "
                    f"socket buffers {(socket_memory() - kernel) / number / 1024:+.0f} KB each",
                    rss_growth_bytes=after[0] - before[0], kernel_bytes_each=(socket_memory() - kernel) / number)
        report.memory("their answers", before[1], after[1], number * 32 * 1024)
    with Server(setting, report, {SEND_TIMEOUT: timeout, SEND_RATE: 10000}) as server, Crowd(server.port) as crowd:
        bound = 15
        clients = crowd.join_all(number, **how)
        start = time.monotonic()
        read_slowly(crowd, clients, bound, lambda: server.descriptors() <= server.base)
        held, took = server.descriptors() - server.base, time.monotonic() - start
        report.line(held <= 0, f"{number - max(held, 0)} of {number} were cut off after {took:.1f} s "
                    f"(all, within {bound} s; {SEND_TIMEOUT} {timeout} {SEND_RATE} 10000)",
                    cut_off=number - held, cut_off_s=took)
        told = sum(client.ended is not None for client in clients)
        report.line(None, f"{told} of them have seen it by then", cut_off_seen=told)
        still_right(report, server)


def idle(setting, report):
    """Connections that made one request and wait."""
    number = min(setting.choose(10000, 1000), setting.descriptors - 200)
    if number < setting.choose(10000, 1000):
        report.line(None, f"this process may have {setting.descriptors} descriptors only")
    with Server(setting, report) as server, Crowd(server.port) as crowd:
        before, kernel = server.memory(), socket_memory()
        clients = crowd.join_all(number, out=request(PAGE))
        crowd.run(20, lambda: all(client.ended or whole(client.data) for client in clients))
        answered = sum(client.status() == 200 and whole(client.data) is not None for client in clients)
        report.line(answered == number, f"{answered} of {number} were answered (all)", answered=answered)
        rss, anonymous = (now - then for now, then in zip(server.memory(), before))
        report.line(anonymous / number < 24576, f"anonymous memory: {anonymous / number:.0f} bytes a connection "
                    f"(< 24576); {before[1] / 1024:.0f} KB before, {(before[1] + anonymous) / 1024:.0f} KB after",
                    connections=number, anonymous_bytes_each=anonymous / number)
        report.line(None, f"resident memory: {rss / number:.0f} bytes a connection; "
                    f"the kernel's socket buffers: {(socket_memory() - kernel) / number:.0f}",
                    rss_bytes_each=rss / number, kernel_bytes_each=(socket_memory() - kernel) / number)
        used = server.cpu()
        crowd.run(2)
        used = server.cpu() - used
        report.line(used < 0.2, f"processor time for holding them: {used:.2f} s in 2 s (< 0.2)", cpu_s_in_2_s=used)
        with Probe(report, server, setting.latency):
            crowd.run(setting.choose(5, 2))
        report.line(len(crowd.clients) == number, f"{len(crowd.clients)} of {number} are still open (all)",
                    still_open=len(crowd.clients))
        for client in clients:
            client.end("left")
        returned(report, server)
        still_right(report, server)


def pipelined(setting, report):
    """Requests without end from one who never reads."""
    number = setting.choose(100000, 20000)
    data = request(PAGE) * number
    with Server(setting, report, warm_up=WARM) as server:
        before = server.anonymous()
        with connect(server.port) as connection:
            connection.setblocking(False)
            sent, start, moved = 0, time.monotonic(), time.monotonic()
            # It has stopped when it takes nothing for 2 s.
            while sent < len(data) and time.monotonic() - moved < 2 and time.monotonic() - start < 30:
                try:
                    sent += connection.send(data[sent:sent + (1 << 20)])
                    moved = time.monotonic()
                except BlockingIOError:
                    select.select([], [connection], [], 0.1)
                except OSError as error:
                    report.line(None, f"the server ended it: {error}")
                    break
            report.line(None, f"{sent} of {len(data)} bytes were taken, by the kernel or the server; "
                        f"{socket_memory()} bytes in socket buffers", sent_bytes=sent, kernel_bytes=socket_memory())
            with Probe(report, server, setting.latency):
                time.sleep(setting.choose(3, 1))
            report.memory(f"{number} requests waiting", before, server.anonymous(), 1 << 20)
        returned(report, server)
        still_right(report, server)


# What browsers, agents, tools and robots really send, and requests of the less common kinds.
CHROME = """Host: localhost:8080
Connection: keep-alive
Cache-Control: max-age=0
sec-ch-ua: "Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
application/signed-exchange;v=b3;q=0.7
Sec-Fetch-Site: none
Sec-Fetch-Mode: navigate
Sec-Fetch-User: ?1
Sec-Fetch-Dest: document
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,fr;q=0.7
"""
FIREFOX = """Host: localhost:8080
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5
Accept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Connection: keep-alive
Referer: http://localhost:8080/
Priority: u=5, i
"""
REQUESTS = [
    ("GET / HTTP/1.1", CHROME, ""),
    ("GET /images/harbour HTTP/1.1", FIREFOX, ""),
    ("GET /2005/chart HTTP/1.1", "Host: localhost:8080\nUser-Agent: curl/8.14.1\nAccept: */*\n", ""),
    ("HEAD /2005/chart.png HTTP/1.1", "Host: localhost:8080\nUser-Agent: curl/8.14.1\nAccept: */*\n", ""),
    ("GET /docs/intro HTTP/1.1", "Host: localhost\nAccept: text/markdown, text/html, */*\n"
     "User-Agent: Claude-User (claude-code/2.0)\nAccept-Encoding: gzip, br\nConnection: close\n", ""),
    ("GET /docs/intro HTTP/1.1", "Host: localhost\nAccept: text/markdown, text/plain;q=0.9, */*;q=0.8\n"
     "User-Agent: Cursor/1.0\n", ""),
    ("GET /vocab/terms HTTP/1.1", "Host: localhost\nAccept: text/turtle, application/rdf+xml;q=0.9, "
     "application/ld+json;q=0.8\nUser-Agent: Jena/5\n", ""),
    ("GET /robots.txt HTTP/1.1", "Host: localhost\nConnection: keep-alive\nAccept: text/plain,text/html,*/*\n"
     "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\n"
     "Accept-Encoding: gzip, deflate, br\n", ""),
    ("GET /style HTTP/1.1", "Host: localhost\nUser-Agent: python-requests/2.32\nAccept-Encoding: gzip, deflate\n"
     "Accept: */*\nConnection: keep-alive\n", ""),
    ("GET /2005/chart.png HTTP/1.1", "Host: localhost\nRange: bytes=0-99,200-299, -1\nAccept: */*\n"
     "If-Range: \"BTNLklf8RN8tW5u-7TCg\"\n", ""),
    ("GET /2005/chart HTTP/1.1", "Host: localhost\nIf-None-Match: W/\"a\", \"BTNLklf8RN8tW5u-7TCg\"\n"
     "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nAccept: image/svg+xml; q=1, image/*; q=0.5\n", ""),
    ("GET http://localhost:8080/docs/?a=b HTTP/1.1", "Host: localhost:8080\nProxy-Connection: keep-alive\n", ""),
    ("GET /letters/greeting HTTP/1.0", "User-Agent: Wget/1.10\nAccept-Charset: utf-8, iso-8859-1;q=0.5\n", ""),
    ("OPTIONS * HTTP/1.1", "Host: localhost\nUser-Agent: probe\n", ""),
    ("CONNECT localhost:443 HTTP/1.1", "Host: localhost:443\n", ""),
    ("POST /2005/chart HTTP/1.1", "Host: localhost\nContent-Type: application/x-www-form-urlencoded\n"
     "Content-Length: 11\nExpect: 100-continue\n", "a=1&b=hello"),
    ("GET /2005/chart HTTP/1.1", "Host: localhost\nTransfer-Encoding: chunked\n",
     "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n"),
    ("GET /d%C3%A9j%C3%A0/../2005/%63hart HTTP/1.1", "Host: [::1]:8080\nCookie: a=b; c=\"d\"\n", ""),
]
REQUESTS = [(line + "\n" + fields + "\n").replace("\n", "\r\n").encode() + content.encode()
            for line, fields, content in REQUESTS]


def flip(random, data):
    data = bytearray(data)
    for _ in range(random.randint(1, 8)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def cut(random, data):
    return data[:random.randrange(len(data))]


def remove(random, data):
    start = random.randrange(len(data))
    return data[:start] + data[start + random.randint(1, 40):]


def insert(random, data):
    parts = [b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"\"", b"\\", b"%", b"%00", b"/..",
             b"#", b"\xff", b"\xc3\xa9", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n",
             b"99999999999999999999", b"-1", bytes(random.randrange(256) for _ in range(8))]
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(data) + 1)
        data = data[:at] + random.choice(parts) + data[at:]
    return data


def double(random, data):
    lines = data.split(b"\r\n")
    at = random.randrange(len(lines))
    return b"\r\n".join(lines[:at] + [lines[at]] * random.choice((2, 2, 3, 200)) + lines[at + 1:])


def run(random, data):
    at = random.randrange(len(data))
    return data[:at] + data[at:at + 1] * random.choice((10, 300, 9000, 70000)) + data[at:]


def splice(random, data):
    other = random.choice(REQUESTS)
    return data[:random.randrange(len(data))] + other[random.randrange(len(other)):]


def shuffle(random, data):
    first, *lines = data.split(b"\r\n")
    random.shuffle(lines)
    return b"\r\n".join([first, *lines])


MUTATIONS = {"flipped bits": flip, "cut": cut, "removed": remove, "inserted": insert, "doubled line": double,
             "long run": run, "spliced": splice, "shuffled lines": shuffle}
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t \x21-\x7e\x80-\xff]*")


def statuses(data, perhaps_head):
    """The statuses of the final answers in what was received. Raises Wrong if it is not well-formed to its end."""
    found = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        status = re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [\t \x21-\x7e]*", line)
        if not end or not status:
            raise Wrong(f"no head of an answer: {head[:200]!r}")
        for field in fields:
            if not FIELD.fullmatch(field):
                raise Wrong(f"no field: {field[:200]!r}")
        names = [field.partition(b":")[0].lower() for field in fields]
        code = int(status[1])
        if b"transfer-encoding" in names:
            raise Wrong("a transfer coding")  # connegd knows all lengths
        if code >= 200:
            found.append(code)
        if code < 200 or code in (204, 304):
            data = rest
            continue
        if names.count(b"content-length") != 1:
            raise Wrong(f"{names.count(b'content-length')} Content-Length fields with {code}")
        length = fields[names.index(b"content-length")].partition(b":")[2].strip()
        if not length.isdigit():
            raise Wrong(f"Content-Length: {length!r}")
        if perhaps_head and (not rest or rest.startswith(b"HTTP/1.1 ")):
            data = rest
        elif len(rest) < int(length):
            raise Wrong(f"{len(rest)} bytes of content, not {int(length)}, with {code}")
        else:
            data = rest[int(length):]
    return found


def mutated(setting, report):
    """Damaged requests. The client closes its side behind each, so the server has to come to an end."""
    number, patience, at_once = setting.choose(100000, 4000), 10, 64
    bound = setting.choose(600, 30)
    table = collections.defaultdict(collections.Counter)
    wrong, hung, waiting, asked = [], [], collections.deque(), 0
    names = list(MUTATIONS)
    report.line(None, f"seed {setting.seed}")
    with Server(setting, report, warm_up=WARM) as server, Crowd(server.port) as crowd:
        memory, start = None, time.monotonic()

        def finish(client):
            count, kind, sent = client.note
            try:
                found = statuses(bytes(client.data), b"HEAD " in sent)
            except Wrong as error:
                wrong.append(f"request {count}, {kind}, {client.ended}: {error}; sent {sent[:300]!r}")
                return
            end = "reset unanswered" if client.ended == "reset" else "closed unanswered"
            table[kind][found[0] if found else end] += 1

        while (asked < number or waiting) and time.monotonic() - start < bound:
            while asked < number and len(crowd.clients) < at_once:
                # Each by its own seed: a request can be made again from its number.
                choice = random.Random(f"{setting.seed} {asked}")
                kind = names[asked % len(names)]
                sent = MUTATIONS[kind](choice, choice.choice(REQUESTS))
                client = crowd.join(out=sent, half_close=True, keep=8 << 20)
                client.note = (asked, kind, sent)
                waiting.append((time.monotonic() + patience, client))
                asked += 1
            crowd.turn(0.05)
            while waiting and (waiting[0][1].ended or waiting[0][0] < time.monotonic()):
                client = waiting.popleft()[1]
                if client.ended:
                    finish(client)
                else:
                    count, kind, sent = client.note
                    hung.append(f"request {count}, {kind}; sent {sent[:300]!r}")
                    client.end("left", reset=True)
            if memory is None and asked >= number / 10:
                memory = server.anonymous()  # by now every path has been gone
            if server.process.poll() is not None:
                raise Wrong(f"the server has ended, with status {server.process.returncode}:\n{server.output()}")
        took = time.monotonic() - start

        every = collections.Counter()
        for kind in names:
            every.update(table[kind])
        # Statuses in their order, then the others.
        columns = sorted(every, key=lambda column: (isinstance(column, str), str(column)))
        for kind in [*names, "all"]:
            counts = every if kind == "all" else table[kind]
            report.line(None, f"{kind + ':':<16}" + ", ".join(
                f"{column} {counts[column]}" for column in columns if counts[column]))
        report.figures["mutated"]["table"] = {
            kind: {str(column): count for column, count in counts.items()} for kind, counts in table.items()}
        done = sum(every.values())
        report.line(done == number, f"{done} of {number} were answered by well-formed answers, or closed, in "
                    f"{took:.0f} s (all)", requests=number, seconds=took)
        for what, failures in (("not well-formed", wrong), ("hung", hung)):
            report.line(not failures, f"{len(failures)} {what} (0)" + "".join(f"\n    {one}" for one in failures[:5]),
                        **{what.replace(" ", "_").replace("-", "_"): len(failures)})
        report.memory("from a tenth of them to the end", memory or 0, server.anonymous(), 1 << 20)
        returned(report, server)
        still_right(report, server)


def descriptors(setting, report):
    """More clients than descriptors. accept fails then, and must not be tried again at once, for ever."""
    limit, number = 64, 200
    with Server(setting, report, descriptors=limit) as server:
        with Crowd(server.port) as crowd:
            clients = crowd.join_all(number, out=request(PAGE))
            crowd.run(1)
            used = server.cpu()
            crowd.run(2)
            used = server.cpu() - used
            answered = sum(client.status() == 200 for client in clients)
            open_still = len(crowd.clients)
            report.line(None, f"limit {limit}, {number} clients: the server has {server.descriptors()} descriptors, "
                        f"{answered} answered, {number - open_still} closed, {open_still} open or waiting",
                        answered=answered, open=open_still)
            report.line(used < 0.2, f"processor time while exhausted: {used:.2f} s in 2 s (< 0.2)", cpu_s_in_2_s=used)
        start = time.monotonic()
        right = serves(server.port)
        took = time.monotonic() - start
        report.line(right and took < 1, f"a client after they have left: {'served' if right else 'not served'} "
                    f"after {took * 1000:.0f} ms (< 1000)", served_after_ms=took * 1000)
        still_right(report, server)


def flood(setting, report):
    """Connections that are closed as soon as they are there, every other one with RST."""
    number, least = setting.choose(20000, 2000), setting.choose(5, 1)  # so that the probe sees enough of it
    with Server(setting, report) as server:
        with Probe(report, server, setting.latency):
            count, start = 0, time.monotonic()
            while count < number or time.monotonic() - start < least:
                count += 1
                with socket.socket() as one:
                    one.setblocking(False)
                    one.setsockopt(socket.IPPROTO_IP, BIND_NO_PORT, 1)
                    one.bind((f"127.0.0.{2 + count % 40}", 0))
                    one.connect_ex((HOST, server.port))
                    if count % 2:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            took = time.monotonic() - start
        report.line(None, f"{count} connections in {took:.1f} s", connections=count, seconds=took)
        returned(report, server)
        still_right(report, server)


def disconnects(setting, report):
    """Clients that leave by RST after some KB of a large answer."""
    number = setting.choose(2000, 200)
    at_once = number // 10

    def leave(count):
        clients = crowd.join_all(count, out=request(LARGE), keep=100, receive_buffer=16384)
        enough = {id(client): setting.random.randint(1, 64) * 1024 for client in clients}

        def all_left():
            for client in clients:
                if not client.ended and client.received >= enough[id(client)]:
                    client.end("left", reset=True)
            return all(client.ended for client in clients)

        crowd.run(20, all_left)
        return sum(client.ended == "left" and client.status() == 200 for client in clients)

    with Server(setting, report, warm_up=WARM) as server, Crowd(server.port) as crowd:
        left = sum(leave(at_once) for _ in range(5))
        wait_until(lambda: server.descriptors() <= server.base, 5)
        memory = server.anonymous()
        left += sum(leave(at_once) for _ in range(5))
        report.line(left == number, f"{left} of {number} left in the middle of an answer (all)", left=left)
        returned(report, server)
        report.memory("from half of them to the end", memory, server.anonymous(), 1 << 20)
        still_right(report, server)


def address(setting, report):
    """Many connections of one client address, and a client of another."""
    number, allowed = 50, 10
    with Server(setting, report, {PER_ADDRESS: allowed}) as server, Crowd(server.port) as crowd:
        clients = crowd.join_all(number, out=request(PAGE), source=HOST)
        crowd.run(2, lambda: all(client.ended or whole(client.data) for client in clients))
        with Probe(report, server, setting.latency, source="127.0.0.2"):
            crowd.run(2)
        served = sum(client.status() == 200 for client in clients)
        refused = sum(client.status() == 503 and client.ended == "closed" for client in clients)
        report.line(served == allowed, f"{served} of {number} connections of one address were served ({allowed})",
                    served=served)
        report.line(refused == number - allowed, f"{refused} were told 503 and closed ({number - allowed})",
                    refused=refused)
        for client in clients:
            client.end("left")
        took = wait_until(lambda: serves(server.port, HOST), 2)
        report.line(took is not None, "that address is served again once they have left (within 2 s)")


def sigterm(setting, report):
    """The signal to end, during a download at about 20 MB/s and beside an idle connection."""
    with Server(setting, report) as server, connect(server.port) as waits:
        exchange(waits, PAGE)
        with connect(server.port, receive_buffer=1 << 18) as connection:
            connection.sendall(request(LARGE))
            data, told, refused, gone = bytearray(), None, None, None
            waits.setblocking(False)
            try:
                while part := connection.recv(1 << 18):
                    data += part
                    if told is None and len(data) > 8 << 20:
                        server.process.send_signal(signal.SIGTERM)
                        told = time.monotonic()
                    elif told and refused is None:
                        try:
                            connect(server.port).close()
                        except ConnectionRefusedError:
                            refused = time.monotonic() - told
                        except OSError:
                            pass
                    if told and gone is None:
                        try:
                            gone = None if waits.recv(1) else time.monotonic() - told
                        except BlockingIOError:
                            pass
                        except OSError:
                            gone = time.monotonic() - told
                    end = data.find(b"\r\n\r\n") + 4
                    if len(data) - end >= LARGE_BYTES:
                        break
                    time.sleep(0.01)
            except OSError as error:
                report.line(False, f"the download: {error}")
            took = time.monotonic() - (told or time.monotonic())
            content = memoryview(data)[data.find(b"\r\n\r\n") + 4:]
            right = hashlib.sha256(content).hexdigest() == setting.large_digest
            report.line(right, f"{len(content)} of {LARGE_BYTES} bytes arrived, the last {took:.1f} s after the signal "
                        "(all, and right)", bytes=len(content), finished_s=took)
        report.line(refused is not None and refused < 0.5, "a new connection was " + (
            f"refused {refused * 1000:.0f} ms after it (< 500)" if refused is not None else "never refused"))
        report.line(None, "the idle connection was " + (
            f"closed {gone * 1000:.0f} ms after it" if gone is not None else "not closed meanwhile"))
        try:
            status = server.process.wait(5)
        except subprocess.TimeoutExpired:
            status = "none yet"
        report.line(status == 0, f"exit status after the download: {status} (0)")


def full(setting, report):
    """Idle connections hold all the places. They are closed in favour of a new client."""
    number, newcomers = 200, 20
    with Server(setting, report, {TOTAL: number}) as server, Crowd(server.port) as crowd:
        clients = crowd.join_all(number, out=request(PAGE))
        crowd.run(5, lambda: all(client.ended or whole(client.data) for client in clients))
        holding, before = len(crowd.clients), server.descriptors()
        report.line(None, f"{holding} of {number} connections are held idle", held=holding)
        times, kept, served = [], [], 0
        try:
            for _ in range(newcomers):
                start = time.monotonic()
                try:
                    connection = connect(server.port)
                    kept.append(connection)
                    served += exchange(connection, PAGE)[0] == 200
                except (OSError, Wrong):
                    pass
                times.append((time.monotonic() - start) * 1000)
            crowd.run(0.5)
            now = server.descriptors()
            report.line(served == newcomers and max(times) < setting.latency * 2,
                        f"{served} of {newcomers} newcomers were served, after {sorted(times)[newcomers // 2]:.2f} ms, "
                        f"at most {max(times):.1f} (all, < {setting.latency * 2} ms)",
                        served=served, newcomer_max_ms=max(times))
            closed = number - len(crowd.clients)
            report.line(now <= before + 2 and closed >= newcomers - 2,
                        f"{closed} idle ones were closed for them; the server has {now} descriptors, {before} before "
                        "(no more)", closed=closed)
        finally:
            for connection in kept:
                connection.close()


SCENARIOS = {function.__name__: function for function in (
    slowloris, readers, idle, pipelined, mutated, descriptors, flood, disconnects, address, sigterm, full)}


# --------------------------------------------------------------------- the rest


class Setting:
    """What the scenarios share: programs, the webroot, sizes."""

    def __init__(self, options, work):
        self.work, self.smoke, self.seed = work, options.smoke, options.seed
        self.random = random.Random(options.seed)
        self.latency = self.choose(50, 500)  # ms
        release = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
        programs = {}
        for name in ("connegd", "mkroot"):
            given = os.environ.get(name.upper(), str(release / name))
            programs[name] = shutil.which(given)
            if not programs[name]:
                raise Missing(f"{name} is missing: looked for {given} (set {name.upper()} to use another)")
        self.connegd = programs["connegd"]
        said = subprocess.run([self.connegd, "--help"], capture_output=True, text=True).stdout
        self.known = set(re.findall(r"--[a-z-]+", said))

        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == 1:
            print("note: one core only; the server and its clients share it")
        self.server_core, load_core = cores[0], cores[-1]
        os.sched_setaffinity(0, {load_core})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.descriptors = 1 << 20 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, hard))

        site = work / "site"
        shutil.copytree(SITE, site)
        digest = hashlib.sha256()
        with open(site / LARGE[1:], "wb") as large:
            for _ in range(LARGE_BYTES >> 20):
                block = self.random.getrandbits(8 << 20).to_bytes(1 << 20, "little")
                digest.update(block)
                large.write(block)
        self.large_digest = digest.hexdigest()
        self.webroot = work / "site.webroot"
        packed = subprocess.run([programs["mkroot"], "--negotiate", "--quiet", site, self.webroot],
                                capture_output=True, text=True)
        if packed.returncode:
            raise Missing(f"mkroot failed:\n{packed.stdout}{packed.stderr}")
        shutil.rmtree(site)

    def choose(self, whole, small):
        return small if self.smoke else whole


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), metavar="NAME",
                        help="this scenario; may be repeated")
    parser.add_argument("--smoke", action="store_true", help="small numbers, wide bounds")
    parser.add_argument("--seed", type=int, default=1, help="of the damage in mutated requests (1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    parser.add_argument("--probe", nargs=2, metavar=("PORT", "SOURCE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.probe:
        probe(int(options.probe[0]), options.probe[1])
        return 0
    # A stop from outside goes through the finally blocks too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    report = Report()
    work = Path(tempfile.mkdtemp(prefix="connegd-abuse-"))
    try:
        setting = Setting(options, work)
        for name in options.only or SCENARIOS:
            report.begin(name)
            start = time.monotonic()
            try:
                SCENARIOS[name](setting, report)
            except (Wrong, OSError) as error:
                report.line(False, f"could not go on: {error}")
            report.figures[name]["took_s"] = time.monotonic() - start
    except Missing as missing:
        print(f"abuse: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    if options.json:
        options.json.write_text(json.dumps({"smoke": options.smoke, "seed": options.seed,
                                            "scenarios": report.figures}, indent=1))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
