"""The servers that are compared: how they are found, started, asked, and stopped.

Each gets what makes it quick with literal files: no log, no limit of requests on a connection, open files kept
where it can do that, one worker. Configurations are written here; those of the distribution are not read.
"""

import functools
import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
HOST = "127.0.0.1"
TICK = os.sysconf("SC_CLK_TCK")


class Missing(Exception):
    """Something needed is not there: exit status 2."""


class Wrong(Exception):
    """A server did not answer as it should: exit status 1."""


# ---------------------------------------------------------------- processes


def descendants(pid):
    """The process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def ticks(directory):
    """User and system time of a process or thread, in whole ticks."""
    words = (directory / "stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def cpu_seconds(pid):
    """Run time of the process tree: of its threads, in nanoseconds. The ticks of
    a process are coarse but hold its ended threads too; so when they say more,
    a thread has ended (or the kernel has no schedstat), and they are taken."""
    total = 0.0
    for process in descendants(pid):
        directory = Path(f"/proc/{process}")
        threads = 0.0
        try:
            for task in list((directory / "task").iterdir()):
                try:
                    threads += int((task / "schedstat").read_text().split()[0]) / 1e9
                except (OSError, IndexError):
                    pass
            total += max(threads, ticks(directory))
        except OSError:
            pass  # the process has ended
    return total


def stolen(core):
    """Seconds that the hypervisor kept the core from us, or 0."""
    for line in Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{core}" and len(words) > 8:
            return int(words[8]) / TICK
    return 0.0


class Server:
    """A running server, stopped by its own pid."""

    def __init__(self, name, command, work, core, port=None):
        self.name = name
        self.log = work / f"{name.replace(' ', '-')}.log"
        # Output goes to a file: a full pipe could stop a server that logs.
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work)
        self.port = port

    def wait_ready(self, seconds=20):
        """Waits for the ready line or, of a given port, for a connection."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if self.port is None:
                ready = re.search(r"listening on http://[^\s:]+:(\d+)\s", self.output())
                if ready:
                    self.port = int(ready.group(1))
                    return
            else:
                try:
                    socket.create_connection((HOST, self.port), 1).close()
                    return
                except OSError:
                    pass
            time.sleep(0.001)
        raise Wrong(f"{self.name} did not start:\n{self.output()}")

    def output(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        if self.process.poll() is not None:
            return
        below = descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in below:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()


def program(variable, *places):
    """The path of a program: from the environment, or the first that exists."""
    given = os.environ.get(variable)
    if given:
        # Servers are started in another directory, so no relative paths.
        found = shutil.which(given)
        return str(Path(found).resolve()) if found else None
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for place in places:
        found = shutil.which(str(place), path=search)
        if found:
            return found
    return None


def required(name, *places):
    """The path of a program that there is nothing to be done without."""
    path = program(name.upper(), *places)
    if not path:
        raise Missing(f"{name} is missing: looked for {places[0]} (set {name.upper()} to use another)")
    return path


def held(pid):
    """What a process holds: anonymous memory and memory of files in KiB, descriptors, maps."""
    directory = Path(f"/proc/{pid}")
    status = (directory / "status").read_text()
    anonymous, files = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("RssAnon", "RssFile"))
    return anonymous, files, len(os.listdir(directory / "fd")), len((directory / "maps").read_text().splitlines())


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


# ------------------------------------------------------------------- answers


class Answer:
    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.strip().lower()] = value.strip()

    def field(self, name):
        return self.fields.get(name, "")


def ask(port, path, fields):
    """One request on its own connection, with the fields that wrk will send."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}:{port}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    with socket.create_connection((HOST, port), 10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                raise Wrong(f"connection closed within the head: {data!r}")
            data += part
        end = data.index(b"\r\n\r\n") + 4
        answer = Answer(data[:end], b"")
        length = int(answer.field("content-length") or 0)
        if answer.status == 304:
            length = 0
        body = data[end:]
        while len(body) < length:
            part = connection.recv(1 << 20)
            if not part:
                raise Wrong(f"body of {len(body)} bytes, not {length}")
            body += part
        if len(body) > length:
            raise Wrong(f"{len(body) - length} bytes after the end of the answer")
        answer.body = body
        return answer


def verify(answer, question, source):
    """Raises Wrong unless this is the right answer to the question."""
    if question.get("etag"):
        if answer.status != 304:
            raise Wrong(f"status {answer.status}, not 304")
        return
    if answer.status != 200:
        raise Wrong(f"status {answer.status}, not 200")
    kind = answer.field("content-type").partition(";")[0].strip()
    if kind != question["type"]:
        raise Wrong(f"Content-Type {kind!r}, not {question['type']!r}")
    body = answer.body
    coding = answer.field("content-encoding")
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding:
        # No decoder for it here: the coded file must be beside the source.
        suffix = {"br": ".br", "zstd": ".zst"}.get(coding, "." + coding)
        source = source.with_name(source.name + suffix)
    if body != source.read_bytes():
        raise Wrong(f"the body is not that of {source.name}")


# -------------------------------------------------------------- configurations


def nginx_command(nginx, work, site, port, sendfile, more="", room=1024):
    """No log, no limit of requests on a connection, open files kept. tcp_nopush
    stays off: it would cost two more system calls for each small answer. `more` are
    further directives, `room` is for how many connections."""
    home = work / f"nginx-{port}"
    home.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n    ".join(
        f"{name}_temp_path {home}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (home / "nginx.conf").write_text(f"""\
daemon off;
{user}
worker_processes 1;
pid {home}/pid;
error_log {home}/error.log warn;
events {{ worker_connections {room}; }}
http {{
    types {{ text/html html; image/svg+xml svg; image/png png; text/plain txt; }}
    access_log off;
    sendfile {sendfile};
    {more}
    keepalive_requests 1000000000;
    keepalive_timeout 600;
    open_file_cache max=10000 inactive=60s;
    {temporary}
    server {{
        listen {HOST}:{port};
        root {site};
    }}
}}
""")
    return [nginx, "-e", home / "error.log", "-c", home / "nginx.conf"]


def apache_command(apache, work, site, port, room=1024):
    """The event MPM with one process of a fixed number of threads, MultiViews,
    no access log, no limit of requests on a connection."""
    modules = Path(os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules"))
    home = work / f"apache-{port}"
    home.mkdir()
    built_in = subprocess.run([apache, "-l"], capture_output=True, text=True).stdout
    load = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so"
        for name in ("mpm_event", "unixd", "authz_core", "mime", "negotiation", "dir")
        if f"mod_{name}.c" not in built_in and f" {name}.c" not in built_in
        and (modules / f"mod_{name}.so").exists())
    # Apache refuses to serve as root; these are nobody's numbers everywhere.
    user = "User #65534\nGroup #65534" if os.geteuid() == 0 else ""
    (home / "httpd.conf").write_text(f"""\
ServerRoot {home}
ServerName {HOST}
Listen {HOST}:{port}
PidFile {home}/pid
DefaultRuntimeDir {home}
ErrorLog {home}/error.log
LogLevel warn
{load}
{user}
StartServers 1
ServerLimit 1
ThreadsPerChild 128
ThreadLimit 128
MaxRequestWorkers 128
MinSpareThreads 128
MaxSpareThreads 128
MaxConnectionsPerChild 0
AsyncRequestWorkerFactor {room // 64 + 2}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
TypesConfig /dev/null
AddType text/html .html
AddType image/svg+xml .svg
AddType image/png .png
AddType text/plain .txt
AddLanguage en .en
AddLanguage fr .fr
AddLanguage de .de
LanguagePriority en fr de
ForceLanguagePriority Prefer Fallback
DirectoryIndex index
DocumentRoot {site}
<Directory {site}>
    Options +MultiViews
    AllowOverride None
    Require all granted
</Directory>
""")
    return [apache, "-D", "FOREGROUND", "-f", home / "httpd.conf"]


def lighttpd_command(lighttpd, work, site, port, room=1024):
    """No log, files' attributes kept, all requests that a connection can have (its number has 16 bits)."""
    home = work / f"lighttpd-{port}"
    home.mkdir()
    (home / "lighttpd.conf").write_text(f"""\
server.document-root = "{site}"
server.bind = "{HOST}"
server.port = {port}
server.errorlog = "{home}/error.log"
server.upload-dirs = ( "{home}" )
server.event-handler = "linux-sysepoll"
server.stat-cache-engine = "simple"
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 600
server.max-connections = {room}
server.max-fds = {2 * room + 64}
mimetype.assign = ( ".html" => "text/html", ".svg" => "image/svg+xml", ".png" => "image/png", ".txt" => "text/plain" )
""")
    return [lighttpd, "-D", "-f", home / "lighttpd.conf"]


def h2o_command(h2o, work, site, port, room=1024):
    """One thread, no access log, nothing compressed on the way."""
    home = work / f"h2o-{port}"
    home.mkdir()
    user = "user: root" if os.geteuid() == 0 else ""
    (home / "h2o.conf").write_text(f"""\
{user}
num-threads: 1
max-connections: {room}
http1-request-timeout: 600
pid-file: {home}/pid
error-log: {home}/error.log
temp-buffer-path: {home}
listen:
  host: {HOST}
  port: {port}
hosts:
  default:
    paths:
      /:
        file.dir: {site}
        file.send-compressed: OFF
""")
    return [h2o, "-c", home / "h2o.conf"]


def static_web_server_command(static_web_server, work, site, port, room=1024):
    """One thread for requests (it counts the cores it may use) and as many as it likes for files; no log, nothing
    compressed, no fields that the others do not send. It has no bound of connections."""
    return [static_web_server, "--host", HOST, "--port", port, "--root", site, "--log-level", "error",
            "--threads-multiplier", "1", "--compression", "false", "--cache-control-headers", "false",
            "--security-headers", "false"]


# What sends literal files: how it is called in the tables, the program, and its command.
LITERAL = [
    ("nginx sendfile off", "nginx", functools.partial(nginx_command, sendfile="off")),
    ("nginx sendfile on", "nginx", functools.partial(nginx_command, sendfile="on")),
    ("lighttpd", "lighttpd", lighttpd_command),
    ("h2o", "h2o", h2o_command),
    ("static-web-server", "static-web-server", static_web_server_command),
]

# Where each program is looked for: a variable of the environment, and places. They are what `--servers` names.
PEERS = RELEASE.parent / "peers"
PLACES = {
    "connegd": ("CONNEGD", RELEASE / "connegd"),
    "bare": ("BARE", RELEASE / "bare"),
    "minihttp": ("MINIHTTP", RELEASE / "minihttp"),
    "nginx": ("NGINX", "nginx"),
    "lighttpd": ("LIGHTTPD", "lighttpd"),
    "h2o": ("H2O", "h2o"),
    "static-web-server": ("STATIC_WEB_SERVER", PEERS / "bin" / "static-web-server", "static-web-server"),
    "apache": ("APACHE", "apache2", "httpd"),
}
HOW_TO_GET = {
    "static-web-server": f"cargo install --root {PEERS} static-web-server --version '^2' --locked",
    "lighttpd": "apt-get install lighttpd", "h2o": "apt-get install h2o",
    "nginx": "apt-get install nginx-light", "apache": "apt-get install apache2-bin",
    **dict.fromkeys(("connegd", "bare", "minihttp"), "benches/build"),
}


class Fleet:
    """Servers that run at the same time, and a directory for them; all are gone at the end of the with block."""

    def __init__(self, core):
        self.core, self.servers = core, []

    def __enter__(self):
        self.work = Path(tempfile.mkdtemp(prefix="compare-"))
        self.work.chmod(0o755)  # for servers that give up their rights
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def start(self, name, command, port=None, seconds=20):
        server = Server(name, command, self.work, self.core, port)
        self.servers.append(server)
        server.wait_ready(seconds)
        return server


def readable_copy(site, directory):
    """nginx and Apache may serve as another user, who must be able to read."""
    shutil.copytree(site, directory, ignore_dangling_symlinks=True)
    for folder, _, files in os.walk(directory):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    return directory
