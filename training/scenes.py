# SPDX-License-Identifier: MIT
"""Scenes to train the native detector on: speech, noise and rooms mixed, a label for each hop, and
the detector's own numbers of them, computed by its own C code."""
import collections
import ctypes
import multiprocessing
import os
import subprocess

import numpy as np
import scipy.fft as fft

from data import HOP, RATE, ROOT

SCENE_S = 24
STRETCH = 240  # hops after which a stream may begin anew within a scene
KINDS = {'esc': .15, 'ambient': .11, 'keyboard': .09, 'music': .05, 'songs': .12, 'samples': .05,
         'colour': .11, 'tones': .05, 'hum': .05, 'breaths': .05, 'clicks': .03, 'background': .06,
         'impact': .03, 'babble': .06}
KINDS_WITH_SOUNDS = {**KINDS, 'esc': .12, 'sounds': .1, 'phones': .15}  # where there are such recordings
# what stands alone where speech could
EVENTS = {'esc': .3, 'sounds': .3, 'phones': .3, 'keyboard': .1, 'music': .04, 'songs': .1, 'samples': .05,
          'impact': .02, 'calls': .12, 'bursts': .07, 'ticks': .05, 'motors': .05, 'tones': .03, 'breaths': .04,
          'clicks': .03}
# How often a source of speech is drawn, whatever it holds; what is not named is SHARE_ELSE.
SHARES = {'train-bulk-opus': .16, 'speechocean': .05, 'mfa': .09, 'mycroft': .13, 'azure': .08,
          'speech-commands': .04, 'commands': .16, 'words': .09, 'kerstin': .07, 'pico': .05,
          'voices': .05, 'calls': .1, 'watson': .1, 'talk': .03, 'langs': .4, 'english': .25, 'keywords': .08,
          'spelling': .08, 'libri': .1, 'fleurs': .02, 'wake': .03}
SHARE_ELSE = .03
# How streams go: by how many octaves gaps are longer, between which; the share of streams that begin anywhere, and
# just before a word; of stretches that begin anew in background and in speech; of scenes that are quiet, and that
# have far talk. 'any' says little of what there is to expect; 'quiet' streams mostly begin with background. In `rooms`
# noise is also as telephones record it, and turns of meetings go on over pauses.
Streams = collections.namedtuple('Streams', 'gaps anywhere soon anew quiet far rooms')
STREAMS = {'any': Streams((-1, 1.5), .5, .25, (.35, .25), .25, .06, False),
           'quiet': Streams((-1.5, 3.5), .15, .2, (.55, .12), .35, .12, False),
           'rooms': Streams((-1.5, 3.5), .15, .2, (.55, .12), .35, .12, True)}


# labels -------------------------------------------------------------------------------------

def hop_db(audio):
    frames = audio[:len(audio) // HOP * HOP].reshape(-1, HOP)
    frames = frames - .9 * np.concatenate([np.zeros((len(frames), 1), np.float32),
                                           frames[:, :-1]], 1)
    return 10 * np.log10((frames ** 2).mean(axis=1) + 1e-11)


def runs_of(mask):
    """-> [(first, end)] of the true runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(edges[::2], edges[1::2]))


def soften(teacher, db):
    """The teacher knows what is speech, the level where it begins and ends: its edges move back
    while sound goes on (at most 100 ms), forward while there is none (at most 120 ms). Inside, at
    least 0.6; outside, at most 0.4, and at least 0.25 in pauses under 300 ms, which people who label
    conversations count as speech."""
    speech = teacher > .5
    for first, end in runs_of(speech):
        if end - first < 3:
            speech[first:end] = False
    for first, end in runs_of(~speech):
        if end - first < 8 and first > 0 and end < len(speech):
            speech[first:end] = True
    quiet, loud = np.percentile(db, 8), np.percentile(db, 97)
    threshold = max(quiet + 6, min(quiet + 12, loud - 25), loud - 40)
    active = np.convolve(db, [.25, .5, .25], 'same') > threshold
    inside = np.zeros(len(speech), bool)
    for first, end in runs_of(speech):
        a, b = first, end
        if active[min(a, len(active) - 1)]:
            while a > max(0, first - 10) and active[a - 1]:
                a -= 1
        else:
            while a < min(end, first + 12) and not active[a]:
                a += 1
        if active[b - 1]:
            while b < min(len(active), end + 10) and active[b]:
                b += 1
        else:
            while b > max(a, end - 12) and not active[b - 1]:
                b -= 1
        inside[a:b] = True
    padded = np.pad(teacher, 4, 'edge')
    windows = np.lib.stride_tricks.sliding_window_view(padded, 9)
    highest, lowest = windows.max(1), windows.min(1)
    least = np.zeros(len(teacher))
    for first, end in runs_of(~inside):
        if end - first < 30 and first > 0 and end < len(inside):
            least[first:end] = .25
    return np.where(inside, np.clip(np.maximum(teacher, (teacher + highest) / 2), .6, 1),
                    np.clip(np.minimum(teacher, (teacher + lowest) / 2), least, .4)).astype(np.float32)


class Speech(list):
    """[(audio, label of each hop, source)], recordings of a source in a row"""

    def __init__(self, pieces):
        super().__init__(pieces)
        names = [source for _, _, source in self]
        share = np.array([SHARES.get(n, SHARE_ELSE) / names.count(n) for n in names])
        self._up_to = np.cumsum(share / share.sum())

    def draw(self, rng):
        """-> index"""
        return min(len(self) - 1, int(np.searchsorted(self._up_to, rng.random())))

    def near(self, rng, index):
        """-> index of one of the next few of the same source, often of the same speaker"""
        other = min(len(self) - 1, index + rng.integers(0, 6))
        return other if self[other][2] == self[index][2] else index


def label_speech(audios, opinions, sources):
    """-> Speech, at a speech level of 0 dB, of what has speech enough"""
    out = []
    for audio, opinion, source in zip(audios, opinions, sources):
        db = hop_db(audio)
        if len(db) < 20:
            continue
        label = soften(opinion[:len(db)].astype(np.float32), db)
        if (label > .5).sum() >= 15:
            out.append((at_level(audio[:len(db) * HOP], label), label, source))
    return Speech(out)


def at_level(audio, label):
    """At a speech level of 0 dB: of the louder half of what is speech"""
    power = np.sort((audio.reshape(-1, HOP)[label > .5] ** 2).mean(axis=1))
    return audio / np.sqrt(power[len(power) // 2:].mean() + 1e-12)


# noise that nobody recorded -------------------------------------------------------------------

def make_colour(rng, n):
    """Coloured noise, in half of the cases in swells."""
    spectrum = fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.arange(len(spectrum)) * RATE / n, 20)
    x = fft.irfft(spectrum * f ** (-rng.uniform(0, 1.2)), n)
    if rng.random() < .5:
        rate = rng.uniform(.3, 12)
        steps = rng.random(int(n / RATE * rate) + 3) ** rng.uniform(.5, 3)
        x = x * np.interp(np.arange(n) / RATE * rate, np.arange(len(steps)), steps)
    return x


def make_tones(rng, n):
    """Beeps, sweeps and notes with overtones."""
    out, at = np.zeros(n), 0
    pure = rng.random() < .4
    while at < n:
        length = int(min(n - at, rng.uniform(.05, .9) * RATE))
        t = np.arange(length) / RATE
        if rng.random() < .8:
            f0 = 110 * 2 ** (rng.uniform(0, 48) / 12)
            sweep = rng.normal(0, .3) if rng.random() < .3 else 0
            phase = 2 * np.pi * f0 * (t + sweep * t * t)
            note = sum(np.sin(k * phase + rng.uniform(0, 6)) / k ** rng.uniform(.7, 2)
                       for k in range(1, 2 if pure else rng.integers(2, 12)) if k * f0 < 7500)
            out[at:at + length] = note * np.exp(-t * rng.uniform(0, 8))
        at += length + int(rng.exponential(.15) * RATE)
    return out


def make_hum(rng, n):
    """Mains and motors: a comb of overtones, slowly swaying."""
    t = np.arange(n) / RATE
    f0 = rng.choice([50, 60, 100, 120, rng.uniform(80, 400)])
    sway = 1 + rng.uniform(0, .02) * np.sin(2 * np.pi * rng.uniform(.05, 4) * t)
    phase = 2 * np.pi * f0 * np.cumsum(sway) / RATE
    turn, overtone, out = np.exp(1j * phase).astype(np.complex64), 1, 0
    for k in range(1, 24):
        if k * f0 < 7500:
            overtone = overtone * turn
            start, share = rng.uniform(0, 6), rng.uniform(.1, 1) / k ** rng.uniform(.3, 1.5)
            out = out + (overtone * np.complex64(share * np.exp(1j * start))).imag
    return out + rng.uniform(0, .3) * rng.standard_normal(n)


def make_breaths(rng, n):
    """Breath, wind and rubbing: noise in slow swells, of one or two wide humps."""
    spectrum = fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.arange(len(spectrum)) * RATE / n, 20)
    shape = sum(np.exp(-np.log2(f / rng.uniform(200, 5000)) ** 2 / rng.uniform(.3, 2))
                for _ in range(rng.integers(1, 3)))
    steps = rng.random(n // (RATE // 4) + 3) ** rng.uniform(1, 5)
    return fft.irfft(spectrum * shape, n) * np.interp(np.arange(n) / (RATE / 4), np.arange(len(steps)), steps)


def make_clicks(rng, n):
    """Keys, taps and knocks: short decays, some ringing."""
    out = np.zeros(n)
    ring, decay = rng.uniform(200, 5000), rng.uniform(20, 400)
    for at in np.cumsum(rng.exponential(rng.uniform(.08, .6), 200) * RATE).astype(int):
        if at >= n:
            break
        t = np.arange(min(n - at, RATE // 4)) / RATE
        hit = rng.standard_normal(len(t)) * np.exp(-t * decay * rng.uniform(.7, 1.4))
        hit += rng.uniform(0, 1) * np.sin(2 * np.pi * ring * t) * np.exp(-t * decay / 2)
        out[at:at + len(t)] += rng.uniform(.2, 1) * hit
    return out


def make_calls(rng, n):
    """Babies and beasts: voices with a pitch above that of talkers, or barks, without words."""
    out, at = np.zeros(n), 0
    pitch, longest = rng.uniform(280, 700), rng.choice([.25, 1.5])
    humps = [(rng.uniform(700, 1600), 1.), (rng.uniform(2200, 4000), rng.uniform(.1, 1))]
    while at < n:
        length = int(min(n - at, rng.uniform(.3, 1) * longest * RATE))
        t = np.arange(length) / RATE
        along = t / (length / RATE + 1e-9)
        f0 = pitch * rng.uniform(.8, 1.25) * (1 + rng.uniform(.05, .4) * np.sin(np.pi * along ** rng.uniform(.4, 1))
                                             - rng.uniform(0, .3) * along)
        f0 = f0 * (1 + rng.uniform(0, .02) * np.sin(2 * np.pi * rng.uniform(5, 12) * t))
        phase = 2 * np.pi * np.cumsum(f0) / RATE
        call = rng.uniform(0, .5) * rng.standard_normal(length) / 3
        for k in range(1, 16):
            if k * pitch * 1.5 < 7500:
                loud = sum(g * np.exp(-np.log2(k * pitch / f) ** 2 / .4) for f, g in humps)
                call += (loud + .05) * np.sin(k * phase + rng.uniform(0, 6))
        rise = np.minimum(1, t / rng.uniform(.01, .1))
        out[at:at + length] = rng.uniform(.4, 1) * call * rise * np.minimum(1, (1 - along) * rng.uniform(2, 10))
        at += length + int((.08 + rng.exponential(.35)) * RATE)
    return out


def make_bursts(rng, n):
    """Sneezes and coughs: breath drawn in, a burst of noise of a mouth's colour, some with a voiced end."""
    out, at = np.zeros(n), int(rng.exponential(.4) * RATE)
    while at < n:
        length = int(min(n - at, rng.uniform(.08, .5) * RATE))
        t = np.arange(length) / RATE
        spectrum = fft.rfft(rng.standard_normal(length))
        f = np.maximum(np.arange(len(spectrum)) * RATE / length, 20)
        shape = sum(rng.uniform(.2, 1) * np.exp(-np.log2(f / rng.uniform(500, 5000)) ** 2 / rng.uniform(.1, 1))
                    for _ in range(3))
        burst = fft.irfft(spectrum * shape, length)
        burst *= np.minimum(1, t / rng.uniform(.002, .04)) * np.exp(-t * rng.uniform(4, 30))
        burst /= np.abs(burst).max() + 1e-9
        if rng.random() < .4:
            f0 = rng.uniform(120, 450) * np.exp(-t * rng.uniform(0, 3))
            buzz = sum(np.sin(k * 2 * np.pi * np.cumsum(f0) / RATE) / k for k in range(1, 12))
            burst += rng.uniform(.1, .6) * buzz * np.exp(-((t - .5 * length / RATE) * 12) ** 2)
        if rng.random() < .4:
            before = int(min(at, rng.uniform(.15, .6) * RATE))
            rise = np.linspace(0, 1, before) ** 2 * rng.uniform(.03, .2)
            out[at - before:at] += rise * np.diff(rng.standard_normal(before + 1))
        out[at:at + length] += rng.uniform(.3, 1) * burst
        at += length + int((rng.uniform(.1, .4) if rng.random() < .5 else rng.exponential(2)) * RATE)
    return out


def make_ticks(rng, n):
    """Clocks, switches and typing in a rhythm: two sounds of a few milliseconds that take turns."""
    out = np.zeros(n)
    period, sway = rng.uniform(.12, 1.1), rng.choice([0, .02, .3])
    hits = []
    for _ in range(2):
        t = np.arange(int(.06 * RATE)) / RATE
        decay = rng.uniform(60, 900)
        hits.append(rng.uniform(.3, 1) * np.exp(-t * decay) * (
            rng.uniform(0, 1) * rng.standard_normal(len(t)) +
            sum(np.sin(2 * np.pi * rng.uniform(400, 7000) * t) for _ in range(rng.integers(1, 4)))))
    at, turn = rng.uniform(0, period), 0
    while at * RATE < n:
        first = int(at * RATE)
        hit = hits[turn % 2][:n - first]
        out[first:first + len(hit)] += rng.uniform(.7, 1) * hit
        at, turn = at + period * (1 + sway * rng.uniform(-1, 1)) * (.3 if sway and turn % 2 else 1), turn + 1
    return out


def make_motors(rng, n):
    """Saws and small engines: a buzz whose pitch goes up and down, rough, with noise in its rhythm."""
    t = np.arange(n) / RATE
    marks = 60 * 2 ** rng.uniform(0, 2.2, int(t[-1] * rng.uniform(.3, 3)) + 3)
    f0 = np.interp(np.linspace(0, len(marks) - 1, n), np.arange(len(marks)), marks)
    phase = np.cumsum(f0) / RATE + rng.uniform(0, .05) * np.cumsum(rng.standard_normal(n)) / 30
    pulse = (1 - phase % 1) ** rng.uniform(1, 8)
    x = pulse - pulse.mean() + rng.uniform(.1, 1) * pulse * rng.standard_normal(n)
    spectrum = fft.rfft(x)
    f = np.maximum(np.arange(len(spectrum)) * RATE / n, 50)
    shape = .1 + sum(np.exp(-np.log2(f / rng.uniform(200, 5000)) ** 2 / rng.uniform(.2, 2)) for _ in range(3))
    return fft.irfft(spectrum * shape, n)


MADE = {'colour': make_colour, 'tones': make_tones, 'hum': make_hum, 'breaths': make_breaths,
        'clicks': make_clicks}
MADE_EVENTS = {'calls': make_calls, 'bursts': make_bursts, 'ticks': make_ticks, 'motors': make_motors}


# scenes -------------------------------------------------------------------------------------

def fill(rng, pool, n):
    """n samples of clips in a row, now and then another."""
    out, at = np.zeros(n, np.float32), 0
    clip = pool[rng.integers(len(pool))]
    while at < n:
        if rng.random() < .3 or len(clip) < RATE:
            clip = pool[rng.integers(len(pool))]
        start = rng.integers(max(1, len(clip) - 8000))
        part = clip[start:start + n - at]
        out[at:at + len(part)] = part
        at += len(part)
    return out


def make_noise(rng, pools, speech, n, rooms):
    one, floor = one_noise(rng, pools, speech, n)
    return (equalise(rng, one) if rooms and rng.random() < .3 else one), floor


def one_noise(rng, pools, speech, n):
    shares = KINDS_WITH_SOUNDS if 'sounds' in pools else KINDS
    kinds = [k for k in shares if k in MADE or k == 'babble' or k in pools]
    share = np.array([shares[k] for k in kinds])
    kind = kinds[rng.choice(len(kinds), p=share / share.sum())]
    if kind in MADE:
        return MADE[kind](rng, n).astype(np.float32), 0.
    if kind == 'babble':
        talkers = [speech.draw(rng) for _ in range(rng.integers(4, 9))]
        return sum(fill(rng, [speech[i][0]], n) for i in talkers), 4.
    return fill(rng, pools[kind], n), 0.


def stretch(rng, audio, marks):
    """Another speaker: pitch and rate changed together."""
    factor = rng.uniform(.85, 1.18)
    hops = int(len(marks) / factor)
    at = np.arange(hops * HOP) * factor
    audio = np.interp(at, np.arange(len(audio)), audio).astype(np.float32)
    return audio, marks[np.minimum((np.arange(hops) + .5) * factor, len(marks) - 1).astype(int)]


def longest_pause(audio, marks):
    """The piece's own background, to fill gaps with: else digital silence would give them away."""
    runs = [r for r in runs_of(marks < .3) if r[1] - r[0] >= 12]
    if not runs:
        return None
    first, end = max(runs, key=lambda r: r[1] - r[0])
    pause = audio[(first + 2) * HOP:(end - 2) * HOP]
    return np.concatenate([pause, pause[::-1]])


def piece_of(rng, speech, near):
    """A stretch of one recording, cut at pauses. -> audio, marks"""
    which = speech.near(rng, near) if rng.random() < .75 else speech.draw(rng)
    audio, marks, _ = speech[which]
    hops = int(min(len(marks), rng.uniform(1.5, 12) * 100))
    first = rng.integers(len(marks) - hops + 1)
    while first > 0 and marks[first - 1] > .5:
        first -= 1
    end = min(len(marks), first + hops)
    while end < len(marks) and marks[end - 1] > .5:
        end += 1
    part = audio[first * HOP:end * HOP], marks[first:end]
    return stretch(rng, *part) if rng.random() < .5 else part


def add_talker(rng, speech, n, label, gaps, filled, near, spread_db):
    """One talker's turns, `gaps` seconds apart. -> audio; marks go into `label`"""
    out = np.zeros(n, np.float32)
    at = int(rng.exponential(gaps) * RATE) // HOP * HOP
    gain = rng.normal(0, spread_db)
    while at < n - RATE // 2:
        audio, marks = piece_of(rng, speech, near)
        hops = min(len(marks), (n - at) // HOP)
        piece = 10 ** ((gain + rng.normal(0, 1.5)) / 20) * audio[:hops * HOP]
        fade = np.linspace(0, 1, HOP, dtype=np.float32)
        piece[:HOP] *= fade
        piece[-HOP:] *= fade[::-1]
        out[at:at + hops * HOP] += piece
        here = slice(at // HOP, at // HOP + hops)
        label[here] = np.maximum(label[here], marks[:hops])
        at += hops * HOP
        gap = rng.uniform(.03, .5) if rng.random() < .5 else .3 + rng.exponential(gaps)
        end = min(n, at + int(gap * 100) * HOP)
        pause = longest_pause(piece, marks[:hops]) if filled else None
        if pause is not None and len(pause) > 0:
            out[at:end] += np.resize(pause, end - at)
        at = end
    return out


def equalise(rng, x):
    spectrum = fft.rfft(x)
    f = np.maximum(np.arange(len(spectrum), dtype=np.float32) * np.float32(RATE / len(x)), 1)
    db = rng.uniform(-3, 3) * np.log2(f / 1000)
    for _ in range(2):
        db = db + rng.uniform(-6, 6) * np.exp(-(np.log2(f / rng.uniform(150, 6000)) ** 2) / .5)
    if rng.random() < .35:
        db = db - 60 * np.clip(np.log2(f / rng.uniform(3400, 7000)), 0, 1)
    if rng.random() < .3:
        db = db - 40 * np.clip(np.log2(rng.uniform(60, 250) / f), 0, 1)
    return fft.irfft(spectrum * 10 ** (np.clip(db, -60, 20) / 20), len(x)).astype(np.float32)


def reverberate(rng, x, responses, far):
    """`far`: a distant microphone, more room than voice."""
    if rng.random() < .25 and responses:
        r = responses[rng.integers(len(responses))][:RATE]
        r = r[np.argmax(np.abs(r)):].copy()
    else:
        t60 = rng.uniform(.1, .9)
        r = rng.standard_normal(int(t60 * RATE)) * 10 ** (-3 * np.arange(int(t60 * RATE)) / RATE / t60)
        if rng.random() < .7:
            r[1:] = .5 * (r[1:] + r[:-1])
        r[:int(rng.uniform(.001, .02) * RATE)] = 0
        ratio = rng.uniform(-6, 4) if far else rng.uniform(-3, 15)
        r *= 10 ** (-ratio / 20) / np.sqrt((r ** 2).sum() + 1e-9)
        r[0] = 1
    r = r.astype(np.float32)
    n = fft.next_fast_len(len(x) + len(r), real=True)
    y = fft.irfft(fft.rfft(x, n) * fft.rfft(r, n), n)[:len(x)]
    power = (y ** 2).mean()
    return (y * np.sqrt((x ** 2).mean() / power) if power > 0 else x).astype(np.float32)


def through_codec(rng, x):
    """The steps of mu-law, as on a telephone."""
    peak = np.abs(x).max() + 1e-9
    y = np.clip(x / peak * rng.uniform(.3, 1), -1, 1)
    y = np.sign(y) * np.log1p(255 * np.abs(y)) / np.log(256)
    y = np.round(y * 128) / 128
    return (np.sign(y) * (np.exp(np.abs(y) * np.log(256)) - 1) / 255).astype(np.float32) * peak


def over_pauses(label):
    """As people label conversations: a turn goes on over a pause, surely over a short one, perhaps
    over one of two seconds."""
    out = label.copy()
    for first, end in runs_of(label <= .5):
        if first > 0 and end < len(label) and end - first < 200:
            out[first:end] = np.maximum(out[first:end], .6 if end - first < 30 else .6 - .003 * (end - first))
    return out


def add_events(rng, pools, responses, n):
    """Sounds that are no speech where speech could be: alone, at its level, with silence between."""
    kinds = [k for k in EVENTS if k in MADE or k in MADE_EVENTS or k in pools]
    share = np.array([EVENTS[k] for k in kinds])
    out = np.zeros(n, np.float32)
    gaps, gain = rng.uniform(.3, 5), rng.normal(0, 6)
    kind = kinds[rng.choice(len(kinds), p=share / share.sum())]
    at = int(rng.exponential(gaps / 2) * RATE)
    while at < n - HOP:
        if rng.random() < .35:
            kind = kinds[rng.choice(len(kinds), p=share / share.sum())]
        length = int(min(n - at, rng.uniform(.3, 6) * RATE))
        if kind in pools:
            clip = pools[kind][rng.integers(len(pools[kind]))]
            first = rng.integers(max(1, len(clip) - length)) if rng.random() < .6 else 0
            one = clip[first:first + length]
            if rng.random() < .5:
                one, _ = stretch(rng, one, np.zeros(max(1, len(one) // HOP), np.float32))
        else:
            one = (MADE_EVENTS.get(kind) or MADE[kind])(rng, length).astype(np.float32)
        one = one[:n - at].astype(np.float32)
        hops = one[:len(one) // HOP * HOP].reshape(-1, HOP)
        level = np.sort((hops ** 2).mean(axis=1)) if len(hops) else np.zeros(1)
        power = level[len(level) // 2:].mean()
        if power > 1e-12:
            fade = np.minimum(1, np.arange(len(one)) / 80).astype(np.float32)
            one = one * fade * fade[::-1] * 10 ** ((gain + rng.normal(0, 3)) / 20) / np.sqrt(power)
            out[at:at + len(one)] += one
        at += len(one) + int(rng.exponential(gaps) * RATE)
    return reverberate(rng, out, responses, rng.random() < .3) if rng.random() < .3 else out


def place_speech(rng, speech, responses, n, label, hard, streams):
    """A dictation, or a meeting of talkers who stand apart, speak over each other and are far."""
    meeting = rng.random() < (.5 if hard else .35)
    filled = rng.random() < .5
    x = np.zeros(n, np.float32)
    longer = 2 ** rng.uniform(*streams.gaps) if streams else 1
    for _ in range(rng.integers(2, 5) if meeting else 1):
        near = speech.draw(rng)
        gaps = longer * (rng.uniform(1, 9) if meeting else 1.2)
        voice = add_talker(rng, speech, n, label, gaps, filled, near, 7 if meeting else 3.5)
        if rng.random() < (.7 if meeting else .4):
            voice = reverberate(rng, voice, responses, meeting and rng.random() < .7)
        x += voice
    if streams and streams.rooms and hard and meeting:
        label[:] = over_pauses(label)
    return equalise(rng, x) if rng.random() < .35 else x


def far_talk(rng, speech, responses, n):
    """Somebody in another room: people who label the talkers do not count that as speech."""
    voice = add_talker(rng, speech, n, np.zeros(n // HOP, np.float32), rng.uniform(1, 9), False, speech.draw(rng), 3.5)
    return reverberate(rng, voice, responses, True) * 10 ** (rng.uniform(-48, -26) / 20)


def turn_round(rng, x, label, streams):
    """Turned round by a number of hops, to begin as streams do: with some background, which is all that
    tells a detector how loud a room is; just before a word; or anywhere. Some begin with digital silence."""
    way = rng.random()
    turn = int(rng.integers(len(label)))
    if way > streams.anywhere:
        soon = way < streams.anywhere + streams.soon
        quiet = np.concatenate([label, label[:100]]) <= .5
        least = int(rng.integers(1, 25) if soon else rng.integers(25, 100))
        ahead = np.lib.stride_tricks.sliding_window_view(quiet, least)[:len(label)].all(axis=1)
        if soon:  # a word comes after as many hops
            ahead &= ~np.roll(quiet[:len(label)], -least)
        starts = np.flatnonzero(ahead)
        if len(starts):
            turn = int(starts[rng.integers(len(starts))])
    x, label = np.roll(x, -turn * HOP), np.roll(label, -turn)
    if rng.random() < .25:
        silent = int(rng.integers(1, 30))
        while silent > 1 and label[:silent].max() > .5:
            silent -= 1
        x[:silent * HOP] = 0
        label[:silent] = 0
    return x, label


def begin_anew(rng, label, streams):
    """-> hops at which another stream begins, the first of them 0: a third of the scenes are one stream,
    the rest short ones"""
    begins = [0]
    if rng.random() < .67:
        for hop in range(STRETCH, len(label) - STRETCH + 1, STRETCH):
            if rng.random() < streams.anew[0 if (label[hop:hop + 25] <= .5).all() else 1]:
                begins.append(hop)
    return begins


def make_scene(seed, speech, pools, responses, streams=None, hard=False):
    """-> audio on a 16-bit grid, the label of each hop, the hops where a stream begins: the first alone,
    but with `streams`, one of STREAMS. A `hard` scene has sounds alone where speech could be."""
    rng = np.random.default_rng(seed)
    rooms = streams is not None and streams.rooms
    if not rooms:
        pools = {kind: clips for kind, clips in pools.items() if kind != 'phones'}
    n = SCENE_S * RATE
    label = np.zeros(n // HOP, np.float32)
    x = np.zeros(n, np.float32)
    alone = hard and rng.random() < .6
    if rng.random() < (.75 if alone else .9):
        x = place_speech(rng, speech, responses, n, label, hard, streams)
    if alone:
        x = x + add_events(rng, pools, responses, n)
    if rng.random() < (.6 if alone else .92):
        least = -5.
        noise = np.zeros(n, np.float32)
        for _ in range(1 + (rng.random() < .4)):
            one, floor = make_noise(rng, pools, speech, n, rooms)
            level = np.sort((one.reshape(-1, 10 * HOP) ** 2).mean(axis=1))
            one = one / np.sqrt(level[len(level) // 2:].mean() + 1e-12)
            if rng.random() < .2:
                one = reverberate(rng, one, responses, False)
            noise += one
            least = max(least, floor)
        quiet = streams and rng.random() < streams.quiet  # as most recordings are
        x = x + noise * 10 ** (-(rng.uniform(25, 55) if quiet else rng.uniform(least, 30)) / 20)
    if streams and rng.random() < streams.far:
        x = x + far_talk(rng, speech, responses, n)
    if rng.random() < .4:
        x = equalise(rng, x)
    if rng.random() < .06:
        x = through_codec(rng, x)
    x = x * 10 ** (rng.uniform(-48, -8) / 20)
    if rng.random() < .08:                     # a muted microphone: digital silence
        at = rng.integers(n - 3 * RATE) // HOP * HOP
        x[at:at + 2 * RATE] = 0
        label[at // HOP:(at + 2 * RATE) // HOP] = 0
    begins = [0]
    if streams:
        x, label = turn_round(rng, x, label, streams)
        begins = begin_anew(rng, label, streams)
    if rng.random() < .5:
        x = x + rng.uniform(-.5, .5, n).astype(np.float32) / 32768
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.float32) / 32768, label, begins


# the detector's numbers ----------------------------------------------------------------------

def build_library(folder):
    """The detector's own code, as it lies in build/, as a shared object."""
    path = os.path.join(folder, 'features.so')
    built = [os.path.join(ROOT, 'build/src', p) for p in (
        'vad/libvs-vad.a', 'dsp/libvs-dsp.a', 'base/libvs-base.a')]
    subprocess.run(['cc', '-std=c11', '-D_GNU_SOURCE', '-O2', '-shared', '-fPIC',
                    '-I' + os.path.join(ROOT, 'include'), '-I' + os.path.join(ROOT, 'src'),
                    '-o', path, os.path.join(ROOT, 'training/features.c'), *built, '-lm',
                    '-lpthread'], check=True)
    return ctypes.CDLL(path)


def features_of(library, audio):
    hops, count = len(audio) // HOP, library.count_features()
    out = np.empty((hops, count), np.uint8)
    audio = np.ascontiguousarray(audio, np.float32)
    status = library.dump_features(ctypes.c_void_p(audio.ctypes.data), ctypes.c_size_t(hops),
                                   ctypes.c_void_p(out.ctypes.data))
    if status != 0:
        raise SystemExit('the features cannot be computed: %d' % status)
    return out


_work = {}


def _one_scene(seed):
    audio, label, begins = make_scene(seed, *_work['material'], hard=seed[0] % 2 == 1)
    numbers = [features_of(_work['library'], audio[a * HOP:b * HOP])
               for a, b in zip(begins, begins[1:] + [len(label)])]
    anew = np.zeros(len(label) // STRETCH, bool)
    anew[np.array(begins) // STRETCH] = True
    return np.concatenate(numbers), (label * 255).round().astype(np.uint8), anew


def make_sets(library, scenes, seeds, material, processes=2):
    """Yields for each seed numbers [scene, hop, feature], labels [scene, hop] in 1/255, whether a stream
    begins [scene, stretch]; the same for any `processes`. Those of an odd seed are hard."""
    _work.update(library=library, material=material)
    with multiprocessing.get_context('fork').Pool(processes) as pool:
        made = pool.imap(_one_scene, ([s, i] for s in seeds for i in range(scenes)), chunksize=4)
        for _ in seeds:
            yield tuple(np.stack(a) for a in zip(*(next(made) for _ in range(scenes))))
