#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that judge what is not C: shellcheck, mandoc, codespell. tools.py NAME"""
import re
import shutil
import subprocess
import sys

import lint

WORDS = "datas,statics,crate,fo,te,ba,nd,ue,ans,inout,hist,thead,ser,sie,ot,ist,re-used,nin,komma,ende,espace"


def need(name):
    if not shutil.which(name):
        raise lint.Skip(f"{name} is not installed")


def output(command, root):
    out = subprocess.run(command, cwd=root, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    lines = [line for line in (out.stdout + out.stderr).splitlines() if line.strip()]
    return lines if out.returncode else []


def scripts(root):
    found = []
    for path in lint.files(root):
        try:
            top = lint.read(root, path)[:80]
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if re.match(r"#!.*\b(ba)?sh\b", top) or path.endswith((".sh", ".bash")):
            found.append(path)
    return found


def shellcheck(root):
    need("shellcheck")
    paths = scripts(root)
    return output(["shellcheck", "-f", "gcc", "-x", "-P", root, "-P", "SCRIPTDIR", "--"] + paths,
                  root) if paths else []


def mandoc(root):
    need("mandoc")
    pages = [p for p in lint.files(root, ".1", ".3", ".5", ".7") if p.startswith("man/")]
    if not pages:
        return ["no man page in man/"]
    return output(["mandoc", "-T", "lint", "-W", "style"] + pages, root)


def codespell(root):
    need("codespell")
    texts = [p for p in lint.files(root, ".c", ".h", ".md", ".py", ".1", ".3", ".7", ".sh", "meson.build")
             if not p.startswith("tests/lint/tools.py")] + [p for p in lint.files(root)
                                                            if p.startswith("scripts/")]
    return output(["codespell", "-L", WORDS] + texts, root)


CHECKS = {
    "shellcheck": (shellcheck, [
        ("an unquoted variable is found", {"a": "#!/bin/bash\nrm $1\n"}, "SC2086"),
        ("a sound script passes", {"a": '#!/bin/bash\nrm "$1"\n'}, None)]),
    "mandoc": (mandoc, [
        ("a broken page is found", {"man/a.1": ".TH A 1\n.XX y\n"}, "man/a.1"),
        ("no page at all is found", {"a": ""}, "no man page")]),
    "codespell": (codespell, [
        ("a misspelt word is found", {"a.md": "rec" "ieve it\n"}, "a.md:1"),
        ("right words pass", {"a.md": "receive it\n"}, None)]),
}

if __name__ == "__main__":
    lint.main(*CHECKS[sys.argv[1]], f"{sys.argv[1]} has nothing to say")
