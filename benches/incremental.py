#!/usr/bin/env python3
"""How much of a packing's time does it take to pack again after one file changed?

    cargo build --release --bins
    benches/incremental.py                       # 100 000 files of each size, 5 minutes
    benches/incremental.py --sizes small --rounds 9 --json incremental.json
    benches/incremental.py --cold                # contents are not in memory
    benches/incremental.py --smoke               # 2 000 files, one round, for CI

It needs Linux, Python 3.9 or later and, for the last column, cp and sync (coreutils).

For each size a tree of that many files in a thousand directories is made, all contents
different: `tiny` are 10 bytes, `small` 1 to 12 KB as most pages are, `medium` 4 to 60 KB.
In each round one file in the midst grows by a byte and the tree is packed into two webroots
that are there already, in turns, first one and then the other in the first place: with
`mkroot`, which takes what did not change from the webroot, and with `mkroot --fresh`,
which reads everything. Both must give the same bytes. The third column is what it takes
only to copy such a webroot and sync it (`cp`, `sync`): where the file system cannot share
blocks (ext4 cannot; XFS and Btrfs can up to where the file is that grew), no packing is faster.

That something is taken over at all is tried first: a byte that is damaged in the webroot
must still be damaged after packing again, and not after --fresh.

A `sync` before each run is not in the figures, and that of mkroot is. With --cold what can
be forgotten of the contents, those of the tree and of the webroots, is dropped from memory
before each run; names and dates of the files stay in memory.

How noisy: the ratio of two runs in the same round by a tenth, absolute times on a shared
machine by half, and the first runs are much slower where memory is new to a virtual machine
(one round is not counted). The runs use all cores, so other load falls on them.

MKROOT names the program. CARGO_TARGET_DIR is heeded.

Exit status: 0 measured, 1 other bytes, or nothing was taken over, 2 something is missing.
"""

import argparse
import filecmp
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is imported leaves nothing in the directory of the benches.
sys.dont_write_bytecode = True
from tree import Missing, Wrong, program, timed

DIRECTORIES = 1000
SIZES = {"tiny": (10, 10), "small": (1_000, 12_000), "medium": (4_000, 60_000)}
SETTLED = 2.5  # seconds after which mkroot trusts what it sees of a file


def make_tree(site, count, least, most):
    """Files whose contents are all different, though not random throughout: that would take long to make."""
    numbers = random.Random(1)
    filler = numbers.randbytes(most)
    for directory in range(DIRECTORIES):
        (site / f"d{directory:03}").mkdir(parents=True)
    total = 0
    for number in range(count):
        length = numbers.randint(least, most)
        content = b"%010d" % number + filler[: length - 10]
        (site / f"d{number % DIRECTORIES:03}" / f"page{number // DIRECTORIES:03}.html").write_bytes(content)
        total += len(content)
    return total


def files_below(directory):
    for at, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(at, name)


def forget(*paths):
    """Drops the contents of these files from memory."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def check_taken_over(mkroot, site, out):
    """Whether packing again leaves contents unread."""
    with open(out, "r+b") as webroot:
        webroot.seek(4096)  # where the first content begins
        byte = webroot.read(1)
        webroot.seek(4096)
        webroot.write(bytes([byte[0] ^ 1]))
    for flags, damaged in ((), True), (("--fresh",), False):
        timed(mkroot, *flags, "--negotiate", site, out)
        if (subprocess.run([mkroot, "check", out], stdout=subprocess.DEVNULL).returncode == 1) != damaged:
            raise Wrong("nothing was taken over: are there extended attributes on this file system?"
                        if damaged else "--fresh took something over")


def measure(mkroot, name, count, rounds, cold, work):
    site, again, fresh, copy = (work / part for part in ("site", "again.webroot", "fresh.webroot", "copy"))
    total = make_tree(site, count, *SIZES[name])
    time.sleep(SETTLED)
    for out in again, fresh:
        timed(mkroot, "--negotiate", site, out)
    check_taken_over(mkroot, site, again)
    changing = site / f"d{DIRECTORIES // 2:03}" / "page000.html"
    runs = {
        "again": lambda: timed(mkroot, "--negotiate", site, again),
        "fresh": lambda: timed(mkroot, "--fresh", "--negotiate", site, fresh),
        "copy": lambda: timed("cp", "--reflink=never", fresh, copy) + timed("sync", copy),
    }
    times = {run: [] for run in runs}
    for number in range(-1, rounds):
        with open(changing, "ab") as file:
            file.write(b"+")
        for run in list(runs) if number % 2 else reversed(list(runs)):
            subprocess.run(["sync"], check=True)
            if cold:
                forget(*files_below(site), again, fresh)
            elapsed = runs[run]()
            if number >= 0:  # the first round is not counted
                times[run].append(elapsed)
        if not filecmp.cmp(again, fresh, shallow=False):
            raise Wrong(f"{name}: packing again gave other bytes than --fresh")
    ratios = [one / other for one, other in zip(times["again"], times["fresh"])]
    shown = "  ".join(f"{statistics.median(times[run]):6.2f} s  {min(times[run]):5.2f}..{max(times[run]):5.2f}"
                      for run in runs)
    print(f"  {name:7} {total / 1e6:7.1f} MB  {shown}  {statistics.median(ratios):5.2f}  "
          f"{min(ratios):.2f}..{max(ratios):.2f}", flush=True)
    return {"bytes": total, "webroot_bytes": again.stat().st_size, "seconds": times, "ratios": ratios}


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, metavar="N", help="how many (100000)")
    parser.add_argument("--sizes", default=",".join(SIZES), metavar="NAMES", help=f"of {','.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often all are timed (5)")
    parser.add_argument("--cold", action="store_true", help="drop contents from memory before each run")
    parser.add_argument("--smoke", action="store_true", help="2 000 files, one round")
    parser.add_argument("--work", metavar="DIR", help="where to make the temporary directory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    if options.smoke:
        options.files, options.rounds = 2000, 1
    sizes = options.sizes.split(",")
    if options.rounds < 1 or options.files < DIRECTORIES or not set(sizes) <= set(SIZES):
        parser.error(f"--rounds is at least 1, --files at least {DIRECTORIES}, --sizes are of {', '.join(SIZES)}")
    mkroot = program("mkroot")
    for needed in "cp", "sync":
        if not shutil.which(needed):
            raise Missing(f"no program {needed}")

    print(f"{options.files} files, one of them changed; {options.rounds} rounds in turns"
          f"{', contents not in memory' if options.cold else ''}; median, least and most")
    print("  tree     contents     packed again               --fresh                    cp, sync"
          "                  again / fresh")
    figures = {}
    for name in sizes:
        with tempfile.TemporaryDirectory(prefix="connegd-incremental-", dir=options.work) as work:
            figures[name] = measure(mkroot, name, options.files, options.rounds, options.cold, Path(work))
    if options.json:
        options.json.write_text(json.dumps({"files": options.files, "cold": options.cold, "sizes": figures}) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"incremental.py: {missing}", file=sys.stderr)
        sys.exit(2)
    except Wrong as wrong:
        print(f"incremental.py: {wrong}", file=sys.stderr)
        sys.exit(1)
