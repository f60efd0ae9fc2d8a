# SPDX-License-Identifier: MIT
"""Recordings in few small files, to prepare scenes on a machine that has none of them: audio as Opus
in parts of some minutes, and beside it what each recording is and what the teacher says of it."""
import multiprocessing
import os
import subprocess

import numpy as np
import soundfile

import data
import scenes
import teacher
from data import RATE

PART_S = 600
LONGEST_S = 30     # of a recording, the rest is left out
BITS = '22k'
GAP = RATE // 20  # silence between recordings, so that the codec starts afresh


def _encode(job):
    path, clips = job
    audio = np.concatenate([np.concatenate([c, np.zeros(GAP, np.int16)]) for c in clips])
    subprocess.run(['ffmpeg', '-v', 'error', '-y', '-f', 's16le', '-ar', str(RATE), '-ac', '1', '-i',
                    '-', '-c:a', 'libopus', '-b:a', BITS, '-compression_level', '1', path],
                   input=audio.tobytes(), check=True)


def _decode(path):
    audio, rate = soundfile.read(path, dtype='float32')
    step = rate // RATE  # libsndfile answers with what ffmpeg wrote, or with 48 kHz
    return audio[::step] if step > 1 else audio


def write(folder, name, clips, processes=2):
    """Writes folder/name-N.opus and folder/name.npz. `clips`: 16-bit audio"""
    os.makedirs(folder, exist_ok=True)
    parts, filled = [[]], 0
    part_of = np.zeros(len(clips), np.int32)
    for i, clip in enumerate(clips):
        if filled > PART_S * RATE:
            parts.append([])
            filled = 0
        parts[-1].append(clip)
        filled += len(clip) + GAP
        part_of[i] = len(parts) - 1
    jobs = [(os.path.join(folder, '%s-%d.opus' % (name, i)), p) for i, p in enumerate(parts)]
    with multiprocessing.get_context('fork').Pool(processes) as pool:
        pool.map(_encode, jobs, chunksize=1)
    np.savez_compressed(os.path.join(folder, name + '.npz'), part=part_of,
                        frames=np.array([len(c) for c in clips], np.int32))


def read(folder, name, processes=2):
    """-> [float32 audio]"""
    with np.load(os.path.join(folder, name + '.npz')) as f:
        part, frames = f['part'], f['frames']
    paths = [os.path.join(folder, '%s-%d.opus' % (name, i)) for i in range(part.max() + 1)]
    with multiprocessing.get_context('fork').Pool(processes) as pool:
        parts = pool.map(_decode, paths, chunksize=1)
    out, at = [], 0
    for i, n in enumerate(frames):
        at = 0 if i == 0 or part[i] != part[i - 1] else at
        out.append(parts[part[i]][at:at + n].copy())
        at += n + GAP
    return out


def _integers(audio):
    audio = audio[:LONGEST_S * RATE]
    return np.round(audio * (16000 / (np.abs(audio).max() + 1e-9))).astype(np.int16)


def save(folder, speech, pools, rooms, processes):
    """`speech`: [(float audio, what the teacher says of it or None, source)]"""
    write(folder, 'speech', [_integers(a) for a, _, _ in speech], processes)
    heard = [np.zeros(0) if t is None else np.round(t[:LONGEST_S * 100].astype(np.float32) * 255)
             for _, t, _ in speech]
    np.savez_compressed(os.path.join(folder, 'said.npz'), source=[s for _, _, s in speech],
                        hops=[len(t) for t in heard],
                        said=np.concatenate(heard).astype(np.uint8))
    for kind, clips in pools.items():
        write(folder, 'noise-' + kind, [_integers(a) for a in clips], processes)
    np.savez_compressed(os.path.join(folder, 'rooms.npz'), *rooms)


def _hear(job):
    model, audios = job
    return teacher.hear(teacher.open_teacher(model), audios)


def hear(pool, model, audios):
    """-> what the teacher says of each, by all processes"""
    order = sorted(range(len(audios)), key=lambda i: -len(audios[i]))
    groups = [order[at:at + teacher.BATCH] for at in range(0, len(order), teacher.BATCH)]
    jobs = ((model, [audios[i] for i in g]) for g in groups)
    out = [None] * len(audios)
    for group, said in zip(groups, pool.imap(_hear, jobs)):
        for i, s in zip(group, said):
            out[i] = s
    return out


def _label(job):
    return scenes.label_speech([job[0]], [job[1]], [job[2]])


def load(folder, model, processes):
    """-> Speech, noise, rooms: what save() was given, less what the codec took. `model`: of the
    teacher, for what it has not heard yet"""
    audios = read(folder, 'speech', processes)
    pools = {name[6:-4]: read(folder, name[:-4], processes) for name in sorted(os.listdir(folder))
             if name.startswith('noise-') and name.endswith('.npz')}
    with np.load(os.path.join(folder, 'said.npz')) as f:
        ends = np.cumsum(f['hops'])
        said = [s.astype(np.float32) / 255 for s in np.split(f['said'], ends[:-1])]
        sources = [str(s) for s in f['source']]
    with np.load(os.path.join(folder, 'rooms.npz')) as f:
        rooms = [f[k] for k in f]
    with multiprocessing.get_context('fork').Pool(processes) as pool:
        new = [i for i, s in enumerate(said) if len(s) == 0]
        for i, s in zip(new, hear(pool, model, [audios[i] for i in new])):
            said[i] = s
        for kind in data.NOISE_FOLDERS:
            heard = hear(pool, model, pools.get(kind, []))
            pools[kind] = [a for a, s in zip(pools.get(kind, []), heard) if (s > .5).mean() < .1]
        labelled = pool.imap(_label, zip(audios, said, sources), chunksize=32)
        speech = scenes.Speech([one for some in labelled for one in some])
    return speech, {k: v for k, v in pools.items() if v}, rooms
