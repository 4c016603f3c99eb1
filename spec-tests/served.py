"""Sites that mkroot packs and connegd serves, for programs that look at them from outside, and the count of what these find."""

import contextlib
import os
import shutil
import subprocess
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


@contextlib.contextmanager
def served(site, out, *options, **quietly):
    """The URL of `site`, packed into `out` with these options; `quietly` says what becomes of mkroot's messages."""
    for program in (MKROOT, CONNEGD):
        if not shutil.which(program):
            raise Missing(f"missing: {program}; build it first, or set MKROOT and CONNEGD")
    subprocess.run([MKROOT, "--negotiate", "-q", *options, site, out], check=True, **quietly)
    server = subprocess.Popen([CONNEGD, "--listen", "127.0.0.1:0", out], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not line.startswith("listening on "):
            raise Missing(f"connegd did not start: {line}")
        yield line.split()[2]
    finally:
        server.terminate()
        server.wait(10)
