#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Take from clones what sources.csv names: gather.py CLONES EXTRA

CLONES/OWNER/NAME are git repositories that hold the commits. A file is refused, and with it the whole
run, if a folder above it within its repository has a licence of its own: the repository's does not
count for it then. Music as notes becomes audio, by fluidsynth on the FluidR3 GM samples."""
import csv
import fnmatch
import os
import re
import subprocess
import sys

import songs

ROOT = os.path.dirname(os.path.abspath(__file__))
OWN_LICENCE = re.compile(r'licen[cs]e|copying', re.IGNORECASE)


def git(clones, repository, *words):
    return subprocess.run(['git', '-c', 'core.quotePath=false', '-C',
                           os.path.join(clones, repository), *words],
                          check=True, stdout=subprocess.PIPE).stdout


def licensed_apart(names):
    """-> folders, but for the top, that have a licence file"""
    return {os.path.dirname(n) for n in names if OWN_LICENCE.search(os.path.basename(n))} - {''}


def check(row, path, apart):
    folder = os.path.dirname(path)
    while folder:
        if folder in apart:
            sys.exit('%s: %s has a licence of its own; leave %s out' % (row['repository'], folder, path))
        folder = os.path.dirname(folder)


def put(row, path, content, extra):
    out = os.path.join(extra, row['folder'], path.replace('/', '_').replace(' ', '-'))
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, 'wb') as f:
        f.write(content)
    if out.endswith('.mid'):
        songs.render(out, out[:-4] + '.wav')
        os.remove(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    clones, extra = sys.argv[1:]
    with open(os.path.join(ROOT, 'sources.csv'), newline='') as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        names = git(clones, row['repository'], 'ls-tree', '-r', '-z', '--name-only',
                    row['commit']).decode().rstrip('\0').split('\0')
        apart = licensed_apart(names)
        paths = sorted(n for n in names if fnmatch.fnmatchcase(n, row['files']))
        for path in paths:
            check(row, path, apart)
            put(row, path, git(clones, row['repository'], 'show', row['commit'] + ':' + path), extra)
        print('%s: %d of %s, %s' % (row['folder'], len(paths), row['repository'], row['licence']),
              flush=True)


if __name__ == '__main__':
    main()
