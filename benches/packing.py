#!/usr/bin/env python3
"""How long does packing take beside programs that only copy: tar for many short files, cp -r for long ones?

    cargo build --release --bins
    benches/packing.py                           # all sizes, 4 minutes
    benches/packing.py --sizes small,huge --rounds 15 --json packing.json
    benches/packing.py --smoke                   # few and short files, one round, for CI

It needs Linux, Python 3.9 or later, tar, and cp and sync (coreutils); strace, if it is there,
tells how long mkroot waits for the disk.

The trees: `tiny` is 100 000 files of 10 bytes, `small` 100 000 of 1 to 12 KB, both in a thousand
directories; `large` is 200 files of 10 MB, `huge` 8 of 256 MB. No two contents are the same. `mkroot
--negotiate` and the other program, `tar cf` or `cp -r`, take turns, A B, B A, each into a new place on
the file system of the tree, which is cached. A ratio is that of two runs of one round. mkroot's time has its
sync; the others sync nothing, so there is a second ratio, to the other program with `sync` of what it
wrote after it. How long the sync took is told by strace in a run of its own.

Before each run there is a `sync`, and as much memory as the run needs is touched: a virtual machine may give
back what is free to its host, and then gets it again at a fifth of the speed. That goes on all the time, so
look at the range too. How noisy: on two shared cores the ratios by a tenth, single runs by anything.

MKROOT names the program. CARGO_TARGET_DIR is heeded.

Exit status: 0 measured, 1 a program failed, 2 something is missing.
"""

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# What is imported leaves nothing in the directory of the benches.
sys.dont_write_bytecode = True
from incremental import DIRECTORIES, SIZES, make_tree
from tree import Missing, Wrong, program, timed

MEGABYTE = 1 << 20
SHORT = {"tiny": 100_000, "small": 100_000}  # how many
LONG = {"large": (200, 10), "huge": (8, 256)}  # how many, of how many megabytes


def make_long_files(site, count, megabytes):
    filler = random.Random(1).randbytes(MEGABYTE - 20)
    site.mkdir()
    for number in range(count):
        with open(site / f"file{number:03}.bin", "wb") as file:
            for part in range(megabytes):
                file.write(b"%020d" % (number * megabytes + part) + filler)
    return count * megabytes * MEGABYTE


def touch_memory(amount):
    """By a process of its own, so that it is free again, and this one's afterwards."""
    populate = 0x8000
    code = f"import mmap; mmap.mmap(-1, {amount}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | {populate})"
    subprocess.run([sys.executable, "-c", code], check=True)


def seconds_of_sync(mkroot, site, out):
    if not shutil.which("strace"):
        return None
    trace = out.with_suffix(".trace")
    subprocess.run(["strace", "-f", "--seccomp-bpf", "-T", "-e", "trace=fsync,fdatasync", "-o", trace,
                    mkroot, "--quiet", "--negotiate", site, out], check=True)
    return sum(float(took) for took in re.findall(r"<([\d.]+)>$", trace.read_text(), re.MULTILINE))


def measure(mkroot, name, rounds, smoke, work):
    site, place = work / "site", work / "place"
    if name in SHORT:
        total = make_tree(site, 2 * DIRECTORIES if smoke else SHORT[name], *SIZES[name])
        other, copy, sync = "tar cf", ["tar", "-C", site, "-cf", place / "out", "."], ["sync", place / "out"]
    else:
        count, megabytes = LONG[name]
        total = make_long_files(site, 2 if smoke else count, min(megabytes, 8) if smoke else megabytes)
        other, copy, sync = "cp -r", ["cp", "-r", site, place / "out"], ["sync", "-f", place / "out"]

    def packed():
        return {"mkroot": timed(mkroot, "--quiet", "--negotiate", site, place / "out")}

    def copied():
        took = timed(*copy)
        return {"other": took, "synced": took + timed(*sync)}

    def settle():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        subprocess.run(["sync"], check=True)
        touch_memory(total + total // 4 + 200 * MEGABYTE)

    times = {"mkroot": [], "other": [], "synced": []}
    for number in range(-1, rounds):
        for run in (packed, copied) if number % 2 else (copied, packed):
            settle()
            for key, took in run().items():
                if number >= 0:  # the first round is not counted
                    times[key].append(took)
    settle()
    sync_took = seconds_of_sync(mkroot, site, place / "out")
    ratios = {key: [ours / theirs for ours, theirs in zip(times["mkroot"], times[key])] for key in ("other", "synced")}

    def shown(values):
        return f"{statistics.median(values):5.2f} ({min(values):.2f}..{max(values):.2f})"

    print(f"  {name:6} {total / 1e6:7.1f} MB  {shown(times['mkroot'])} s  {other:6} {shown(times['other'])} s  "
          f"{shown(ratios['other'])}  {shown(ratios['synced'])}  "
          + ("" if sync_took is None else f"{sync_took:.3f} s"), flush=True)
    return {"bytes": total, "beside": other, "seconds": times, "ratios": ratios, "sync": sync_took}


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*SHORT, *LONG]
    parser.add_argument("--sizes", default=",".join(known), metavar="NAMES", help=f"of {','.join(known)}")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="how often both are timed (7)")
    parser.add_argument("--smoke", action="store_true", help="few and short files, one round")
    parser.add_argument("--work", metavar="DIR", help="where to make the temporary directory; not in memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    if options.smoke:
        options.rounds = 1
    sizes = options.sizes.split(",")
    if options.rounds < 1 or not set(sizes) <= set(known):
        parser.error(f"--rounds is at least 1, --sizes are of {', '.join(known)}")
    mkroot = program("mkroot")
    for needed in "tar", "cp", "sync":
        if not shutil.which(needed):
            raise Missing(f"no program {needed}")

    print(f"{options.rounds} rounds in turns, the trees cached; medians, least and most")
    print("  tree    contents   mkroot                 beside                       mkroot / it"
          "        the same, synced   of it sync")
    figures = {}
    for name in sizes:
        with tempfile.TemporaryDirectory(prefix="connegd-packing-", dir=options.work) as work:
            figures[name] = measure(mkroot, name, options.rounds, options.smoke, Path(work))
    if options.json:
        options.json.write_text(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"packing.py: {missing}", file=sys.stderr)
        sys.exit(2)
    except Wrong as wrong:
        print(f"packing.py: {wrong}", file=sys.stderr)
        sys.exit(1)
