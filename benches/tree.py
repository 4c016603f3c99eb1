#!/usr/bin/env python3
"""Pack and serve a large real tree: is every byte right, and how long does it take?

    cargo build --release --bins
    benches/tree.py                          # Debian's rust-doc: 32 000 files, 3 minutes
    benches/tree.py /srv/www --rounds 9
    benches/tree.py --no-time                # only whether it is right
    benches/tree.py --no-verify --json tree.json

It needs Linux, Python 3.9 or later and cp and sync (coreutils). Without TREE it
takes the pages of the Debian package rust-doc (apt-get install rust-doc).

Verify. TREE is packed with `mkroot --negotiate`, the webroot is checked with
`mkroot check` and served. Then, on connections that are kept open,

- every regular file is fetched by its URL: the body must have the SHA-256 of the
  file, Content-Length must be right, and HEAD must say the same without a body;
- every directory with an index.html must answer with it at its URL (or with another
  index file beside it, such as index.fr.html), and redirect there from the URL
  without the final slash;
- dot files, and symbolic links that lead out of the tree, must not be served.

It shows which Content-Type each extension got, and names the files that got none
or application/octet-stream. Those are not counted as wrong: for some files there
is nothing better to say.

Time. `mkroot` and `cp -r` take turns, each into a fresh place in one temporary
directory (see --work), after every file has been read once. mkroot syncs what it
writes before it gives it its name, and cp does not; so there is a second ratio, to
`cp -r` with `sync -f` after it. A `sync` before each run is not in the figures. The
copies are removed after the last round, so room for all of them is needed: ext4
passes over inodes that were freed in the last minutes (up to five), one by one, and
a `cp -r` after the removal of so many files took ten times as long here. For the
same reason wait five minutes between two runs. Look at the range as well as at the
median: on a busy or virtual disk times vary.

The programs can be given by the environment: CONNEGD, MKROOT. CARGO_TARGET_DIR is
heeded.

Exit status: 0 all is right, 1 something was served wrongly, 2 something is missing.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
CONNECTIONS = 4
SHOWN = 20  # how many of the wrong answers are printed


class Missing(Exception):
    """Something needed is not there: exit status 2."""


class Wrong(Exception):
    """An answer that is not as it should be."""


def program(name):
    directory = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release")
    path = shutil.which(os.environ.get(name.upper(), directory / name))
    if not path:
        raise Missing(f"no program {name}: run cargo build --release --bins, or set {name.upper()}")
    return path


def rust_doc():
    """Where the package rust-doc has its pages."""
    try:
        listed = subprocess.run(["dpkg", "-L", "rust-doc"], capture_output=True, text=True)
        lines = listed.stdout.splitlines()
    except FileNotFoundError:
        lines = []  # not Debian
    # The directory nearest to the root that has an index.html is the one.
    pages = [line for line in lines if line.endswith("/index.html")]
    for page in sorted(pages, key=len):
        if Path(page).is_file():
            return Path(page).parent
    raise Missing("no TREE given, and the Debian package rust-doc is not installed")


# ---------------------------------------------------------------------- the tree


class Tree:
    """What a site holds, by the rules of mkroot but found without it. Paths are
    bytes, since names need not be UTF-8; they start after the root."""

    def __init__(self, root):
        self.root = os.fsencode(os.path.realpath(root))  # it may be a symbolic link
        self.files, self.directories, self.hidden, self.outside, self.dangling = [], [], [], [], []
        self.walk(b"", [self.root])
        self.bytes = sum(os.stat(self.root + path).st_size for path in self.files)

    def walk(self, directory, above):
        self.directories.append(directory + b"/")
        with os.scandir(self.root + directory + b"/") as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
        for entry in entries:
            path = directory + b"/" + entry.name
            real = os.path.realpath(entry.path)
            if entry.name.startswith(b"."):
                self.hidden.append(path)
            elif not os.path.exists(real):
                self.dangling.append(path)
            elif entry.is_symlink() and not (real + b"/").startswith(self.root + b"/"):
                self.outside.append(path)
            elif entry.is_dir():
                if real not in above:  # else a link to a directory it lies in
                    self.walk(path, above + [real])
            elif entry.is_file():
                self.files.append(path)


def extension(path):
    name = path.rsplit(b"/", 1)[1].decode(errors="replace")
    return name.rpartition(".")[2] if "." in name else "(none)"


# ---------------------------------------------------------------------- the server


class Server:
    """connegd, serving a webroot, until the end of the with block."""

    def __init__(self, webroot, work):
        self.log = work / "connegd.log"
        with open(self.log, "wb") as log:
            command = [program("connegd"), "--listen", f"{HOST}:0", webroot]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            ready = re.search(r"listening on http://[^\s:]+:(\d+)\s", self.output())
            if ready:
                self.port = int(ready.group(1))
                return self
            time.sleep(0.02)
        self.__exit__()
        raise Wrong(f"connegd did not start:\n{self.output()}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def output(self):
        return self.log.read_text(errors="replace")


class Client:
    """A connection that is kept. It is a socket and not http.client, which would
    not tell of bytes after the end of an answer, such as a body after HEAD."""

    def __init__(self, port):
        self.port = port
        self.socket = None

    def open(self):
        self.socket = socket.create_connection((HOST, self.port), 30)
        self.data = b""

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def receive(self):
        part = self.socket.recv(1 << 20)
        if not part:
            raise Wrong("connection closed within an answer")
        return part

    def ask(self, method, path, *fields):
        """The status, the fields by their names in lower case, and the body."""
        try:
            return self.answer(method, path, fields)
        except (OSError, Wrong):
            self.close()  # where the next answer would begin is not known
            raise

    def answer(self, method, path, fields):
        if not self.socket:
            self.open()
        lines = [f"{method} {quote_from_bytes(path)} HTTP/1.1", f"Host: {HOST}:{self.port}", *fields]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self.data += self.receive()
        head, _, rest = self.data.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        if not status_line.startswith("HTTP/1.1 "):
            raise Wrong(f"an answer begins with {status_line[:40]!r}")
        given = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            given[name] = f"{given[name]}, {value.strip()}" if name in given else value.strip()
        try:
            length = int(given["content-length"]) if method != "HEAD" else 0
        except (KeyError, ValueError):
            raise Wrong(f"{method}: no Content-Length in {given}") from None
        parts, missing = [rest], length - len(rest)
        while missing > 0:
            parts.append(self.receive())
            missing -= len(parts[-1])
        body = b"".join(parts)
        # Nothing more was asked for, so nothing more may come.
        if len(body) > length:
            raise Wrong(f"{method}: {len(body) - length} bytes after the end of the answer")
        self.data = b""
        if given.get("connection", "").lower() == "close":
            self.close()
        return int(status_line.split()[1]), given, body


# ---------------------------------------------------------------------- verify


def same(what, found, expected):
    if found != expected:
        raise Wrong(f"{what} is {found!r}, not {expected!r}")


def check_file(client, tree, path):
    """Returns the Content-Type."""
    content = Path(os.fsdecode(tree.root + path)).read_bytes()
    status, fields, body = client.ask("GET", path)
    same("status", status, 200)
    same("Content-Length", fields["content-length"], str(len(content)))
    same("SHA-256", hashlib.sha256(body).hexdigest(), hashlib.sha256(content).hexdigest())
    if "etag" not in fields:
        raise Wrong("no ETag")
    status, head, _ = client.ask("HEAD", path)
    same("status of HEAD", status, 200)
    # Every field, so that those of HEAD are no fewer and no more either.
    same("HEAD", {**head, "date": ""}, {**fields, "date": ""})
    return fields.get("content-type", "(missing)")


def check_directory(client, tree, path):
    # As browsers ask: beside index.html there may be an index.json.
    status, fields, body = client.ask("GET", path, "Accept: text/html, */*;q=0.1")
    if status in (301, 302, 307, 308):
        raise Wrong(f"status is {status}, to {fields.get('location')}, not 200 with index.html")
    same("status", status, 200)
    # Beside index.html there may also be an index.fr.html; then either is right.
    name = fields.get("content-location", "index.html")
    if not name.startswith("index."):
        raise Wrong(f"Content-Location is {name}")
    content = Path(os.fsdecode(tree.root + path), name).read_bytes()
    same("SHA-256", hashlib.sha256(body).hexdigest(), hashlib.sha256(content).hexdigest())
    if path != b"/":
        status, fields, _ = client.ask("GET", path[:-1])
        same("status without the slash", status, 301)
        same("Location", unquote_to_bytes(fields.get("location", "")), path)


def check_absent(client, tree, path):
    status, fields, _ = client.ask("GET", path)
    # With negotiation a name that is not there can stand for a longer one.
    if status != 404 and "content-location" not in fields:
        raise Wrong(f"status is {status}, not 404")


def in_parallel(port, tree, check, paths):
    """What `check` returned by path, and what is wrong by path."""
    results, wrong = {}, {}

    def run(share):
        client = Client(port)
        for path in share:
            try:
                results[path] = check(client, tree, path)
            except (OSError, Wrong) as error:
                wrong[path] = str(error)
        client.close()

    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(run, [paths[start::CONNECTIONS] for start in range(CONNECTIONS)]))
    return results, wrong


def verify(tree, work):
    webroot = work / "verify.webroot"
    packed = subprocess.run([program("mkroot"), "--negotiate", tree.root, webroot],
                            capture_output=True, text=True, errors="replace")
    if packed.returncode != 0:
        raise Wrong(f"mkroot: exit status {packed.returncode}\n{packed.stderr}")
    warnings = re.sub(r"\s+", " ", packed.stderr)  # mkroot may break a message into lines
    warned = warnings.count("leads out of the site")
    checked = subprocess.run([program("mkroot"), "check", webroot], capture_output=True, text=True)
    if checked.returncode != 0:
        raise Wrong(f"mkroot check: exit status {checked.returncode}\n{checked.stdout}{checked.stderr}")

    files = set(tree.files)
    with_index = [path for path in tree.directories if path + b"index.html" in files]
    started = time.monotonic()
    with Server(webroot, work) as server:
        types, wrong = in_parallel(server.port, tree, check_file, tree.files)
        wrong.update(in_parallel(server.port, tree, check_directory, with_index)[1])
        wrong.update(in_parallel(server.port, tree, check_absent, tree.hidden + tree.outside + tree.dangling)[1])
    if warned != len(tree.outside):
        wrong[b"mkroot"] = f"warned of {warned} links that lead out of the tree, not {len(tree.outside)}"
    webroot_bytes = webroot.stat().st_size
    webroot.unlink()

    table = collections.Counter((extension(path), kind) for path, kind in types.items())
    vague = sorted(path for path, kind in types.items() if kind in ("(missing)", "application/octet-stream"))
    shown = {os.fsdecode(path): message for path, message in sorted(wrong.items())}
    print(f"verify: {webroot_bytes:,} bytes packed; {checked.stdout.strip().partition(': ')[2]}")
    print(f"  {len(tree.files)} files fetched with GET and HEAD, {len(with_index)} directories with an index.html, "
          f"in {time.monotonic() - started:.1f} s")
    print(f"  not part of the site: {len(tree.hidden)} dot files or directories, {len(tree.outside)} links that lead "
          f"outside, {len(tree.dangling)} links to nothing")
    print("\n   files  extension     Content-Type")
    for (name, kind), count in sorted(table.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {count:6}  {name:12}  {kind}")
    for path in vague:
        print(f"  vague: {os.fsdecode(path)}: {types[path]}")
    print(f"\n  {len(shown)} wrong")
    for path, message in list(shown.items())[:SHOWN]:
        print(f"    {path}: {message}")
    if len(shown) > SHOWN:
        print(f"    and {len(shown) - SHOWN} more")
    return {
        "webroot_bytes": webroot_bytes, "directories_with_index": len(with_index), "hidden": len(tree.hidden),
        "links_outside": len(tree.outside), "links_to_nothing": len(tree.dangling), "wrong": shown,
        "types": [{"extension": name, "type": kind, "files": count} for (name, kind), count in table.items()],
        "vague": [os.fsdecode(path) for path in vague],
    }


# ---------------------------------------------------------------------- time


def timed(*command):
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    elapsed = time.monotonic() - started
    if done.returncode != 0:
        raise Wrong(f"{command[0]}: exit status {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return elapsed


def time_rounds(tree, work, rounds):
    for path in tree.files:
        Path(os.fsdecode(tree.root + path)).read_bytes()
    if work.stat().st_dev != os.stat(tree.root).st_dev:
        print("time: the copies are on another file system than the tree (see --work)")
    needed = rounds * sum(os.stat(tree.root + path).st_blocks * 512 for path in tree.files) + 2 * tree.bytes
    if shutil.disk_usage(work).free < needed:
        raise Missing(f"{work}: {needed:,} bytes are needed for the copies; give --work or fewer --rounds")
    mkroot, times = program("mkroot"), {"mkroot": [], "cp -r": [], "cp -r, sync -f": []}
    for _ in range(rounds):
        place = Path(tempfile.mkdtemp(dir=work))
        subprocess.run(["sync"], check=True)
        times["mkroot"].append(timed(mkroot, "--quiet", "--negotiate", tree.root, place / "webroot"))
        (place / "webroot").unlink()

        place = Path(tempfile.mkdtemp(dir=work))
        subprocess.run(["sync"], check=True)
        copied = timed("cp", "-r", tree.root, place / "copy")
        times["cp -r"].append(copied)
        times["cp -r, sync -f"].append(copied + timed("sync", "-f", place / "copy"))
        # The copy stays: see the head of this file.

    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"\ntime: {rounds} rounds in turns, the tree cached")
    print("                   median     min..max     mkroot takes")
    ratios = {}
    for name, values in times.items():
        line = f"  {name:15} {medians[name]:7.2f} s  {min(values):5.2f}..{max(values):.2f}"
        if name != "mkroot":
            ratios[name] = medians["mkroot"] / medians[name]
            line = f"{line:42}  {ratios[name]:.2f} of it"
        print(line)
    return {"seconds": times, "ratios": ratios}


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", metavar="TREE", nargs="?", type=Path, help="a site; default: the pages of rust-doc")
    parser.add_argument("--no-verify", action="store_true", help="only take times")
    parser.add_argument("--no-time", action="store_true", help="only verify")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often both are timed (5)")
    parser.add_argument("--work", metavar="DIR", help="where to make the temporary directory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")

    # All that is needed is looked for before anything is done.
    root = options.tree or rust_doc()
    if not root.is_dir():
        raise Missing(f"{root}: not a directory")
    program("mkroot"), program("connegd")
    for needed in ("cp", "sync"):
        if not options.no_time and not shutil.which(needed):
            raise Missing(f"no program {needed}")

    tree = Tree(root)
    print(f"{os.fsdecode(tree.root)}: {len(tree.files)} files, {tree.bytes:,} bytes, "
          f"{len(tree.directories)} directories\n")
    figures = {"tree": os.fsdecode(tree.root), "files": len(tree.files), "bytes": tree.bytes}
    with tempfile.TemporaryDirectory(prefix="connegd-tree-", dir=options.work) as work:
        if not options.no_verify:
            figures["verify"] = verify(tree, Path(work))
        if not options.no_time:
            figures["time"] = time_rounds(tree, Path(work), options.rounds)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if figures.get("verify", {}).get("wrong") else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        print(f"tree.py: {missing}", file=sys.stderr)
        sys.exit(2)
    except Wrong as wrong:
        print(f"tree.py: {wrong}", file=sys.stderr)
        sys.exit(1)
