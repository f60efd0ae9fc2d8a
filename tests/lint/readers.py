#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What opens a file to read it, or loads code, is in the table of SECURITY.md, with tests that there are.

In the second column stand the files that open, in the third targets of tests/fuzz and files of tests."""
import os
import re

import lint

TABLE = re.compile(r"<!-- readers-table -->\n(.*?)<!-- /readers-table -->", re.S)
OPENS = re.compile(r'\bfopen\([^;]*?"r|\bopen(?:at)?\([^;]*?\bO_(?:RDONLY|RDWR)\b|\bjson_load(?:_file|f|fd)\(|\bdlopen\(|'
                   r'\bsf_open\w*\(|\bwave\.open\([^)]*"rb"')
# which would parse a file in this process
NEVER = re.compile(r"\bov_core_read_model(?:_unicode)?\b(?!_from)|\bov_core_import_model\b|\bov_core_compile_model_from_file\b")


def without_comments(text):
    return lint.TOKENS.sub(lambda m: m.group(0) if m.group("text") else lint.blank(m.group(0)), text)


def rows(root):
    """[(what, files that open, tests)] of the table"""
    if not os.path.exists(os.path.join(root, "SECURITY.md")):
        return []
    table = TABLE.search(lint.read(root, "SECURITY.md"))
    lines = [line for line in table.group(1).splitlines() if line.startswith("|")][2:] if table else []
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return [(c[0], re.findall(r"`([^`]+)`", c[1]), re.findall(r"`([^`]+)`", c[2])) for c in cells]


def check(root):
    found, told = [], set()
    targets = ()
    if os.path.exists(os.path.join(root, "tests/fuzz/fuzz.c")):
        targets = re.findall(r'\{"(\w+)", fuzz_', lint.read(root, "tests/fuzz/fuzz.c"))
    for what, openers, tests in rows(root):
        told.update(openers)
        for path in openers:
            if not os.path.exists(os.path.join(root, path)):
                found.append(f"SECURITY.md: {what}: there is no {path}")
        if not tests:
            found.append(f"SECURITY.md: {what}: no test is named")
        for test in tests:
            if test not in targets and not os.path.exists(os.path.join(root, test)):
                found.append(f"SECURITY.md: {what}: {test} is no fuzz target and no file")
    for path in lint.files(root, ".c", ".h", ".py"):
        if not path.startswith(("src/", "tools/", "python/", "plugins/")):
            continue
        text = lint.read(root, path)
        text = text if path.endswith(".py") else without_comments(text)
        for match in NEVER.finditer(text):
            found.append(f"{path}:{lint.line_of(text, match.start())}: OpenVINO parses in this process: give it no file")
        match = OPENS.search(text)
        if match and path not in told:
            found.append(f"{path}:{lint.line_of(text, match.start())}: opens what is in no row of the table in SECURITY.md")
    return found


GOOD = "<!-- readers-table -->\n| a | b | c |\n|---|---|---|\n| x | `src/a.c` | `wav`, `tests/t.c` |\n<!-- /readers-table -->\n"
REST = {"tests/fuzz/fuzz.c": '{{"wav", fuzz_wav},', "tests/t.c": ""}
PLANTED = [
    ("a reader without a row is found", {"src/a.c": "", "src/b.c": '\n f = fopen(path, "re");', "SECURITY.md": GOOD, **REST},
     "src/b.c:2: opens"),
    ("so are the other ways to open", {"src/a.c": "", "tools/b.c": "fd = open(path,\n O_RDONLY | O_CLOEXEC);", "SECURITY.md": GOOD,
                                       **REST}, "tools/b.c:1: opens"),
    ("and code that is loaded", {"src/b.c": "m = dlopen(path, 0);"}, "src/b.c:1: opens"),
    ("a row without its file is found", {"SECURITY.md": GOOD, **REST}, "no src/a.c"),
    ("a row of a test that is gone is found", {"src/a.c": "", "SECURITY.md": GOOD, "tests/fuzz/fuzz.c": '{{"wav", fuzz_wav},'},
     "tests/t.c is no fuzz target"),
    ("a row without a test is found", {"src/a.c": "", "SECURITY.md": GOOD.replace("`wav`, `tests/t.c`", "none"), **REST},
     "no test is named"),
    ("a file for OpenVINO is found", {"src/b.c": "ov.call.ov_core_read_model(core, path, NULL, &m);"}, "give it no file"),
    ("good rows, writers and comments pass", {"src/a.c": 'fopen(p, "re")', "SECURITY.md": GOOD,
                                              "src/w.c": '/* fopen(p, "r") */ fopen(p, "we"); open(p, O_WRONLY); '
                                              'ov_core_read_model_from_memory_buffer(c);', **REST}, None),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "whatever opens a file is told, with its tests")
