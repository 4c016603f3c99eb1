#!/bin/bash
# Where does the processor time of a request go? Draws flame graphs of the server under load, into docs/.
#
#     cargo build --release --examples
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

draw() { # name, title, path, fields…
    local name=$1 title=$2 path=$3
    shift 3
    local fields=()
    for field in "$@"; do fields+=(--field "$field"); done
    taskset -c 0 "$target/flame/release/connegd" --workers 1 --listen 127.0.0.1:0 fixtures/sites/chart >"$work/log" 2>/dev/null &
    server=$!
    for _ in $(seq 100); do grep -q '^listening' "$work/log" && break || sleep 0.1; done
    local address
    address=$(sed -n 's/^listening on http:..//p' "$work/log")
    taskset -c 1 "$target/release/examples/load" "$address" "$path" "${fields[@]}" --connections 64 --seconds 10 >/dev/null &
    local load=$!
    sleep 1
    perf record -q -e cpu-clock -F 4999 -g -p "$server" -o "$work/data" -- sleep 8 >/dev/null
    wait $load
    kill "$server" && wait "$server"
    # What starts a coroutine is the same for all of them.
    perf script -i "$work/data" 2>/dev/null | inferno-collapse-perf | sed 's/\[unknown\];generator::detail::asm::gen_init;//' |
        inferno-flamegraph --title "$title" --minwidth 0.5 --width 1200 --deterministic >"$out/flame-$name.svg"
    echo "$out/flame-$name.svg"
}

draw chart "a negotiated answer of 1 KB, 64 connections" /2005/chart 'Accept: image/svg+xml; q=1, image/*; q=0.5'
draw browser "a page with 8 variants, Chrome's fields, 64 connections" / \
    'Connection: keep-alive' 'Cache-Control: max-age=0' 'sec-ch-ua: "Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138"' \
    'sec-ch-ua-mobile: ?0' 'sec-ch-ua-platform: "Linux"' 'Upgrade-Insecure-Requests: 1' \
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36' \
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7' \
    'Sec-Fetch-Site: same-origin' 'Sec-Fetch-Mode: navigate' 'Sec-Fetch-User: ?1' 'Sec-Fetch-Dest: document' \
    'Accept-Encoding: gzip, deflate, br, zstd' 'Referer: http://www.example.org/2005/chart' \
    'Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,fr;q=0.7,de;q=0.6'
