#!/usr/bin/env python3
"""What it costs to derive representations of a tree of documents, and how small they get.

    cargo build --release --bins
    benches/derived.py /usr/share/doc/rust-doc/html/book
    benches/derived.py --files 60 /usr/share/doc/rust-doc/html    # compare fewer files with the programs

It packs the tree (which is read only) with Markdown and all codings, cold, and then once more; it tells time, time of
the processor, memory and what became of the pages' lengths. Then `brotli -q 11`, `zstd -19` and `gzip -9` code the
same files by hand, each in a process of its own, and the sums are set side by side.

It needs Python 3.9 or later, brotli, zstd and gzip. The program can be given by the environment: MKROOT. CARGO_TARGET_DIR is
heeded. Exit status: 0 done, 2 a program is missing or failed.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MKROOT = os.environ.get("MKROOT", Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "mkroot"))
PROGRAMS = {"br": ["brotli", "-q", "11", "-c"], "zstd": ["zstd", "-19", "-q", "-c"], "gzip": ["gzip", "-9", "-n", "-c"]}


def packed(tree, out):
    """Seconds, seconds of the processor, and the most memory in MB that any child has had so far."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run([MKROOT, "--negotiate", "-q", "--derive", "markdown,br,zstd,gzip", tree, out],
                   check=True, stderr=subprocess.DEVNULL)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--files", type=int, default=100, help="how many files the programs code")
    options = parser.parse_args()
    missing = [name for name in [MKROOT, *(command[0] for command in PROGRAMS.values())] if not shutil.which(name)]
    if missing:
        print(f"derived.py: missing: {', '.join(map(str, missing))}", file=sys.stderr)
        return 2

    with tempfile.TemporaryDirectory() as work:
        out = Path(work, "out.webroot")
        for what in ["cold", "again"]:
            took, processor, memory = packed(options.tree, out)
            print(f"{what:6} {took:8.2f} s, {processor:8.2f} s of the processor, {memory:6.0f} MB at most")
            if what == "cold":
                cold = processor
        listed = json.loads(subprocess.run([MKROOT, "ls", "--json", out], check=True, stdout=subprocess.PIPE).stdout)

    lengths, ratios = {}, []
    for item in listed["resources"]:
        if item["kind"] != "negotiated" or not (options.tree / item["path"][1:]).is_file():
            continue
        by_form = {(variant["media_type"], variant["codings"]): variant["length"] for variant in item["variants"]}
        own = item["variants"][0]
        lengths[item["path"]] = {variant["codings"]: variant["length"] for variant in item["variants"]
                                 if variant["media_type"] == own["media_type"]}
        markdown = by_form.get(("text/markdown", None))
        if own["media_type"] == "text/html" and markdown:
            ratios.append(markdown / own["length"])
    if ratios:
        print(f"{len(ratios)} pages in Markdown, median {statistics.median(ratios):.3f} of the HTML; "
              f"{1000 * cold / len(ratios):.1f} ms of the processor for each, codings included")

    coded = sorted(path for path, forms in lengths.items() if set(PROGRAMS) <= set(forms))
    coded = coded[::max(1, len(coded) // options.files)][:options.files]
    whole = sum(lengths[path][None] for path in coded)
    for coding, command in PROGRAMS.items():
        began, by_hand = time.monotonic(), 0
        for path in coded:
            result = subprocess.run([*command, options.tree / path[1:]], check=True, stdout=subprocess.PIPE)
            by_hand += len(result.stdout)
        took = time.monotonic() - began
        ours = sum(lengths[path][coding] for path in coded)
        print(f"{coding:5} {len(coded)} files, {whole} bytes: {ours} here, {by_hand} by {' '.join(command[:-1])} "
              f"(ours are {ours / by_hand:.4f} of that; it took {took:.1f} s)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"derived.py: {error}", file=sys.stderr)
        sys.exit(2)
