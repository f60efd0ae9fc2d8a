#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Scenes for training and for choosing among trainings: prepare.py DATA TEACHER.npz OUT --cache DIR,
or prepare.py PACKED MODEL.onnx OUT --packed, where PACKED was written with --pack PACKED, maybe on
another machine, and the teacher's model hears what it has not heard yet.

Writes OUT/dev.npz, dev-cut.npz and OUT/train0.npz, train0.npy, train1.npz, ... The dev scenes are of the dev folders
alone: other speakers, other noise, and only what was recorded."""
import argparse
import ctypes
import os
import tempfile

import numpy as np
import soundfile

import data
import pack
import scenes

MEETING_S = 30
DEV, DEV_SCENES = 2, 96  # seed and number of the dev scenes


def material(args, split):
    """-> speech, noise, rooms"""
    if args.packed:
        made = pack.load(os.path.join(args.data, split), args.teacher, args.processes)
    else:
        audios, said, sources, pools, rooms = recordings(args, split)
        made = scenes.label_speech(audios, said, sources), pools, rooms
    speech, pools, rooms = made
    print('%s: %d recordings, %.2f h of speech; noise %s; %d rooms' % (
        split, len(speech), sum(len(p[0]) for p in speech) / data.RATE / 3600,
        {k: '%d in %.0f min' % (len(v), sum(map(len, v)) / data.RATE / 60)
         for k, v in pools.items()}, len(rooms)), flush=True)
    return made


def recordings(args, split):
    """-> audio, what the teacher says of it or None, source; noise, rooms"""
    teacher = np.load(args.teacher)
    found = data.speech_files(args.data, args.extra, split)
    paths = [p for p in found if args.pack or p in teacher]
    if len(paths) < len(found) / 2:
        raise SystemExit('prepare.py: %s knows %d of %d recordings: run teacher.py on these folders'
                         % (args.teacher, len(paths), len(found)))
    doubtful = set(sum(data.NOISE_FOLDERS.values(), ())) - set(data.NO_SPEECH)
    fetched = data.extra_files(args.extra, *sorted(doubtful)) if args.extra else []
    spoken = {p for p in fetched if p in teacher and (teacher[p] > .5).mean() > .1}
    pools = data.noise_pools(args.data, args.extra, split, args.cache, spoken)
    rooms = data.room_responses(args.data, args.cache) if split == 'train' else []
    return (data.load(paths, args.cache), [teacher[p] if p in teacher else None for p in paths],
            [data.source_of(p) for p in paths], pools, rooms)


def dev_scenes(made):
    """-> [(audio, label)]"""
    return [scenes.make_scene([DEV, i], *made)[:2] for i in range(DEV_SCENES)]


def write_audio(recordings, folder):
    """Recordings as audio, and what of them is speech: for scripts/preset-table"""
    os.makedirs(folder, exist_ok=True)
    for i, (audio, label) in enumerate(recordings):
        path = os.path.join(folder, 'scene%02d' % i)
        soundfile.write(path + '.wav', audio, data.RATE, 'PCM_16')
        with open(path + '.csv', 'w') as f:
            f.write('start_s,end_s,label\n')
            edges = np.flatnonzero(np.diff(label > .5)) + 1
            edges = [0, *edges, len(label)]
            for first, end in zip(edges, edges[1:]):
                f.write('%.2f,%.2f,%s\n' % (first / 100, end / 100,
                                            'speech' if label[first] > .5 else 'other'))


def write_set(library, recordings, path):
    """Numbers and labels of recordings as one stream each, and as three, which begin anew"""
    for name, parts in ('', 1), ('-cut', 3):
        x, y = [], []
        for audio, label in recordings:
            n = len(label) // parts
            for at in range(0, parts * n, n):
                x.append(scenes.features_of(library, audio[at * data.HOP:(at + n) * data.HOP]))
                y.append((label[at:at + n] * 255).round().astype(np.uint8))
        np.savez(path + name + '.npz', x=np.stack(x), y=np.stack(y))


def meetings(folder):
    """-> [(audio, label)] of the first MEETING_S of each recording that an .rttm of `folder` names, where
    somebody speaks if anybody does"""
    turns = []
    for name in sorted(os.listdir(folder)):
        if name.endswith('.rttm'):
            with open(os.path.join(folder, name)) as f:
                turns += [line.split() for line in f if line.startswith('SPEAKER')]
    out = []
    middle = np.arange(MEETING_S * 100) * .01 + .005
    for name in sorted({t[1] for t in turns}):
        audio = data.decode(os.path.join(folder, name + '.wav'))[:MEETING_S * data.RATE]
        label = np.zeros(len(middle), np.float32)
        for start, length in ((float(t[3]), float(t[4])) for t in turns if t[1] == name):
            label[(middle >= start) & (middle < start + length)] = 1
        out.append((audio.astype(np.float32) / 32768, label))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('data', type=os.path.abspath)  # labels are kept by whole paths
    ap.add_argument('teacher')
    ap.add_argument('out')
    ap.add_argument('--extra', type=os.path.abspath)
    ap.add_argument('--cache')
    ap.add_argument('--scenes', type=int, default=256, help='of a file')
    ap.add_argument('--files', type=int, default=8)
    ap.add_argument('--first', type=int, default=0, help='number of the first file')
    ap.add_argument('--streams', choices=scenes.STREAMS, default='any', help='how they begin and go on')
    ap.add_argument('--processes', type=int, default=2)
    ap.add_argument('--meetings', metavar='FOLDER', help='recordings and .rttm, for dev-meetings*.npz')
    ap.add_argument('--audio', metavar='FOLDER', help='write the dev scenes there, and nothing else')
    ap.add_argument('--features', help='features.so, built elsewhere')
    ap.add_argument('--packed', action='store_true')
    ap.add_argument('--pack', metavar='FOLDER', help='write material there, and no scenes')
    args = ap.parse_args()
    if args.pack:
        for split in ('dev', 'train'):
            audios, said, sources, pools, rooms = recordings(args, split)
            pack.save(os.path.join(args.pack, split), list(zip(audios, said, sources)), pools, rooms,
                      args.processes)
        return
    if args.audio:
        write_audio(dev_scenes(material(args, 'dev')), args.audio)
        return
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        library = ctypes.CDLL(args.features) if args.features else scenes.build_library(folder)
        if args.first == 0 and not os.path.exists(os.path.join(args.out, 'dev.npz')):
            write_set(library, dev_scenes(material(args, 'dev')), os.path.join(args.out, 'dev'))
        if args.meetings:
            write_set(library, meetings(args.meetings), os.path.join(args.out, 'dev-meetings'))
        train = material(args, 'train') + (scenes.STREAMS[args.streams],)
        numbers = range(args.first, args.first + args.files)
        made = scenes.make_sets(library, args.scenes, [100 + i for i in numbers], train,
                                args.processes)
        for i, (x, y, begins) in zip(numbers, made):
            path = os.path.join(args.out, 'train%d.npz' % i)
            np.save(path.replace('.npz', '.npy'), x)  # apart, as train.py maps it
            np.savez(path + '.part.npz', y=y, begins=begins)
            os.rename(path + '.part.npz', path)
            print('train%d: %.0f %% speech' % (i, 100 * (y > 127).mean()), flush=True)


if __name__ == '__main__':
    main()
