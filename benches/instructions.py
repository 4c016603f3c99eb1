#!/usr/bin/env python3
"""How many instructions does each step of a request take, and are there more than there were?

    cargo build --release --examples
    benches/instructions.py                  # compares with instructions.json
    benches/instructions.py --record         # writes it anew

It needs Python 3.9 or later and valgrind. The operations are those of `counted.rs`; each
is done 2 000 times under callgrind, which counts nothing but them. It takes five seconds.

A count that has risen by more than 5 % is a failure: find out why, and where it is worth it
record it anew. How noisy: not at all; the same program gives the same counts, whatever else the machine
does. Another compiler gives others, and so may another C library, or a processor without AVX2,
for which it copies and compares with other code.

    cd target/release/examples && ./counted make /tmp
    valgrind --tool=callgrind --toggle-collect=counted::counted ./counted run /tmp 'head, agent'
    callgrind_annotate --auto=yes callgrind.out.*       # shows the lines that they are spent on

CARGO_TARGET_DIR is heeded.

Exit status: 0 no more than there were, 1 more, 2 something is missing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benches/instructions.json"
TOLERANCE = 0.05
# The only function in which is counted.
FUNCTION = "counted::counted"


class Missing(Exception):
    """Something needed is not there: exit status 2."""


def main():
    parser = argparse.ArgumentParser(description="Instructions of each step of a request, beside what they were.")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} anew")
    options = parser.parse_args()
    counts = count()
    compiler = subprocess.check_output(["rustc", "--version"], text=True).strip()
    if options.record:
        RECORD.write_text(json.dumps({"rustc": compiler, "instructions": counts}, indent=4) + "\n")
        return 0
    try:
        recorded = json.loads(RECORD.read_text())
    except FileNotFoundError:
        raise Missing(f"nothing is recorded yet: run {sys.argv[0]} --record")
    return compare(counts, recorded, compiler)


def count():
    """The instructions of each operation, by its name."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target.resolve() / "release/examples/counted"
    if not program.exists():
        raise Missing(f"no program {program}: run cargo build --release --examples")
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise Missing("valgrind is missing")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([program, "make", directory], check=True)
        command = [valgrind, "--tool=callgrind", f"--toggle-collect={FUNCTION}", f"--dump-after={FUNCTION}"]
        command += ["--combine-dumps=yes", "--callgrind-out-file=counts", program, "run", directory]
        # Nothing else of the environment, and one thread, so that all starts in the same way.
        environment = {"RAYON_NUM_THREADS": "1"}
        ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
        if ran.returncode != 0:
            raise Missing(f"{program} failed under valgrind:\n{ran.stderr}")
        sums = re.findall(r"^totals: (\d+)", (Path(directory) / "counts").read_text(), re.M)
    # What is counted behind the last of them is nothing.
    operations = [line.split(" ", 1) for line in ran.stdout.splitlines()]
    return {name: round(int(sum) / int(times)) for (times, name), sum in zip(operations, sums[:-1], strict=True)}


def compare(counts, recorded, compiler):
    worse = better = False
    print(f"{'instructions':58} {'recorded':>9} {'now':>9}")
    for name in recorded["instructions"] | counts:
        old, new = recorded["instructions"].get(name), counts.get(name)
        if old is None or new is None:
            worse, change = True, "only one of both: record anew"
        else:
            rise = new / old - 1
            worse |= rise > TOLERANCE
            better |= rise < -TOLERANCE
            change = f"{rise:+.1%}" + ("  MORE" if rise > TOLERANCE else "  less" if rise < -TOLERANCE else "")
        print(f"{name:58} {old or '-':>9} {new or '-':>9}  {change}")
    if (worse or better) and compiler != recorded["rustc"]:
        print(f"recorded with {recorded['rustc']}, this is {compiler}: counts are that compiler's")
    if worse or better:
        print(f"where that is as it should be: {sys.argv[0]} --record")
    return 1 if worse else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"instructions.py: {missing}", file=sys.stderr)
        sys.exit(2)
