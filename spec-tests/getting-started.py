#!/usr/bin/env python3
"""Runs docs/getting-started.md: what stands in its blocks "sh" is typed into one shell, in an empty directory, and each block
"console" below must be what was seen. Dates may be others.

    cargo build --release
    spec-tests/getting-started.py

It needs Python 3.9 or later, bash, curl, and port 8080 of the loopback. The programs are those in target/release (CARGO_TARGET_DIR is
heeded).

Exit status: 0 all is as it stands there, 1 something is not, 2 something is missing.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "getting-started.md"
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release"
MARK = "=-=-= {}"
# What is another at another time: dates, and how long something took.
VARIES = [(re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
          (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?"), "DATE"),
          (re.compile(r"in \d+(\.\d+)? ?(s|ms|µs)"), "in TIME")]


def blocks():
    """The commands, and what is seen of each; None if nothing is shown."""
    found = []
    for kind, text in re.findall(r"^```(sh|console)\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        if kind == "sh":
            found.append([text, None])
        elif found:
            found[-1][1] = text
    return found


def plain(text):
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text.strip()


def main():
    for program in ("bash", "curl"):
        if not shutil.which(program):
            print(f"getting-started.py: {program} is missing", file=sys.stderr)
            return 2
    if not (RELEASE / "connegd").exists():
        print("getting-started.py: connegd is missing: cargo build --release", file=sys.stderr)
        return 2
    steps = blocks()
    script = "exec 2>&1\ntrap 'kill $server 2>/dev/null' EXIT\n"
    for number, (commands, _) in enumerate(steps):
        script += f"{commands}\nprintf '\\n{MARK.format(number)}\\n'\n"
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "PATH": f"{RELEASE}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["bash", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
    rest, wrong, shown = done.stdout, 0, 0
    for number, (commands, expected) in enumerate(steps):
        seen, found, rest = rest.partition(f"\n{MARK.format(number)}\n")
        if not found:
            print(f"the shell ended in block {number + 1}:\n{commands}\n{seen}")
            return 1
        if expected is None:
            continue
        shown += 1
        if plain(seen) != plain(expected):
            wrong += 1
            print(f"block {number + 1}:\n{commands}\nshould show\n{plain(expected)}\nbut shows\n{plain(seen)}\n")
    print(f"{len(steps)} blocks were run; of {shown} that are shown {wrong} look otherwise")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
