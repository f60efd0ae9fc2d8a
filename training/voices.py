#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speech of synthetic voices, espeak-ng and flite, of made-up words: voices.py FOLDER [--minutes N]

The words mean nothing; each language's own rules pronounce them. Seeded: the same programs make the
same files."""
import argparse
import os
import subprocess

import numpy as np

LANGUAGES = ('en-us en-gb de fr es it pt nl sv da fi pl cs ru hu ro tr el ar fa hi bn ta vi id sw '
             'af ca hr lv sk sl sq ko cmn yue ja').split()
VARIANTS = 'm1 m3 m5 m7 f1 f2 f3 f4 f5 croak whisper klatt2 klatt4 max Andy Annie'.split()
FLITE = 'kal awb rms slt'.split()
PARTS = ('ba be bo da de di do fa fe ga go ha he ka ke ki ko la le li lo ma me mi mo na ne no pa '
         'pe po ra re ri ro sa se si so sha ta te ti to va vi wa ya yo za an en in on ar er or al '
         'el as es is os st tr pl').split()


def sentence(rng):
    words = [''.join(rng.choice(PARTS, rng.integers(1, 4))) for _ in range(rng.integers(3, 14))]
    marks = rng.choice(['', '', '', ',', '.'], len(words))
    return ' '.join(w + m for w, m in zip(words, marks)) + '.'


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('folder')
    ap.add_argument('--count', type=int, default=420)
    args = ap.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    rng = np.random.default_rng(3)
    for i in range(args.count):
        path = os.path.join(args.folder, 'voice%04d.wav' % i)
        text = ' '.join(sentence(rng) for _ in range(rng.integers(1, 3)))
        if i % 4 == 0:
            command = ['flite', '-voice', FLITE[i // 4 % len(FLITE)], '--setf',
                       'duration_stretch=%.2f' % rng.uniform(.8, 1.3), '-t', text, '-o', path]
        else:
            voice = '%s+%s' % (rng.choice(LANGUAGES), rng.choice(VARIANTS))
            command = ['espeak-ng', '-v', voice, '-s', str(rng.integers(120, 220)), '-p',
                       str(rng.integers(20, 80)), '-w', path, text]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == '__main__':
    main()
