#!/bin/bash
# The Debian package from beginning to end: made, installed on this machine, looked at, started by its own unit, asked,
# told to look and to open its logs anew, given a socket, stopped, removed; nothing of it is left.
#
#     spec-tests/package.sh [--no-build] [--cargo-install]
#
# --no-build packs what `cargo build --release --bins --example manual` has left; DEB=FILE takes a package that is there.
# --cargo-install also tries `cargo install`, which takes minutes.
#
# It needs root, Debian, curl, lintian, systemd (the tools; it need not run), python3-seccomp, and port 80. Where zsh, fish,
# mandoc or logrotate are missing, what they would say is left out. All traffic stays on the loopback.
#
# Exit status: 0 all passed, 1 something failed, 2 it could not be tried.
set -euo pipefail
cd "$(dirname "$0")/.."

impossible() { echo "package.sh: $*" >&2; exit 2; }
fail() { echo "package.sh: $*" >&2; exit 1; }
passed() { printf '  %s\n' "$*"; }
has() { command -v "$1" >/dev/null; }

build=() install=no
for argument; do
    case $argument in
        --no-build) build=(--no-build) ;;
        --cargo-install) install=yes ;;
        *) impossible "unknown argument $argument" ;;
    esac
done
[ "$(id -u)" = 0 ] || impossible "it must be run by root"
for tool in dpkg curl lintian systemd-analyze systemd-socket-activate setpriv man; do
    has $tool || impossible "$tool is missing"
done
/usr/bin/python3 -c 'import seccomp' 2>/dev/null || impossible "python3-seccomp is missing"
! dpkg -s connegd >/dev/null 2>&1 || impossible "connegd is installed here, and would be removed"
! curl -s -o /dev/null http://127.0.0.1/ || impossible "something serves port 80"

# What has the programs' names outside of this directory.
names() { find /etc /usr /var /run -xdev \( -name '*connegd*' -o -name '*mkroot*' \) | sort; }
before=$(names)
had_user=$(getent passwd connegd || true)
work=$(mktemp -d)
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    dpkg --purge connegd >/dev/null 2>&1 || true
    [ -n "$had_user" ] || userdel connegd 2>/dev/null || true
    [ ! -e "$work/policy" ] || rm -f /usr/sbin/policy-rc.d
    rm -rf "$work" /run/package-test-$$.socket
}
trap clean_up EXIT

echo "the package"
deb=${DEB:-$(packaging/deb "${build[@]}" --fast)}
lintian --fail-on error,warning "$deb" 2>"$work/lintian" || fail "lintian: $(cat "$work/lintian")"
passed "$(basename "$deb"), $(($(stat -c %s "$deb") / 1024)) KB, lintian has nothing to say"

echo "installed"
# Nobody but this script starts it.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    touch "$work/policy"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
fi
dpkg -i "$deb" >"$work/dpkg" 2>&1 || fail "dpkg -i: $(cat "$work/dpkg")"
[ "$(connegd --version)" = "connegd $(dpkg -s connegd | sed -n 's/^Version: \(.*\)-.*/\1/p')" ] || fail "another version"
for page in connegd.1 mkroot.1 mkroot-ls.1 mkroot-check.1 mkroot-explain.1 connegd.toml.5; do
    file=/usr/share/man/man${page##*.}/$page.gz
    text=$(MANROFFSEQ='' MANWIDTH=80 man --warnings -l "$file" 2>"$work/man") || fail "man -l $file"
    [ ! -s "$work/man" ] || fail "$page: $(cat "$work/man")"
    [ "$(wc -l <<<"$text")" -gt 15 ] || fail "$page is short"
    if has mandoc; then mandoc -T lint -W error "$file" || fail "mandoc finds errors in $page"; fi
done
man -w connegd.toml mkroot-explain >/dev/null || fail "man does not find the pages"
passed "programs and man pages"

texts=$(zcat /usr/share/doc/connegd/licenses.txt.gz)
for word in '^rustls [0-9.]*: ' '^may [0-9.]*: ' 'Copyright (c) 2017 Xudong Huang'; do
    grep -q "$word" <<<"$texts" || fail "licenses.txt.gz: nothing like $word"
done
passed "licenses of $(grep -c '^[a-z0-9_-]* [0-9][0-9.]*: ' <<<"$texts") libraries"

words=$(bash -c 'source /usr/share/bash-completion/completions/connegd
    COMP_WORDS=(connegd --vho) COMP_CWORD=1; _connegd connegd --vho connegd; echo "${COMPREPLY[@]}"')
[ "$words" = --vhosts ] || fail "bash completes --vho to '$words'"
bash -c 'source /usr/share/bash-completion/completions/mkroot; complete -p mkroot' >/dev/null || fail "bash and mkroot"
shells=bash
if has zsh; then
    words=$(zsh -fc 'autoload -U compinit; compinit -D; echo $_comps[connegd] $_comps[mkroot]; autoload +X _connegd _mkroot')
    [ "$words" = "_connegd _mkroot" ] || fail "zsh has '$words'"
    shells+=", zsh"
fi
if has fish; then
    words=$(HOME=$work fish -c 'complete -C "connegd --vho"; complete -C "mkroot explain --ca"' | cut -f1 | tr '\n' ' ')
    [ "$words" = "--vhosts --cases " ] || fail "fish completes to '$words'"
    shells+=", fish"
fi
passed "completions in $shells"

unit=/usr/lib/systemd/system/connegd.service
systemd-analyze verify $unit ${unit%service}socket >"$work/verify" 2>&1 || true
[ ! -s "$work/verify" ] || fail "systemd-analyze verify: $(cat "$work/verify")"
exposure=$(systemd-analyze security --offline=true --threshold=20 $unit 2>&1 | sed -n 's/.*exposure level for [^:]*: //p')
[[ $exposure == [01].* ]] || fail "systemd-analyze security: $exposure"
passed "units are sound; exposure $exposure"
if has logrotate; then logrotate -d /etc/logrotate.d/connegd >"$work/rotate" 2>&1 || fail "$(cat "$work/rotate")"; fi

# Plays the service manager: writes down what it is told.
export NOTIFY_SOCKET=/run/package-test-$$.socket
/usr/bin/python3 - "$NOTIFY_SOCKET" >"$work/news" <<'PYTHON' &
import os, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
while True:
    print(manager.recv(4096).decode().replace("\n", " "), flush=True)
PYTHON
pids+=($!)
wait_for() {
    local what=$1
    shift
    for _ in $(seq 100); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done
    fail "$what did not come: $(tail -n 5 "$work"/{news,out})"
}
is_news() { [ "$(grep -c "$1" "$work/news")" -ge "$2" ]; }
get() { curl -s -m 5 -o /dev/null -w '%{http_code} %{content_type}' "$@"; }
start() {
    "$@" >"$work/out" 2>&1 </dev/null &
    server=$!
    pids+=("$server")
}
stop() {
    kill "$server"
    wait "$server" || fail "it ended with status $?"
    unset 'pids[-1]'
}
as_unit=(/usr/bin/python3 spec-tests/as_unit.py)

echo "started as its unit says"
sed -i 's/^#\(access-log\|explain\)/\1/' /etc/connegd/connegd.toml
start "${as_unit[@]}" $unit
wait_for READY=1 is_news READY=1 1
[ "$(ps -o user= -p "$server")" = connegd ] || fail "it is run by $(ps -o user= -p "$server")"
[ "$(sed -n 's/^CapEff:\t*//p; s/^Seccomp:\t*//p' "/proc/$server/status" | xargs)" = "0000000000000400 2" ] ||
    fail "its capabilities are others, or it has no filter"
for host in 127.0.0.1 '[::1]'; do
    got=$(get "http://$host/2005/chart" -H 'Accept: image/svg+xml; q=1, image/*; q=0.5')
    [ "$got" = "200 image/svg+xml" ] || fail "the chart at $host is $got"
done
[ "$(get http://127.0.0.1/2005/chart -H 'Accept: image/png')" = "200 image/png" ] || fail "no PNG"
[ "$(get http://127.0.0.1/2005/chart -H 'Accept: text/html')" = "406 text/html; charset=utf-8" ] || fail "no 406"
[ "$(get http://127.0.0.1/explain)" = "200 text/html; charset=utf-8" ] || fail "no explanation"
passed "SVG, PNG and 406 as asked for on port 80, by user connegd with CAP_NET_BIND_SERVICE behind the unit's filter"
[ "$("${as_unit[@]}" $unit --io list)" = "$(connegd --io list)" ] || fail "the filter takes ways of sending away"
passed "ways of sending are those without the filter"

kill -HUP "$server"
wait_for "RELOADING=1" is_news RELOADING=1 1
wait_for "READY=1 after it" is_news READY=1 2
grep -q 'RELOADING=1.*MONOTONIC_USEC=' "$work/news" || fail "$(cat "$work/news")"
passed "SIGHUP: it reloads, and is ready again"

log=/var/log/connegd/access.log
wait_for "the access log" grep -q /2005/chart $log
[ "$(stat -c '%U %a' $log)" = "connegd 640" ] || fail "the log is $(stat -c '%U %a' $log)"
mv $log $log.1
kill -USR1 "$server"
wait_for "a new access log" test -e $log
passed "SIGUSR1: logs are opened anew"
stop
is_news STOPPING=1 1 || fail "it did not say that it stops"
passed "SIGTERM: it says so, and ends with status 0"

echo "with a socket of systemd's"
sed -i 's/^listen/#listen/' /etc/connegd/connegd.toml
start systemd-socket-activate -E NOTIFY_SOCKET -l "[::]:80" "${as_unit[@]}" $unit
# The first request starts it.
wait_for "an answer" curl -s -f -m 5 -o /dev/null http://127.0.0.1/2005/chart
wait_for READY=1 is_news READY=1 3
[ "$(get http://127.0.0.1/2005/chart -H 'Accept: image/png')" = "200 image/png" ] || fail "no PNG"
stop
passed "answers on the socket that it was given"

echo "removed"
dpkg -r connegd >"$work/dpkg" 2>&1 || fail "dpkg -r: $(cat "$work/dpkg")"
! has connegd || fail "the program is still there"
[ -e /etc/connegd/connegd.toml ] || fail "removing took the settings along"
dpkg --purge connegd >"$work/dpkg" 2>&1 || fail "dpkg --purge: $(cat "$work/dpkg")"
left=$(comm -13 <(echo "$before") <(names))
[ -z "$left" ] || fail "there is left: $left"
passed "nothing is left but the user"

if [ $install = yes ]; then
    echo "cargo install"
    cargo install --quiet --locked --path . --root "$work/root"
    [ "$("$work/root/bin/connegd" --version)" = "connegd $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" ] ||
        fail "another version"
    [ "$(cd "$work/root/bin" && ls | xargs)" = "connegd mkroot" ] || fail "other programs"
    passed "both programs, and nothing else"
fi
