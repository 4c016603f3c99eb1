#!/bin/bash
# Count the system calls of connegd per negotiated request.
#
#     cargo build --release
#     benches/strace-count.sh [FILE]
#
# Packs the site fixtures/sites/chart, starts connegd with one worker, attaches
# strace once it is ready (so that start-up is not counted), sends exactly
# 10 000 requests for /2005/chart with various Accept fields over four kept
# connections, and divides the calls by the requests. FILE keeps strace's table.
#
# Exit status: 0 as it should be; 1 when a request opened, looked up or listed a
# file, when a request took more than 2.2 calls of the receiving and sending
# kind (one of each is needed; the rest is room for a spare one now and then),
# or when an answer was wrong; 2 when something is missing.
#
# Counts are not noisy: only the waiting calls (epoll_wait, futex) vary from run
# to run. Times under strace mean nothing.
#
# It needs bash, Python 3, strace, and the right to trace: root, or
# /proc/sys/kernel/yama/ptrace_scope of 0. The environment can give other paths:
# CONNEGD, MKROOT, SITE, CARGO_TARGET_DIR.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
release=$(cd "$root" && realpath -m "${CARGO_TARGET_DIR:-target}")/release
connegd=${CONNEGD:-$release/connegd}
mkroot=${MKROOT:-$release/mkroot}
site=${SITE:-$root/fixtures/sites/chart}
requests=10000

missing() {
    echo "strace-count: $*" >&2
    exit 2
}
for tool in strace python3 "$connegd" "$mkroot"; do
    command -v "$tool" >/dev/null || missing "$tool is missing"
done
[ -d "$site" ] || missing "no site at $site"

source "$root/spec-tests/support/server.sh"
work=$(mktemp -d)
server= tracer=
# Every process is stopped by its own pid.
finish() {
    [ -n "$tracer" ] && kill -TERM "$tracer" 2>/dev/null && wait "$tracer" 2>/dev/null
    [ -n "$server" ] && kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
table=${1:-$work/table}

"$mkroot" --negotiate "$site" "$work/site.webroot" >"$work/mkroot.log" 2>&1 || {
    cat "$work/mkroot.log" >&2
    exit 1
}
"$connegd" --listen 127.0.0.1:0 --workers 1 "$work/site.webroot" >"$work/server.log" 2>&1 &
server=$!
url=$(ready "$server" "$work/server.log") || {
    echo "strace-count: connegd did not start:" >&2
    cat "$work/server.log" >&2
    exit 1
}

strace -f -c -o "$table" -p "$server" 2>"$work/strace.log" &
tracer=$!
# Ready when each thread of the server has a tracer.
attached=
for _ in $(seq 200); do
    if ! grep -qs '^TracerPid:[[:space:]]*0$' /proc/"$server"/task/*/status; then
        attached=yes
        break
    fi
    kill -0 "$tracer" 2>/dev/null || break
    sleep 0.05
done
[ -n "$attached" ] || missing "strace could not attach: $(cat "$work/strace.log")"

python3 - "${url##*:}" "$requests" <<'CLIENT' || exit 1
# The client: raw sockets, each answer read to its end before the next request.
import collections
import socket
import sys

port, requests = int(sys.argv[1]), int(sys.argv[2])
accepts = [
    "image/svg+xml; q=1, image/*; q=0.5",
    "image/svg+xml",
    "image/*",
    "*/*",
    "image/png; q=0.3, image/svg+xml; q=0.9, */*; q=0.1",
    "text/html, image/svg+xml; q=0.5",
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "IMAGE/SVG+XML;q=0.001",
    "image/png",  # may rightly be refused, when the site has no such variant
    None,
]
connections = []
for _ in range(4):
    one = socket.create_connection(("127.0.0.1", port), 30)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connections.append((one, one.makefile("rb")))

seen = collections.Counter()
for number in range(requests):
    connection, reader = connections[number % len(connections)]
    # Not number % len(accepts) alone: each connection would see only some.
    accept = accepts[number // len(connections) % len(accepts)]
    request = f"GET /2005/chart HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if accept is not None:
        request += f"Accept: {accept}\r\n"
    connection.sendall((request + "\r\n").encode())
    status, length, kind = reader.readline().split(b" ", 2)[1:2], 0, "-"
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "content-type":
            kind = value.strip()
    if not status or len(reader.read(length)) != length:
        sys.exit(f"request {number}: the connection was closed")
    status = int(status[0])
    if status not in (200, 406) or status == 406 and accept != "image/png":
        sys.exit(f"request {number}: status {status} for Accept: {accept}")
    seen[status, kind] += 1

for (status, kind), count in sorted(seen.items()):
    print(f"{count:6} answers {status} {kind}")
CLIENT

# strace writes its table when it is told to stop.
kill -INT "$tracer" 2>/dev/null
for _ in $(seq 40); do
    kill -0 "$tracer" 2>/dev/null || break
    sleep 0.05
done
kill -TERM "$tracer" 2>/dev/null
wait "$tracer" 2>/dev/null
tracer=
[ -s "$table" ] || missing "strace wrote no table: $(cat "$work/strace.log")"

echo
cat "$table"
echo
# A row is: % time, seconds, usecs/call, calls, errors (or nothing), name.
awk -v requests="$requests" '
    $1 ~ /^[0-9.]+$/ && NF >= 5 && $NF != "total" {
        name = $NF
        calls = $4
        printf "%-16s %8d calls %8.4f per request\n", name, calls, calls / requests
        sum += calls
        if (name ~ /^(read|readv|recv|recvfrom|recvmsg|recvmmsg|write|writev|send|sendto|sendmsg|sendmmsg|sendfile|sendfile64|splice|io_uring_enter)$/)
            moving += calls
        if (name ~ /^(open|openat|openat2|stat|lstat|newfstatat|statx|access|faccessat|faccessat2|readlink|readlinkat|getdents|getdents64)$/) {
            printf "WRONG: %s was called %d times: no file may be looked up for a request\n", name, calls
            wrong = 1
        }
    }
    END {
        printf "%-16s %8d calls %8.4f per request\n", "all", sum, sum / requests
        printf "receiving and sending: %.4f per request (at most 2.2)\n", moving / requests
        if (moving < 2 * requests) {
            print "WRONG: fewer than two calls for each request: strace has not seen them all"
            wrong = 1
        }
        if (moving > 2.2 * requests) {
            print "WRONG: too many calls of the receiving and sending kind"
            wrong = 1
        }
        exit wrong
    }' "$table"
