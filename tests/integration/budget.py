#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the command may cost: bytes on disk, resident memory while listening, time to the first
sample. budget.py FOLDER-OF-THE-BUILD"""
import json, os, re, shutil, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
DISK_BYTES = 2e6
RESIDENT_KIB = 10 * 1024
STARTUP_MS = 100
cases = 0
failed = 0


def check(good, text):
    global cases, failed
    cases += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", cases, text), flush=True)


def check_disk(build):
    """Stripped command, library and modules, without those that need an engine of their own."""
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        modules = os.path.join(build, "src/modules")
        files = [os.path.join(build, "tools/voicestand"),
                 os.path.realpath(os.path.join(build, "src/libvoicestand.so"))]
        files += [os.path.join(modules, name) for name in sorted(os.listdir(modules))
                  if name.endswith(".so") and name not in ("pocketsphinx.so", "openvino.so")]
        for path in files:
            copy = os.path.join(folder, "copy")
            shutil.copy(path, copy)
            subprocess.run(["strip", copy], check=True)
            total += os.path.getsize(copy)
    check(total < DISK_BYTES, "command, library and modules: %.0f KB on disk" % (total / 1000))


def run_inner(build):
    """Inside a private session: listen to the virtual microphone for a moment."""
    command = [os.path.join(build, "tools/voicestand"), "listen", "--capture", "pipewire",
               "--seconds", "4", "--format", "jsonl", "-q"]
    startups = []
    for _ in range(3):
        begin = time.monotonic_ns()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            first = json.loads(process.stdout.readline())
            startups.append((first["mono_ns"] - begin) / 1e6)
            time.sleep(2)
            with open("/proc/%d/status" % process.pid) as f:
                peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
            process.terminate()
            process.wait()
    check(first["event"] == "state" and "flows" in first["message"], "the first event is the audio")
    check(peak < RESIDENT_KIB, "at most %d KiB resident while listening" % peak)
    middle = sorted(startups)[1]
    check(middle < STARTUP_MS, "first sample after %.0f ms (the middle of %s)" %
          (middle, ", ".join("%.0f" % s for s in startups)))
    print("1..%d" % cases)
    sys.exit(failed > 0)


def main():
    os.environ.pop("MALLOC_PERTURB_", None)  # of the test runner: it touches what nobody uses
    if sys.argv[1] == "inner":
        run_inner(sys.argv[2])
    check_disk(sys.argv[1])
    private = os.path.join(HERE, "../../scripts/private-pipewire")
    result = subprocess.run([private, sys.executable, os.path.abspath(__file__), "inner",
                             sys.argv[1]], stdout=subprocess.PIPE, text=True, timeout=100)
    if result.returncode == 77:
        print("ok 2 # SKIP PipeWire is not installed\n1..2")
        sys.exit(failed > 0)
    for line in result.stdout.splitlines():  # renumbered behind ours
        match = re.match(r"(not )?ok \d+ - (.*)", line)
        if match:
            check(not match.group(1), match.group(2))
    if cases < 4:
        check(False, "the session ran to its end")
    print("1..%d" % cases)
    sys.exit(failed > 0)


main()
