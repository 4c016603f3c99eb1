"""Sites that mkroot packs and connegd serves, for programs that look at them from outside, and the count of what these find."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from environment import TARGET, Missing

MKROOT = os.environ.get("MKROOT", str(TARGET / "release" / "mkroot"))
CONNEGD = os.environ.get("CONNEGD", str(TARGET / "release" / "connegd"))
RUST_DOC = Path("/usr/share/doc/rust-doc/html")


class Checks:
    """Says what passed and what did not, and counts both."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, right, found=""):
        if right:
            self.passed += 1
            print(f"ok    {what}")
        else:
            self.failed += 1
            print(f"FAIL  {what}: {found}")


class Running:
    """connegd with these arguments, which ends with the block. `said` are its first lines, one for each address."""

    def __init__(self, *arguments, lines=1):
        self.complaints = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([CONNEGD, "--listen", "127.0.0.1:0", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.complaints, text=True)
        self.said = [self.process.stdout.readline() for _ in range(lines)]
        if not all("://" in line for line in self.said):
            self.__exit__()
            raise Missing(f"connegd did not start: {self.said}\n{self.complaint}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()
        self.complaints.seek(0)
        self.complaint = self.complaints.read()
        self.complaints.close()


@contextlib.contextmanager
def served(site, out, *options, **quietly):
    """The URL of `site`, packed into `out` with these options; `quietly` says what becomes of mkroot's messages."""
    for program in (MKROOT, CONNEGD):
        if not shutil.which(program):
            raise Missing(f"missing: {program}; build it first, or set MKROOT and CONNEGD")
    subprocess.run([MKROOT, "--negotiate", "-q", *options, site, out], check=True, **quietly)
    with Running(out) as server:
        yield server.said[0].split()[2]
