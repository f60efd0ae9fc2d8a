#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train the native detector: train.py OUT.npz SCENES[:FILES] [SCENES[:FILES] ...] [--steps N] [--seed S]

SCENES is a folder that prepare.py wrote, or is still writing; FILES is how many of its files are heard. A folder that
is named twice is heard twice as often; the dev scenes are those of the first. The number of steps is fixed, not the
time, so that a seed gives the same weights again. Written are the mean of the weights over the last quarter of the
steps.

Each --try ONSET:RANK:HARD trains one more network beside the first on the same scenes, from a seed
of its own, to OUT-1.npz and so on; see loss_of(). With --threads N gradient.py does the steps, of
one network, several times as fast as JAX on a processor."""
import argparse
import os
import time

import jax
import jax.numpy as jnp
import numpy as np

import gradient
import network
from scenes import STRETCH

HOPS = STRETCH  # of a scene in a step, through which gradients go
LAG = 1  # a hop is judged when the next one has been heard
ONSET_HOPS = 12


def roc_auc(score, label):
    order = np.argsort(score, kind='mergesort')
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    p = label.sum()
    return (rank[label].sum() - p * (p + 1) / 2) / (p * (len(label) - p))


def loss_of(p, x, y, after, h, least, taste):
    """Cross entropy, with three tastes of what counts more: `onset`, the first hops of speech;
    `hard`, hops that are judged badly; `rank`, that any hop of speech is above any hop of other
    scenes that is none, which is what one threshold for all recordings needs."""
    onset, rank, hard = taste
    z, last = network.forward(p, x, h, least=least)
    wrong = jax.lax.stop_gradient(jnp.abs(jax.nn.sigmoid(z) - y))
    weight = (1 + onset * after) * (1 + hard * wrong)
    loss = jnp.mean(weight * (jax.nn.softplus(z) - y * z)) / jnp.mean(weight)
    pairs = 0.
    for scenes, hops in ((7, 31), (17, 101)):
        z2, y2 = (jnp.roll(a, (scenes, hops), (0, 1)) for a in (z, y))
        pairs += jnp.mean(jnp.abs(y - y2) * jax.nn.softplus((z2 - z) * jnp.sign(y - y2)))
    return loss + rank * pairs / 2, last


def one_step(p, m, v, mean, h, taste, x, y, after, t, rate, keep, least):
    (loss, h), g = jax.value_and_grad(loss_of, has_aux=True)(p, x, y, after, h, least, taste)
    norm = jnp.sqrt(sum(jnp.sum(a * a) for a in jax.tree.leaves(g)))
    g = jax.tree.map(lambda a: a * jnp.minimum(1., 2. / (norm + 1e-9)), g)
    m = jax.tree.map(lambda a, b: a + .1 * (b - a), m, g)
    v = jax.tree.map(lambda a, b: a + .005 * (b * b - a), v, g)
    p = jax.tree.map(lambda w, a, b: w - rate * (a / (1 - .9 ** t)) /
                     (jnp.sqrt(b / (1 - .995 ** t)) + 1e-8), p, m, v)
    mean = jax.tree.map(lambda a, b: a + keep * (b - a), mean, p)
    return p, m, v, mean, h, loss


# of all networks at once: weights differ, scenes are the same
step = jax.jit(jax.vmap(one_step, in_axes=(0,) * 6 + (None,) * 7), donate_argnums=(0, 1, 2, 3, 4))


@jax.jit
def judge(p, x):
    return network.forward(p, x, jnp.zeros((x.shape[0], network.HIDDEN)))[0]


def pad(x):
    return np.pad(x, ((0, 0), (network.CONTEXT, 0), (0, 0)))


def measure(p, dev):
    """-> ROC-AUC over all scenes of a set"""
    x, y = dev
    z = np.concatenate([np.asarray(judge(p, pad(x[i:i + 32]))) for i in range(0, len(x), 32)])
    return roc_auc(z[:, LAG:].ravel(), y[:, :-LAG].ravel() > 127)


def load(path):
    """Scenes of a file, once it is there; hops get the label of the hop before.
    -> numbers, labels, whether hops follow an onset, whether a stream begins with a stretch"""
    while not os.path.exists(path):
        time.sleep(.2)
    with np.load(path) as f:
        y, begins = f['y'], f['begins']
    x = np.load(path.replace('.npz', '.npy'), mmap_mode='r')  # so that there may be more than memory holds
    y = np.concatenate([np.zeros((len(y), LAG), np.uint8), y[:, :-LAG]], axis=1)
    y[:, ::HOPS][begins] = 0
    speech = y > 127
    before = np.pad(speech, ((0, 0), (ONSET_HOPS, 0)))[:, :-ONSET_HOPS]
    return x, y, speech & ~before, begins


def other_voice(rng, x):
    """Numbers of a scene [hop, feature] as if all of it had another throat and another channel: bands move
    by up to an eighth, the peak's half gets a tilt and a hump."""
    bands = x.shape[1] // 2
    at = np.clip((np.arange(bands) + 3) * np.exp(rng.uniform(-.12, .12)) - 3, 0, bands - 1)
    low = np.minimum(at.astype(int), bands - 2)
    warp = np.zeros((bands, bands), np.float32)
    warp[low, np.arange(bands)] = 1 - (at - low)
    warp[low + 1, np.arange(bands)] += at - low
    along = np.linspace(-1, 1, bands)
    offset = rng.normal(0, 4) * along + rng.normal(0, 5) * np.exp(-((along - rng.uniform(-1, 1)) / .4) ** 2)
    y = x.astype(np.float32)
    y = np.concatenate([y[:, :bands] @ warp + (offset - offset.max() / 2).astype(np.float32), y[:, bands:] @ warp], 1)
    return np.where(x.any(axis=1, keepdims=True), np.clip(np.rint(y), 0, 127), 0).astype(np.uint8)


def batches(args):
    """Scenes in ever new orders, a stretch of all scenes of a batch at a time; every args.every
    steps another file of scenes comes in, and the oldest goes if there are more than args.keep.
    -> x, y, whether hops follow an onset, whether a stream begins"""
    rng = np.random.default_rng(args.seed)
    paths = [os.path.join(folder, 'train%d.npz' % i) for folder, files in args.scenes for i in range(files)]
    first = args.first or len(paths)
    parts, loaded, made = [], 0, 0
    while True:
        while loaded < min(len(paths), first + made // args.every):
            parts = parts[loaded >= args.keep:] + [load(paths[loaded])]
            loaded += 1
        which = [(f, i) for f, part in enumerate(parts) for i in range(len(part[0]))]
        order = rng.permutation(len(which))[:args.fresh * args.batch or None]
        for at in range(0, len(order) - args.batch + 1, args.batch):
            chosen = [which[k] for k in order[at:at + args.batch]]
            x, y, after, begins = (np.stack([parts[f][k][i] for f, i in chosen]) for k in range(4))
            for i in np.flatnonzero(rng.random(len(x)) < args.voices):
                x[i] = other_voice(rng, x[i])
            x = pad(x)
            for stretch in range(begins.shape[1]):
                made += 1
                here = slice(stretch * HOPS, (stretch + 1) * HOPS)
                seen = x[:, here.start:here.stop + network.CONTEXT].copy()
                seen[begins[:, stretch], :network.CONTEXT] = 0
                yield seen, y[:, here].astype(np.float32) / 255, after[:, here], begins[:, stretch]


def save(args, means):
    for k, mean in enumerate(means):
        name = args.out if k == 0 else '%s-%d.npz' % (args.out.removesuffix('.npz'), k)
        np.savez(name, **{n: np.asarray(a) for n, a in mean.items()})


def begin(args):
    """-> [weights of a network]"""
    if args.start:
        with np.load(args.start) as f:
            return [{k: jnp.asarray(v) for k, v in f.items()}] * len(args.tastes)
    return [network.init(args.seed + i) for i in range(len(args.tastes))]


class OnJax:
    """All networks at once, where JAX thinks best"""

    def __init__(self, args):
        self._p = jax.tree.map(lambda *a: jnp.stack(a), *begin(args))
        self._m, self._v = (jax.tree.map(jnp.zeros_like, self._p) for _ in range(2))
        self._mean = jax.tree.map(jnp.array, self._p)
        self._h = jnp.zeros((len(args.tastes), args.batch, network.HIDDEN))
        self._tastes = tuple(jnp.array(t) for t in zip(*args.tastes))
        self._least = args.least

    def step(self, x, y, after, first, t, rate, keep):
        """-> loss of each network"""
        self._p, self._m, self._v, self._mean, self._h, loss = step(
            self._p, self._m, self._v, self._mean, self._h * ~first[:, None], self._tastes, x, y, after,
            float(t), rate, keep, self._least)
        return loss

    def means(self):
        return [{n: a[k] for n, a in self._mean.items()} for k in range(len(self._mean['out']))]


class OnProcessor:
    """One network, by gradient.py"""

    def __init__(self, args):
        p, = begin(args)
        self._taste, = args.tastes
        self._adam = gradient.Adam([p[n] for n in gradient.NAMES])
        self._gradient = gradient.Gradient(args.batch, HOPS, args.threads)
        self._h = np.zeros((args.batch, network.HIDDEN), np.float32)
        self._least = args.least

    def step(self, x, y, after, first, t, rate, keep):
        self._h *= ~first[:, None]
        loss, g = self._gradient.of(self._adam.weights, x, y, after, self._h, self._least, self._taste)
        self._adam.step(g, t, rate, keep)
        return np.array([loss])

    def means(self):
        return [dict(zip(gradient.NAMES, self._adam.mean))]


def folder_and_files(text):
    folder, _, files = text.partition(':')
    return folder, int(files or 8)


def options():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('out')
    ap.add_argument('scenes', nargs='+', metavar='SCENES[:FILES]', type=folder_and_files, help='8 files if not said')
    ap.add_argument('--steps', type=int, default=3000)
    ap.add_argument('--seconds', type=float, help='as many steps as fit, instead; said at the start')
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--rate', type=float, default=4e-3)
    ap.add_argument('--batch', type=int, default=32, help='scenes')
    ap.add_argument('--first', type=int, help='files to begin with, if not all')
    ap.add_argument('--every', type=int, default=400, help='steps after which one more comes in')
    ap.add_argument('--keep', type=int, default=1000, help='files heard at a time, of 50 MB each')
    ap.add_argument('--fresh', type=int, default=0,
                    help='batches after which the order is drawn anew; 0: when all were heard')
    ap.add_argument('--voices', type=float, default=0, help='share of scenes whose voices are changed')
    ap.add_argument('--say', type=int, default=300, help='steps after which the dev scenes are judged')
    ap.add_argument('--until', type=int, help='stop before the last step')
    ap.add_argument('--least', type=float, default=network.LEAST_TAKE,
                    help='of the state that a hop replaces')
    ap.add_argument('--start', help='weights to go on from')
    ap.add_argument('--unroll', type=int, default=1, help='8 is quicker on a GPU')
    ap.add_argument('--threads', type=int, default=0, help='of the processor, without JAX; one --try')
    ap.add_argument('--try', dest='tastes', action='append', metavar='ONSET:RANK:HARD',
                    type=lambda text: tuple(float(x) for x in text.split(':')))
    args = ap.parse_args()
    args.tastes = args.tastes or [(0., 0., 0.)]
    if args.threads and len(args.tastes) > 1:
        ap.error('--threads is for one --try')
    return args


def main():
    args = options()
    network.UNROLL = args.unroll
    dev = {}
    folder = args.scenes[0][0]
    for name in sorted(os.listdir(folder)):
        if name.startswith('dev'):
            with np.load(os.path.join(folder, name)) as f:
                dev[name.removesuffix('.npz')] = f['x'], f['y']
    networks = (OnProcessor if args.threads else OnJax)(args)
    started, losses, averaged = time.time(), 0., 0
    for t, (x, y, after, first) in enumerate(batches(args), 1):
        rate = args.rate * min(1, t / 60) * (.02 + .98 * .5 * (1 + np.cos(np.pi * t / args.steps)))
        averaged += t > args.steps * 3 // 4
        losses += networks.step(x, y, after, first, t, rate, 1. / averaged if averaged else 1.)
        if args.seconds and t in (20, 60):  # the first steps compile; then it is known how fast it is
            jax.block_until_ready(losses)
            now = time.time() - started
            if t == 60:
                args.steps = int(60 + 40 * (args.seconds - now) / (now - then))
                print('%d steps of %.4f s' % (args.steps, (now - then) / 40), flush=True)
            then = now
        last = t == (args.until or args.steps)
        if t % 100 == 0 or last:
            line = 'step %d  loss %s  %.0f s' % (
                t, ' '.join('%.4f' % (a / (t % 100 or 100)) for a in losses), time.time() - started)
            if t % args.say == 0 or last:
                means = networks.means()
                for name, scenes in dev.items():
                    line += '  %s ROC-AUC' % name + ''.join(' %.4f' % measure(p, scenes) for p in means)
                save(args, means)
            print(line, flush=True)
            if not np.isfinite(losses).all():
                raise SystemExit('train.py: the loss is no number any more; try a lower --rate')
            losses = 0.
        if last:
            break


if __name__ == '__main__':
    main()
