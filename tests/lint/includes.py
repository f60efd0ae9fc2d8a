#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which folder may include what: the tables of ARCHITECTURE.md, between their markers.

Own headers: a folder may include itself and what its row names. Of other headers, those of ISO C
are free, those of the operating system are for rows that say "yes" or name the header, and each of
an SDK is for the one file that its row names."""
import fnmatch
import os
import re

import lint

ISO_C = set("""assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time
uchar wchar wctype""".split())
INTRINSICS = ("immintrin.h", "arm_neon.h", "xmmintrin.h")
SYSTEM = re.compile(
    r"^(sys|linux|arpa|netinet|asm)/|^(aio|cpuid|dirent|dlfcn|fcntl|fnmatch|fts|ftw|getopt|glob|grp|iconv"
    r"|langinfo|libgen|link|malloc|mcheck|net|netdb|poll|pthread|pwd|regex|sched|semaphore|spawn"
    r"|strings|syscall|sysexits|syslog|termios|ucontext|unistd|utime|wordexp|execinfo|elf|features)\.h$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def table(text, marker):
    """Rows of the table between <!-- marker --> and <!-- /marker -->, as lists of cells."""
    match = re.search(rf"<!-- {marker} -->\n(.*?)<!-- /{marker} -->", text, re.S)
    if not match:
        return None
    rows = [line.strip().strip("|").split("|") for line in match.group(1).splitlines()
            if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


class Rules:
    def __init__(self, root):
        text = lint.read(root, "ARCHITECTURE.md")
        folders, sdks = table(text, "include-table"), table(text, "sdk-table")
        if not folders or not sdks:
            raise ValueError("ARCHITECTURE.md: the include table or the SDK table is missing")
        self.folders = {words(row[0])[0]: (words(row[1]), ["*"] if row[2] == "yes" else words(row[2]))
                        for row in folders}
        self.sdks = [(word, words(row[1])) for row in sdks for word in words(row[0])]

    def row(self, path):
        """The most specific row for a file."""
        best = max((f for f in self.folders if path.startswith(f + "/")), key=len, default=None)
        return best, self.folders.get(best)

    def judge_own(self, path, name):
        folder, (allowed, _) = self.row(path)
        own = [folder, folder.removeprefix("src/")]
        if os.path.dirname(name) in own or any(name.startswith(o + "/") for o in own):
            return None
        if os.path.exists(os.path.join(self.root, os.path.dirname(path), name)) and "/" not in name:
            return None
        if any(fnmatch.fnmatch(name, pattern) for pattern in allowed):
            return None
        return f"{folder} may not include {name}"

    def judge_other(self, path, name):
        folder, (_, system) = self.row(path)
        if name.removesuffix(".h") in ISO_C or name in INTRINSICS:
            return None
        if SYSTEM.search(name):
            if any(fnmatch.fnmatch(name, pattern) for pattern in system):
                return None
            return f"{folder} may not include the system's {name}"
        places = [place for word, some in self.sdks if fnmatch.fnmatch(name, word) for place in some]
        if not places:
            return f"{name} is in no row of the SDK table"
        if not any(fnmatch.fnmatch(path, place) for place in places):
            return f"{name} belongs to {', '.join(places)} alone"
        return None


def check(root):
    try:
        rules = Rules(root)
    except (OSError, ValueError) as why:
        return [str(why)]
    rules.root = root
    found = []
    for path in lint.files(root, ".c", ".h"):
        if rules.row(path)[0] is None:
            found.append(f"{path}: its folder has no row in the include table")
            continue
        text = lint.read(root, path)
        plain = lint.TOKENS.sub(
            lambda m: m.group(0) if m.group("text") else lint.blank(m.group(0)), text)
        for match in INCLUDE.finditer(plain):
            quoted, angled = match.groups()
            own = quoted or (angled if angled.startswith("voicestand/") else None)
            why = rules.judge_own(path, own) if own else rules.judge_other(path, angled)
            if why:
                found.append(f"{path}:{lint.line_of(text, match.start())}: {why}")
    return found


TABLES = """<!-- include-table -->
| Folder | May include | System |
|---|---|---|
| `src/base` | `voicestand/base.h` | yes |
| `src/vad` | `base/*` `voicestand/*` | `poll.h` |
<!-- /include-table -->
<!-- sdk-table -->
| Header | File |
|---|---|
| `sndfile.h` | `src/base/file.c` |
<!-- /sdk-table -->
"""


def planted(name, path, text, expected):
    return (name, {"ARCHITECTURE.md": TABLES, path: text}, expected)


PLANTED = [
    planted("a stage that includes another is found", "src/vad/vad.c",
            '#include "segment/segment.h"\n', "src/vad may not include segment/segment.h"),
    planted("base that includes a stage's public header is found", "src/base/a.c",
            "#include <voicestand/vad.h>\n", "may not include voicestand/vad.h"),
    planted("a system header in a pure folder is found", "src/vad/vad.c",
            "#include <pthread.h>\n", "src/vad may not include the system's pthread.h"),
    planted("a system header that the row names passes", "src/vad/vad.c", "#include <poll.h>\n", None),
    planted("an SDK header in a second file is found", "src/base/b.c",
            "#include <sndfile.h>\n", "sndfile.h belongs to src/base/file.c alone"),
    planted("an unknown SDK is found", "src/base/b.c", "#include <foo/foo.h>\n", "no row of the SDK"),
    planted("a folder without a row is found", "src/new/new.c", "int x;\n", "has no row"),
    planted("a commented include is none", "src/vad/vad.c",
            '/*\n#include "segment/segment.h"\n*/\n', None),
    planted("what is allowed passes", "src/vad/vad.c",
            '#include "vad/vad.h"\n#include "base/base.h"\n#include <math.h>\n', None),
    ("a missing table is found", {"ARCHITECTURE.md": "none\n"}, "table is missing"),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "every include is in the table")
