#!/usr/bin/env python3
"""What it costs connegd to write an access log, to count, and to speak TLS: processor time of the server for each request, as ratios
to the same server without, measured in one run; nginx beside it, with and without its own.

    benches/build
    benches/production.py                 # logs and metrics, then TLS and rights
    benches/production.py --question logs --rounds 9
    benches/production.py --smoke         # in small numbers, for CI

The request is the negotiated image of 1 KB of fixtures/sites/chart (the small request in which such things weigh most), of nginx the
literal file. Servers have one worker, are pinned to one core with all their threads, and are asked from the other; in each round
each is started afresh and asked in turn, and every other round goes backwards. How processor time is measured, and how noisy it is,
stands in compare.py. For a page with fields as Chrome sends them, which is more to write down, there is the question "browser".

The questions tls-small (the image, on connections that are kept), tls-large (1 MB) and tls-connect (a connection and a full handshake for
each request; of both servers with the same certificate for P-256) compare each server's TLS with itself without, and with the other; wrk
asks. The question "sandbox" is the image again, with and without rights given up. The question "handshakes" is another: a client that only
ever begins them, with a whole ClientHello and nothing after it; what each attempt costs the server, with and without its bound, and
the client (a program in C or Rust would pay its system time only).

Logs are written to a file on the disk that --work lies on, and each is counted afterwards: a line for each answer, or it is said how
many are missing.

Paths can be given by the environment as for compare.py. Exit status: 0 measured, 1 an answer or a log was wrong, 2 something is
missing.
"""

import argparse
import contextlib
import os
import re
import socket
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import compare  # noqa: E402
import servers  # noqa: E402
from servers import HOST, Missing, Wrong  # noqa: E402

SITE = Path(__file__).parent.parent / "fixtures/sites/chart"
TLS = Path(__file__).parent.parent / "fixtures/tls"
QUESTIONS = {"logs": "chart", "browser": "browser", "sandbox": "chart", "tls-small": "chart", "tls-large": "large",
             "tls-connect": "connect", "handshakes": None}


def access_log(command, log, how):
    """nginx with an access log in the combined format: `how` is what follows the name of its format."""
    conf = Path(command[-1])
    conf.write_text(conf.read_text().replace("access_log off;", f"access_log {log} combined {how};"))
    return command


def secure(command, port):
    """nginx with TLS as connegd has it."""
    conf = Path(command[-1])
    conf.write_text(conf.read_text().replace(
        f"listen {HOST}:{port};",
        f"listen {HOST}:{port} ssl; ssl_certificate {TLS}/localhost.pem; ssl_certificate_key {TLS}/localhost.key; "
        "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:a:1m;"))
    return command


def variants(name, programs, work, site):
    """Each server that is asked: name, command, port or None, log or None, whether it speaks TLS."""
    log = work / "access.log"
    connegd = [programs["connegd"], "--listen", f"{HOST}:0", "--workers", "1"]
    logging, ops = ["--access-log", log], ["--ops", f"{HOST}:0"]
    own = {
        "connegd": ([], None),
        "connegd, combined log": (logging, log),
        "connegd, json log": ([*logging, "--log-format", "json"], log),
        "connegd, metrics": (ops, None),
        "connegd, combined log and metrics": ([*ops, *logging], log),
    }
    if name.startswith("tls"):
        own = {"connegd": ([], None),
               "connegd, TLS": (["--tls-cert", TLS / "localhost.pem", "--tls-key", TLS / "localhost.key"], None)}
    if name == "sandbox":
        own = {"connegd": (["--sandbox", "off"], None), "connegd, sandbox on": ([], None),
               "connegd, sandbox strict": (["--sandbox", "strict"], None)}
    for entry, (flags, its_log) in own.items():
        yield entry, [*connegd, *flags, site.packed], None, its_log, "TLS" in entry
    if "nginx" not in programs or name == "sandbox":
        return

    def nginx(change=lambda command, port: command):
        port = servers.free_port()
        command = servers.nginx_command(programs["nginx"], work, site.directory, port, "on" if name == "tls-large" else "off")
        return change(command, port), port

    yield "nginx", *nginx(), None, False
    if name.startswith("tls"):
        yield "nginx, TLS", *nginx(secure), None, True
        return
    yield "nginx, log", *nginx(lambda command, _: access_log(command, log, "")), log, False
    yield "nginx, log with a buffer", *nginx(lambda command, _: access_log(command, log, "buffer=64k flush=1s")), log, False


def wait_for_tls(server):
    """Waits for the ready line of a server that speaks TLS."""
    until = time.monotonic() + 20
    while time.monotonic() < until and server.process.poll() is None:
        if found := re.search(r"listening on https://[^\s:]+:(\d+)\s", server.output()):
            server.port = int(found[1])
            return
        time.sleep(0.001)
    raise Wrong(f"{server.name} did not start:\n{server.output()}")


def wrk(programs, options, server, path, question, is_secure):
    """Asks as often as can be, by wrk; gives requests and errors."""
    seconds = 1 if options.smoke else max(1, round(options.seconds))
    connections = min(options.connections, 16) if question.get("close") else options.connections
    command = ["taskset", "-c", options.load_core, programs["wrk"], "-t1", f"-c{connections}", f"-d{seconds}s"]
    fields = {**question["fields"], **({"Connection": "close"} if question.get("close") else {})}
    for field in fields.items():
        command += ["-H", "{}: {}".format(*field)]
    text = compare.run_load([*command, f"{'https' if is_secure else 'http'}://{HOST}:{server.port}{path}"], seconds)
    done = re.search(r"(\d+) requests in ", text)
    errors = re.findall(r"(?:Socket errors|Non-2xx).*", text)
    return {"requests": int(done[1]) if done else 0, "errors": errors}


def measure(name, programs, options):
    question = compare.REQUESTS[QUESTIONS[name]]
    samples = []
    with tempfile.TemporaryDirectory(dir=options.work) as directory:
        directory = Path(directory)
        directory.chmod(0o755)
        made = compare.large_site(directory / "site") if question.get("large") else servers.readable_copy(SITE, directory / "site")
        site = compare.Site(programs, made)
        source = site.directory / question["file"]
        for number in range(options.rounds):
            work = directory / f"round-{number}"
            work.mkdir()
            for entry_name, command, port, log, is_secure in compare.in_turn(list(variants(name, programs, work, site)), number):
                server = servers.Server(entry_name, command, work, options.server_core, port)
                try:
                    wait_for_tls(server) if is_secure and port is None else server.wait_ready()
                    path = question["path" if "connegd" in entry_name else "literal"]
                    entry = {"name": entry_name, "case": "", "server": server, "path": path, "fields": question["fields"]}
                    if not is_secure:
                        entry["answer"] = servers.ask(server.port, path, question["fields"])
                        servers.verify(entry["answer"], question, source)
                    if name.startswith("tls"):
                        load = lambda: wrk(programs, options, server, path, question, is_secure)  # noqa: E731
                    else:
                        load = lambda: compare.load(programs, options, entry, options.seconds)  # noqa: E731
                    sample = compare.costed(options, entry, load)
                finally:
                    server.stop()
                # With a connection for each request some are under way when the time is over.
                if sample["errors"] and not question.get("close"):
                    raise Wrong(f"{entry_name}: {sample['errors'][0]}")
                if log:
                    with open(log, "rb") as lines:
                        written = sum(1 for _ in lines)
                    log.unlink()
                    # What was asked before the load is in the log too.
                    sample["missing"] = max(0, sample["requests"] + 1 - written)
                samples.append({"round": number, **sample})
    return samples


def hello():
    """A ClientHello, as a client of today sends it."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def measure_handshakes(programs, options):
    first, attempts = hello(), 200 if options.smoke else 3000
    print("| | server, µs an attempt | client, µs of its own and of the system for it |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.work) as directory:
        work = Path(directory)
        site = compare.Site(programs, servers.readable_copy(SITE, work / "site"))
        for name, bound in (("no bound", "0"), ("100 in ten seconds", "100")):
            command = [programs["connegd"], "--listen", f"{HOST}:0", "--workers", "1", "--max-failed-handshakes", bound,
                       "--tls-cert", TLS / "localhost.pem", "--tls-key", TLS / "localhost.key", site.packed]
            server = servers.Server(name, command, work, options.server_core, None)
            try:
                wait_for_tls(server)
                before, own = servers.cpu_seconds(server.process.pid), os.times()
                for _ in range(attempts):
                    with socket.create_connection((HOST, server.port)) as attempt, contextlib.suppress(OSError):
                        attempt.sendall(first)
                        attempt.shutdown(socket.SHUT_WR)
                        while attempt.recv(65536):
                            pass
                used, spent = servers.cpu_seconds(server.process.pid) - before, os.times()
            finally:
                server.stop()
            print(f"| {name} | {used / attempts * 1e6:.0f} | {(spent.user - own.user) / attempts * 1e6:.0f} "
                  f"and {(spent.system - own.system) / attempts * 1e6:.0f} |")


def report(samples):
    names = list(dict.fromkeys(sample["server"] for sample in samples))
    rounds = sorted({sample["round"] for sample in samples})
    of = {(sample["round"], sample["server"]): sample for sample in samples}
    print("| | µs a request | of the same without | from | to | lines missing |\n|---|---|---|---|---|---|")
    for name in names:
        us = [of[number, name]["us"] for number in rounds]
        base = name.split(",")[0]
        each = [of[number, name]["us"] / of[number, base]["us"] for number in rounds]
        missing = sum(of[number, name].get("missing", 0) for number in rounds)
        print(f"| {name} | {statistics.median(us):.2f} | {statistics.median(each):.3f} | {min(each):.3f} | {max(each):.3f} "
              f"| {missing if 'log' in name else ''} |")
    compare.print_noise(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--question", choices=[*QUESTIONS, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--work", help="a directory for the logs")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        options.rounds = 1
    options.servers, options.show = ["connegd", "nginx"], False
    with contextlib.suppress(KeyboardInterrupt):
        try:
            questions = list(QUESTIONS) if options.question == "all" else [options.question]
            options.question = []
            programs = compare.find_programs(options)
            for name in questions:
                if name.startswith("tls") and "wrk" not in programs:
                    print(f"\n{name}: left out, wrk is missing")
                    continue
                print(f"\n{name}\n")
                if name == "handshakes":
                    measure_handshakes(programs, options)
                    continue
                report(measure(name, programs, options))
        except Missing as error:
            print(f"production.py: {error}", file=sys.stderr)
            return 2
        except Wrong as error:
            print(f"production.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
