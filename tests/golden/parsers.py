#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the golden files back with readers that are not ours: Python's csv, ffprobe, and the
published rules of the label formats. `parsers.py FOLDER`, TAP on stdout."""
import csv
import os
import re
import shutil
import subprocess
import sys

FOLDER = sys.argv[1]
TIMES = [(1.0, 2.0), (2.0, 3.0), (9.0, 9.99)]


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8", newline="") as f:
        return f.read()


def near(found):
    assert len(found) == len(TIMES), found
    for (a, b), (c, d) in zip(found, TIMES):
        assert abs(a - c) < 0.001 and abs(b - d) < 0.001, found


def rttm():
    rows = [line.split() for line in read("file.rttm").splitlines()]
    assert all(len(r) == 10 and r[0] == "SPEAKER" and r[2] == "1" for r in rows), rows
    near([(float(r[3]), float(r[3]) + float(r[4])) for r in rows])


def audacity():
    rows = [line.split("\t") for line in read("file.labels.txt").splitlines()]
    assert all(len(r) == 3 for r in rows), rows
    near([(float(r[0]), float(r[1])) for r in rows])


def table():
    rows = list(csv.DictReader(read("file.csv").splitlines(keepends=True)))
    assert {r["file"] for r in rows} == {'audio/two words, "one".wav'}
    assert rows[0]["text"].startswith('say "hi" --> <b>R&D</b>, ')
    near([(float(r["start_s"]), float(r["end_s"])) for r in rows])


def trace():
    rows = list(csv.DictReader(read("file.trace.csv").splitlines(keepends=True)))
    assert [(r["start_ms"], r["end_ms"], r["prob"]) for r in rows] == [
        ("0.0", "10.0", "0.015625"), ("10.0", "20.0", "1.0")]


def textgrid():
    # Praat takes the numbers, flags and quoted texts in their order and ignores the rest.
    body = re.sub(r"\[\d*\]", "", read("file.TextGrid"))
    tokens = re.findall(r'"(?:[^"]|"")*"|<exists>|(?<![\w.])\d+(?:\.\d+)?', body)
    head, rest = tokens[:10], tokens[10:]
    assert head[:2] == ['"ooTextFile"', '"TextGrid"'] and head[4] == "<exists>", head
    assert head[5] == "1" and head[6:8] == ['"IntervalTier"', '"speech"'], head
    count, end, at, found = int(rest[0]), float(head[3]), float(head[2]), []
    assert len(rest) == 1 + 3 * count, (count, rest)
    for i in range(count):
        low, high, text = float(rest[1 + 3 * i]), float(rest[2 + 3 * i]), rest[3 + 3 * i]
        assert low == at and high > low, (low, at, high)
        at = high
        if text != '""':
            found.append((low, high))
    assert at == end, (at, end)
    near(found)


def captions(name):
    if not shutil.which("ffprobe"):
        return "ffprobe is not installed"
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time,duration_time",
         "-of", "csv=p=0", os.path.join(FOLDER, name)], capture_output=True, text=True, check=True)
    rows = [line.split(",")[:2] for line in out.stdout.split()]
    near([(float(a), float(a) + float(b)) for a, b in rows])
    return None


def main():
    cases = [("rttm", rttm), ("audacity", audacity), ("csv", table), ("trace", trace),
             ("textgrid", textgrid), ("srt", lambda: captions("file.srt")),
             ("vtt", lambda: captions("file.vtt"))]
    print(f"1..{len(cases)}")
    failed = 0
    for number, (name, body) in enumerate(cases, 1):
        try:
            skipped = body()
            print(f"ok {number} - {name} is read back" + (f" # SKIP {skipped}" if skipped else ""))
        except (AssertionError, ValueError, KeyError, IndexError, OSError,
                subprocess.SubprocessError) as error:
            failed += 1
            print(f"not ok {number} - {name} is read back")
            print(f"# {error!r}")
    return failed > 0


sys.exit(main())
