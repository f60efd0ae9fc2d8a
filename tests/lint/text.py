#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Words and white space: what must not be committed, in any text file of the tree."""
import re

import lint

# Split, so that this file does not find itself.
EVERYWHERE = [
    (re.compile(r"\b(" + "TO" "DO|FIX" "ME|XX" r"X)\b"), "unfinished work"),
    (re.compile("not " "implemented|place" "holder", re.I), "unfinished work"),
    (re.compile(r"(?<![\w.])/(" "home|work|" r"root)/\w"), "a path of one machine"),
    (re.compile("/tmp/" r"\w*" "issue|" r"\b" "issue" r"s? #?\d+\b", re.I), "a number of a ticket"),
    (re.compile(r"(^|[\s(])" "#" r"\d+\b(?!\.)(?!\})"), "a number of a ticket"),
]
SLEEP = re.compile(r"\b(u|nano|clock_nano|thrd_)?sleep\s*\(")
NO_SLEEP = ("src/", "tools/", "bench/", "examples/")
MAY_SLEEP = ("src/base/rt.c",)  # catches the calls of others
SPDX = re.compile(r"SPDX-License-Identifier: MIT")
NUMBER_FREE = (".svg", ".csv", ".json", ".txt")


def spdx_wanted(path):
    return path.endswith((".c", ".h", ".py", ".sh")) or path.startswith(("scripts/", ".ci/"))


def check_c(path, text, found):
    for match in lint.TOKENS.finditer(text):
        if match.group("line"):
            found.append(f"{path}:{lint.line_of(text, match.start())}: a // comment")
    if path.startswith(NO_SLEEP) and path not in MAY_SLEEP:
        for match in SLEEP.finditer(lint.c_code(text)):
            found.append(f"{path}:{lint.line_of(text, match.start())}: it sleeps instead of waiting")


def check_space(path, text, found):
    if "\r" in text:
        found.append(f"{path}: carriage returns")
    if text and not text.endswith("\n"):
        found.append(f"{path}: no newline at the end")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            found.append(f"{path}:{number}: white space at the end of the line")
        if "\t" in line and path.endswith((".c", ".h", ".py", "meson.build")):
            found.append(f"{path}:{number}: a tab")


def check_words(path, text, found):
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, what in EVERYWHERE:
            if what == "a number of a ticket" and path.endswith(NUMBER_FREE):
                continue
            match = pattern.search(line)
            if match:
                found.append(f"{path}:{number}: {what}: {match.group(0).strip()}")


def check(root):
    found = []
    for path in lint.files(root):
        try:
            text = lint.read(root, path)
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # audio and the like
        if "\0" in text:
            continue
        if path.endswith((".c", ".h")):
            check_c(path, text, found)
        if spdx_wanted(path) and not SPDX.search("\n".join(text.split("\n")[:2])):
            found.append(f"{path}: no SPDX line on top")
        check_words(path, text, found)
        if not path.endswith((".csv", ".svg")):
            check_space(path, text, found)
    return found


TOP = "/* SPDX-License-Identifier: MIT */\n"
PLANTED = [
    ("unfinished work is found", {"src/a.c": TOP + "/* TO" "DO: later */\n"}, "src/a.c:2: unfinished"),
    ("a stub's excuse is found", {"README.md": "This is not " "implemented.\n"}, "unfinished work"),
    ("a machine's path is found", {"a.py": "# SPDX-License-Identifier: MIT\nx = '/home" "/me'\n"},
     "a path of one machine"),
    ("a ticket is found", {"a.md": "See #" "12 for it.\n"}, "a number of a ticket"),
    ("a // comment is found", {"src/a.c": TOP + "int x; // y\n"}, "src/a.c:2: a // comment"),
    ("a URL in a string or comment is no // comment",
     {"src/a.c": TOP + '/* http://x */\nconst char *u = "http://x";\n'}, None),
    ("sleeping is found", {"src/a.c": TOP + "void f(void) { u" "sleep(1); }\n"}, "it sleeps"),
    ("the word sleep is no call", {"src/a.c": TOP + "int asleep(int); /* sleep(1) */\n"}, None),
    ("a missing SPDX line is found", {"src/a.c": "int x;\n"}, "no SPDX line"),
    ("white space at the end is found", {"a.md": "x \n"}, "white space at the end"),
    ("a missing last newline is found", {"a.md": "x"}, "no newline at the end"),
    ("a tab is found", {"src/a.c": TOP + "\tint x;\n"}, "a tab"),
    ("a carriage return is found", {"a.md": "x\r\n"}, "carriage returns"),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "no forbidden words, comments or white space")
