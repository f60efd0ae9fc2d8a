#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs pytest, in TAP. run.py VENV BUILD FILE [WHAT]

VENV is the environment that scripts/bootstrap makes; without it, the tests are skipped. WHAT says which
other environment is meant, and how it is made."""
import os
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def main():
    venv, build, files = sys.argv[1], sys.argv[2], sys.argv[3:4]
    what = (sys.argv[4:] or ["Python environment with numpy, pytest and pytest-tap in build/venv: "
                             "run scripts/bootstrap test"])[0]
    python = os.path.join(venv, "bin", "python")
    wanted = "import numpy, pytest, tap"
    if subprocess.run([python, "-c", wanted], capture_output=True).returncode if os.path.exists(python) \
            else True:
        print("1..0 # SKIP no " + what)
        return
    os.environ["VOICESTAND_BRIDGE"] = os.path.join(build, "python", "libvoicestand_bridge.so")
    os.environ["VOICESTAND_TEST_COMMAND"] = os.path.join(build, "tools", "voicestand")
    os.environ["VOICESTAND_MODULE_DIR"] = os.path.join(build, "src", "modules")
    os.environ["PYTHONPATH"] = os.path.join(ROOT, "python")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["PATH"] = os.path.join(venv, "bin") + os.pathsep + os.environ["PATH"]
    sys.stdout.flush()
    os.execv(python, [python, "-m", "pytest", "--tap", "-q", "-p", "no:cacheprovider",
                      "--rootdir", ROOT] + files)


main()
