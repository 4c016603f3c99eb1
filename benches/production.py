#!/usr/bin/env python3
"""What it costs connegd to write an access log, to count, and to speak TLS: processor time of the server for each request, as ratios
to the same server without, measured in one run; nginx beside it, with and without its own.

    cargo build --release && cargo build --release --no-default-features --examples
    benches/production.py                 # logs and metrics, then TLS
    benches/production.py --question logs --rounds 9
    benches/production.py --smoke         # in small numbers, for CI

The request is the negotiated image of 1 KB of fixtures/sites/chart (the small request in which such things weigh most), of nginx the
literal file. Servers have one worker, are pinned to one core with all their threads, and are asked from the other; in each round
each is started afresh and asked in turn, and every other round goes backwards. How processor time is measured, and how noisy it is,
stands in compare.py. For a page with fields as Chrome sends them, which is more to write down, there is the question "browser".

Logs are written to a file on the disk that --work lies on, and each is counted afterwards: a line for each answer, or it is said how
many are missing.

Paths can be given by the environment as for compare.py. Exit status: 0 measured, 1 an answer or a log was wrong, 2 something is
missing.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import compare  # noqa: E402
import servers  # noqa: E402
from servers import HOST, Missing, Wrong  # noqa: E402

SITE = Path(__file__).parent.parent / "fixtures/sites/chart"
QUESTIONS = {"logs": "chart", "browser": "browser"}


def access_log(command, log, how):
    """nginx with an access log in the combined format: `how` is what follows the name of its format."""
    conf = Path(command[-1])
    conf.write_text(conf.read_text().replace("access_log off;", f"access_log {log} combined {how};"))
    return command


def variants(programs, work, site, port):
    """Each server: name, command, port or None, log or None."""
    log = work / "access.log"
    connegd = [programs["connegd"], "--listen", f"{HOST}:0", "--workers", "1"]
    ops = ["--ops", f"{HOST}:0"]
    yield "connegd", [*connegd, site.packed], None, None
    yield "connegd, combined log", [*connegd, "--access-log", log, site.packed], None, log
    yield "connegd, json log", [*connegd, "--access-log", log, "--log-format", "json", site.packed], None, log
    yield "connegd, metrics", [*connegd, *ops, site.packed], None, None
    yield "connegd, combined log and metrics", [*connegd, *ops, "--access-log", log, site.packed], None, log
    if "nginx" in programs:
        def nginx(port):
            return servers.nginx_command(programs["nginx"], work, site.directory, port, "off")
        yield "nginx", nginx(port()), "last", None
        yield "nginx, log", access_log(nginx(port()), log, ""), "last", log
        yield "nginx, log with a buffer", access_log(nginx(port()), log, "buffer=64k flush=1s"), "last", log


def measure_logs(name, programs, options):
    question = compare.REQUESTS[QUESTIONS[name]]
    samples = []
    with tempfile.TemporaryDirectory(dir=options.work) as directory:
        directory = Path(directory)
        directory.chmod(0o755)
        site = compare.Site(programs, servers.readable_copy(SITE, directory / "site"))
        source = site.directory / question["file"]
        for number in range(options.rounds):
            ports = []

            def port():
                ports.append(servers.free_port())
                return ports[-1]

            work = directory / f"round-{number}"
            work.mkdir()
            for entry_name, command, given, log in compare.in_turn(list(variants(programs, work, site, port)), number):
                listens = None
                if given:
                    conf = Path(command[-1]).read_text()
                    listens = next(port for port in ports if f"{HOST}:{port};" in conf)
                server = servers.Server(entry_name, command, work, options.server_core, listens)
                try:
                    server.wait_ready()
                    path = question["path" if "connegd" in entry_name else "literal"]
                    answer = servers.ask(server.port, path, question["fields"])
                    servers.verify(answer, question, source)
                    entry = {"name": entry_name, "case": "", "server": server, "path": path,
                             "fields": question["fields"], "answer": answer}
                    sample = compare.costed(options, entry, lambda: compare.load(programs, options, entry, options.seconds))
                finally:
                    server.stop()
                if sample["errors"]:
                    raise Wrong(f"{entry_name}: {sample['errors'][0]}")
                if log:
                    with open(log, "rb") as lines:
                        written = sum(1 for _ in lines)
                    log.unlink()
                    # What is asked before and after the time is in the log too.
                    sample["missing"] = max(0, sample["requests"] + 1 - written)
                samples.append({"round": number, **sample})
    return samples


def report(samples):
    names = list(dict.fromkeys(sample["server"] for sample in samples))
    rounds = sorted({sample["round"] for sample in samples})
    of = {(sample["round"], sample["server"]): sample for sample in samples}
    print(f"| | µs a request | of the same without | from | to | lines missing |\n|---|---|---|---|---|---|")
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
                print(f"\n{name}\n")
                report(measure_logs(name, programs, options))
        except Missing as error:
            print(f"production.py: {error}", file=sys.stderr)
            return 2
        except Wrong as error:
            print(f"production.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
