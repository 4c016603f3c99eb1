#!/bin/bash
# What openssl, curl and Python's ssl think of connegd's TLS: versions, suites, names, sessions, known attacks, and HTTP on top.
#
#     cargo build --release --bins
#     spec-tests/tls.sh
#
# Serves a copy of fixtures/sites/chart with the certificates of fixtures/tls. spec-tests/tls-client.py says what no good client
# says: old versions, 65536 suites, malformed records. A line for each question.
#
# It needs bash, openssl 3, curl 7.74 or later, Python 3.9, sha256sum. The environment can give other paths: CONNEGD,
# CARGO_TARGET_DIR. All traffic stays on the loopback.
#
# Exit status: 0 all passed, 1 something failed, 2 a program is missing or did not start.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
connegd=${CONNEGD:-$(cd "$root" && realpath -m "${CARGO_TARGET_DIR:-target}")/release/connegd}
keys=$root/fixtures/tls
authority=$keys/authority.pem

missing() {
    echo "tls.sh: $*" >&2
    exit 2
}
for tool in openssl curl python3 sha256sum timeout "$connegd"; do
    command -v "$tool" >/dev/null || missing "$tool is missing"
done

source "$root/spec-tests/support/server.sh"
work=$(mktemp -d)
servers=()
# Servers are stopped by their own pids.
finish() {
    for server in "${servers[@]}"; do
        kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start NAME OPTIONS…: starts a server that says what it has to say in $work/NAME.log, and sets $port to where it listens.
start() {
    local log=$work/$1.log url
    shift
    "$connegd" --listen 127.0.0.1:0 "$@" "$work/site" >"$log" 2>&1 &
    servers+=($!)
    url=$(ready $! "$log") || missing "connegd did not start:
$(cat "$log")"
    port=${url##*:}
}
# The address that a server listens at besides.
plain_of() {
    sed -n 's/^listening on http://p' "$work/$1.log" | sed 's/.*://'
}
# client PORT OPTIONS…: openssl's client; what it says, and what it receives.
client() {
    local at=$1
    shift
    timeout 20 openssl s_client -connect "127.0.0.1:$at" "$@" 2>&1
}
# agreed PORT OPTIONS…: version and suite, or what was answered instead.
agreed() {
    client "$@" </dev/null | sed -n -e 's/^New, \(TLS[^,]*\), Cipher is \(.*\)/\1 \2/p' \
        -e 's/.*:\(SSL alert number [0-9]*\)$/\1/p' -e 's/.*\(no cipher match\).*/\1/p' | head -n 1
}
# says PORT PATTERN OPTIONS…: what in the client's report fits.
says() {
    local at=$1 pattern=$2
    shift 2
    client "$at" "$@" </dev/null | grep -a -o -E "$pattern" | head -n 1
}
ask() {
    curl --silent --show-error --noproxy '*' --max-time 60 --cacert "$authority" "$@" 2>&1
}
odd() {
    timeout 120 python3 "$root/spec-tests/tls-client.py" "$@" 2>&1
}

# Long enough that two of a server's buffers do not hold it; random, so that nothing in it is alike.
mkdir "$work/site" && cp -R "$root/fixtures/sites/chart/." "$work/site/"
head -c 50000000 /dev/urandom >"$work/site/large.bin"
sum=$(sha256sum <"$work/site/large.bin")

start localhost --tls-cert "$keys/localhost.pem" --tls-key "$keys/localhost.key" \
    --listen-http 127.0.0.1:0 --redirect-http --hsts max-age=300
tls=$port plain=$(plain_of localhost)
url=https://localhost:$tls

alert_handshake="SSL alert number 40" alert_version="SSL alert number 70"
# Versions.
check "TLS 1.3" "TLSv1.3 TLS_AES_256_GCM_SHA384" "$(agreed "$tls" -servername localhost -tls1_3)"
check "TLS 1.2" "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384" "$(agreed "$tls" -servername localhost -tls1_2)"
check "who speaks both gets 1.3" "TLSv1.3 TLS_AES_256_GCM_SHA384" "$(agreed "$tls" -servername localhost)"
check "TLS 1.1 is refused" protocol_version "$(odd "$tls" hello tls1.1)"
check "TLS 1.0 is refused" protocol_version "$(odd "$tls" hello tls1.0)"
check "SSL 3 is refused" handshake_failure "$(odd "$tls" hello ssl3)"
check "SSL 2 is taken for a mistake" "HTTP/1.1 400" "$(odd "$tls" hello ssl2 | head -c 12)"
for version in -tls1 -tls1_1; do
    check "openssl $version is refused" refused \
        "$(agreed "$tls" -servername localhost $version -cipher 'ALL:@SECLEVEL=0' | sed 's/SSL alert number \(40\|70\)/refused/')"
done

# Suites: of all numbers that there are, in order.
check "suites of TLS 1.3: AES-GCM, ChaCha20" "1301 1302 1303" "$(odd "$tls" suites 1.3)"
check "suites of TLS 1.2 with an ECDSA key: ECDHE with AES-GCM, ChaCha20" "c02b c02c cca9" "$(odd "$tls" suites 1.2)"
while read -r suites; do
    check "openssl: $suites is refused" "$alert_handshake" \
        "$(agreed "$tls" -servername localhost -tls1_2 -cipher "$suites:@SECLEVEL=0")"
done <<SUITES
ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256
ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA
ECDHE-ECDSA-CAMELLIA256-SHA384
ECDHE-ECDSA-AES256-CCM8
ECDHE-ECDSA-ARIA256-GCM-SHA384
ECDHE-ECDSA-NULL-SHA
AES256-GCM-SHA384:AES128-SHA
DHE-RSA-AES256-GCM-SHA384
ADH-AES256-GCM-SHA384:AECDH-AES256-SHA
eNULL
SUITES
for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305; do
    check "openssl: $suite if the client likes it best" "TLSv1.2 $suite" "$(agreed "$tls" -servername localhost -tls1_2 -cipher $suite)"
done
for suite in TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256; do
    check "openssl: $suite if the client likes it best" "TLSv1.3 $suite" "$(agreed "$tls" -servername localhost -ciphersuites $suite)"
done
check "groups that keys are agreed on by: P-256, P-384, X25519, and that with ML-KEM" "0017 0018 001d 11ec" "$(odd "$tls" hello groups)"
for group in X25519 P-256 P-384; do
    check "keys agreed on by $group" "TLSv1.3 TLS_AES_256_GCM_SHA384" "$(agreed "$tls" -servername localhost -groups $group)"
done
check "keys agreed on by ffdhe2048: refused" "$alert_handshake" "$(agreed "$tls" -servername localhost -groups ffdhe2048)"

# Certificates.
check "the chain is complete" "Verify return code: 0 (ok)" \
    "$(says "$tls" 'Verify return code: .*' -servername localhost -CAfile "$authority" -verify_hostname localhost -verify_return_error)"
check "the chain has both certificates" 2 "$(client "$tls" -servername localhost -showcerts </dev/null | grep -c 'BEGIN CERTIFICATE')"
check "who does not know the authority notices" "Verify return code: 19" \
    "$(says "$tls" 'Verify return code: [0-9]*' -servername localhost -no-CAfile -no-CApath)"
check "with one certificate everybody gets it, whatever name is asked for" "subject=CN = localhost" \
    "$(says "$tls" 'subject=.*' -servername elsewhere.example)"
check "... and who names none" "subject=CN = localhost" "$(says "$tls" 'subject=.*' -noservername)"
check "no OCSP response is stapled" "OCSP response: no response sent" "$(says "$tls" 'OCSP response: no.*' -servername localhost -status)"

# What is agreed on besides.
check "ALPN: h2 and http/1.1" "ALPN protocol: http/1.1" "$(says "$tls" '(ALPN protocol|No ALPN).*' -servername localhost -alpn h2,http/1.1)"
check "ALPN: none" "No ALPN negotiated" "$(says "$tls" '(ALPN protocol|No ALPN).*' -servername localhost)"
check "ALPN: only h2 is refused" "SSL alert number 120" "$(agreed "$tls" -servername localhost -alpn h2)"
check "no compression" "Compression: NONE" "$(says "$tls" 'Compression: .*' -servername localhost -tls1_2 -comp)"
check "renegotiation is secure" "Secure Renegotiation IS supported" "$(says "$tls" 'Secure Renegotiation IS.*' -servername localhost -tls1_2)"
check "... and refused, if a client wants it" "no renegotiation" \
    "$( (echo R && sleep 1) | client "$tls" -servername localhost -tls1_2 | grep -a -o 'no renegotiation')"
check "extended master secret" "Extended master secret: yes" "$(says "$tls" 'Extended master secret: .*' -servername localhost -tls1_2)"

# Sessions.
resumed() {
    local at=$1
    shift
    client "$at" -servername localhost "$@" -reconnect </dev/null | grep -a -c '^Reused, '
}
check "TLS 1.2: resumed by a ticket, five times" 5 "$(resumed "$tls" -tls1_2)"
check "TLS 1.2: resumed by its number, five times" 5 "$(resumed "$tls" -tls1_2 -no_ticket)"
for version in -tls1_2 -tls1_3; do
    printf 'GET /2005/chart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
        client "$tls" -servername localhost $version -ign_eof -sess_out "$work/session" >"$work/report"
    check "$version: a session that was kept" 1 "$(grep -a -c '^New, ' "$work/report")"
    check "$version: ... is resumed" Reused "$(says "$tls" '^(New|Reused)' -servername localhost $version -sess_in "$work/session")"
done
check "TLS 1.3: no early data, which could be replayed" "Max Early Data: 0" "$(grep -a -m 1 -o 'Max Early Data: .*' "$work/report")"

# What other servers fell to.
check "Heartbleed: heartbeats are not offered" "not offered" "$(odd "$tls" hello heartbeat)"
check "Heartbleed: one that is sent all the same is a mistake" decode_error "$(odd "$tls" hello heartbleed)"
check "CCS injection: a change of ciphers before there are keys" unexpected_message "$(odd "$tls" hello 'early change')"
check "CRIME: compression that is offered is not used" 0 "$(odd "$tls" hello compression)"
check "CRIME: nothing but compression is refused" illegal_parameter "$(odd "$tls" hello 'only compression')"
check "a client that was made to speak 1.2 can tell" DOWNGRD1 "$(odd "$tls" hello downgrade)"
check "... and openssl does (-fallback_scsv)" "" "$(agreed "$tls" -servername localhost -tls1_2 -fallback_scsv)"
check "an older version with fallback SCSV is refused" protocol_version "$(odd "$tls" hello fallback1.1)"

# Certificates by host, one of them with an RSA key.
mkdir -p "$work/keys/example.com"
cp "$keys/example.pem" "$work/keys/example.com/fullchain.pem" && cp "$keys/example.key" "$work/keys/example.com/privkey.pem"
cp "$keys/below.pem" "$work/keys/*.example.org.crt" && cp "$keys/below.key" "$work/keys/*.example.org.key"
start hosts --tls-certs "$work/keys"
hosts=$port
while read -r name subject; do
    check "$name gets the certificate of $subject" "subject=CN = $subject" "$(says "$hosts" 'subject=.*' -servername "$name")"
    check "$name: it is right" "Verify return code: 0 (ok)" "$(says "$hosts" 'Verify return code: .*' -servername "$name" \
        -CAfile "$authority" -verify_hostname "$name" -verify_return_error)"
done <<NAMES
example.com example
www.example.com example
a.example.org below
NAMES
for name in example.org a.b.example.org localhost; do
    check "$name gets none" "SSL alert number 49" "$(agreed "$hosts" -servername $name)"
done
check "who names no host gets none" "SSL alert number 49" "$(agreed "$hosts" -noservername)"
check "an RSA key with TLS 1.3" "TLSv1.3 TLS_AES_256_GCM_SHA384" "$(agreed "$hosts" -servername example.com)"
for suite in ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-CHACHA20-POLY1305; do
    check "an RSA key with $suite" "TLSv1.2 $suite" "$(agreed "$hosts" -servername example.com -tls1_2 -cipher $suite)"
done
for suite in AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-SHA ECDHE-RSA-AES256-SHA384; do
    check "an RSA key: $suite is refused" "$alert_handshake" \
        "$(agreed "$hosts" -servername example.com -tls1_2 -cipher "$suite:@SECLEVEL=0")"
done

# HTTP, by curl.
got() {
    ask -o "$work/content" -w '%{http_code} %{http_version} %{content_type}' "$@"
}
for version in 1.2 1.3; do
    check "curl, TLS $version" "200 1.1 image/png" "$(got --tlsv1.2 --tls-max $version -H 'Accept: image/png' "$url/2005/chart")"
    check "curl, TLS $version: its bytes" "$(sha256sum <"$work/site/2005/chart.png")" "$(sha256sum <"$work/content")"
done
check "negotiated: SVG" "200 1.1 image/svg+xml" "$(got -H 'Accept: image/svg+xml; q=1, image/*; q=0.5' "$url/2005/chart")"
check "negotiated: 406" "406 1.1 text/html; charset=utf-8" "$(got -H 'Accept: text/html' "$url/2005/chart")"
check "--http2 falls back" "200 1.1 image/png" "$(got --http2 "$url/2005/chart.png")"
check "--http1.0" "200 1.1 image/png" "$(got --http1.0 "$url/2005/chart.png")"
check "--compressed" 200 "$(ask --compressed -o "$work/content" -w '%{http_code}' "$url/style")"
check "--compressed: its bytes" "$(sha256sum <"$work/site/style.css")" "$(sha256sum <"$work/content")"
check "a range" 206 "$(ask -r 20000000-20099999 -o "$work/content" -w '%{http_code}' "$url/large.bin")"
check "a range: its bytes" "$(tail -c +20000001 "$work/site/large.bin" | head -c 100000 | sha256sum)" "$(sha256sum <"$work/content")"
check "two requests, one handshake" "1 0" "$(ask -r 0-9 -o "$work/content" -w '%{num_connects} ' "$url/2005/chart.png" \
    -o "$work/content" "$url/2005/chart.png" | sed 's/ $//')"
downloads=()
for number in 1 2 3 4 5 6 7 8; do
    ask "$url/large.bin" | sha256sum >"$work/sum.$number" &
    downloads+=($!)
done
wait "${downloads[@]}"
check "50 MB, eight times at once" 8 "$(cat "$work"/sum.* | grep -c -x -F "$sum")"
ask --limit-rate 20M "$url/large.bin" | sha256sum >"$work/sum"
check "50 MB, to one who reads slowly" "$sum" "$(cat "$work/sum")"
check "a broken-off download goes on" "$sum" "$(head -c 12345678 "$work/site/large.bin" >"$work/part" &&
    ask -C - -o "$work/part" "$url/large.bin" && sha256sum <"$work/part")"

# From HTTP to HTTPS.
check "HTTP is sent on" "308 https://localhost:$tls/2005/chart?a" "$(ask -o "$work/content" -w '%{http_code} %{redirect_url}' \
    "http://localhost:$plain/2005/chart?a")"
check "-L follows" "200 1 https://localhost:$tls/2005/chart" "$(ask -L -o "$work/content" -w '%{http_code} %{num_redirects} %{url_effective}' \
    "http://localhost:$plain/2005/chart")"
check "HTTP at the port of TLS is sent on, too" "308 https://localhost:$tls/" "$(ask -o "$work/content" \
    -w '%{http_code} %{redirect_url}' "http://localhost:$tls/")"
check "HSTS is said over TLS" "max-age=300" "$(ask -o "$work/content" -D - "$url/" | sed -n 's/^Strict-Transport-Security: \(.*\)\r$/\1/p')"
check "... and not without" 0 "$(ask -o "$work/content" -D - "http://localhost:$plain/" | grep -c -i strict-transport)"
ask --hsts "$work/hsts" -o "$work/content" "$url/"
check "HSTS: curl remembers" 1 "$(grep -c '^localhost ' "$work/hsts")"
check "HSTS: ... and asks over TLS from then on" "https://localhost:$tls/ 0" "$(ask --hsts "$work/hsts" -o "$work/content" \
    -w '%{url_effective} %{num_redirects}' "http://localhost:$tls/")"
start refusing --tls-cert "$keys/localhost.pem" --tls-key "$keys/localhost.key"
check "without --redirect-http, HTTP at the port of TLS is a mistake" 400 "$(ask -o "$work/content" -w '%{http_code}' "http://localhost:$port/")"

# HTTP, by Python's ssl: an end that is not said would be an error.
check "1000 requests at once" "1000 right, 0 bytes behind" "$(odd "$tls" pipeline "$authority" 1000)"
check "the end is said by both" "said by both" "$(odd "$tls" end "$authority")"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
