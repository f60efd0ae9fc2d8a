#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every export is documented, and what the library exports is what its headers declare.

exports.py LIBRARY.so [STATIC.a]"""
import re
import subprocess
import sys

import lint

NAME = re.compile(r"\bVS_API\b[^;]*?(\w+)\s*\(", re.S)


def declared(root):
    """{name: (path, line, documented)} of the functions marked VS_API."""
    names = {}
    for path in lint.files(root, ".h"):
        if not path.startswith("include/"):
            continue
        text = lint.read(root, path)
        code = lint.c_code(text)
        for match in re.finditer(r"^VS_API\b", code, re.M):
            name = NAME.match(code, match.start())
            above = text[:match.start()].rstrip("\n")
            gap = text[len(above):match.start()].count("\n")
            comment = re.search(r"/\*\*(?:(?!\*/).)*\*/$", above, re.S)
            names[name.group(1) if name else "?"] = (
                path, lint.line_of(text, match.start()), bool(comment) and gap <= 1)
        for match in re.finditer(r"^(?!VS_API|typedef|#)\w[\w \*]*\b(vs_\w+)\(", code, re.M):
            names.setdefault(match.group(1), (path, lint.line_of(text, match.start()), None))
    return names


def exported(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                          capture_output=True).stdout
    return {line.split()[2].split("@")[0] for line in text.splitlines() if len(line.split()) > 2}


def check(root):
    found = []
    names = declared(root)
    for name, (path, line, documented) in names.items():
        if documented is None:
            found.append(f"{path}:{line}: {name}() is declared without VS_API")
        elif not documented:
            found.append(f"{path}:{line}: {name}() has no /** comment directly above")
    if root == lint.ROOT and len(sys.argv) > 1:
        symbols = exported(sys.argv[1])
        promised = {name for name, (_, _, documented) in names.items() if documented is not None}
        found += [f"{name}() is declared but not exported" for name in sorted(promised - symbols)]
        found += [f"{name} is exported but not declared" for name in sorted(symbols - promised)]
        print(f"# {len(promised)} functions")
    return found


PLANTED = [
    ("an undocumented export is found",
     {"include/v/a.h": "/** One. */\nVS_API int vs_a(void);\nVS_API int vs_b(void);\n"},
     "vs_b() has no /** comment"),
    ("a comment that is not directly above does not count",
     {"include/v/a.h": "/** One. */\n\nVS_API int vs_a(void);\n"}, "vs_a() has no"),
    ("an ordinary comment does not count",
     {"include/v/a.h": "/* One. */\nVS_API int vs_a(void);\n"}, "vs_a() has no"),
    ("a declaration without VS_API is found",
     {"include/v/a.h": "/** One. */\nint vs_a(void);\n"}, "without VS_API"),
    ("documented exports pass",
     {"include/v/a.h": "/** One.\n    Two. */\nVS_API VS_NODISCARD const char *vs_a(int x,\n  int y);\n"},
     None),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "every export is documented, nothing else is exported")
