#!/bin/bash
# Where does the processor time of a request go? Draws flame graphs of the server under load, into docs/.
#
#     benches/build
#     cargo install --root target/peers inferno --locked
#     benches/flame.sh                  # docs/flame-chart.svg, docs/flame-browser.svg
#     benches/flame.sh /tmp/graphs      # there
#
# It needs perf (linux-perf), as root or with kernel.perf_event_paranoid at 1 or less, and builds connegd with frame
# pointers in a directory of its own (target/flame), which takes two minutes the first time. The requests are those of the
# questions "chart" and "browser" of compare.py, 64 connections, server and load on one core each. Frames narrower than half
# a per cent are left out. How noisy: shares repeat within a per cent or two of the whole.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-docs}
target=${CARGO_TARGET_DIR:-target}
PATH=$PWD/target/peers/bin:$PATH
for program in perf inferno-collapse-perf inferno-flamegraph; do
    command -v $program >/dev/null || { echo "flame.sh: $program is missing; the head of this file says how to get it" >&2; exit 2; }
done
RUSTFLAGS="-C force-frame-pointers=yes" CARGO_TARGET_DIR=$target/flame cargo build --quiet --release --bins
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT

# The path and the fields of a question, a line each.
request() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=benches python3 -c '
import sys, compare
request = compare.REQUESTS[sys.argv[1]]
print(request["path"], *(f"{name}: {value}" for name, value in request["fields"].items()), sep="\n")' "$1"
}

draw() { # question, title
    local name=$1 title=$2 lines arguments=()
    mapfile -t lines < <(request "$name")
    for field in "${lines[@]:1}"; do arguments+=(--field "$field"); done
    taskset -c 0 "$target/flame/release/connegd" --workers 1 --listen 127.0.0.1:0 fixtures/sites/chart >"$work/log" 2>/dev/null &
    server=$!
    for _ in $(seq 100); do grep -q '^listening' "$work/log" && break || sleep 0.1; done
    local address
    address=$(sed -n 's/^listening on http:..//p' "$work/log")
    taskset -c 1 "$target/release/load" "$address" "${lines[0]}" "${arguments[@]}" --connections 64 --seconds 10 >/dev/null &
    local load=$!
    sleep 1
    perf record -q -e cpu-clock -F 4999 -g -p "$server" -o "$work/data" -- sleep 8 >/dev/null
    wait $load
    kill "$server" && wait "$server"
    # What starts a coroutine is the same for all of them. The script that lets one look around, and what belongs to it, is
    # others' code, and a picture in a page does not run it.
    perf script -i "$work/data" 2>/dev/null | inferno-collapse-perf | sed 's/\[unknown\];generator::detail::asm::gen_init;//' |
        inferno-flamegraph --title "$title" --minwidth 0.5 --width 1200 --deterministic |
        perl -0pe 's/<script.*?<\/script>//s; s/ onload="[^"]*"//; s/<text id="(unzoom|search|matched)".*?<\/text>//g;
            s/\n(#(matched|search|unzoom|frames)|\.(hide|parent))[^\n]*//g' >"$out/flame-$name.svg"
    echo "$out/flame-$name.svg"
}

draw chart "a negotiated answer of 1 KB, 64 connections"
draw browser "a page with 8 variants, Chrome's fields, 64 connections"
