#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Noise as telephones record it: phones.py DATA OUT --cache DIR [--extra DIR].

Nearly all that is recorded at 8 kHz and coded for telephones is speech, so a detector takes the band and what a coder
of speech makes of any sound for speech. Here clips of noise go that way: babies of DATA's ESC-10 often, other sounds
of it and of DIR/sounds once or twice; faster or slower, some too loud, through Speex, G.723.1, GSM or Opus. Needs
ffmpeg."""
import argparse
import os
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.signal
import soundfile

import data

PHONE_RATE = 8000
BABY, OTHER, FETCHED = 12, 2, 1  # times that a clip is sent
LEAST_S = .3  # of audio: coders need more than a frame
CODERS = (('spx', ['-c:a', 'libspeex', '-cbr_quality', '4']), ('spx', ['-c:a', 'libspeex', '-cbr_quality', '8']),
          ('tco', ['-c:a', 'g723_1', '-b:a', '6300', '-f', 'g723_1']), ('gsm', ['-c:a', 'libgsm']),
          ('ogg', ['-c:a', 'libopus', '-b:a', '8k', '-application', 'voip']))


def send(rng, audio):
    """-> float audio at 16 kHz of what a telephone makes of it"""
    speed = 2 ** rng.uniform(-.35, .35)
    at = np.arange(int(len(audio) / speed)) * speed
    x = scipy.signal.resample_poly(np.interp(at, np.arange(len(audio)), audio), PHONE_RATE, data.RATE)
    low = scipy.signal.butter(2, rng.uniform(20, 300), 'high', fs=PHONE_RATE, output='sos')
    x = scipy.signal.sosfilt(low, x)
    x = x / (np.abs(x).max() + 1e-9) * 10 ** (rng.uniform(-30, 12) / 20)  # above 1 it is cut off
    x = x + rng.standard_normal(len(x)) * 10 ** (rng.uniform(-80, -50) / 20)
    ending, coder = CODERS[rng.integers(len(CODERS))]
    with tempfile.TemporaryDirectory() as folder:
        coded, plain = os.path.join(folder, 'x.' + ending), os.path.join(folder, 'x.wav')
        soundfile.write(plain, np.clip(x, -1, 1), PHONE_RATE, 'PCM_16')
        call = ['ffmpeg', '-v', 'error', '-y']
        subprocess.run(call + ['-i', plain, *coder, '-ar', str(PHONE_RATE), coded], check=True)
        source = ['-f', 'g723_1'] if ending == 'tco' else []
        subprocess.run(call + source + ['-i', coded, '-ar', str(PHONE_RATE), '-ac', '1', plain], check=True)
        y, _ = soundfile.read(plain)
    return scipy.signal.resample_poly(y, data.RATE, PHONE_RATE)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('data', type=os.path.abspath)
    ap.add_argument('out')
    ap.add_argument('--extra', type=os.path.abspath)
    ap.add_argument('--cache', required=True)
    args = ap.parse_args()
    for folder in args.out, args.cache:
        os.makedirs(folder, exist_ok=True)
    jobs = []
    for row in data.manifest(args.data, 'train'):
        if row['kind'].startswith('noise:esc10'):
            times = BABY if 'baby' in row['kind'] else OTHER
            jobs += [(os.path.join(args.data, row['file']), row['file'], k) for k in range(times)]
    for path in data.extra_files(args.extra, 'sounds') if args.extra else []:
        jobs += [(path, os.path.relpath(path, args.extra), k) for k in range(FETCHED)]

    def one(job):
        path, name, k = job
        rng = np.random.default_rng([zlib.crc32(name.encode()), k])
        audio = data.cached(path, args.cache).astype(np.float32) / 32768
        if len(audio) < LEAST_S * data.RATE:
            return 0
        out = os.path.join(args.out, '%s-%d.flac' % (os.path.splitext(name)[0].replace('/', '_'), k))
        soundfile.write(out, np.clip(send(rng, audio), -1, 1), data.RATE, 'PCM_16')
        return 1

    with ThreadPoolExecutor(2) as pool:
        print('%d recordings' % sum(pool.map(one, jobs)))


if __name__ == '__main__':
    main()
