#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train the native detector: train.py SCENES OUT.npz [--steps N] [--seed S] [--start FILE.npz]

SCENES is what prepare.py wrote. The number of steps is fixed, not the time, so that a seed gives the
same weights again. Written are the mean of the weights over the last quarter of the steps."""
import argparse
import os
import time

import jax
import jax.numpy as jnp
import numpy as np

import network

BATCH, HOPS = 32, 240
LAG = 1  # a hop is judged when the next one has been heard


def roc_auc(score, label):
    order = np.argsort(score, kind='mergesort')
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    p = label.sum()
    return (rank[label].sum() - p * (p + 1) / 2) / (p * (len(label) - p))


def loss_of(p, x, y, h, least):
    z, last = network.forward(p, x, h, least=least)
    return jnp.mean(jax.nn.softplus(z) - y * z), last


@jax.jit
def step(p, m, v, mean, x, y, h, t, rate, keep, least):
    (loss, h), g = jax.value_and_grad(loss_of, has_aux=True)(p, x, y, h, least)
    norm = jnp.sqrt(sum(jnp.sum(a * a) for a in jax.tree.leaves(g)))
    g = jax.tree.map(lambda a: a * jnp.minimum(1., 2. / (norm + 1e-9)), g)
    m = jax.tree.map(lambda a, b: a + .1 * (b - a), m, g)
    v = jax.tree.map(lambda a, b: a + .005 * (b * b - a), v, g)
    p = jax.tree.map(lambda w, a, b: w - rate * (a / (1 - .9 ** t)) /
                     (jnp.sqrt(b / (1 - .995 ** t)) + 1e-8), p, m, v)
    mean = jax.tree.map(lambda a, b: a + keep * (b - a), mean, p)
    return p, m, v, mean, h, loss


@jax.jit
def judge(p, x):
    return network.forward(p, x, jnp.zeros((x.shape[0], network.HIDDEN)))[0]


def pad(x):
    return np.pad(x, ((0, 0), (network.CONTEXT, 0), (0, 0)))


def measure(p, dev):
    """-> ROC-AUC over all dev scenes"""
    x, y = dev
    z = np.concatenate([np.asarray(judge(p, pad(x[i:i + 32]))) for i in range(0, len(x), 32)])
    return roc_auc(z[:, LAG:].ravel(), y[:, :-LAG].ravel() > 127)


def load(folder, i):
    """Scenes of file i, once it is there; hops get the label of the hop before."""
    path = os.path.join(folder, 'train%d.npz' % i)
    while not os.path.exists(path):
        time.sleep(2)
    with np.load(path) as f:
        x, y = f['x'], f['y']
    return x, np.concatenate([np.zeros((len(y), LAG), np.uint8), y[:, :-LAG]], axis=1)


def batches(args):
    """Scenes in ever new orders, a stretch of all scenes of a batch at a time; every args.every
    steps another file of scenes comes in. -> x, y, is first"""
    rng = np.random.default_rng(args.seed)
    parts, made = [], 0
    while True:
        while len(parts) < min(args.files, args.first + made // args.every):
            parts.append(load(args.scenes, len(parts)))
        order = rng.permutation(sum(len(x) for x, _ in parts))
        which = [(f, i) for f, (x, _) in enumerate(parts) for i in range(len(x))]
        for at in range(0, len(order) - BATCH + 1, BATCH):
            chosen = [which[k] for k in order[at:at + BATCH]]
            seen = pad(np.stack([parts[f][0][i] for f, i in chosen]))
            label = np.stack([parts[f][1][i] for f, i in chosen]).astype(np.float32) / 255
            for hop in range(0, label.shape[1] - HOPS + 1, HOPS):
                made += 1
                yield (seen[:, hop:hop + HOPS + network.CONTEXT], label[:, hop:hop + HOPS],
                       hop == 0)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('scenes')
    ap.add_argument('out')
    ap.add_argument('--steps', type=int, default=3000)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--rate', type=float, default=4e-3)
    ap.add_argument('--files', type=int, default=8, help='of scenes')
    ap.add_argument('--first', type=int, default=1, help='files to begin with')
    ap.add_argument('--every', type=int, default=400, help='steps after which one more comes in')
    ap.add_argument('--until', type=int, help='stop before the last step')
    ap.add_argument('--least', type=float, default=network.LEAST_TAKE,
                    help='of the state that a hop replaces')
    ap.add_argument('--start', help='weights to go on from')
    args = ap.parse_args()
    dev = np.load(os.path.join(args.scenes, 'dev.npz'))
    dev = dev['x'], dev['y']
    p = network.init(args.seed)
    if args.start:
        p = {k: jnp.asarray(v) for k, v in np.load(args.start).items()}
    m = jax.tree.map(jnp.zeros_like, p)
    v, mean = m, p
    h = jnp.zeros((BATCH, network.HIDDEN))
    begin, sum_loss, averaged = time.time(), 0., 0
    for t, (x, y, first) in zip(range(1, (args.until or args.steps) + 1), batches(args)):
        rate = args.rate * min(1, t / 60) * (.02 + .98 * .5 * (1 + np.cos(np.pi * t / args.steps)))
        averaged += t > args.steps * 3 // 4
        p, m, v, mean, h, loss = step(p, m, v, mean, x, y, h * (not first), float(t), rate,
                                      1. / averaged if averaged else 1., args.least)
        sum_loss += float(loss)
        if t % 100 == 0:
            line = 'step %d  loss %.4f  %.0f s' % (t, sum_loss / 100, time.time() - begin)
            if t % 300 == 0 or t == args.steps:
                line += '  dev ROC-AUC %.4f' % measure(mean, dev)
                np.savez(args.out, **{k: np.asarray(a) for k, a in mean.items()})
            print(line, flush=True)
            sum_loss = 0.
    np.savez(args.out, **{k: np.asarray(a) for k, a in mean.items()})


if __name__ == '__main__':
    main()
