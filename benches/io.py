#!/usr/bin/env python3
"""Compare the ways of sending, and those of nginx: what they cost, and who waits when the disk is slow.

    benches/build
    benches/io.py                                # everything, some 20 minutes, 9 GB of disk
    benches/io.py --question cold --models auto,dio
    benches/io.py --plots docs                   # writes docs/sending-*.svg, too
    benches/io.py --smoke                        # small and short, for CI

Three questions:

  cold   Four files of 1 GB that are not in memory are read by 4 and by 64 clients from a disk that is
         slowed to 40 MB/s, while another client asks for a page of 1 KB that is in memory, every 2 ms, over
         a kept connection. How long does that one wait? The disk is slowed for the server only, by a cgroup
         (io.max, or blkio.throttle of version 1); that needs root. `disk` is what the device has delivered.
  hot    Files of 64 KB, 1 MB and 64 MB that are in memory: processor time of the server per gigabyte, and
         gigabytes per second, beside nginx's sendfile and a bare loop of sendfile (benches/peers).
  slow   500 clients read 64 MB at a few KB a second: what memory does the server hold for them, and how long
         does a page take meanwhile?

Servers are pinned to one core and have one worker; clients are pinned to another. The client whose page is timed
has a real-time priority, so that it does not wait for the other clients, which share its core; the one that takes
as much as it can never sleeps, so that no server has to wake it (benches/peers/drain.rs says why). Processor time
is that of all threads of the server, those of io_uring's included. Servers are asked in turn, A B C, C B A, and
ratios are taken within a round; the figures are medians, with the least and the most.

How noisy: p99 of an idle server repeats within a factor of two; ratios of processor time within 5 per cent.

Paths can be given by the environment: CONNEGD, MKROOT, SENDFILE, DRAIN, NGINX. CARGO_TARGET_DIR is heeded.

Exit status: 0 measured, 1 an answer was wrong or a bound of --smoke is broken, 2 something is missing.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from plots import bars
from servers import HOST, RELEASE, ROOT, Missing, Server, Wrong, ask, cpu_seconds, descendants, free_port, held, nginx_command, program, required

MODELS = ["auto", "sync", "sendfile", "mmap", "aio", "dio", "async-sendfile"]
# Those that must not sleep on the disk.
NEVER_WAIT = ["auto", "dio", "async-sendfile"]
PAGE = "/2005/chart.svg"
RATE = 40 << 20  # bytes a second
CHART = ROOT / "fixtures" / "sites" / "chart"


# ------------------------------------------------------------------ the slow disk


class SlowDisk:
    """A cgroup whose members read from the device of a directory at RATE bytes a second."""

    def __init__(self, directory):
        device = os.stat(directory).st_dev
        self.number = f"{os.major(device)}:{os.minor(device)}"
        block = Path("/sys/dev/block", self.number).resolve()
        if (block / "partition").exists():
            block = block.parent
            self.number = (block / "dev").read_text().strip()
        self.statistics = block / "stat"
        if not self.statistics.exists():
            raise Missing(f"{directory} does not lie on a disk: set TMPDIR, or give --work")
        self.group = None
        for line in Path("/proc/mounts").read_text().splitlines():
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup2" and "io" in (Path(place) / "cgroup.controllers").read_text().split():
                (Path(place) / "cgroup.subtree_control").write_text("+io")
                self.make(Path(place), "io.max", f"{self.number} rbps={RATE}")
            elif kind == "cgroup" and "blkio" in options.split(","):
                self.make(Path(place), "blkio.throttle.read_bps_device", f"{self.number} {RATE}")
        if not self.group:
            raise Missing("no cgroup can slow the disk: neither io.max nor blkio.throttle is there")

    def make(self, place, control, text):
        self.group = place / f"connegd-bench-{os.getpid()}"
        self.group.mkdir(exist_ok=True)
        (self.group / control).write_text(text)

    def inside(self, command):
        """The command, to be run as a member."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', self.group / "cgroup.procs", *command]

    def delivered(self):
        """Bytes that the device has read since it came up."""
        return int(self.statistics.read_text().split()[2]) * 512

    def close(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.group.rmdir()
                return
            time.sleep(0.1)  # its last members are still on their way out


# ----------------------------------------------------------------------- clients


def pinned(core, body, *arguments):
    """Runs a function in a process of its own on a core; gives what takes its result."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run():
        os.sched_setaffinity(0, {core})
        sender.send(body(*arguments))

    process = multiprocessing.Process(target=run, daemon=True)
    process.start()
    sender.close()

    def result():
        try:
            return receiver.recv()
        except EOFError:
            raise Wrong("a client failed") from None
        finally:
            process.join()
    return result


def head(path, start=None):
    field = "" if start is None else f"Range: bytes={start}-\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{field}\r\n".encode()


def probe(port, seconds):
    """Asks for the page again and again; gives how long the answers took, in seconds."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    connection = socket.create_connection((HOST, port), 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        connection.sendall(head(PAGE))
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                raise Wrong("the server closed the connection of the page")
            answer += part
            end = answer.find(b"\r\n\r\n")
            if end >= 0 and len(answer) >= end + 4 + int(re.search(rb"\r\nContent-Length: (\d+)", answer)[1]):
                break
        times.append(time.perf_counter() - began)
        time.sleep(0.002)
    return sorted(times)


def read_all(port, requests, seconds):
    """Receives answers as fast as they come, without looking at them; gives the bytes of each."""
    poll, clients = select.poll(), {}
    for request in requests:
        client = socket.create_connection((HOST, port), 60)
        client.sendall(request)
        client.setblocking(False)
        clients[client.fileno()] = [client, 0]
        poll.register(client, select.POLLIN)
    room, until = bytearray(1 << 20), time.monotonic() + seconds
    while time.monotonic() < until:
        for number, _ in poll.poll(50):
            with contextlib.suppress(BlockingIOError):
                count = clients[number][0].recv_into(room, len(room), socket.MSG_TRUNC)
                clients[number][1] += count
                if not count:
                    poll.unregister(number)
    return [count for _, count in clients.values()]


def read_slowly(port, request, count, seconds, ready):
    """Many clients that take a few KB a second each, with small buffers."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((HOST, port))
        client.sendall(request)
        clients.append(client)
    for client in clients:
        client.recv(1024)
        client.setblocking(False)
    ready.set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                client.recv(1024)
            time.sleep(0.0002)
    return True


def quantile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))] * 1e3


# ----------------------------------------------------------------------- servers


class Setting:
    def __init__(self, options, place):
        self.options, self.place = options, place
        self.connegd = required("connegd", RELEASE / "connegd")
        self.mkroot = required("mkroot", RELEASE / "mkroot")
        self.drain = required("drain", RELEASE / "drain")
        self.nginx = program("NGINX", "nginx")
        self.bare = program("SENDFILE", RELEASE / "sendfile")
        self.models = self.offered()

    def offered(self):
        listing = subprocess.run([self.connegd, "--io", "list"], capture_output=True, text=True, check=True).stdout
        offered = [line.split()[0] for line in listing.splitlines() if line.split()[1] == "yes"]
        for model in self.options.models:
            if model not in offered:
                print(f"note: this kernel does not offer {model}")
        return [model for model in self.options.models if model in offered]

    def pack(self, site):
        webroot = site.with_suffix(".webroot")
        subprocess.run([self.mkroot, "--quiet", "--negotiate", site, webroot], check=True)
        return webroot

    def start(self, name, command, port=None):
        server = Server(name, command, self.place, self.options.server_core, port)
        try:
            server.wait_ready()
        except Wrong:
            server.stop()
            raise
        return server

    def drained(self, port, path, seconds):
        """Takes answers for a while; gives how many gigabytes, and the seconds."""
        command = ["taskset", "-c", str(self.options.load_core), self.drain, f"{HOST}:{port}", path,
                   str(self.options.connections), str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
        found = re.match(r"(\d+) bytes in ([\d.]+) seconds", done.stdout)
        if not found:
            raise Wrong(f"drain failed: {done.stderr}")
        return int(found[1]) / 1e9, float(found[2])

    def server(self, name, site, webroot, body=None, disk=None):
        """Starts one of them by its name."""
        port = None
        if name == "bare":
            command = [self.bare, "--listen", f"{HOST}:0", "--body", body]
        elif name.startswith("nginx"):
            port = free_port()
            # As its documentation recommends it for large files.
            threads = "aio threads;" if name.endswith("threads") else ""
            command = nginx_command(self.nginx, self.place, site, port, "on", threads)
        else:
            command = [self.connegd, "--listen", f"{HOST}:0", "--workers", "1", "--verify", "off", "--io", name, webroot]
        return self.start(name, disk.inside(command) if disk else command, port)


def evict(paths):
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def site_of(place, name, files):
    """A site with the example's pages and files of these lengths, no two blocks of which are the same."""
    site = place / name
    (site / "2005").mkdir(parents=True)
    for file in (CHART / "2005").iterdir():
        (site / "2005" / file.name).write_bytes(file.read_bytes())
    block = os.urandom(min(1 << 20, max(files.values())))
    for file, length in files.items():
        with open(site / file, "wb") as out:
            while out.tell() < length:
                mark = f"{file} {out.tell():>20} ".encode()
                out.write((mark + block[len(mark):])[:length - out.tell()])
    return site


# --------------------------------------------------------------------- questions


def cold(setting):
    options = setting.options
    size, seconds, crowds = (48 << 20, 2, [4]) if options.smoke else (1 << 30, 8, [4, 64])
    site = site_of(setting.place, "cold", {f"big{number}.bin": size for number in range(4)})
    webroot = setting.pack(site)
    files = [webroot, *site.glob("*.bin")]
    names = setting.models + (["nginx sendfile", "nginx threads"] if setting.nginx else [])
    rows = []
    disk = SlowDisk(setting.place)
    try:
        for crowd in crowds:
            print(f"\ncold, {crowd} readers of a disk of {RATE / 1e6:.0f} MB/s: a hot page, milliseconds")
            print(f"{'':16} {'idle p99':>9} {'p50':>9} {'p99':>9} {'most':>9} {'of idle':>8} {'pages':>6}  disk MB/s")
            for name in names:
                rows.append(cold_row(setting, disk, name, crowd, site, webroot, files, seconds, size))
    finally:
        disk.close()
    if options.smoke:
        for row in rows:
            if row["name"] in NEVER_WAIT and row["p99"] > 50:
                raise Wrong(f"{row['name']}: a page waited {row['p99']:.0f} ms beside cold readers")
    return rows


def cold_row(setting, disk, name, crowd, site, webroot, files, seconds, size):
    core = setting.options.load_core
    server = setting.server(name, site, webroot, disk=disk)
    try:
        idle = pinned(core, probe, server.port, min(seconds, 4))()
        evict(files)
        # Many readers begin at many places, so that none finds what another has read.
        starts = [number // 4 * (size // max(1, crowd // 4)) for number in range(crowd)]
        requests = [head(f"/big{number % 4}.bin", start) for number, start in enumerate(starts)]
        readers = pinned(core, read_all, server.port, requests, seconds + 0.5)
        time.sleep(0.5)
        before = disk.delivered()
        times = pinned(core, probe, server.port, seconds)()
        rate = (disk.delivered() - before) / seconds / 1e6
        counts = readers()
    finally:
        # Some sleep on the disk for as long as it takes; they are not waited for.
        for process in descendants(server.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        server.process.wait()
    row = {"name": name, "readers": crowd, "idle": quantile(idle, 0.99), "p50": quantile(times, 0.5),
           "p99": quantile(times, 0.99), "most": times[-1] * 1e3, "pages": len(times), "disk": rate,
           "least": min(counts) / 1e6, "largest": max(counts) / 1e6}
    print(f"{name:16} {row['idle']:9.2f} {row['p50']:9.2f} {row['p99']:9.2f} {row['most']:9.2f} "
          f"{row['p99'] / row['idle']:8.2f} {row['pages']:6}  {rate:.1f}", flush=True)
    return row


SIZES = {"64 KB": 65_536, "100 KB": 100_000, "1 MB": 1 << 20, "64 MB": 64 << 20}


def hot(setting):
    options = setting.options
    rounds, seconds = (1, 0.5) if options.smoke else (options.rounds, 2)
    site = site_of(setting.place, "hot", {f"{SIZES[title]}.bin": SIZES[title] for title in options.sizes})
    webroot = setting.pack(site)
    names = setting.models + (["nginx sendfile"] if setting.nginx else [])
    names += ["bare"] if setting.bare else []
    rows = []
    for title in options.sizes:
        size = SIZES[title]
        path, samples = f"/{size}.bin", {name: [] for name in names}
        for number in range(rounds):
            servers = {}
            try:
                for name in names:
                    servers[name] = setting.server(name, site, webroot, site / path[1:])
                    if ask(servers[name].port, path, {}).body != (site / path[1:]).read_bytes():
                        raise Wrong(f"{name}: {path} is not what it should be")
                for name in names if number % 2 == 0 else reversed(names):
                    port, pid = servers[name].port, servers[name].process.pid
                    setting.drained(port, path, seconds / 4)
                    used, began = cpu_seconds(pid), time.monotonic()
                    gigabytes, took = setting.drained(port, path, seconds)
                    used, wall = cpu_seconds(pid) - used, time.monotonic() - began
                    samples[name].append((used * 1e3 / gigabytes, gigabytes / took, used / wall))
            finally:
                for server in servers.values():
                    server.stop()
        rows += [{"name": name, "size": title, "samples": samples[name]} for name in names]
        hot_report(rows[-len(names):])
    return rows


def hot_report(rows):
    """Adds the medians to the rows of one size, and prints them."""
    samples = {row["name"]: row["samples"] for row in rows}
    print(f"\nhot, {rows[0]['size']}: processor time of the server, medians of {len(rows[0]['samples'])} rounds")
    print(f"{'':16} {'ms/GB':>7} {'GB/s':>6} {'busy':>5}  of nginx (least, most)   of bare")
    for row in rows:
        name = row["name"]
        cost, rate, busy = (statistics.median(sample[what] for sample in samples[name]) for what in range(3))

        def ratio(other):
            if other not in samples:
                return None
            pairs = zip(samples[name], samples[other])
            return sorted(mine[0] / theirs[0] for mine, theirs in pairs)
        of_nginx, of_bare = ratio("nginx sendfile"), ratio("bare")
        row |= {"ms": cost, "rate": rate, "busy": busy,
                "nginx": of_nginx and statistics.median(of_nginx), "bare": of_bare and statistics.median(of_bare)}
        shown = f"{row['nginx']:6.2f} ({of_nginx[0]:.2f} {of_nginx[-1]:.2f})" if of_nginx else ""
        print(f"{name:16} {cost:7.1f} {rate:6.2f} {busy:5.0%} {shown:>22} {row['bare'] or math.nan:12.2f}", flush=True)


def slow(setting):
    options = setting.options
    count, size, seconds = (50, 8 << 20, 2) if options.smoke else (500, 64 << 20, 5)
    site = site_of(setting.place, "slow", {"large.bin": size})
    webroot = setting.pack(site)
    rows = []
    print(f"\nslow, {count} clients that read {size >> 20} MB at a few KB a second")
    print(f"{'':16} {'memory MB':>10} {'each KB':>8} {'descriptors':>12} {'page p99 ms':>12}")
    for name in setting.models + (["nginx sendfile"] if setting.nginx else []):
        server = setting.server(name, site, webroot)
        try:
            probe(server.port, 0.5)
            # Of nginx that is its worker.
            worker = descendants(server.process.pid)[-1]
            before = held(worker)
            ready = multiprocessing.Event()
            readers = pinned(options.load_core, read_slowly, server.port, head("/large.bin"), count, seconds + 2, ready)
            ready.wait(60)
            time.sleep(1)
            times = pinned(options.load_core, probe, server.port, seconds)()
            after = held(worker)
            readers()
        finally:
            server.stop()
        memory = after[0] - before[0]
        row = {"name": name, "clients": count, "memory": memory / 1024, "each": memory / count,
               "descriptors": after[2] - before[2], "p99": quantile(times, 0.99)}
        rows.append(row)
        print(f"{name:16} {row['memory']:10.1f} {row['each']:8.1f} {row['descriptors']:12} {row['p99']:12.2f}", flush=True)
        if options.smoke and memory > 64 << 10:
            raise Wrong(f"{name} holds {memory >> 10} MB for {count} slow clients")
    return rows


# ------------------------------------------------------------------------- plots


def kind(name):
    return "auto" if name in ("auto", "connegd") else "own" if name in MODELS else "peer"


def plot_hot(rows):
    groups = [(size, [(row["name"], row["ms"], kind(row["name"])) for row in rows if row["size"] == size])
              for size in SIZES if any(row["size"] == size for row in rows)]
    return bars("Contents in memory: processor time of the server", groups, "milliseconds per gigabyte")


def plots(results, directory):
    if rows := results.get("cold"):
        crowds = sorted({row["readers"] for row in rows})
        groups = [(f"{crowd} readers", [(row["name"], row["p99"], kind(row["name"])) for row in rows if row["readers"] == crowd])
                  for crowd in crowds]
        title = "A hot page beside readers of a disk of 40 MB/s, 99th percentile"
        (directory / "sending-cold.svg").write_text(bars(title, groups, "milliseconds", True))
    if rows := results.get("hot"):
        (directory / "sending-hot.svg").write_text(plot_hot(rows))
    if rows := results.get("slow"):
        title = f"{rows[0]['clients']} clients that read slowly: memory of the server"
        groups = [("", [(row["name"], max(row["memory"], 0.01), kind(row["name"])) for row in rows])]
        (directory / "sending-slow.svg").write_text(bars(title, groups, "megabytes"))


# -------------------------------------------------------------------------- main


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", choices=["cold", "hot", "slow"], action="append")
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--rounds", type=int, default=5, help="of the question hot")
    parser.add_argument("--sizes", type=lambda text: text.split(","), default=["64 KB", "1 MB", "64 MB"], help=f"of the question hot; there are {', '.join(SIZES)}")
    parser.add_argument("--connections", type=int, default=32, help="of the question hot")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / os.environ.get("CARGO_TARGET_DIR", "target"), help="a directory on a disk")
    parser.add_argument("--plots", type=Path, help="write SVG files there")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    multiprocessing.set_start_method("fork")
    options.work.mkdir(parents=True, exist_ok=True)
    results = {}
    with tempfile.TemporaryDirectory(prefix="io-", dir=options.work) as place:
        setting = Setting(options, Path(place))
        for question in options.question or ["cold", "hot", "slow"]:
            try:
                results[question] = globals()[question](setting)
            except Missing as missing:
                if not options.smoke:
                    raise
                print(f"note: {question} is left out: {missing}")
    if options.plots:
        plots(results, options.plots)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        sys.exit((print(missing, file=sys.stderr), 2)[1])
    except Wrong as wrong:
        sys.exit((print(wrong, file=sys.stderr), 1)[1])
