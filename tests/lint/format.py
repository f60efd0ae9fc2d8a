#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The formatter has nothing to change. Its versions differ, so it must be the one we use."""
import collections
import os
import re
import shutil
import subprocess

import lint

MAJOR = "14"


def formatter():
    for name in (f"clang-format-{MAJOR}", "clang-format"):
        if shutil.which(name):
            text = subprocess.run([name, "--version"], text=True, capture_output=True).stdout
            version = re.search(r"version (\d+)", text)
            if version and version.group(1) == MAJOR:
                return name
    raise lint.Skip(f"clang-format {MAJOR} is not installed")


def check(root):
    program = formatter()
    paths = lint.files(root, ".c", ".h")
    style = "file:" + os.path.join(lint.ROOT, ".clang-format")
    out = subprocess.run([program, "--dry-run", "-Werror", "--style=" + style] + paths, cwd=root,
                         text=True, capture_output=True)
    places = collections.Counter(re.findall(r"^(\S+?):\d+:\d+: error:", out.stderr, re.M))
    found = [f"{path}: {count} places; run {program} -i {path}" for path, count in places.items()]
    if out.returncode and not found:
        found = [out.stderr.strip()]
    return found


PLANTED = [
    ("bad indentation is found", {"a.c": "int f(void)\n{\n  return 0;\n}\n"}, "a.c:"),
    ("good form passes", {"a.c": "int f(void)\n{\n    return 0;\n}\n"}, None),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "the formatter has nothing to change")
