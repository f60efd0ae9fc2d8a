#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Music that nobody made, played by the sampled instruments of a soundfont through fluidsynth:
songs.py FOLDER [--count N]. Choirs, organs, strings, reeds and brass are among them, whose overtones
are what a detector of speech takes for vowels. Seeded. Needs fluidsynth and FluidR3_GM (MIT)."""
import argparse
import os
import struct
import subprocess
import tempfile

import numpy as np

FONT = '/usr/share/sounds/sf2/FluidR3_GM.sf2'
# General MIDI programs by what they play.
LEAD = [0, 4, 6, 11, 12, 16, 19, 21, 22, 24, 25, 26, 27, 29, 30, 40, 41, 42, 48, 52, 53, 54, 56, 57,
        59, 60, 61, 64, 65, 66, 68, 70, 71, 73, 74, 75, 78, 79, 80, 81, 82, 85, 91, 104, 105, 110]
CHORD = [0, 1, 4, 5, 16, 18, 19, 24, 25, 46, 48, 49, 50, 51, 52, 53, 54, 61, 62, 63, 88, 89, 90, 91]
BASS = [32, 33, 34, 35, 36, 38, 39, 43, 58]
SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9], [0, 3, 5, 6, 7, 10])


def varint(n):
    out = bytes([n & 127])
    while n > 127:
        n >>= 7
        out = bytes([n & 127 | 128]) + out
    return out


def compose(rng, seconds):
    """-> a MIDI file of one track: [(tick, bytes)] in order, 480 ticks a beat"""
    tempo = rng.uniform(60, 150)
    beats = int(seconds * tempo / 60) + 1
    scale, root = SCALES[rng.integers(len(SCALES))], int(rng.integers(40, 52))
    events = [(0, b'\xff\x51\x03' + struct.pack('>I', int(6e7 / tempo))[1:])]
    for channel, programs in enumerate((LEAD, CHORD, BASS, LEAD)):
        events.append((0, bytes([0xc0 | channel, programs[rng.integers(len(programs))]])))
        events.append((0, bytes([0xb0 | channel, 91, int(rng.integers(0, 100))])))

    def degree(d):
        return root + scale[d % len(scale)] + 12 * (d // len(scale))

    def note(channel, beat, length, key, speed):
        key = int(np.clip(key, 24, 100))
        events.append((int(beat * 480), bytes([0x90 | channel, key, int(speed)])))
        events.append((int((beat + length) * 480), bytes([0x80 | channel, key, 0])))

    parts = rng.random(5) < (.85, .7, .6, .25, .6)
    if not parts.any():
        parts[0] = True
    line, chord = int(rng.integers(7, 14)), 0
    busy = rng.uniform(.3, 1)
    for beat in range(beats):
        if beat % 4 == 0:
            chord = int(rng.choice([0, 3, 4, 5, 1]))
            if parts[1]:
                for d in (0, 2, 4):
                    note(1, beat, 3.8, degree(chord + d + len(scale)), rng.integers(40, 90))
        if parts[2] and rng.random() < .8:
            note(2, beat, .9, degree(chord) - 12, rng.integers(60, 110))
        for channel in (0, 3):
            if parts[channel] and rng.random() < busy:
                for half in range(rng.integers(1, 4)):
                    line = int(np.clip(line + rng.integers(-2, 3), 4, 20))
                    length = rng.choice([.2, .45, .9, 1.8])
                    note(channel, beat + half * .5, length, degree(line), rng.integers(60, 115))
        if parts[4]:
            for half in range(2):
                if rng.random() < .8:
                    note(9, beat + half * .5, .2, rng.choice([42, 44, 46, 51]),
                         rng.integers(40, 90))
            note(9, beat, .2, 36 if beat % 2 == 0 else 38, rng.integers(70, 120))
    out, now = b'', 0
    for tick, message in sorted(events, key=lambda e: (e[0], e[1][0] & 0xf0 != 0x80)):
        out += varint(tick - now) + message
        now = tick
    track = out + b'\x00\xff\x2f\x00'
    return (b'MThd' + struct.pack('>IHHH', 6, 0, 1, 480) + b'MTrk' +
            struct.pack('>I', len(track)) + track)


def render(midi, wav):
    subprocess.run(['fluidsynth', '-niq', '-r', '16000', '-g', '0.5', '-F', wav, FONT, midi],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('folder')
    ap.add_argument('--count', type=int, default=90)
    ap.add_argument('--seconds', type=float, default=40)
    args = ap.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    rng = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as work:
        for i in range(args.count):
            midi = os.path.join(work, 'song.mid')
            with open(midi, 'wb') as f:
                f.write(compose(rng, args.seconds))
            render(midi, os.path.join(args.folder, 'song%03d.wav' % i))


if __name__ == '__main__':
    main()
