#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train the coefficients of the native detector and write src/vad/model.h.

    training/train_native.py DATA_DIR [--cache DIR] [--scenes N] [--out FILE]

DATA_DIR is the audio data beside the checkout (../shared/data): its train splits of clean speech,
noise and room responses are mixed into scenes; the numbers of each hop come from the detector's own
C code; a small network is fitted to the labels. Needs numpy, ffmpeg and cc. The seed is fixed: the
same data and numpy give the same file. Sources and licences: training/README.md.
"""
import argparse, csv, ctypes, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
import numpy as np

RATE, HOP = 16000, 160
SCENE_S = 20
BLUR = .05          # noise on the numbers while training, in standard deviations
LAG = 1            # hops by which a hop's numbers lag its end: the centre of the window
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# data ---------------------------------------------------------------------------------------

def allowed(row):
    """Nothing share-alike, nothing under Sampling+, only train splits."""
    licence = row['licence']
    return row['split'] == 'train' and not any(
        word in licence for word in ('-SA', 'ODbL', 'Sampling'))


def decode(path):
    raw = subprocess.run(['ffmpeg', '-v', 'error', '-i', path, '-f', 's16le', '-ar', str(RATE),
                          '-ac', '1', '-'], check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, '<i2')


def load_audio(data, cache, rows):
    """-> [(row, float32 audio)], decoded once into `cache`."""
    def one(row):
        kept = os.path.join(cache, row['file'].replace('/', '_') + '.npy')
        if not os.path.exists(kept):
            np.save(kept, decode(os.path.join(data, row['file'])))
        return row, np.load(kept).astype(np.float32) / 32768
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, rows))


def read_labels(path, hops):
    """-> per hop 1 speech, 0 not, -1 unknown."""
    label = -np.ones(hops, np.int8)
    with open(path, newline='') as f:
        for r in csv.DictReader(f):
            value = {'speech': 1, 'unaligned': -1}.get(r['label'], 0)
            label[int(round(float(r['start_s']) * 100)):int(round(float(r['end_s']) * 100))] = value
    return label


def hop_db(audio):
    hops = len(audio) // HOP
    frames = audio[:hops * HOP].reshape(hops, HOP)
    return 10 * np.log10((frames ** 2).mean(axis=1) + 1e-10)


def spread(mask, hops):
    """True within `hops` of a true hop."""
    return np.convolve(mask, np.ones(2 * hops + 1), 'same') > .5


def sharpen(label, db):
    """The alignment is good to 30-50 ms: its edges move to where the level says they are. Pauses
    under 150 ms are speech; sound far from aligned speech is unknown."""
    loud, quiet = np.percentile(db, 97), np.percentile(db, 8)
    smooth = np.convolve(db, [.25, .5, .25], 'same')
    active = smooth > max(quiet + 8, loud - 32)
    near = spread(label == 1, 12)
    speech = spread(active & near, 7)
    speech = ~spread(~speech, 7)
    out = np.where(speech, 1, np.where(label == -1, -1, 0)).astype(np.int8)
    out[active & ~near] = -1
    return out


def load_speech(data, cache, rows):
    """-> [(audio, label)] at a speech level of 0 dB"""
    out = []
    for row, audio in load_audio(data, cache, rows):
        labels = os.path.join(data, os.path.splitext(row['file'])[0] + '.csv')
        db = hop_db(audio)
        if not os.path.exists(labels) or len(db) < 20:
            continue
        if np.percentile(db, 97) - np.percentile(db, 8) < 15:
            continue
        label = sharpen(read_labels(labels, len(db)), db)
        active = db[label == 1]
        if len(active) == 0:
            continue
        power = 10 ** (np.mean(np.sort(active)[len(active) // 2:]) / 10)
        out.append((audio[:len(db) * HOP] / np.sqrt(power), label))
    return out


# scenes -------------------------------------------------------------------------------------

def coloured_noise(rng, n):
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.arange(len(spectrum)) * RATE / n, 20)
    spectrum *= f ** (-rng.uniform(0, 1.2))
    return np.fft.irfft(spectrum, n).astype(np.float32)


def tones(rng, n):
    """Chords with overtones and decays: music that nobody made."""
    out, at = np.zeros(n, np.float32), 0
    while at < n:
        length = int(min(n - at, rng.uniform(.12, .9) * RATE))
        t = np.arange(length) / RATE
        note = np.zeros(length)
        for _ in range(rng.integers(1, 4)):
            f0 = 110 * 2 ** (rng.integers(0, 36) / 12)
            for k in range(1, rng.integers(2, 9)):
                if k * f0 < 7500:
                    note += np.sin(2 * np.pi * k * f0 * t + rng.uniform(0, 6)) / k ** rng.uniform(.7, 2)
        out[at:at + length] = note * np.exp(-t * rng.uniform(.5, 8))
        at += length
    return out


def fill(rng, pool, n):
    """n samples of noise: clips in a row, now and then apart."""
    out, at = np.zeros(n, np.float32), 0
    clip = pool[rng.integers(len(pool))]
    while at < n:
        if rng.random() < .3:
            clip = pool[rng.integers(len(pool))]
        start = rng.integers(max(1, len(clip) - 8000))
        part = clip[start:start + n - at]
        out[at:at + len(part)] = part
        at += len(part)
    return out


def make_noise(rng, pools, speech, n):
    kind = rng.choice(['esc', 'ambient', 'keyboard', 'music', 'colour', 'tones', 'babble', 'bg',
                       'impact'], p=[.25, .16, .12, .12, .12, .07, .06, .08, .02])
    if kind == 'colour':
        return coloured_noise(rng, n)
    if kind == 'tones':
        return tones(rng, n)
    if kind == 'babble':
        return sum(fill(rng, [speech[i][0]], n) for i in rng.integers(len(speech), size=6))
    return fill(rng, pools[kind], n)


def stretch(rng, audio, marks):
    """Another speaker: pitch and rate changed together."""
    factor = rng.uniform(.85, 1.18)
    hops = int(len(marks) / factor)
    at = np.arange(hops * HOP) * factor
    audio = np.interp(at, np.arange(len(audio)), audio).astype(np.float32)
    return audio, marks[np.minimum((np.arange(hops) + .5) * factor, len(marks) - 1).astype(int)]


def place_speech(rng, speech, n, label):
    out, at = np.zeros(n, np.float32), int(rng.uniform(0, 2.0) * RATE) // HOP * HOP
    while at < n - RATE // 2:
        audio, marks = speech[rng.integers(len(speech))]
        hops = int(min(len(marks), rng.uniform(1.5, 9) * 100, (n - at) // HOP))
        first = rng.integers(max(1, len(marks) - hops + 1))
        part = audio[first * HOP:(first + hops) * HOP], marks[first:first + hops]
        if rng.random() < .5:
            part = stretch(rng, *part)
            hops = min(len(part[1]), (n - at) // HOP)
        gain = 10 ** (rng.normal(0, 4) / 20)
        out[at:at + hops * HOP] = gain * part[0][:hops * HOP]
        label[at // HOP:at // HOP + hops] = part[1][:hops]
        at += hops * HOP + int(rng.exponential(1.2) * 100) * HOP
    return out


def equalise(rng, x):
    spectrum = np.fft.rfft(x)
    f = np.maximum(np.arange(len(spectrum)) * RATE / len(x), 1)
    db = rng.uniform(-3, 3) * np.log2(f / 1000)
    for _ in range(2):
        db = db + rng.uniform(-6, 6) * np.exp(-(np.log2(f / rng.uniform(150, 6000)) ** 2) / .5)
    if rng.random() < .35:
        db = db - 60 * np.clip(np.log2(f / rng.uniform(3400, 7000)), 0, 1)
    return np.fft.irfft(spectrum * 10 ** (np.clip(db, -60, 20) / 20), len(x)).astype(np.float32)


def reverberate(rng, x, responses):
    if rng.random() < .3 and responses:
        r = responses[rng.integers(len(responses))][:RATE]
        r = r[np.argmax(np.abs(r)):]
    else:
        t60 = rng.uniform(.1, .7)
        r = rng.standard_normal(int(t60 * RATE)) * 10 ** (-3 * np.arange(int(t60 * RATE)) / RATE / t60)
        r *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt((r ** 2).sum())
        r[0] = 1
    n = 1 << int(np.ceil(np.log2(len(x) + len(r))))
    y = np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(r, n), n)[:len(x)]
    power = (y ** 2).mean()
    return (y * np.sqrt((x ** 2).mean() / power) if power > 0 else x).astype(np.float32)


def make_scene(seed, speech, pools, responses):
    """-> 16-bit grid float audio and the label of each hop."""
    rng = np.random.default_rng(seed)
    n = SCENE_S * RATE
    label = np.zeros(n // HOP, np.int8)
    x = np.zeros(n, np.float32)
    if rng.random() < .92:
        x = place_speech(rng, speech, n, label)
        if rng.random() < .5:
            x = equalise(rng, x)
        if rng.random() < .5:
            x = reverberate(rng, x, responses)
    if rng.random() < .92:
        noise = np.zeros(n, np.float32)
        for _ in range(1 + (rng.random() < .4)):
            one = make_noise(rng, pools, speech, n)
            db = np.sort(hop_db(one))
            noise += one / 10 ** (np.mean(db[len(db) // 2:]) / 20)
        x = x + noise * 10 ** (-rng.uniform(-4, 36) / 20)
    if rng.random() < .4:
        x = equalise(rng, x)
    x = x * 10 ** (rng.uniform(-54, -10) / 20)
    if rng.random() < .1:                      # a muted microphone: digital silence
        at = rng.integers(n - 3 * RATE)
        x[at:at + 2 * RATE] = 0
        label[at // HOP:(at + 2 * RATE) // HOP] = 0
    if rng.random() < .5:
        x = x + rng.uniform(-.5, .5, n).astype(np.float32) / 32768
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.float32) / 32768, label


# the detector's numbers ----------------------------------------------------------------------

def build_library(folder):
    """The detector's own code as a shared object."""
    path = os.path.join(folder, 'features.so')
    source = [os.path.join(ROOT, p) for p in (
        'training/features.c', 'src/vad/features.c', 'src/dsp/cpu.c', 'src/dsp/dsp.c',
        'src/dsp/kernels_c.c', 'src/dsp/rfft.c', 'src/dsp/highpass.c', 'src/base/mem.c',
        'src/base/log.c', 'src/base/rt.c')]
    subprocess.run(['cc', '-std=c11', '-D_GNU_SOURCE', '-DVS__VERSION="training"', '-O3', '-shared',
                    '-fPIC', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math',
                    '-I' + os.path.join(ROOT, 'include'), '-I' + os.path.join(ROOT, 'src'),
                    '-o', path] + source + ['-lm'], check=True)
    return ctypes.CDLL(path)


def features_of(library, audio):
    hops, count = len(audio) // HOP, library.count_features()
    out = np.empty((hops, count), np.float32)
    audio = np.ascontiguousarray(audio, np.float32)
    status = library.dump_features(ctypes.c_void_p(audio.ctypes.data), ctypes.c_size_t(hops),
                                   ctypes.c_void_p(out.ctypes.data))
    if status != 0:
        raise SystemExit('the features cannot be computed: %d' % status)
    return out


def make_set(library, scenes, seed, material):
    def one(i):
        audio, label = make_scene([seed, i], *material)
        numbers = features_of(library, audio)
        label = np.concatenate([np.full(LAG, -1, np.int8), label[:-LAG]])
        numbers, label = numbers[label >= 0], label[label >= 0]
        return numbers, label.astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, range(scenes)))
    return np.concatenate([m[0] for m in made]), np.concatenate([m[1] for m in made])


# the network --------------------------------------------------------------------------------

def forward(w, x):
    a = np.maximum(x @ w[0] + w[1], 0)
    b = np.maximum(a @ w[2] + w[3], 0)
    return a, b, b @ w[4] + w[5]


def roc_auc(score, label):
    order = np.argsort(score, kind='mergesort')
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    p = label.sum()
    return (rank[label > .5].sum() - p * (p + 1) / 2) / (p * (len(label) - p))


def train(x, y, x_dev, y_dev, epochs, hidden=(24, 8), batch=2048, rate=3e-3):
    rng = np.random.default_rng(11)
    sizes = (x.shape[1],) + hidden + (1,)
    w = []
    for i in range(3):
        w.append((rng.standard_normal((sizes[i], sizes[i + 1])) *
                  np.sqrt(2 / sizes[i])).astype(np.float32))
        w.append(np.zeros(sizes[i + 1], np.float32))
    m, v = [np.zeros_like(p) for p in w], [np.zeros_like(p) for p in w]
    steps, t = epochs * (len(x) // batch), 0
    for epoch in range(epochs):
        order, loss = rng.permutation(len(x)), 0.0
        for at in range(0, len(x) - batch + 1, batch):
            xb, yb = x[order[at:at + batch]], y[order[at:at + batch], None]
            xb = xb + BLUR * rng.standard_normal(xb.shape, np.float32)
            a, b, z = forward(w, xb)
            p = 1 / (1 + np.exp(-z))
            loss += float(np.mean(np.logaddexp(0, z) - yb * z))
            dz = (p - yb) / batch
            db = (dz @ w[4].T) * (b > 0)
            da = (db @ w[2].T) * (a > 0)
            grads = [xb.T @ da, da.sum(0), a.T @ db, db.sum(0), b.T @ dz, dz.sum(0)]
            t += 1
            step = rate * min(1, t / 100) * (.02 + .98 * .5 * (1 + np.cos(np.pi * t / steps)))
            for i, g in enumerate(grads):
                if w[i].ndim == 2:
                    g = g + 2e-5 * w[i]
                m[i] += .1 * (g - m[i])
                v[i] += .001 * (g * g - v[i])
                w[i] -= (step * (m[i] / (1 - .9 ** t)) /
                         (np.sqrt(v[i] / (1 - .999 ** t)) + 1e-8)).astype(np.float32)
        dev = roc_auc(forward(w, x_dev)[2][:, 0], y_dev)
        print('epoch %d  loss %.4f  held-out ROC-AUC %.4f' % (epoch, loss * batch / len(x), dev),
              file=sys.stderr, flush=True)
    return w


def write_model(path, w, mean, scale):
    """The scaling of the numbers goes into the first layer."""
    first = w[0] / scale[:, None]
    bias = w[1] - mean @ first
    arrays = [('hidden1', first.T), ('bias1', bias), ('hidden2', w[2].T), ('bias2', w[3]),
              ('output', w[4][:, 0])]
    with open(path, 'w') as f:
        f.write('/* SPDX-License-Identifier: MIT */\n'
                '/* Coefficients of the native detector. Written by training/train_native.py; '
                'sources and\n   licences in training/README.md. */\n'
                '#ifndef VS_SRC_VAD_MODEL_H\n#define VS_SRC_VAD_MODEL_H\n\n/* clang-format off */\n')
        f.write('#define MODEL_INPUTS  %d\n#define MODEL_HIDDEN1 %d\n#define MODEL_HIDDEN2 %d\n\n'
                % (first.shape[0], first.shape[1], w[2].shape[1]))
        for name, a in arrays:
            f.write('static const float model_%s[%d] = {\n' % (name, a.size))
            text = ['%.5gf' % x if '.' in '%.5g' % x or 'e' in '%.5g' % x else '%.5g.0f' % x
                    for x in a.ravel()]
            line = '   '
            for word in text:
                if len(line) + len(word) + 2 > 99:
                    f.write(line + '\n')
                    line = '   '
                line += ' ' + word + ','
            f.write(line + '\n};\n')
        f.write('static const float model_bias3 = %rf;\n' % float('%.5g' % w[5][0]))
        f.write('/* clang-format on */\n\n#endif\n')


def main():
    ap = argparse.ArgumentParser(description='Train the native detector.')
    ap.add_argument('data')
    ap.add_argument('--cache')
    ap.add_argument('--scenes', type=int, default=650)
    ap.add_argument('--epochs', type=int, default=7)
    ap.add_argument('--out', default=os.path.join(ROOT, 'src/vad/model.h'))
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or folder
        os.makedirs(cache, exist_ok=True)
        library = build_library(folder)
        with open(os.path.join(args.data, 'manifest.csv'), newline='') as f:
            rows = [r for r in csv.DictReader(f) if allowed(r)]
        speech = load_speech(args.data, cache, [r for r in rows if r['kind'].startswith('speech')])
        pools = {}
        for row, audio in load_audio(args.data, cache,
                                     [r for r in rows if r['kind'].startswith('noise')]):
            kind = row['kind'].split(':')[1]
            kind = {'speech-commands-bg': 'bg', 'animal': 'ambient'}.get(kind, kind)
            pools.setdefault('esc' if kind.startswith('esc10') else kind, []).append(audio)
        responses = [a for _, a in load_audio(args.data, cache,
                                              [r for r in rows if r['kind'] == 'rir'])]
        print('%d pieces of speech, %.2f h; noise: %s' % (
            len(speech), sum(len(a) for a, _ in speech) / RATE / 3600,
            {k: len(v) for k, v in pools.items()}), file=sys.stderr, flush=True)
        # The last tenth of the speech is for watching only.
        cut = len(speech) * 9 // 10
        order = np.random.default_rng(5).permutation(len(speech))
        fit = [speech[i] for i in order[:cut]]
        watch = [speech[i] for i in order[cut:]]
        x, y = make_set(library, args.scenes, 1, (fit, pools, responses))
        x_dev, y_dev = make_set(library, max(args.scenes // 20, 4), 2, (watch, pools, responses))
    print('%d hops, %.0f %% speech' % (len(x), 100 * y.mean()), file=sys.stderr, flush=True)
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x -= mean
    x /= scale
    w = train(x, y, (x_dev - mean) / scale, y_dev, args.epochs)
    write_model(args.out, w, mean, scale)


if __name__ == '__main__':
    main()
