#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Let one unit of the recurrent state follow the network's own answer: remember.py SCENES OUT.npz
WEIGHTS.npz [WEIGHTS.npz ...]

OUT is the mean of the WEIGHTS but for that unit, which loses what it did and becomes the slow mean of
tanh(log odds - CENTRE) of the hops before; WEIGHT times it is added to the log odds, and OFFSET times
WEIGHT. So a hop after a second of speech is more likely speech than one after a second of none, as people who
label conversations think. Nothing of the network's shape changes. The unit is the one that moves the others and
the answer least on the dev scenes of SCENES."""
import argparse
import os

import jax.numpy as jnp
import numpy as np

import network
import train

WEIGHT = 1.4  # of the slow mean in the log odds
OFFSET = .25  # of that weight, added to them besides


def mean_of(paths):
    parts = [dict(np.load(path)) for path in paths]
    return {k: np.mean([p[k] for p in parts], axis=0, dtype=np.float64) for k in parts[0]}


def states_of(p, scenes):
    """-> [hop, unit] of some scenes"""
    p = {k: jnp.asarray(v, jnp.float32) for k, v in p.items()}
    y = network.convolutions(p, train.pad(scenes))
    states, _ = network.recur(p, y, jnp.zeros((len(scenes), network.HIDDEN)))
    return np.asarray(states).reshape(-1, network.HIDDEN)


def without(p, unit, mean):
    """Weights with `unit` standing still at `mean`, and heard by none"""
    p = {k: v.copy() for k, v in p.items()}
    n, channels = network.HIDDEN, network.CHANNELS
    share = p['gru_state'][:, unit] * mean
    p['gru_bias'][:2 * n] += share[:2 * n]
    p['gru_bias'][3 * n:] += share[2 * n:]
    p['gru_state'][:, unit] = 0
    p['out_bias'] += p['out'][channels + unit] * mean
    p['out'][channels + unit] = 0
    return p


def follow(p, unit, take, centre):
    """`unit` takes `take` of tanh(answer - centre) a hop"""
    n, channels = network.HIDDEN, network.CHANNELS
    for gate, bias in ((0, np.log(take / (1 - take))), (1, 8.)):
        row = gate * n + unit
        p['gru_in'][row] = p['gru_state'][row] = 0
        p['gru_bias'][row] = bias
    row = 2 * n + unit
    p['gru_in'][row] = p['out'][:channels]
    p['gru_state'][row] = p['out'][channels:]
    p['gru_bias'][row] = p['out_bias'] - centre
    p['gru_bias'][3 * n + unit] = 0


def judge(p, dev):
    return train.measure({k: jnp.asarray(v, jnp.float32) for k, v in p.items()}, dev)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('scenes')
    ap.add_argument('out')
    ap.add_argument('weights', nargs='+')
    ap.add_argument('--take', type=float, default=.003, help='of the answer, a hop')
    ap.add_argument('--centre', type=float, default=1., help='log odds that count as neither')
    ap.add_argument('--weight', type=float, default=WEIGHT)
    args = ap.parse_args()
    with np.load(os.path.join(args.scenes, 'dev.npz')) as f:
        dev = f['x'], f['y']
    p = mean_of(args.weights)
    states = states_of(p, dev[0][::6])
    matters = states.std(axis=0) * np.sqrt((p['gru_state'] ** 2).sum(axis=0) +
                                           p['out'][network.CHANNELS:] ** 2)
    unit = int(np.argmin(matters))
    print('ROC-AUC of the dev scenes: %.4f' % judge(p, dev))
    p = without(p, unit, states.mean(axis=0)[unit])
    follow(p, unit, args.take, args.centre)
    p['out'][network.CHANNELS + unit] = args.weight
    p['out_bias'] += OFFSET * args.weight
    print('unit %d follows: %.4f' % (unit, judge(p, dev)))
    np.savez(args.out, **{k: v.astype(np.float32) for k, v in p.items()})


if __name__ == '__main__':
    main()
