#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, also twice, as C11 and C++ with gcc and clang.

headers.py INCLUDE_FOLDER HEADER..."""
import os
import shutil
import subprocess
import sys
import tempfile

FLAGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wundef", "-fsyntax-only"]
LANGUAGES = [
    ("c11", ["gcc", "clang"], ["-x", "c", "-std=c11", "-Wshadow", "-Wstrict-prototypes", "-Wc++-compat"]),
    ("c++11", ["g++", "clang++"], ["-x", "c++", "-std=c++11"]),
    ("c++17", ["g++", "clang++"], ["-x", "c++", "-std=c++17"]),
]


def compiles(compiler, flags, include, text):
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(text)
        f.flush()
        out = subprocess.run([compiler, *FLAGS, *flags, "-I", include, f.name], text=True,
                             capture_output=True)
    return out.returncode == 0, out.stderr


def self_test():
    """A header that needs another first, and one that is no C++, must be refused."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "needs.h"), "w", encoding="utf-8") as f:
            f.write("static inline size_t f(void) { return 0; }\n")
        with open(os.path.join(folder, "twice.h"), "w", encoding="utf-8") as f:
            f.write("struct twice { int x; };\n")
        with open(os.path.join(folder, "c.h"), "w", encoding="utf-8") as f:
            f.write("int new(int class);\n")
        needs = compiles("gcc", LANGUAGES[0][2], folder, "#include <needs.h>\n")[0]
        twice = compiles("gcc", LANGUAGES[0][2], folder, "#include <twice.h>\n#include <twice.h>\n")[0]
        other = compiles("g++", LANGUAGES[1][2], folder, "#include <c.h>\n")[0]
    return not needs and not twice and not other


def main(include, headers):
    cases = [(name, compiler, flags) for name, compilers, flags in LANGUAGES
             for compiler in compilers]
    print("TAP version 13")
    print(f"1..{1 + len(cases) * len(headers)}")
    bad = not self_test()
    print(f"{'not ok' if bad else 'ok'} 1 - bad headers are refused")
    number = 1
    for header in headers:
        for name, compiler, flags in cases:
            number += 1
            what = f"{header} alone as {name} with {compiler}"
            if not shutil.which(compiler):
                print(f"ok {number} - {what} # SKIP {compiler} is not installed")
                continue
            line = f"#include <voicestand/{header}>\n"
            good, words = compiles(compiler, flags, include, line + line)
            bad = bad or not good
            print(f"{'ok' if good else 'not ok'} {number} - {what}")
            for word in words.splitlines():
                print(f"# {word}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], [os.path.basename(h) for h in sys.argv[2:]]))
