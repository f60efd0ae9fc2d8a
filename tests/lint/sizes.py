#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Length of functions, files and folders."""
import collections
import os
import re
import statistics

import lint

FUNCTION_LINES = 80
FILE_LINES = 800
PUBLIC_LINES = 250
FOLDER_FILES = 16


def functions(text):
    """(name, first line, lines) of each function; the formatter puts its braces in column 0."""
    lines = lint.c_code(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and number > 1:
            start = number
        elif line == "}" and start:
            head = number_of_head(lines, start)
            name = re.findall(r"(\w+)\s*\(", " ".join(lines[head - 1:start - 1]))
            yield (name[0] if name else "?"), head, number - head + 1
            start = None


def number_of_head(lines, brace):
    """The line on which the function that opens at `brace` begins."""
    head = brace
    while head > 1 and lines[head - 2].strip() and not lines[head - 2].rstrip().endswith((";", "}")) \
            and not lines[head - 2].startswith("#"):
        head -= 1
    return head


def check(root):
    found, lengths = [], []
    folders = collections.Counter()
    for path in lint.files(root, ".c", ".h"):
        text = lint.read(root, path)
        count = text.count("\n")
        if count > FILE_LINES:
            found.append(f"{path}: {count} lines, at most {FILE_LINES}")
        if path.startswith("include/") and count > PUBLIC_LINES:
            found.append(f"{path}: {count} lines, a public header has at most {PUBLIC_LINES}")
        if path.endswith(".c") and path.startswith("src/"):
            folders[os.path.dirname(path)] += 1
        for name, line, length in functions(text):
            if path.startswith(("src/", "tools/")):
                lengths.append(length)
            if length > FUNCTION_LINES:
                found.append(f"{path}:{line}: {name}() has {length} lines, at most {FUNCTION_LINES}")
    for folder, count in folders.items():
        if count > FOLDER_FILES:
            found.append(f"{folder}: {count} C files, at most {FOLDER_FILES}")
    if root == lint.ROOT and len(lengths) > 1:
        print(f"# src and tools: {len(lengths)} functions, median {statistics.median(lengths):.0f}"
              f" lines, 90 % under {statistics.quantiles(lengths, n=10)[8]:.0f}, most {max(lengths)}")
    return found


def long_function(lines):
    return "int\nf(void)\n{\n" + "    g();\n" * lines + "}\n"


PLANTED = [
    ("a long function is found", {"src/a.c": long_function(81)}, "f() has"),
    ("a function at the limit passes", {"src/a.c": long_function(76)}, None),
    ("a long file is found", {"src/a.c": "int x;\n" * 801}, "801 lines"),
    ("a long public header is found", {"include/v/a.h": "int x;\n" * 251}, "a public header"),
    ("a crowded folder is found", {f"src/a/{n}.c": "int x;\n" for n in range(17)}, "17 C files"),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "no function, file or folder is too long")
