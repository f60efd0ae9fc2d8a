#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One version everywhere, the list of exported names, and what goes into a release.

release.py LIBRARY.so"""
import re
import subprocess
import sys

import lint

SYMBOLS = "packaging/debian/libvoicestand0.symbols"


def found_in(root, path, pattern):
    match = re.search(pattern, lint.read(root, path), re.M)
    return match.group(1) if match else None


def check_versions(root):
    version = found_in(root, "meson.build", r"^  version: '([^']*)'")
    debian = found_in(root, "packaging/debian/changelog", r"\A\S+ \(([^)-]*)-")
    if debian != version:
        yield f"packaging/debian/changelog: is {debian}, meson.build says {version}"
    if not re.search(r"^## %s\b" % re.escape(version or "?"), lint.read(root, "CHANGELOG.md"), re.M):
        yield f"CHANGELOG.md: has no section for {version}"
    if found_in(root, "pyproject.toml", r"^(version *=.*)"):
        yield "pyproject.toml: has a version of its own; meson.build has the only one"


def check_symbols(root):
    if root != lint.ROOT or len(sys.argv) < 2:
        return
    text = lint.read(root, SYMBOLS)
    head = text.splitlines()[0].split()[0]
    listed = set(re.findall(r"^ (\w+)@Base ", text, re.M))
    shown = subprocess.run(["nm", "-D", "--defined-only", sys.argv[1]], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    exported = {line.split()[-1] for line in shown.splitlines()}
    dynamic = subprocess.run(["readelf", "-d", sys.argv[1]], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    if f"[{head}]" not in dynamic:
        yield f"{SYMBOLS}: is of {head}, which the library is not called"
    for name in sorted(exported - listed):
        yield f"{SYMBOLS}: {name} is exported and not listed; add it with this version"
    for name in sorted(listed - exported):
        yield f"{SYMBOLS}: {name} is gone; that takes a new soversion"


def check(root):
    return [*check_versions(root), *check_symbols(root)]


TREE = {"meson.build": "project('v', 'c',\n  version: '1.2.3',\n",
        "packaging/debian/changelog": "v (1.2.3-1) x; urgency=low\n", "CHANGELOG.md": "## 1.2.3 – now\n",
        "pyproject.toml": "dynamic = ['version']\n"}
PLANTED = [
    ("one version passes", TREE, None),
    ("another version of Debian's is found",
     {**TREE, "packaging/debian/changelog": "v (1.2.4-1) x; urgency=low\n"}, "is 1.2.4"),
    ("a version without its changes is found", {**TREE, "CHANGELOG.md": "## 1.2.2\n"}, "no section for 1.2.3"),
    ("a second version is found", {**TREE, "pyproject.toml": "version = '1.2.3'\n"}, "of its own"),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "one version everywhere, exported names as listed")
