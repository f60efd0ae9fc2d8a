# SPDX-License-Identifier: MIT
"""What the lint tests share: the tree's files, C without comments, planted violations, TAP."""
import os
import re
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LEFT_OUT = re.compile(r"^(build[^/]*|\.mesonpy[^/]*|\.git|\.cache|__pycache__|subprojects)$")


class Skip(Exception):
    """This check cannot be made here; the text says why."""


def files(root, *endings):
    """Paths below `root`, relative, sorted; generated and foreign folders left out."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not LEFT_OUT.match(f))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            if LEFT_OUT.match(name):  # .git is a file in a linked work tree
                continue
            if not endings or name.endswith(endings):
                found.append(path)
    return found


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", newline="") as f:
        return f.read()


TOKENS = re.compile(
    r"""(?P<block>/\*.*?\*/)|(?P<line>//[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.S)


def blank(text):
    """The same number of lines and columns, without words."""
    return re.sub(r"[^\n]", " ", text)


def c_code(text):
    """C with comments blanked; strings keep their quotes and lose their words."""
    def change(match):
        whole = match.group(0)
        if match.group("text"):
            return whole[0] + blank(whole[1:-1]) + whole[-1]
        return blank(whole)
    return TOKENS.sub(change, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def plant(folder, tree):
    for path, text in tree.items():
        where = os.path.join(folder, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8", newline="") as f:
            f.write(text)


def run(check, planted, what):
    """First show that `check(root)` finds each planted violation, then use it on the tree.

    planted: [(name, {path: text}, a part of the expected finding, None = must find nothing)]
    """
    print("TAP version 13")
    print(f"1..{len(planted) + 1}")
    bad = 0
    for number, (name, tree, expected) in enumerate(planted, 1):
        with tempfile.TemporaryDirectory() as folder:
            plant(folder, tree)
            try:
                found = check(folder)
            except Skip as why:
                print(f"ok {number} - {name} # SKIP {why}")
                continue
        good = not found if expected is None else any(expected in f for f in found)
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# expected: {expected}")
            for finding in found:
                print(f"# found: {finding}")
    number = len(planted) + 1
    try:
        found = check(ROOT)
    except Skip as why:
        print(f"ok {number} - {what} # SKIP {why}")
        return 1 if bad else 0
    for finding in found:
        print(f"# {finding}")
    print(f"{'not ok' if found else 'ok'} {number} - {what}")
    return 1 if bad or found else 0


def main(check, planted, what):
    sys.exit(run(check, planted, what))
