#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is built is hard to break into: hardened.py BINARY...

Position-independent, without an executable stack or writable relocations, stacks guarded, calls into the C
library checked, indirect branches marked where the processor knows them."""
import os
import platform
import subprocess
import sys
import tempfile


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True, text=True,
                          capture_output=True).stdout


def faults(path, large):
    """-> what is missing. `large`: enough to have arrays on its stack, calls with a checked form, and more
    functions than start files have."""
    found = []
    head, segments, dynamic = readelf("-h", path), readelf("-l", path), readelf("-d", path)
    symbols = readelf("-s", path)
    if "DYN" not in head:
        found.append("not position-independent")
    if "GNU_RELRO" not in segments:
        found.append("relocations stay writable")
    if "BIND_NOW" not in dynamic and "NOW" not in "".join(
            line for line in dynamic.splitlines() if "FLAGS" in line):
        found.append("symbols are bound late")
    if any("GNU_STACK" in line and "RWE" in line for line in segments.splitlines()):
        found.append("the stack is executable")
    if "TEXTREL" in dynamic:
        found.append("code is relocated")
    if "__stack_chk_fail" not in symbols:
        found.append("stacks are not guarded")
    if large and "_chk@" not in symbols.replace("__stack_chk_fail", ""):
        found.append("calls into the C library are not checked")
    # In the code itself, where the start files alone have some: the mark of the whole file needs start
    # files that have it too.
    if large and platform.machine() == "x86_64" and subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", "-j", ".text", path], check=True, text=True,
            capture_output=True).stdout.count("endbr64") < 8:
        found.append("where indirect branches may go is not marked")
    return found


SOFT = ["-O2", "-no-pie", "-fno-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fcf-protection=none",
        "-Wl,-z,norelro", "-Wl,-z,lazy", "-Wl,-z,execstack"]


def plant(folder):
    """A program without any of it. -> its path"""
    source, path = os.path.join(folder, "soft.c"), os.path.join(folder, "soft")
    with open(source, "w", encoding="utf-8") as f:
        f.write("#include <string.h>\n#include <stdio.h>\nint main(int c, char **v)\n"
                "{ char b[8]; strcpy(b, v[0]); return puts(b) + c; }\n")
    subprocess.run(["gcc", *SOFT, "-o", path, source], check=True, stderr=subprocess.DEVNULL)
    return path


def main():
    print("TAP version 13")
    print("1..%d" % len(sys.argv))
    with tempfile.TemporaryDirectory() as folder:
        got = faults(plant(folder), True)
    want = 7 if platform.machine() == "x86_64" else 6
    print("# a program without any of it: " + "; ".join(got))
    print(("ok" if len(got) >= want else "not ok") + " 1 - what is missing is found")
    bad = len(got) < want
    for number, path in enumerate(sys.argv[1:], 2):
        name = os.path.basename(path)
        large = name.startswith(("libvoicestand", "voicestand"))
        got = [f for f in faults(path, large) if large or f != "stacks are not guarded"]
        for fault in got:
            print("# %s: %s" % (name, fault))
        print("%s %d - %s is hardened" % ("not ok" if got else "ok", number, name))
        bad |= bool(got)
    return 1 if bad else 0


sys.exit(main())
