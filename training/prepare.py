#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Scenes for training and for choosing among trainings: prepare.py DATA TEACHER.npz OUT --cache DIR

Writes OUT/dev.npz and OUT/train0.npz, train1.npz, ... The dev scenes are of the dev folders alone:
other speakers, other noise, and only what was recorded."""
import argparse
import os
import tempfile

import numpy as np

import data
import scenes


def material(args, split):
    teacher = np.load(args.teacher)
    paths = [p for p in data.speech_files(args.data, args.extra, split) if p in teacher]
    speech = scenes.label_speech(data.load(paths, args.cache), [teacher[p] for p in paths])
    pools = data.noise_pools(args.data, args.extra, split, args.cache)
    print('%s: %d recordings, %.2f h of speech; noise %s' % (
        split, len(speech), sum(len(a) for a, _ in speech) / data.RATE / 3600,
        {k: len(v) for k, v in pools.items()}), flush=True)
    return speech, pools, data.room_responses(args.data, args.cache) if split == 'train' else []


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('data')
    ap.add_argument('teacher')
    ap.add_argument('out')
    ap.add_argument('--extra')
    ap.add_argument('--cache', required=True)
    ap.add_argument('--scenes', type=int, default=256, help='of a file')
    ap.add_argument('--files', type=int, default=8)
    ap.add_argument('--first', type=int, default=0, help='number of the first file')
    ap.add_argument('--anywhere', action='store_true', help='scenes may begin within a word')
    ap.add_argument('--processes', type=int, default=2)
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        library = scenes.build_library(folder)
        if args.first == 0:
            x, y = scenes.make_set(library, 96, 2, material(args, 'dev'), args.processes)
            np.savez(os.path.join(args.out, 'dev.npz'), x=x, y=y)
        train = material(args, 'train') + (args.anywhere,)
        for i in range(args.first, args.first + args.files):
            x, y = scenes.make_set(library, args.scenes, 100 + i, train, args.processes)
            path = os.path.join(args.out, 'train%d.npz' % i)
            np.savez(path + '.part.npz', x=x, y=y)
            os.rename(path + '.part.npz', path)
            print('train%d: %.0f %% speech' % (i, 100 * (y > 127).mean()), flush=True)


if __name__ == '__main__':
    main()
