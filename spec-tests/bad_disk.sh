#!/bin/bash
# What a bad disk does: the answer is broken off, stderr says which webroot and which byte, everything else goes on.
#
#     cargo build --release --bins
#     sudo spec-tests/bad_disk.sh [MODEL…]           all of --io list, if none is named
#
# Two webroots are served, one of them from a file system (btrfs) on a loop device. After a first answer bits of the device
# are turned over behind the file system's back, in the middle of a long content and of a short one, and what the page cache
# has of it is dropped: from then on reading there is EIO, by whatever way, since the block's checksum does not hold, and
# reading anywhere else is not. Then both contents are asked for, and what lies beside them. A line for each question, and
# with each model the lines that the server wrote on stderr.
#
# It needs root, loop devices, a kernel with btrfs, mkfs.btrfs (of btrfs-progs), mount, curl and python3. The environment
# can give other paths: CONNEGD, MKROOT, CARGO_TARGET_DIR. All traffic stays on the loopback; nothing but a file in a
# temporary directory is written to.
#
# Exit status: 0 all passed, 1 something failed, 2 something is missing or did not start.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
programs=$(cd "$root" && realpath -m "${CARGO_TARGET_DIR:-target}")/release
connegd=${CONNEGD:-$programs/connegd}
mkroot=${MKROOT:-$programs/mkroot}

missing() {
    echo "bad_disk.sh: $*" >&2
    exit 2
}
for tool in curl cmp sed python3 mount umount mkfs.btrfs "$connegd" "$mkroot"; do
    command -v "$tool" >/dev/null || missing "$tool is missing"
done
[ "$(id -u)" = 0 ] || missing "only root can mount"
[ -e /dev/loop-control ] || missing "there are no loop devices"

source "$root/spec-tests/support/server.sh"
work=$(mktemp -d)
server=
# The server is stopped by its own pid.
finish() {
    [ -n "$server" ] && kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
    if mountpoint -q "$work/disk"; then umount "$work/disk" || umount -l "$work/disk"; fi
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A site, packed; and a disk with a copy of it.
mkdir "$work"/{site,hosts,disk}
head -c $((8 << 20)) /dev/urandom >"$work/site/long.bin"
head -c 20000 /dev/urandom >"$work/site/short.bin"
# What is near pages that are in use is mapped with them, and stays in memory: short.bin lies apart from the index.
head -c $((1 << 20)) /dev/urandom >"$work/site/z.bin"
echo '<p>a' >"$work/site/a.html"
"$mkroot" --negotiate --quiet "$work/site" "$work/sound.webroot" || missing "mkroot did not pack the site"
truncate -s 256M "$work/image"
mkfs.btrfs -q -m single -d single "$work/image" >/dev/null 2>&1 || missing "mkfs.btrfs does not make a file system"
# Mounting takes a loop device, and unmounting gives it back.
mount -t btrfs -o loop "$work/image" "$work/disk" 2>"$work/error" || missing "it cannot be mounted: $(cat "$work/error")"
bad=$work/disk/x.webroot
cp "$work/sound.webroot" "$bad" && sync -f "$bad"
ln -s "$work/sound.webroot" "$work/hosts/sound.example"
ln -s "$bad" "$work/hosts/bad.example"

# disk.py flip NAME AT: turns over the bits of a byte of a content of the site, in the image. disk.py place NAME: where the
# content begins in the webroot. disk.py evict FILE…: drops what the page cache has of it. disk.py fails FILE PLACE…: the
# same, until nothing can be read at these places. A page that somebody holds, as sockets do for a while, stays good.
cat >"$work/disk.py" <<'PYTHON'
import errno, mmap, os, sys, time
work, verb, *rest = sys.argv[1:]
def evict(file):
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
def content(name):
    return open(f"{work}/site/{name}", "rb").read()
if verb == "flip":
    name, at = rest[0], int(rest[1])
    wanted = content(name)[at - 16 : at + 16]
    with open(f"{work}/image", "r+b") as file, mmap.mmap(file.fileno(), 0) as image:
        # Turned over twice it is as it was.
        for wanted in wanted, wanted[:16] + bytes([wanted[16] ^ 255]) + wanted[17:]:
            found = image.find(wanted)
            if found >= 0:
                assert image.find(wanted, found + 1) < 0, "it is there twice"
                image[found + 16] ^= 255
                image.flush()
                break
        else:
            sys.exit(f"{name} is not in the image")
elif verb == "place":
    print(open(f"{work}/sound.webroot", "rb").read().index(content(rest[0])))
elif verb == "fails":
    with open(rest[0], "rb") as file:
        def fails(place):
            try:
                os.pread(file.fileno(), 1, int(place))
            except OSError as error:
                return error.errno == errno.EIO
        for _ in range(1000):
            evict(file)
            if all([fails(place) for place in rest[1:]]):
                break
            time.sleep(0.01)
        else:
            sys.exit(f"{rest[0]} can still be read")
        # What was read beside these places.
        evict(file)
else:
    for name in rest:
        with open(name, "rb") as file:
            evict(file)
PYTHON
disk() { python3 "$work/disk.py" "$work" "$@"; }
long_at=$((5 << 20)) short_at=10000
long_place=$(disk place long.bin) && short_place=$(disk place short.bin) || missing "the contents are not in the webroot"
flip() {
    disk flip long.bin $long_at && disk flip short.bin $short_at && disk evict "$work/image" "$bad" ||
        missing "the disk cannot be made bad"
}

# get HOST PATH: the content goes to $work/content; prints curl's exit status and the answer's.
get() {
    : >"$work/content"
    local status
    status=$(curl --silent --noproxy '*' --max-time 20 -o "$work/content" -w '%{http_code}' -H "Host: $1" "$url$2")
    echo "$? $status"
}
# near FIRST NUMBER LAST: whether it is one of them.
near() {
    [ "$1" -le "$2" ] && [ "$2" -le "$3" ] && echo right || echo "$2 is not from $1 to $3"
}
same() {
    cmp "$1" "$2" 2>&1 && echo same
}
# broken_off CONTENT PLACE AT: asks for the content, and checks that the answer ends before that byte and that stderr
# names the byte that is missing.
broken_off() {
    local name=$1 first=$2 wrong=$(($2 + $3)) said came
    : >"$work/log"
    check "$model: $name is broken off" "18 200" "$(get bad.example "/$name")"
    # The line is written when the connection is as good as ended.
    for _ in $(seq 50); do [ -s "$work/log" ] && break || sleep 0.02; done
    sed "s/^/      $model: /" "$work/log"
    said=$(sed -n 's/.*bad\.example: it cannot be read at byte \([0-9]*\): .*/\1/p' "$work/log" | head -n 1)
    check "$model: $name: one line says so" 1 "$(grep -c . "$work/log")"
    # What is read at once, 256 KiB or 1 MiB, may be missing as a whole.
    check "$model: $name: the byte that is named, $said" right "$(near $((wrong - (256 << 10))) "${said:-0}" "$wrong")"
    came=$(wc -c <"$work/content")
    check "$model: $name: what came ends there or before, after $came" right \
        "$(near $((${said:-0} - (1 << 20))) $((first + came)) "${said:-0}")"
    check "$model: $name: what came is right" same "$(head -c "$(wc -c <"$work/content")" "$work/site/$name" | same - "$work/content")"
}

try() {
    model=$1
    # What the last server said must not be taken for this one's.
    : >"$work/out"
    "$connegd" --listen 127.0.0.1:0 --workers 2 --verify off --io "$model" --vhosts "$work/hosts" \
        >"$work/out" 2>>"$work/log" &
    server=$!
    url=$(ready "$server" "$work/out") || missing "connegd did not start:
$(cat "$work/log")"
    check "$model: a sound disk" "0 200" "$(get bad.example /a)"
    flip
    disk fails "$bad" $((long_place + long_at)) $((short_place + short_at)) || missing "the disk is not bad"
    broken_off long.bin "$long_place" $long_at
    check "$model: the sound webroot's long.bin" "0 200" "$(get sound.example /long.bin)"
    check "$model: the sound webroot's long.bin: its bytes" same "$(same "$work/site/long.bin" "$work/content")"
    check "$model: a page beside it" "0 200" "$(get bad.example /a)"
    # One site complains once a second.
    sleep 1.1
    broken_off short.bin "$short_place" $short_at
    check "$model: a page beside it" "0 200" "$(get bad.example /a)"
    flip
    check "$model: long.bin when the disk is well again" "0 200" "$(get bad.example /long.bin)"
    check "$model: its bytes" same "$(same "$work/site/long.bin" "$work/content")"
    check "$model: the server is alive" alive "$(kill -0 "$server" 2>/dev/null && echo alive)"
    kill -TERM "$server"
    wait "$server"
    check "$model: its end" 0 $?
    server=
}

if [ $# -gt 0 ]; then
    models=("$@")
else
    mapfile -t models < <("$connegd" --io list | awk '$2 == "yes" { print $1 } $2 != "yes" { print "not offered: " $0 >"/dev/stderr" }')
fi
: >"$work/log"
for model in "${models[@]}"; do
    : >"$work/log"
    try "$model"
done
echo "${#models[@]} models, $failed failed"
[ "$failed" = 0 ]
