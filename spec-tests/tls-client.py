#!/usr/bin/env python3
"""Things that only a client of TLS says that has no manners, or an old one; for spec-tests/tls.sh.

    tls-client.py PORT suites 1.2|1.3         # offers all 65536 numbers of suites, and prints those that are chosen
    tls-client.py PORT hello WHAT             # one handshake is begun; prints what is answered
    tls-client.py PORT pipeline AUTHORITY N   # N requests at once, on one connection of the standard library's client
    tls-client.py PORT end AUTHORITY          # how a connection ends on which both sides say that they have done

It needs nothing but Python 3.9. Exit status: 0 if there was an answer of some kind.
"""

import os
import socket
import ssl
import struct
import sys

PATIENCE = 20
ALERTS = {
    10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    47: "illegal_parameter", 49: "access_denied", 50: "decode_error", 70: "protocol_version", 80: "internal_error",
    86: "inappropriate_fallback", 100: "no_renegotiation", 112: "unrecognized_name", 120: "no_application_protocol",
}
SSL3, TLS10, TLS11, TLS12, TLS13 = range(0x0300, 0x0305)
ALERT, HANDSHAKE, HEARTBEAT, CHANGE_CIPHER_SPEC = 21, 22, 24, 20
# ECDHE with ECDSA, and with RSA: what a client of the time has.
GOOD = [0xC02B, 0xC02C, 0xCCA9, 0xC02F, 0xC030, 0xCCA8]
FALLBACK_SCSV, RENEGOTIATION_SCSV = 0x5600, 0x00FF


def short(value, size):
    """A vector of TLS: its length in so many bytes, and it."""
    return len(value).to_bytes(size, "big") + value


def extension(kind, value):
    return struct.pack(">H", kind) + short(value, 2)


def hello(version, suites, compressions=b"\0", heartbeat=False, groups=(0x001D, 0x0017, 0x0018, 0x0019), share=0x001D):
    """A ClientHello in records; `share` is the group that a share of a key comes with, if any."""
    extensions = b"" if version == SSL3 else b"".join([
        extension(0, short(b"\0" + short(b"localhost", 2), 2)),
        extension(5, b"\1\0\0\0\0"),
        extension(10, short(struct.pack(f">{len(groups)}H", *groups), 2)),
        extension(11, short(b"\0", 1)),
        extension(13, short(struct.pack(">8H", 0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201), 2)),
        extension(23, b""),
        extension(15, b"\1") if heartbeat else b"",
    ])
    if version == TLS13:
        extensions += extension(43, short(struct.pack(">H", TLS13), 1))
        shares = struct.pack(">H", share) + short(os.urandom(32), 2) if share else b""
        extensions += extension(51, short(shares, 2))
    body = struct.pack(">H", min(version, TLS12)) + os.urandom(32) + short(os.urandom(32), 1)
    body += short(struct.pack(f">{len(suites)}H", *suites), 2) + short(compressions, 1)
    body += short(extensions, 2) if extensions else b""
    message = b"\1" + short(body, 3)
    parts = [message[start:start + 16000] for start in range(0, len(message), 16000)]
    return b"".join(record(HANDSHAKE, part, min(version, TLS10)) for part in parts)


def record(kind, content, version=TLS12):
    return struct.pack(">BH", kind, version) + short(content, 2)


class Peer:
    """The server, as records."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def send(self, data):
        self.stream.sendall(data)

    def exactly(self, count):
        while len(self.received) < count:
            try:
                more = self.stream.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.received += more
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def record(self):
        """Kind and content of the next one, or None at the end."""
        head = self.exactly(5)
        if head is None:
            return None
        return head[0], self.exactly(int.from_bytes(head[3:5], "big")) or b""

    def answer(self):
        """What is answered to a ClientHello: its parts if that is a ServerHello, else a word."""
        found = self.record()
        if found is None:
            return "end"
        kind, content = found
        if kind == ALERT:
            return ALERTS.get(content[1], str(content[1]))
        if kind != HANDSHAKE or content[0] != 2:
            return f"record {kind}"
        return ServerHello(content[4:])


class ServerHello:
    def __init__(self, body):
        self.random = body[2:34]
        rest = body[35 + body[34]:]
        self.suite, self.compression = struct.unpack(">HB", rest[:3])
        self.version, self.extensions, self.group, rest = int.from_bytes(body[:2], "big"), [], None, rest[5:]
        while rest:
            kind, length = struct.unpack(">HH", rest[:4])
            self.extensions.append(kind)
            if kind == 43:
                self.version = int.from_bytes(rest[4:6], "big")
            if kind == 51:
                self.group = int.from_bytes(rest[4:6], "big")
            rest = rest[4 + length:]


def suites(port, version):
    """All suites that the server would choose."""
    version = {"1.2": TLS12, "1.3": TLS13}[version]
    chosen = []
    for start in range(0, 0x10000, 0x2000):
        # These are no suites: they say something about the connection.
        offered = [suite for suite in range(start, start + 0x2000) if suite not in (FALLBACK_SCSV, RENEGOTIATION_SCSV)]
        while True:
            with Peer(port) as peer:
                peer.send(hello(version, offered))
                answer = peer.answer()
            if not isinstance(answer, ServerHello):
                if answer != "handshake_failure":
                    return f"{answer} at {start:#x}"
                break
            if answer.suite not in offered:
                return f"{answer.suite:#x} was not offered"
            chosen.append(answer.suite)
            offered.remove(answer.suite)
    return " ".join(f"{suite:04x}" for suite in sorted(chosen))


def begin(port, what):
    """What is answered to one ClientHello."""
    with Peer(port) as peer:
        if what in ("ssl3", "tls1.0", "tls1.1"):
            peer.send(hello({"ssl3": SSL3, "tls1.0": TLS10, "tls1.1": TLS11}[what], GOOD + [0xC00A, 0xC014, 0x002F, 0x0035]))
            answer = peer.answer()
            return answer if isinstance(answer, str) else f"version {answer.version:#x}"
        if what == "ssl2":
            # MSG-CLIENT-HELLO for RC4 and 3DES, as it was in 1995.
            body = b"\1\0\2" + struct.pack(">3H", 6, 0, 16) + b"\1\0\x80\7\0\xc0" + os.urandom(16)
            peer.send(struct.pack(">H", 0x8000 | len(body)) + body)
            found = peer.exactly(12) or b""
            return found.decode("latin-1") if found.startswith(b"HTTP/1.1") else found.hex() or "end"
        if what == "downgrade":
            # RFC 8446, section 4.1.3: what says that the server would have spoken TLS 1.3.
            peer.send(hello(TLS12, GOOD))
            return peer.answer().random[-8:].decode("latin-1").replace("\1", "1")
        if what.startswith("fallback"):
            peer.send(hello({"1.1": TLS11, "1.2": TLS12}[what[8:]], [*GOOD, FALLBACK_SCSV]))
            answer = peer.answer()
            return answer if isinstance(answer, str) else f"version {answer.version:#x}"
        if what == "groups":
            # Without a share of a key the server says which group it wants one of (HelloRetryRequest).
            chosen = []
            for start in range(0, 0x10000, 0x1000):
                left = list(range(start, start + 0x1000))
                while left:
                    with Peer(port) as other:
                        other.send(hello(TLS13, [0x1301, 0x1302, 0x1303], groups=left, share=None))
                        answer = other.answer()
                    if not isinstance(answer, ServerHello):
                        break
                    chosen.append(answer.group)
                    left.remove(answer.group)
            return " ".join(f"{group:04x}" for group in sorted(chosen))
        if what == "compression":
            peer.send(hello(TLS12, GOOD, b"\1\0"))
            return str(peer.answer().compression)
        if what == "only compression":
            peer.send(hello(TLS12, GOOD, b"\1"))
            answer = peer.answer()
            return answer if isinstance(answer, str) else str(answer.compression)
        if what == "heartbeat":
            peer.send(hello(TLS12, GOOD, heartbeat=True))
            answer = peer.answer()
            return "offered" if 15 in answer.extensions else "not offered"
        if what == "stapling":
            peer.send(hello(TLS12, GOOD))
            return "stapled" if 5 in peer.answer().extensions else "not stapled"
        if what in ("heartbleed", "early change"):
            peer.send(hello(TLS12, GOOD, heartbeat=True))
            # A heartbeat that says it has 16 KB, and has none; a change of ciphers before there are keys.
            peer.send(record(HEARTBEAT, b"\1\x40\0") if what == "heartbleed" else record(CHANGE_CIPHER_SPEC, b"\1"))
            peer.send(record(HANDSHAKE, os.urandom(40)))
            while (found := peer.record()) is not None:
                if found[0] == HEARTBEAT:
                    return f"{len(found[1])} bytes of memory"
                if found[0] == ALERT:
                    return ALERTS.get(found[1][1], str(found[1][1]))
            return "end"
    raise SystemExit(f"tls-client.py: what is {what}?")


def connect(port, authority):
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols(["http/1.1"])
    stream = socket.create_connection(("127.0.0.1", port), PATIENCE)
    # An end that is not said is an error.
    return context.wrap_socket(stream, server_hostname="localhost", suppress_ragged_eofs=False)


def read_to_end(stream):
    received = bytearray()
    while True:
        more = stream.recv(65536)
        if not more:
            return bytes(received)
        received += more


def pipeline(port, authority, count):
    """Answers of all kinds come in the order of their requests, and each is whole."""
    requests = []
    for number in range(count):
        last = "Connection: close\r\n" if number == count - 1 else ""
        accept = ("image/png", "image/svg+xml")[number % 2]
        requests.append(f"GET /2005/chart?{number} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n{last}\r\n")
    with connect(port, authority) as stream:
        stream.sendall("".join(requests).encode())
        rest = read_to_end(stream)
    right = 0
    for number in range(count):
        head, _, rest = rest.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        length = int(fields["Content-Length"])
        content, rest = rest[:length], rest[length:]
        begins = (b"\x89PNG", b"<svg")[number % 2]
        kind = ("image/png", "image/svg+xml")[number % 2]
        right += head.startswith(b"HTTP/1.1 200 ") and fields["Content-Type"] == kind and begins in content[:200]
    return f"{right} right, {len(rest)} bytes behind"


def end(port, authority):
    with connect(port, authority) as stream:
        stream.sendall(b"GET /2005/chart HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b"</svg>\n"):
            received += stream.recv(65536)
        # Says that nothing more comes, and waits until the server says the same.
        stream.unwrap()
        return "said by both"


def main():
    port, command, *arguments = sys.argv[1:]
    commands = {
        "suites": lambda: suites(int(port), arguments[0]),
        "hello": lambda: begin(int(port), arguments[0]),
        "pipeline": lambda: pipeline(int(port), arguments[0], int(arguments[1])),
        "end": lambda: end(int(port), arguments[0]),
    }
    print(commands[command]())


if __name__ == "__main__":
    try:
        main()
    except (OSError, AttributeError) as error:
        print(f"{type(error).__name__}: {error}")
