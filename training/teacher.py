#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Silero (MIT) says of clean speech, as labels: teacher.py DATA OUT.npz [--extra FOLDER] ...

Silero's probability belongs to the end of its chunk of 32 ms and lags the audio by some more. Each
file is heard twice, the second time 16 ms later, so that there is a value every 16 ms; a hop takes
what is said LAG_MS after its centre. Files are heard many at a time, as a batch. OUT may be there
already: what is new is added."""
import argparse
import os

import numpy as np
import onnxruntime

import data

CHUNK, BEFORE, BATCH = 512, 64, 24
OFFSETS = (0, 256)
LAG_MS = 50.0
MODEL = 'models/silero-vad/silero_vad_16k_op15.onnx'


def open_teacher(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def hear(session, audios):
    """-> [probability of each hop]"""
    longest = max(len(a) for a in audios)
    chunks = -(-(longest + OFFSETS[-1] + 1600) // CHUNK)
    x = np.zeros((len(audios) * len(OFFSETS), BEFORE + chunks * CHUNK), np.float32)
    for i, audio in enumerate(audios):
        for k, offset in enumerate(OFFSETS):
            at = BEFORE + offset
            x[i * len(OFFSETS) + k, at:at + len(audio)] = audio
    state = np.zeros((2, len(x), 128), np.float32)
    p = np.zeros((len(x), chunks), np.float32)
    rate = np.array(data.RATE, np.int64)
    for c in range(chunks):
        piece = x[:, c * CHUNK:c * CHUNK + BEFORE + CHUNK]
        out, state = session.run(None, {'input': piece, 'state': state, 'sr': rate})
        p[:, c] = out[:, 0]
    result = []
    for i, audio in enumerate(audios):
        ends = np.concatenate([(np.arange(1, chunks + 1) * CHUNK - offset) / data.RATE * 1e3
                               for offset in OFFSETS])
        values = np.concatenate([p[i * len(OFFSETS) + k] for k in range(len(OFFSETS))])
        order = np.argsort(ends)
        centres = np.arange(len(audio) // data.HOP) * 10.0 + 5.0
        result.append(np.interp(centres + LAG_MS, ends[order], values[order]).astype(np.float16))
    return result


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('data', type=os.path.abspath)  # labels are kept by whole paths
    ap.add_argument('out')
    ap.add_argument('--extra', type=os.path.abspath)
    ap.add_argument('--cache', required=True)
    args = ap.parse_args()
    os.makedirs(args.cache, exist_ok=True)
    session = open_teacher(os.path.join(args.data, MODEL))
    paths = [p for split in ('dev', 'train')
             for p in data.speech_files(args.data, args.extra, split)]
    if args.extra:  # is there speech in what should be noise?
        paths += data.extra_files(args.extra, *sum(data.NOISE_FOLDERS.values(), ()))
    out = dict(np.load(args.out)) if os.path.exists(args.out) else {}
    paths = [p for p in paths if p not in out]
    audios = data.load(paths, args.cache)
    order = sorted(range(len(paths)), key=lambda i: len(audios[i]))
    for at in range(0, len(order), BATCH):
        group = order[at:at + BATCH]
        for i, p in zip(group, hear(session, [audios[i] for i in group])):
            out[paths[i]] = p
        if at // BATCH % 10 == 0:
            print('%d of %d files' % (at, len(paths)), flush=True)
    np.savez(args.out, **out)
    print('wrote ' + args.out, flush=True)


if __name__ == '__main__':
    main()
