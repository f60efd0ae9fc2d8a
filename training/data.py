# SPDX-License-Identifier: MIT
"""The recordings that the native detector is trained on, and what their licences allow."""
import csv
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.signal
import soundfile

RATE, HOP = 16000, 160
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POOLS = {'speech-commands-bg': 'background', 'animal': 'ambient', 'room': 'ambient'}


def allowed(row):
    """Nothing share-alike, nothing under the Open Database Licence or Sampling+."""
    return not any(word in row['licence'] for word in ('-SA', 'ODbL', 'Sampling'))


def manifest(data, split):
    with open(os.path.join(data, 'manifest.csv'), newline='') as f:
        return [r for r in csv.DictReader(f) if r['split'] == split and allowed(r)]


def decode(path):
    """-> 16-bit mono at 16 kHz"""
    try:
        audio, rate = soundfile.read(path, dtype='float32', always_2d=True)
    except soundfile.LibsndfileError:  # a few are less than well-formed
        raw = subprocess.run(['ffmpeg', '-v', 'error', '-i', path, '-f', 's16le', '-ar', str(RATE),
                              '-ac', '1', '-'], check=True, stdout=subprocess.PIPE).stdout
        return np.frombuffer(raw, '<i2')
    audio = audio.mean(axis=1)
    if rate != RATE:
        shared = np.gcd(rate, RATE)
        audio = scipy.signal.resample_poly(audio, RATE // shared, rate // shared)
    return np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)


def cached(path, cache):
    """Decoded once into `cache`."""
    kept = os.path.join(cache, path.strip('/').replace('/', '_') + '.npy')
    if not os.path.exists(kept):
        np.save(kept, decode(path))
    return np.load(kept)


def extra_files(extra, *folders):
    """Audio files below folders of `extra`, sorted: what was fetched or made beside the data."""
    out = []
    for folder in folders:
        for root, _, files in sorted(os.walk(os.path.join(extra, folder))):
            out += [os.path.join(root, f) for f in sorted(files)
                    if f.endswith(('.wav', '.flac', '.ogg', '.opus'))]
    return out


def speech_files(data, extra, split):
    """-> paths; the split `dev` has nothing of `extra`."""
    out = [os.path.join(data, r['file']) for r in manifest(data, split)
           if r['kind'].startswith('speech')]
    return out + (extra_files(extra, 'mycroft', 'voices') if extra and split == 'train' else [])


def load(paths, cache):
    """-> [float32 audio]"""
    with ThreadPoolExecutor(2) as pool:
        return [a.astype(np.float32) / 32768 for a in pool.map(lambda p: cached(p, cache), paths)]


def noise_pools(data, extra, split, cache):
    """-> {kind: [float32 audio]}"""
    pools = {}
    rows = [r for r in manifest(data, split) if r['kind'].startswith('noise')]
    for row, audio in zip(rows, load([os.path.join(data, r['file']) for r in rows], cache)):
        kind = row['kind'].split(':')[1]
        kind = 'esc' if kind.startswith('esc10') else POOLS.get(kind, kind)
        pools.setdefault(kind, []).append(audio)
    if extra and split == 'train':
        pools['samples'] = load(extra_files(extra, 'sonic-pi'), cache)
        pools['songs'] = load(extra_files(extra, 'songs'), cache)
    return {k: v for k, v in pools.items() if v}


def room_responses(data, cache):
    rows = [r for r in csv.DictReader(open(os.path.join(data, 'manifest.csv'), newline=''))
            if r['kind'] == 'rir' and allowed(r)]
    return load([os.path.join(data, r['file']) for r in rows], cache)
