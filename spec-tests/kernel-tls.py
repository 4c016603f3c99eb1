#!/usr/bin/env -S python3 -B
"""TLS by the kernel: what clients see of it, on a kernel that can do it.

    cargo build --release --bins
    spec-tests/kernel-tls.py

Most kernels have TLS in a module that is not loaded, and some have none. So a kernel of its own is started as a process
(User-mode Linux), which sees the files of this machine and can write to none of them. There connegd serves a site, and curl,
openssl and Python's ssl ask for contents that are long enough to be handed over to the kernel, and for what comes behind
them on the same connection.

It needs Debian's packages user-mode-linux and kmod, curl, openssl, ip and Python 3.9; where the former is missing it is left
out. The environment can give other programs: MKROOT, CONNEGD. CARGO_TARGET_DIR is heeded. All traffic stays on the loopback of
that kernel.

Exit status: 0 all passed or left out, 1 something failed, 2 a program is missing or did not start.
"""

import contextlib
import ctypes
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from environment import ROOT, Missing, run
from served import CONNEGD, MKROOT, Checks, Running

LINUX = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
# What nobody asks for by name.
CIPHERS = ["tls", "gcm", "ctr", "ghash-generic", "seqiv", "chacha20poly1305", "chacha_generic", "poly1305_generic"]
KEYS = ROOT / "fixtures" / "tls"
# In seconds.
PATIENCE = 600
# Where that kernel can write. Not /tmp: this tree may be there.
ROOM = "/run"
# RB_POWER_OFF of reboot(2).
POWER_OFF = 0x4321FEDC
SUITES = {
    "1.3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
    "1.2": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
}
# Not compressible, and no multiple of a record.
LONG = bytes((number * 2_654_435_761 >> 24) & 255 for number in range(3_000_001))
CONTENTS = {"long.bin": LONG, "middle.bin": LONG[:256 * 1024], "below.bin": LONG[:256 * 1024 - 1], "short.bin": LONG[:1000]}


class Server(Running):
    """connegd with a certificate for localhost."""

    def __init__(self, webroot, *options):
        super().__init__("--ops", "127.0.0.1:0", "--tls-cert", KEYS / "localhost.pem", "--tls-key", KEYS / "localhost.key",
                         *options, webroot, lines=2)
        ports = dict(re.search(r"(https?)://127\.0\.0\.1:(\d+)", line).groups() for line in self.said)
        self.port, self.ops = int(ports["https"]), int(ports["http"])

    def taken_over(self):
        """How many connections the kernel has taken over."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/metrics", timeout=60) as answer:
            found = re.search(r"^connegd_tls_kernel_connections_total (\d+)$", answer.read().decode(), re.M)
        return int(found.group(1)) if found else None


def context(version=ssl.TLSVersion.TLSv1_3):
    made = ssl.create_default_context(cafile=str(KEYS / "authority.pem"))
    made.minimum_version = made.maximum_version = version
    return made


def head(path, *fields):
    return "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: localhost", *fields, "")).encode()


class Client:
    """A connection of Python's ssl, whose bytes go through memory."""

    def __init__(self, server, version=ssl.TLSVersion.TLSv1_3):
        self.socket = socket.create_connection(("127.0.0.1", server.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(version).wrap_bio(self.came, self.goes, server_hostname="localhost")
        self.buffer = b""
        self.drive(self.tls.do_handshake)

    def drive(self, step):
        """Calls `step` until it needs nothing of the network any more."""
        while True:
            try:
                done = step()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                bytes_ = self.socket.recv(1 << 16)
                self.came.write(bytes_) if bytes_ else self.came.write_eof()

    def flush(self):
        # Who sends nothing on a connection that was reset learns of that first, and not of the alert before it.
        if self.goes.pending:
            self.socket.sendall(self.goes.read())

    def records(self, content):
        """The records that `content` is sent in."""
        self.tls.write(content)
        return self.goes.read()

    def receive(self):
        """The content of one response."""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.drive(lambda: self.tls.read(1 << 16))
        fields, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", fields).group(1))
        while len(self.buffer) < length:
            self.buffer += self.drive(lambda: self.tls.read(1 << 16)) or b""
        content, self.buffer = self.buffer[:length], self.buffer[length:]
        return content

    def ask(self, *paths):
        """Asks for all of these at once, and says whether that is what came."""
        self.socket.sendall(self.records(b"".join(head("/" + path) for path in paths)))
        return all(self.receive() == CONTENTS[path] for path in paths)

    def end(self):
        """What comes until the end, and how that is said."""
        rest = b""
        try:
            while True:
                more = self.drive(lambda: self.tls.read(1 << 16))
                if not more:
                    return rest, "closed"
                rest += more
        except ssl.SSLZeroReturnError:
            return rest, "closed"
        except ssl.SSLError as error:
            return rest, error.reason
        except OSError as error:
            return rest, str(error)


def curl(server, version, suite, *paths):
    """Whether curl gets these over one connection, as they are."""
    option = ["--tlsv1.3", "--tls13-ciphers", suite] if version == "1.3" else ["--tls-max", "1.2", "--ciphers", suite]
    with tempfile.TemporaryDirectory() as work:
        out = [item for number, path in enumerate(paths)
               for item in ("-o", f"{work}/{number}", f"https://localhost:{server.port}/{path}")]
        command = ["curl", "-sS", "--http1.1", "--max-time", "120", "--cacert", KEYS / "authority.pem", *option,
                   "-w", "%{num_connects} %{http_code} ", *out]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        same = all(Path(f"{work}/{number}").is_file() and Path(f"{work}/{number}").read_bytes() == CONTENTS[path]
                   for number, path in enumerate(paths))
    right = done.stdout.split() == ["1", "200", *["0", "200"] * (len(paths) - 1)]
    return (same and right, done.stdout)


def check_all(check, work):
    webroot = work / "site.webroot"
    (work / "site").mkdir()
    for name, content in CONTENTS.items():
        (work / "site" / name).write_bytes(content)
    subprocess.run([MKROOT, "--negotiate", "-q", work / "site", webroot], check=True)

    with Server(webroot) as server:
        expected = 0
        for version, suites in SUITES.items():
            for suite in suites:
                right, said = curl(server, version, suite, "short.bin", "long.bin", "short.bin", "long.bin", "middle.bin")
                check(f"curl, TLS {version}, {suite}: five contents over one connection", right, said)
                expected += 1
                check(f"{suite}: the kernel took it over, once", server.taken_over() == expected, server.taken_over())
        right, said = curl(server, "1.3", SUITES["1.3"][0], "below.bin", "short.bin")
        check("what is shorter is encrypted here", right and server.taken_over() == expected, (said, server.taken_over()))

        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            name = version.name
            client = Client(server, version)
            check(f"{name}: 60 requests at once", client.ask(*["short.bin", "long.bin", "below.bin"] * 20))
            check(f"{name}: and more behind them", client.ask("middle.bin", "short.bin"))
            for record in (client.records(bytes([byte])) for byte in head("/short.bin")):
                client.socket.sendall(record)
            check(f"{name}: a request in records of one byte", client.receive() == CONTENTS["short.bin"])
            client.socket.sendall(client.records(head("/long.bin", "Range: bytes=1000000-2000000")))
            check(f"{name}: a part", client.receive() == LONG[1000000:2000001])
            client.socket.sendall(client.records(head("/long.bin", "Connection: close")))
            same = client.receive() == LONG
            found = client.end()
            check(f"{name}: the end is said", same and found == (b"", "closed"), found)

            client = Client(server, version)
            client.ask("long.bin")
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.unwrap()
            client.flush()
            found = client.end()
            check(f"{name}: who says that this was all is told the same", found == (b"", "closed"), found)

            client = Client(server, version)
            client.ask("long.bin")
            records = client.records(head("/short.bin"))
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.unwrap()
            client.socket.sendall(records + client.goes.read())
            found = client.receive() == CONTENTS["short.bin"], client.end()
            check(f"{name}: also if it comes with the last request", found == (True, (b"", "closed")), found)

            client = Client(server, version)
            client.ask("long.bin")
            records = bytearray(client.records(head("/short.bin")))
            records[-1] ^= 1
            client.socket.sendall(records)
            found = client.end()
            check(f"{name}: a record that was changed on its way is refused",
                  found == (b"", "SSLV3_ALERT_BAD_RECORD_MAC"), found)

        expected = 6 + 2 * 4
        check("the kernel took all of these over", server.taken_over() == expected, server.taken_over())
        # openssl asks for new keys at a line that begins with K.
        keys = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_3"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        keys.stdin.write(head("/long.bin"))
        keys.stdin.flush()
        came = b""
        while LONG[-1000:] not in came:
            more = os.read(keys.stdout.fileno(), 1 << 16)
            if not more:
                break
            came += more
        keys.stdin.write(b"K\n")
        keys.stdin.flush()
        # It ends when the server does, as long as there may be something to be sent.
        rest = keys.stdout.read()
        keys.communicate(timeout=60)
        check("new keys, which the kernel cannot be given, end the connection with an alert",
              b"alert unexpected message" in rest, rest[-300:])

        client = Client(server)
        client.socket.sendall(client.records(head("/long.bin") * 10))
        # The head came before the kernel had a part in it.
        came = 0
        while came < 100_000:
            came += len(client.drive(lambda: client.tls.read(1 << 16)))
        client.socket.close()
        client = Client(server)
        check("whoever goes away in the middle leaves the others alone", client.ask("long.bin", "short.bin"))

        taken = server.taken_over()
        client = Client(server)
        # The end comes with the request, so before the kernel could take over.
        client.socket.sendall(client.records(head("/long.bin")), socket.MSG_MORE)
        client.socket.shutdown(socket.SHUT_WR)
        check("whoever closes the other direction gets everything all the same", client.receive() == LONG)
        taken = server.taken_over() - taken

    counts = dict(line.split() for line in Path("/proc/net/tls_stat").read_text().splitlines())
    tried = 6
    found = int(counts["TlsTxSw"]), int(counts["TlsRxSw"]), int(counts["TlsDecryptError"])
    check("the kernel has counted the same", found == (expected + 3 + taken + tried,) * 2 + (2,), counts)

    with Server(webroot, "--ktls", "off") as server:
        right, said = curl(server, "1.3", SUITES["1.3"][0], "long.bin", "short.bin")
        check("--ktls off: the kernel takes nothing over", right and server.taken_over() == 0, (said, server.taken_over()))
    listed = subprocess.run([CONNEGD, "--io", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    models = [line.split()[0] for line in listed.splitlines() if line.split()[1] == "yes"]
    for model in models:
        with Server(webroot, "--io", model) as server:
            client = Client(server)
            same = client.ask("long.bin", "short.bin", "long.bin")
            check(f"--io {model}", same and server.taken_over() == 1, server.taken_over())


def inside():
    """The first process of that kernel: what it prints is all that is left of it."""
    for kind, place in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", ROOM)]:
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    place = Path(ROOM, "modules/lib/modules")
    place.parent.mkdir(parents=True)
    place.symlink_to(MODULES)
    subprocess.run(["modprobe", "-d", f"{ROOM}/modules", "-a", *CIPHERS], check=True)
    check = Checks()
    with tempfile.TemporaryDirectory() as work:
        check_all(check, Path(work))
    print(f"{check.passed} passed, {check.failed} failed")


def main():
    # The kernel has something to say to its first process, too.
    if "--inside" in sys.argv and os.getpid() == 1:
        try:
            inside()
        except Exception as error:  # if the first process ended, so would the kernel, without a word
            print(f"FAIL  {type(error).__name__}: {error}")
        sys.stdout.flush()
        os.sync()
        ctypes.CDLL(None).reboot(POWER_OFF)
    if not shutil.which(LINUX) or not MODULES.is_dir():
        print(f"left out: there is no {LINUX} (Debian's package user-mode-linux)")
        return 0
    for program in (MKROOT, CONNEGD, "curl", "openssl", "ip", "modprobe", "mount"):
        if not shutil.which(program):
            raise Missing(f"missing: {program}")
    variables = [f"PATH={os.environ['PATH']}", f"HOME={ROOM}", f"TMPDIR={ROOM}", f"MKROOT={Path(MKROOT).resolve()}", f"CONNEGD={Path(CONNEGD).resolve()}"]
    command = [LINUX, "mem=1G", "quiet", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=null,fd:1",
               f"init={sys.executable}", *variables, "--", "-B", Path(__file__).resolve(), "--inside"]
    with tempfile.TemporaryDirectory(prefix="connegd-kernel-") as work:
        # It keeps its memory in a file there, and its sockets in the home.
        environment = {**os.environ, "HOME": work, "TMPDIR": work}
        kernel = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=environment, timeout=PATIENCE)
    said = [line for line in kernel.stdout.splitlines() if re.match(r"ok    |FAIL  |\d+ passed, \d+ failed$", line)]
    print("\n".join(said))
    if not said or not said[-1].endswith("failed"):
        raise Missing(f"that kernel did not come to the end:\n{kernel.stdout}")
    return 0 if said[-1].endswith(" 0 failed") else 1


if __name__ == "__main__":
    run(main)
