#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fit the gain rule of the noise suppressor and write src/dsp/gains.h.

    training/fit_gains.py DATA_DIR [--cache DIR] [--mixtures N] [--epochs N] [--out FILE]

DATA_DIR is the audio data beside the checkout (../shared/data): train splits of clean speech and
noise are mixed; the ratios of each hop come from the suppressor's own C code; the rule is fitted so
that speech comes out with the least squared error, each mixture counted by the inverse of the error
left in it (the mean of decibels, not of errors). Recordings held out of the fit say how it went on
standard output. Needs numpy, scipy, soundfile and cc. The seed is fixed. See training/README.md.
"""
import argparse, ctypes, os, subprocess, tempfile
import numpy as np

from data import HOP, RATE, ROOT, cached, manifest

WINDOW, BINS, PADDED, CHANNELS, SINGLE = 512, 257, 272, 160, 64
RATIOS, BANDS, HIDDEN, SHAPES = 12, 32, 16, 16
LEAD = RATE                 # noise alone before the speech
CLEANEST_DB = 42            # pauses of the speech used lie this far below it
FLOOR = 10 ** (-24 / 20)
EVEN = .1                   # weight of energy over noise beside energy over error
# Bins between which the part that depends on frequency is a straight line.
KNOTS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 176, 224, 256]
CENTRES = np.concatenate([np.arange(SINGLE), SINGLE + .5 + 2 * np.arange(CHANNELS - SINGLE)])
BASIS = np.stack([np.interp(CENTRES, KNOTS, row) for row in np.eye(len(KNOTS))], 1).astype('f4')
# How often each kind of noise is drawn.
MADE = {'white': .08, 'pink': .08, 'coloured': .08, 'hum': .1, 'babble': .12, 'none': .04}
RECORDED = {'ambient': 6, 'speech-commands-bg': 5, 'esc10-rain': 3, 'esc10-helicopter': 3,
            'keyboard': 3, 'esc10-sea-waves': 2, 'esc10-fire-crackling': 2, 'esc10-chainsaw': 2,
            'esc10-clock-tick': 1, 'music': 1, 'esc10-dog-bark': .5, 'esc10-rooster': .5,
            'esc10-baby-cry': .5, 'esc10-person-sneeze': .5, 'impact': .3, 'animal': .2}
HELD_NOISES = {'ambient': 2, 'speech-commands-bg': 1, 'esc10-rain': 2, 'esc10-helicopter': 2,
               'keyboard': 2}
HELD_SPEAKERS = 9


# mixtures -----------------------------------------------------------------------------------

def floor_db(x):
    power = (x[:len(x) // 320 * 320].reshape(-1, 320) ** 2).mean(1) + 1e-12
    return 10 * np.log10(power.mean() / np.percentile(power, 5))


def load_audio(data, cache, rows):
    """-> [(row, float32 audio)]"""
    return [(r, cached(os.path.join(data, r['file']), cache).astype('f4') / 32768) for r in rows]


def load(data, cache):
    """-> speech by speaker, noise by kind; each in two parts: fitted, held out."""
    rows = manifest(data, 'train')
    speech, noise = {}, {}
    for row, x in load_audio(data, cache, [r for r in rows if float(r['duration_s']) >= 2.5 and
                                           r['file'].startswith('speech-clean/train/')]):
        if floor_db(x) >= CLEANEST_DB:
            speech.setdefault(row['speaker'], []).append(x - x.mean())
    for row, x in load_audio(data, cache, sorted((r for r in rows if r['file'].startswith(
            'noise/train/')), key=lambda r: r['file'])):
        noise.setdefault(row['file'].split('/')[2], []).append(x)
    rest = [s for s in sorted(speech) if len(speech[s]) < 10]
    held_speech = {s: speech.pop(s) for s in rest[::len(rest) // HELD_SPEAKERS][:HELD_SPEAKERS]}
    held_noise = {}
    for kind, count in HELD_NOISES.items():
        at = set(np.linspace(1, len(noise[kind]) - 2, count).astype(int))
        held_noise[kind] = [x for i, x in enumerate(noise[kind]) if i in at]
        noise[kind] = [x for i, x in enumerate(noise[kind]) if i not in at]
    return (speech, noise), (held_speech, held_noise)


def make_noise(rng, kind, n, speech):
    if kind == 'none':
        return np.zeros(n)
    if kind == 'hum':
        f0, t = rng.choice([50, 60, 100, 120]) * rng.uniform(.995, 1.005), np.arange(n) / RATE
        x = rng.uniform(.005, .1) * rng.standard_normal(n)
        for k in range(1, int(rng.integers(6, 30))):
            x += np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6.3)) * rng.uniform(.3, 1.5) / k
        return x
    if kind == 'babble':
        x, voices = np.zeros(n), [v for one in speech.values() for v in one]
        for _ in range(int(rng.integers(4, 13))):
            voice = voices[int(rng.integers(len(voices)))]
            x += np.resize(np.roll(voice, int(rng.integers(len(voice)))), n) * \
                rng.uniform(.5, 1) / np.sqrt((voice ** 2).mean())
        return x
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 1 if kind == 'pink' else 30)
    if kind == 'pink':
        spectrum /= np.sqrt(f)
    elif kind == 'coloured':
        bends = np.interp(np.log2(f), np.linspace(5, 13, 9), rng.uniform(-6, 6, 9))
        spectrum *= f ** -rng.uniform(-.2, 1.2) * 10 ** (bends / 20)
    return np.fft.irfft(spectrum, n)


def cut(rng, x, n):
    if len(x) <= n:
        return np.resize(x, n)
    at = int(rng.integers(len(x) - n))
    return x[at:at + n]


def mix(speech, noise, level, db, frames):
    """-> clean, mixed: one second of noise, then speech of this level."""
    clean = np.zeros(frames)
    speech = speech[:frames - LEAD] * level / np.sqrt((speech[:frames - LEAD] ** 2).mean() + 1e-12)
    clean[LEAD:LEAD + len(speech)] = speech
    part = noise[LEAD:LEAD + len(speech)]
    scale = level / np.sqrt((part ** 2).mean() + 1e-12) * 10 ** (-db / 20) if noise.any() else 0
    return clean.astype('f4'), (clean + scale * noise).astype('f4')


def fit_mixtures(rng, speech, noise, count, frames):
    speakers, kinds = sorted(speech), list(MADE) + sorted(noise)
    weights = sum(RECORDED[k] for k in noise)
    p = [MADE[k] if k in MADE else (1 - sum(MADE.values())) * RECORDED[k] / weights for k in kinds]
    for _ in range(count):
        kind = kinds[rng.choice(len(kinds), p=p)]
        x = (make_noise(rng, kind, frames, speech) if kind in MADE else
             cut(rng, noise[kind][int(rng.integers(len(noise[kind])))], frames))
        voice = speech[speakers[int(rng.integers(len(speakers)))]]
        voice = voice[int(rng.integers(len(voice)))]
        if len(voice) > frames - LEAD:
            voice = cut(rng, voice, frames - LEAD)
        yield mix(voice, x, .05 * 10 ** (rng.uniform(-10, 6) / 20), rng.uniform(-3, 20), frames)


def held_mixtures(rng, speech, noise, frames):
    """-> name, ratio in dB, clean, mixed"""
    noises = [(k, None) for k in ('white', 'pink', 'hum', 'babble', 'none')]
    noises += [('%s %d' % (k, i), x) for k in sorted(noise) for i, x in enumerate(noise[k])]
    for name, x in noises:
        for db in (0, 5, 10, 15) if name != 'none' else (0,):
            for s in sorted(speech):
                z = make_noise(rng, name, frames, speech) if x is None else cut(rng, x, frames)
                yield (name, db) + mix(speech[s][0], z, .05, db, frames)


# the suppressor's frame ---------------------------------------------------------------------

def windows():
    """As in src/dsp/denoise.c."""
    rise = WINDOW - HOP
    a = np.concatenate([np.sin(np.pi * (np.arange(rise) + .5) / (2 * rise)),
                        np.cos(np.pi * (np.arange(HOP) + .5) / (2 * HOP))])
    root = np.sin(np.pi * (np.arange(2 * HOP) + .5) / (2 * HOP))
    return a.astype('f4'), (root ** 2 / a[-2 * HOP:]).astype('f4')


ANALYSIS, SYNTHESIS = windows()


def transform(x):
    x = np.concatenate([np.zeros(WINDOW - HOP, 'f4'), x])
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    return np.fft.rfft(frames * ANALYSIS, axis=1).astype('c8')


def back(spectrum):
    """-> audio in time with what was transformed, without its last hop"""
    made = np.fft.irfft(spectrum, WINDOW, axis=1)[:, -2 * HOP:] * SYNTHESIS
    return (made[:-1, HOP:] + made[1:, :HOP]).reshape(-1)


def pool(x):
    return np.concatenate([x[:, :SINGLE], x[:, SINGLE:256].reshape(len(x), -1, 2).mean(2)], 1)


def expand(g):
    return np.concatenate([g[:, :SINGLE], np.repeat(g[:, SINGLE:], 2, 1), g[:, -1:]], 1)


class Measure:
    """The suppressor's own code, built for this run."""

    def __init__(self, folder):
        library = os.path.join(folder, 'gains.so')
        subprocess.run(['cc', '-std=c11', '-O3', '-ffp-contract=off', '-fno-math-errno',
                        '-fno-trapping-math', '-shared', '-fPIC', '-I',
                        os.path.join(ROOT, 'include'), '-I',
                        os.path.join(ROOT, 'src'), os.path.join(ROOT, 'training', 'gains.c'),
                        '-o', library], check=True)
        self.call = ctypes.CDLL(library).measure_hops

    def __call__(self, power):
        """-> ratios [hops, RATIOS, CHANNELS], bands [hops, BANDS]"""
        padded = np.zeros((len(power), PADDED), 'f4')
        padded[:, :BINS] = power
        ratios = np.empty((len(power), RATIOS, CHANNELS), 'f4')
        bands = np.empty((len(power), BANDS), 'f4')
        pointer = lambda a: a.ctypes.data_as(ctypes.c_void_p)
        if self.call(pointer(padded), ctypes.c_size_t(len(power)), pointer(ratios), pointer(bands)):
            raise MemoryError
        return ratios, bands


# the rule -----------------------------------------------------------------------------------

class Rule:
    def __init__(self, rng, ratios, bands):
        """The rows are for their means and spreads."""
        draw = lambda scale, *shape: (scale * rng.standard_normal(shape)).astype('f4')
        self.mean, self.spread = ratios.mean(0), ratios.std(0) + 1e-3
        self.band_mean, self.band_spread = bands.mean(0), bands.std(0) + 1e-3
        self.p = {'hidden': draw(.5 / RATIOS ** .5, RATIOS, HIDDEN), 'direct': np.zeros(RATIOS, 'f4'),
                  'at': np.zeros((len(KNOTS), HIDDEN), 'f4'), 'out': draw(.3, HIDDEN),
                  'base': np.zeros(len(KNOTS), 'f4'), 'shape': draw(BANDS ** -.5, BANDS, SHAPES),
                  'shape_bias': np.zeros(SHAPES, 'f4'), 'shift': draw(.1 / SHAPES ** .5, SHAPES, HIDDEN)}

    def gains_and_slopes(self, ratios, bands, channels, wanted, weights):
        """-> slopes of the weighted squared error, and the error"""
        p = self.p
        x, b, at = (ratios - self.mean) / self.spread, (bands - self.band_mean) / self.band_spread, \
            BASIS[channels]
        shape = np.maximum(b @ p['shape'] + p['shape_bias'], 0)
        hidden = np.maximum(x @ p['hidden'] + at @ p['at'] + shape @ p['shift'], 0)
        gain = 1 / (1 + np.exp(-(hidden @ p['out'] + x @ p['direct'] + at @ p['base'])))
        error = gain - wanted
        dz = 2 / len(x) * weights * error * gain * (1 - gain)
        dh = dz[:, None] * p['out'] * (hidden > 0)
        ds = dh @ p['shift'].T * (shape > 0)
        return {'out': hidden.T @ dz, 'direct': x.T @ dz, 'base': at.T @ dz, 'hidden': x.T @ dh,
                'at': at.T @ dh, 'shift': shape.T @ dh, 'shape': b.T @ ds,
                'shape_bias': ds.sum(0)}, (weights * error ** 2).sum()

    def fit(self, rng, rows, epochs, batch=16384, rate=4e-3):
        """Adam, with the rate falling to nothing along a cosine."""
        n = len(rows[0])
        steps, step = epochs * (n // batch), 0
        first = {k: np.zeros_like(v) for k, v in self.p.items()}
        second = {k: np.zeros_like(v) for k, v in self.p.items()}
        for epoch in range(epochs):
            order, total = rng.permutation(n), 0
            for i in range(0, n - batch + 1, batch):
                slopes, error = self.gains_and_slopes(*(a[order[i:i + batch]] for a in rows))
                total, step = total + error, step + 1
                now = rate * .5 * (1 + np.cos(np.pi * step / steps))
                for k, g in slopes.items():
                    first[k] += .1 * (g - first[k])
                    second[k] += .001 * (g * g - second[k])
                    self.p[k] -= (now * (first[k] / (1 - .9 ** step)) /
                                  (np.sqrt(second[k] / (1 - .999 ** step)) + 1e-10)).astype('f4')
        print('left %.6f' % (total / rows[4].sum()), flush=True)

    def folded(self):
        """The same rule on ratios as they are."""
        p = dict(self.p)
        p['hidden'] = p['hidden'] / self.spread[:, None]
        p['direct'] = p['direct'] / self.spread
        p['at'] = p['at'] - self.mean @ p['hidden']
        p['base'] = p['base'] - self.mean @ p['direct']
        p['shape'] = p['shape'] / self.band_spread[:, None]
        p['shape_bias'] = p['shape_bias'] - self.band_mean @ p['shape']
        return p

    def gains(self, ratios, bands):
        p = self.folded()
        shift = np.maximum(bands @ p['shape'] + p['shape_bias'], 0) @ p['shift']
        x = np.ascontiguousarray(ratios.transpose(0, 2, 1))
        hidden = np.maximum(x @ p['hidden'] + BASIS @ p['at'] + shift[:, None], 0)
        z = hidden @ p['out'] + x @ p['direct'] + BASIS @ p['base']
        return np.maximum(1 / (1 + np.exp(-z)), FLOOR)


def si_sdr(clean, out):
    clean, out = clean.astype('f8'), out.astype('f8')
    kept = (clean @ out) ** 2 / (clean @ clean + 1e-30)
    return 10 * np.log10((kept + 1e-30) / (out @ out - kept + 1e-30))


def collect(rng, measure, mixtures, rule, rows, hops_of_all):
    """Draws rows for the fit, the more likely the more they count. Weights: energy over the error
    that the rule (the noise, without one) leaves in the mixture, and a little of the energy over
    the noise there, so that quiet places count too: peaks left alone in pauses are musical noise."""
    kept = []
    for clean, mixed in mixtures:
        c, y = transform(clean), transform(mixed)
        power = y.real ** 2 + y.imag ** 2
        ratios, bands = measure(power)
        left = ((np.abs(c - y * (expand(rule.gains(ratios, bands)) if rule else 1)) ** 2).sum()
                if rule or (clean != mixed).any() else 0)
        left = max(left, (np.abs(c) ** 2).sum() * 10 ** -3.2)
        x = pool(power)
        wanted = pool(c.real * y.real + c.imag * y.imag) / (x + 1e-9)
        weight = x / left * len(power) * CHANNELS / 3 + EVEN * np.minimum(2 ** ratios[:, 0], 10)
        share = rows / (hops_of_all * CHANNELS)
        p = np.minimum(share * (.7 * np.sqrt(weight) + .3), 1)
        p[:30] = 0
        t, k = np.nonzero(rng.random(p.shape, 'f4') < p)
        kept.append((ratios[t, :, k], bands[t], k.astype('i2'), wanted[t, k].astype('f4'),
                     (weight[t, k] * share / p[t, k]).astype('f4')))
    out = [np.concatenate(a) for a in zip(*kept)]
    out[4] = np.minimum(out[4], np.quantile(out[4], .9999))
    print('%d rows' % len(out[0]), flush=True)
    return out


def report(rng, measure, rule, speech, noise, frames):
    found = {}
    for name, db, clean, mixed in held_mixtures(rng, speech, noise, frames):
        y = transform(mixed)
        out = back(y * expand(rule.gains(*measure(y.real ** 2 + y.imag ** 2))))
        after = si_sdr(clean[LEAD:len(out)], out[LEAD:])
        before = si_sdr(clean[LEAD:len(out)], mixed[LEAD:len(out)]) if name != 'none' else 0
        pause = 20 * np.log10((mixed[LEAD // 2:LEAD].std() + 1e-9) / (out[LEAD // 2:LEAD].std() + 1e-9))
        found.setdefault(name, {}).setdefault(db, []).append((after - before, pause))
    print('clean %.1f dB' % np.mean(found.pop('none')[0], 0)[0])
    table = np.array([[np.mean(v, 0) for v in levels.values()] for levels in found.values()])
    for name, row in list(zip(found, table)) + [('all', table.mean(0))]:
        print('%-24s' % name, ' '.join('%5.2f' % v for v in row[:, 0]),
              ' pause %.1f' % row[:, 1].mean(), flush=True)


def write(path, p):
    def rows(name, a):
        a = np.atleast_2d(a)
        size = '[%d]' % a.shape[1] if len(a) == 1 else '[%d][%d]' % a.shape
        f.write('static const float gains_%s%s = {\n' % (name, size))
        for row in a:
            text = ', '.join('%sf' % repr(float('%.5g' % v)) for v in row)
            words, line = text.split(' '), '    ' + ('' if len(a) == 1 else '{')
            for w in words:
                if len(line) + len(w) > 98:
                    f.write(line.rstrip() + '\n')
                    line = '     '
                line += w + ' '
            f.write(line.rstrip() + ('' if len(a) == 1 else '},') + '\n')
        f.write('};\n')
    with open(path, 'w') as f:
        f.write('/* SPDX-License-Identifier: MIT */\n/* Coefficients of the gain rule. Written by '
                'training/fit_gains.py; sources and\n   licences in training/README.md. */\n'
                '#ifndef VS_SRC_DSP_GAINS_H\n#define VS_SRC_DSP_GAINS_H\n\n/* clang-format off */\n')
        rows('at', (BASIS @ p['at']).T)
        rows('base', BASIS @ p['base'])
        rows('hidden', p['hidden'].T)
        rows('direct', p['direct'])
        rows('out', p['out'])
        rows('shape', p['shape'])
        rows('shape_bias', p['shape_bias'])
        rows('shift', p['shift'])
        f.write('/* clang-format on */\n\n#endif\n')


def main():
    a = argparse.ArgumentParser(description='Fit the gain rule of the noise suppressor.')
    a.add_argument('data')
    a.add_argument('--cache')
    a.add_argument('--mixtures', type=int, default=700)
    a.add_argument('--rows', type=int, default=2000000)
    a.add_argument('--epochs', type=int, default=14)
    a.add_argument('--out', default=os.path.join(ROOT, 'src', 'dsp', 'gains.h'))
    args = a.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or folder
        os.makedirs(cache, exist_ok=True)
        measure = Measure(folder)
        fitted, held = load(args.data, cache)
        hops, rule = 500, None
        for turn in range(2):
            rng = np.random.default_rng(1)
            mixtures = fit_mixtures(rng, *fitted, args.mixtures, hops * HOP)
            rows = collect(np.random.default_rng(2), measure, mixtures, rule, args.rows,
                           args.mixtures * hops)
            rule = rule or Rule(np.random.default_rng(3), rows[0], rows[1])
            rule.fit(np.random.default_rng(4), rows, args.epochs if turn else args.epochs // 2)
            del rows
        write(args.out, rule.folded())
        report(np.random.default_rng(5), measure, rule, *held, 550 * HOP)


if __name__ == '__main__':
    main()
