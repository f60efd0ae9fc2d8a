#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every relative link of the documents leads somewhere."""
import os
import re

import lint

LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")


def anchors(text):
    """GitHub's names of the headings."""
    heads = re.findall(r"^#+\s+(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def check(root):
    found = []
    for path in lint.files(root, ".md"):
        text = lint.read(root, path)
        for match in LINK.finditer(re.sub(r"```.*?```", lambda m: lint.blank(m.group(0)), text,
                                          flags=re.S)):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            where = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            line = lint.line_of(text, match.start())
            if not os.path.exists(os.path.join(root, where)):
                found.append(f"{path}:{line}: {target} does not exist")
            elif anchor and where.endswith(".md") and anchor not in anchors(lint.read(root, where)):
                found.append(f"{path}:{line}: {where} has no heading {anchor}")
    return found


PLANTED = [
    ("a dead link is found", {"a.md": "[x](b.md)\n"}, "a.md:1: b.md does not exist"),
    ("a dead heading is found", {"a.md": "# One\n[x](#two)\n"}, "no heading two"),
    ("good links pass", {"a.md": "# One Two\n[x](#one-two) [y](b/c.md) [z](https://a.b)\n",
                         "b/c.md": "[a](../a.md)\n"}, None),
]

if __name__ == "__main__":
    lint.main(check, PLANTED, "every link leads somewhere")
