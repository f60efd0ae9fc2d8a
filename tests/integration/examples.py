#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the examples on a spoken prompt. examples.py FOLDER-OF-THE-BUILD FOLDER-OF-THE-SOURCES"""
import glob, os, re, subprocess, sys, tempfile, wave

PROMPT = "/usr/share/sounds/alsa/Front_Center.wav"
MAX_LINES = 60
cases = 0
failed = 0


def check(good, text):
    global cases, failed
    cases += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", cases, text))


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, **more)


def main():
    build, source = sys.argv[1:3]
    if not os.path.exists(PROMPT):
        print("1..0 # SKIP the recordings of alsa-utils are not installed")
        return
    for path in sorted(glob.glob(os.path.join(source, "examples/*.c"))):
        with open(path) as f:
            lines = len(f.readlines())
        check(lines < MAX_LINES, "%s has %d lines" % (os.path.basename(path), lines))
    result = run([os.path.join(build, "examples/pipeline"), "file:" + PROMPT])
    check(result.returncode == 0 and result.stdout.count("speech from") == 1
          and "0 unaccounted" in result.stdout, "pipeline finds one segment in a prompt")
    result = run([os.path.join(build, "examples/pipeline"), "file:/nonexistent"])
    check(result.returncode == 1 and "/nonexistent" in result.stderr, "pipeline names what is missing")
    with wave.open(PROMPT) as w, tempfile.TemporaryFile() as raw:
        frames = w.readframes(w.getnframes())
        rate = w.getframerate() // 16000
        raw.write(b"".join(frames[i:i + 2] for i in range(0, len(frames), 2 * rate)))
        raw.seek(0)
        result = subprocess.run([os.path.join(build, "examples/stream")], stdin=raw,
                                stdout=subprocess.PIPE, text=True, timeout=60)
    times = re.findall(r"speech from ([0-9.]+) s to ([0-9.]+) s", result.stdout)
    # the two words, with the pause of half a second between them or without
    check(result.returncode == 0 and 1 <= len(times) <= 2 and float(times[0][0]) < 0.2
          and 1.2 < float(times[-1][1]) < 1.6 and "0 frames missing" in result.stdout,
          "stream finds the words in it")
    print("1..%d" % cases)
    sys.exit(failed > 0)


main()
