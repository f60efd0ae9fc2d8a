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
SPEECH_FOLDERS = ('mycroft', 'voices', 'commands', 'words', 'kerstin', 'pico', 'azure', 'calls', 'watson', 'talk',
                  'langs', 'english', 'keywords', 'spelling', 'libri', 'fleurs', 'wake')
NOISE_FOLDERS = {'samples': ('sonic-pi', 'berklee'), 'impact': ('game',), 'songs': ('songs', 'midi'),
                 'sounds': ('sounds',), 'ambient': ('ambience',), 'phones': ('phones',)}
NO_SPEECH = ('sounds', 'phones')  # for sure, so what the teacher takes for it there is of most use
THINNED = {'kerstin': 2, 'voices': 2, 'berklee': 3, 'midi': 6}  # of these folders one file of so many
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
            out += [os.path.join(root, f) for f in sorted(files)[::THINNED.get(folder, 1)]
                    if f.endswith(('.wav', '.flac', '.ogg', '.opus', '.mp3'))]
    return out


def speech_files(data, extra, split):
    """-> paths; the split `dev` has nothing of `extra`."""
    out = [os.path.join(data, r['file']) for r in manifest(data, split)
           if r['kind'].startswith('speech')]
    return out + (extra_files(extra, *SPEECH_FOLDERS) if extra and split == 'train' else [])


def source_of(path):
    """The word by which scenes.SHARES knows where a recording is from: its folder's name."""
    return os.path.basename(os.path.dirname(path))


def load(paths, cache):
    """-> [float32 audio]"""
    with ThreadPoolExecutor(2) as pool:
        return [a.astype(np.float32) / 32768 for a in pool.map(lambda p: cached(p, cache), paths)]


def noise_pools(data, extra, split, cache, spoken=()):
    """-> {kind: [float32 audio]}, without what is in `spoken`"""
    pools = {}
    rows = [r for r in manifest(data, split) if r['kind'].startswith('noise')]
    for row, audio in zip(rows, load([os.path.join(data, r['file']) for r in rows], cache)):
        kind = row['kind'].split(':')[1]
        kind = 'esc' if kind.startswith('esc10') else POOLS.get(kind, kind)
        pools.setdefault(kind, []).append(audio)
    if extra and split == 'train':
        for kind, folders in NOISE_FOLDERS.items():
            paths = [p for p in extra_files(extra, *folders) if p not in spoken]
            pools.setdefault(kind, []).extend(load(paths, cache))
    return {k: v for k, v in pools.items() if v}


def room_responses(data, cache):
    rows = [r for r in csv.DictReader(open(os.path.join(data, 'manifest.csv'), newline=''))
            if r['kind'] == 'rir' and allowed(r)]
    return load([os.path.join(data, r['file']) for r in rows], cache)
