#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Take from clones what sources.csv names: gather.py DATA CLONES EXTRA

CLONES/OWNER/NAME are git repositories that hold the commits; of the files of a row, sorted, one of `every` is
taken. A file is refused, and with it the whole run, if a folder above it within its repository has a licence of
its own: the repository's does not count for it then, but what a row names as `stated`, a file of that folder or
below it, where the licence of each recording is said. Of Speech Commands nothing is taken that DATA has, and
nobody who is heard in its dev folders. Music as notes becomes audio, by fluidsynth on the FluidR3 GM samples."""
import csv
import fnmatch
import os
import re
import subprocess
import sys

import songs

ROOT = os.path.dirname(os.path.abspath(__file__))
OWN_LICENCE = re.compile(r'licen[cs]e|copying', re.IGNORECASE)
TALKER = re.compile(r'([0-9a-f]{8})_nohash_')


def git(clones, repository, *words):
    return subprocess.run(['git', '-c', 'core.quotePath=false', '-C',
                           os.path.join(clones, repository), *words],
                          check=True, stdout=subprocess.PIPE).stdout


def licensed_apart(names):
    """-> folders, but for the top, that have a licence file"""
    return {os.path.dirname(n) for n in names if OWN_LICENCE.search(os.path.basename(n))} - {''}


def check(row, path, apart):
    folder, stated = os.path.dirname(path), os.path.dirname(row['stated'])
    while folder:
        if folder in apart and not (stated + '/').startswith(folder + '/'):
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


class Known:
    """Speech Commands in the data beside the checkout"""

    def __init__(self, folder):
        with open(os.path.join(folder, 'manifest.csv'), newline='') as f:
            rows = list(csv.DictReader(f))
        self._files = {(r['source_repo'], r['source_path']) for r in rows}
        self._others = {r['speaker'].removeprefix('sc') for r in rows if r['split'] not in ('train', '')}

    def keeps_out(self, row, path):
        talker = TALKER.search(path)
        return bool(talker) and ((row['repository'], path) in self._files or talker[1] in self._others)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, clones, extra = sys.argv[1:]
    known = Known(folder)
    with open(os.path.join(ROOT, 'sources.csv'), newline='') as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        names = git(clones, row['repository'], 'ls-tree', '-r', '-z', '--name-only',
                    row['commit']).decode().rstrip('\0').split('\0')
        apart = licensed_apart(names)
        if row['stated'] and row['stated'] not in names:
            sys.exit('%s: there is no %s, which should say the licence' % (row['repository'], row['stated']))
        paths = sorted(n for n in names if fnmatch.fnmatchcase(n, row['files']))
        paths = [p for p in paths if not known.keeps_out(row, p)][::int(row['every'] or 1)]
        for path in paths:
            check(row, path, apart)
            put(row, path, git(clones, row['repository'], 'show', row['commit'] + ':' + path), extra)
        print('%s: %d of %s, %s' % (row['folder'], len(paths), row['repository'], row['licence']),
              flush=True)


if __name__ == '__main__':
    main()
