#!/bin/bash
# What curl sees: ranges, resumed downloads, conditional requests, content that is not waited for.
#
#     cargo build --release --bins
#     spec-tests/curl.sh
#
# Serves fixtures/sites/chart and asks for it with the options of curl that rely on RFC 9110: -r, -C -, -z,
# --etag-save and --etag-compare, Expect: 100-continue, and a few of the protocol. A line for each question.
#
# It needs bash, curl 7.68 or later, cmp and sed. The environment can give other paths: CONNEGD, CARGO_TARGET_DIR.
# All traffic stays on the loopback.
#
# Exit status: 0 all passed, 1 something failed, 2 a program is missing or did not start.

set -u
into=
root=$(cd "$(dirname "$0")/.." && pwd)
connegd=${CONNEGD:-$(cd "$root" && realpath -m "${CARGO_TARGET_DIR:-target}")/release/connegd}
site=$root/fixtures/sites/chart
file=$site/2005/chart.png

missing() {
    echo "curl.sh: $*" >&2
    exit 2
}
for tool in curl cmp sed "$connegd"; do
    command -v "$tool" >/dev/null || missing "$tool is missing"
done

source "$root/spec-tests/support/server.sh"
work=$(mktemp -d)
server=
# The server is stopped by its own pid.
finish() {
    [ -n "$server" ] && kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$connegd" --listen 127.0.0.1:0 "$site" >"$work/server.log" 2>&1 &
server=$!
url=$(ready "$server" "$work/server.log") || missing "connegd did not start:
$(cat "$work/server.log")"

# get OPTIONS… URL: the content goes to $into or $work/content, the head to $work/head; prints the status, or what went wrong.
get() {
    : >"$work/content"
    : >"$work/head"
    ask -D "$work/head" -o "${into:-$work/content}" "$@" 2>&1
    # Not curl's %{http_code}: with -z it says 304 where it has only compared dates itself.
    sed -n 's/^HTTP\/[0-9.]* \([0-9]*\).*/\1/p' "$work/head" | tail -n 1
}
ask() {
    curl --silent --show-error --noproxy '*' --max-time 20 "$@"
}
# field NAME: its value in the head of the last answer.
field() {
    sed -n "s/^$1: *\(.*\)\r\$/\1/Ip" "$work/head" | tail -n 1
}
# same FILE FILE: "same" or where they differ.
same() {
    cmp "$1" "$2" 2>&1 && echo same
}
# part FIRST LAST: those bytes of the file.
part() {
    tail -c "+$(($1 + 1))" "$file" | head -c "$(($2 - $1 + 1))" >"$work/part"
}
size=$(($(wc -c <"$file")))

# The whole file.
check "the file" 200 "$(get "$url/2005/chart.png")"
check "the file: its bytes" same "$(same "$file" "$work/content")"
check "the file: ranges are offered" bytes "$(field accept-ranges)"

# -r: ranges.
while read -r range first last; do
    check "-r $range" 206 "$(get -r "$range" "$url/2005/chart.png")"
    part "$first" "$last"
    check "-r $range: its bytes" same "$(same "$work/part" "$work/content")"
    check "-r $range: Content-Range" "bytes $first-$last/$size" "$(field content-range)"
done <<RANGES
0-0 0 0
0-99 0 99
100-199 100 199
$((size - 10))- $((size - 10)) $((size - 1))
-10 $((size - 10)) $((size - 1))
-999999999 0 $((size - 1))
0-999999999 0 $((size - 1))
RANGES
check "-r of a negotiated page" 206 "$(get -r 0-9 -H 'Accept: image/png' "$url/2005/chart")"
part 0 9
check "-r of a negotiated page: its bytes" same "$(same "$work/part" "$work/content")"
check "-r beyond the end" 416 "$(get -r 99999999- "$url/2005/chart.png")"
check "-r beyond the end: Content-Range" "bytes */$size" "$(field content-range)"
check "-r of several ranges" 206 "$(get -r 0-99,1000-1099,-5 "$url/2005/chart.png")"
check "-r of several ranges: a multipart" multipart/byteranges "$(field content-type | sed 's/;.*//')"
check "-r of several ranges: three parts" 3 "$(grep -a -c -i '^content-range: bytes ' "$work/content")"
check "-r of ranges that touch" 206 "$(get -r 0-49,50-99 "$url/2005/chart.png")"
check "-r of ranges that touch: they are one" "bytes 0-99/$size" "$(field content-range)"
check "-I -r is the whole file's head" 200 "$(get -I -r 0-99 "$url/2005/chart.png")"

# -C -: a download that broke off.
head -c 5000 "$file" >"$work/resumed"
check "-C - goes on where a download ended" 206 "$(into=$work/resumed get -C - "$url/2005/chart.png")"
check "-C -: the file is whole" same "$(same "$file" "$work/resumed")"
# curl asks for what lies behind the end, and takes a 416 to mean that nothing is missing.
check "-C - of a whole download" 416 "$(into=$work/resumed get -C - "$url/2005/chart.png")"
check "-C - of a whole download: it is left alone" same "$(same "$file" "$work/resumed")"
get "$url/2005/chart.png" >"$work/status"
etag=$(field etag) modified=$(field last-modified)
check "-C with an If-Range that holds" 206 "$(get -C 5000 -H "If-Range: $etag" "$url/2005/chart.png")"
check "If-Range of another tag: the whole file" 200 "$(get -H 'Range: bytes=5000-' -H 'If-Range: "other"' "$url/2005/chart.png")"
check "If-Range of another tag: its bytes" same "$(same "$file" "$work/content")"
check "If-Range of its date" 206 "$(get -H 'Range: bytes=5000-' -H "If-Range: $modified" "$url/2005/chart.png")"

# -z: dates.
check "-z of its own date" 304 "$(get -z "$modified" "$url/2005/chart.png")"
check "-z of its own date: no content" 0 "$(($(wc -c <"$work/content")))"
check "-z of an older date" 200 "$(get -z 'Sun, 06 Nov 1994 08:49:37 GMT' "$url/2005/chart.png")"
check "-z of a file as old" 304 "$(touch -d "$modified" "$work/old" && get -z "$work/old" "$url/2005/chart.png")"
check "-z -DATE: unmodified since" 200 "$(get -z "-$modified" "$url/2005/chart.png")"
check "-z -DATE: modified since" 412 "$(get -z '-Sun, 06 Nov 1994 08:49:37 GMT' "$url/2005/chart.png")"

# --etag-save, --etag-compare.
check "--etag-save" 200 "$(get --etag-save "$work/etag" -H 'Accept: image/svg+xml' "$url/2005/chart")"
check "--etag-compare, the same variant" 304 \
    "$(get --etag-compare "$work/etag" -H 'Accept: image/svg+xml' "$url/2005/chart")"
check "--etag-compare, another variant" 200 "$(get --etag-compare "$work/etag" -H 'Accept: image/png' "$url/2005/chart")"
check "--etag-compare, another variant: its bytes" same "$(same "$file" "$work/content")"
check "If-Match of another tag" 412 "$(get -H 'If-Match: "other"' "$url/2005/chart.png")"
check "If-Match of its tag" 200 "$(get -H "If-Match: $etag" "$url/2005/chart.png")"

# Content in a request, which a server of files has no use for.
check "GET with content" 200 "$(get -X GET --data 'a=1' "$url/2005/chart.png")"
check "GET with chunked content" 200 "$(get -X GET -H 'Transfer-Encoding: chunked' --data 'a=1' "$url/2005/chart.png")"
check "GET with Expect: 100-continue" 200 \
    "$(get -X GET -H 'Expect: 100-continue' --expect100-timeout 10 --data 'a=1' "$url/2005/chart.png")"
check "GET with Expect: 100-continue: it was told to go on" 1 "$(grep -c '^HTTP/1.1 100 ' "$work/head")"
head -c 10000000 /dev/zero >"$work/large"
check "GET with 10 MB and Expect: not wanted" 413 \
    "$(get -X GET -H 'Expect: 100-continue' --expect100-timeout 10 -T "$work/large" "$url/2005/chart.png")"
check "GET with 10 MB and Expect: none were sent" 0 "$(ask -o "$work/content" -w '%{size_upload}' -X GET \
    -H 'Expect: 100-continue' --expect100-timeout 10 -T "$work/large" "$url/2005/chart.png")"
check "PUT" 405 "$(get -T "$work/etag" "$url/2005/chart.png")"
check "PUT: what would do" "GET, HEAD, OPTIONS" "$(field allow)"
check "another expectation" 417 "$(get -H 'Expect: miracles' "$url/2005/chart.png")"

# The protocol.
check "--http1.0" 200 "$(get --http1.0 "$url/2005/chart.png")"
check "--http1.0: its bytes" same "$(same "$file" "$work/content")"
check "--http1.0 -r" 206 "$(get --http1.0 -r 0-99 "$url/2005/chart.png")"
check "the preface of HTTP/2" "HTTP/1.1 505" "$(printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' |
    ask "${url/http:/telnet:}" | head -n 1 | cut -d ' ' -f 1-2)"
check "two requests, one connection" "1 0" "$(ask -r 0-9 -o "$work/content" \
    -w '%{num_connects} ' "$url/2005/chart.png" -o "$work/content" "$url/2005/chart.png" | sed 's/ $//')"
check "OPTIONS *" 200 "$(get -X OPTIONS --request-target '*' "$url/")"
check "--request-target with the whole URL" 200 "$(get --request-target "$url/2005/chart.png" "$url/")"
check "--compressed" 200 "$(get --compressed "$url/style")"
check "--compressed: its bytes" same "$(same "$site/style.css" "$work/content")"

# What mkroot makes: a site of one style sheet, coded in each way.
mkdir "$work/derived"
cp "$site/style.css" "$work/derived/style.css"
printf '[derive]\nbr = true\nzstd = true\ngzip = true\n' >"$work/derived/.mkroot.toml"
kill -TERM "$server" && wait "$server"
"$connegd" --listen 127.0.0.1:0 "$work/derived" >"$work/derived.log" 2>&1 &
server=$!
url=$(ready "$server" "$work/derived.log") || missing "connegd did not start: $(cat "$work/derived.log")"
check "--compressed, derived" 200 "$(get --compressed "$url/style.css")"
check "--compressed, derived: it came coded" 1 "$(grep -ci '^content-encoding: ' "$work/head")"
check "--compressed, derived: its bytes" same "$(same "$site/style.css" "$work/content")"
for coding in br zstd gzip; do
    get -H "Accept-Encoding: $coding" "$url/style.css" >/dev/null
    check "derived $coding" "$coding" "$(field content-encoding)"
    case $coding in
    br) undo="brotli -dc" ;;
    *) undo="$coding -dc" ;;
    esac
    if command -v "${undo%% *}" >/dev/null; then
        $undo <"$work/content" >"$work/plain"
        check "derived $coding: $undo undoes it" same "$(same "$site/style.css" "$work/plain")"
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
