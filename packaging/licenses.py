#!/usr/bin/env python3
"""The licenses of the libraries that are linked into the programs, with their words, as most of them ask for.

    packaging/licenses.py >licenses.txt

What a library says about itself is in files that come with it, and cargo knows where these lie. A text that several
libraries have stands there once.

Exit status: 0 done, 1 a library can only be had under a license that would bind what is linked with it, 2 cargo does not know.
"""

import collections
import json
import re
import subprocess
import sys
from pathlib import Path

BINDING = re.compile(r"GPL|MPL|EUPL|CDDL|EPL|OSL|SSPL")
TEXTS = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)


def linked():
    """All packages that the program is made of, itself left out."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
    known = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in known["packages"]}
    needs = {node["id"]: [other["pkg"] for other in node["deps"] if any(kind["kind"] is None for kind in other["dep_kinds"])]
             for node in known["resolve"]["nodes"]}
    root = known["resolve"]["root"]
    found, rest = set(), [root]
    while rest:
        rest.extend(other for other in needs[rest.pop()] if other not in found and not found.add(other))
    return sorted((packages[package] for package in found), key=lambda package: (package["name"], package["version"]))


def main():
    texts, names = collections.defaultdict(list), []
    for package in linked():
        name, terms = f"{package['name']} {package['version']}", package["license"] or "see below"
        if all(BINDING.search(choice) for choice in re.split(r" OR |/", terms)):
            print(f"licenses.py: {name} is under {terms}, which would bind what is linked with it", file=sys.stderr)
            return 1
        names.append(f"{name}: {terms}")
        directory = Path(package["manifest_path"]).parent
        for file in sorted(directory.iterdir()):
            if file.is_file() and TEXTS.match(file.name):
                texts[file.read_text(errors="replace").strip()].append(name)
    print("connegd and mkroot are linked with these libraries:\n")
    print("\n".join(names))
    for text, packages in texts.items():
        print(f"\n{'=' * 80}\n{', '.join(dict.fromkeys(packages))}:\n\n{text}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"licenses.py: {error}", file=sys.stderr)
        sys.exit(2)
