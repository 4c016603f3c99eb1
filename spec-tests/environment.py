"""Environments of Python below the target directory, with packages in the versions that a file names.

    python3 spec-tests/environment.py NAME     # says where those of spec-tests/NAME-requirements.txt are

Programs beside this file that are called like a package would stand in its place: theirs have hyphens.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


class Missing(Exception):
    """A program or package is missing or did not start: exit status 2."""


def installed(name):
    """Where the packages of `spec-tests/NAME-requirements.txt` are; installs them if they are not."""
    home = TARGET / f"{name}-packages"
    requirements = Path(__file__).with_name(f"{name}-requirements.txt")
    python, complete = home / "bin" / "python", home / "complete"
    wanted = requirements.read_text()
    if not complete.is_file() or complete.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        for command in ([sys.executable, "-m", "venv", home],
                        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                         "--requirement", requirements]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise Missing(f"{' '.join(map(str, command))}:\n{done.stdout}")
        complete.write_text(wanted)
    return home


def enter(name):
    """Starts this program again where the packages of `spec-tests/NAME-requirements.txt` are, unless it runs there."""
    if Path(sys.prefix).resolve() != (TARGET / f"{name}-packages").resolve():
        python = installed(name) / "bin" / "python"
        os.execv(python, [str(python), *sys.argv])


def run(main):
    """Ends with what `main` returns, or with status 2 and the reason."""
    try:
        sys.exit(main())
    except (Missing, subprocess.CalledProcessError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run(lambda: print(installed(sys.argv[1])))
