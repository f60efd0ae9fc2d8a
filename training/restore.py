#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Weights to go on training from, out of those that ship: restore.py OUT.npz [FOLDER]

The reverse of export.py, but that weights stay as rounded: FOLDER [src/vad] has native.bin and model.h, of one network
or of several, which go to OUT.npz, OUT-1.npz and so on. In those of old commits one unit was set by hand to the mean of
the answers: it begins anew."""
import os
import re
import sys

import numpy as np

import network
from data import ROOT
from export import PAD

MEAN_OFFSET = .25  # of the weight of a unit that was that mean, added to the log odds


def shipped(folder):
    """-> [weights of a network]"""
    with open(os.path.join(folder, 'model.h')) as f:
        text = f.read()
    tables = {name: np.array([float(x.rstrip('f')) for x in numbers.split(',') if x.strip()])
              for name, numbers in re.findall(r'model_(\w+)\[\d+\] = \{([^}]*)\}', text)}
    count = len(tables['conv0_bias']) // network.CHANNELS
    raw, at, parts = np.fromfile(os.path.join(folder, 'native.bin'), np.int8), 0, [{} for _ in range(count)]
    for name, like in network.init(0).items():
        if like.ndim != 2:
            continue
        rows, columns = like.shape
        padded = columns + -columns % PAD
        scale, bias = (np.split(tables[name + end], count) for end in ('_scale', '_bias'))
        for p, s, b in zip(parts, scale, bias):
            w = raw[at:at + rows * padded].reshape(rows, padded)[:, :columns].astype(np.int64)
            at += rows * padded
            unit = network.STEP if name == 'gru_in' else 1 / network.STATE_STEPS if name == 'gru_state' else 1
            p[name] = w * (s / unit)[:, None]
            if name in ('conv0', 'gru_state'):  # their inputs are stored with 64 for zero
                b = b + 64 * w.sum(axis=1) * s
            p[name + '_bias'] = b
    assert at == len(raw)
    for k, p in enumerate(parts):
        for i in range(len(network.DILATIONS) + 1):
            p['bias%d' % i] = p.pop('conv%d_bias' % i) * network.STEP
        p['gru_bias'] = np.concatenate([p.pop('gru_in_bias'), p.pop('gru_state_bias')[2 * network.HIDDEN:]])
        channels, states, constant = np.split(tables['out'], np.cumsum([count * network.CHANNELS,
                                                                        count * network.HIDDEN]))
        p['out'] = count * np.concatenate([np.split(channels, count)[k] / network.STEP, np.split(states, count)[k]])
        p['out_bias'] = constant[0] - (tables['centre'][0] - network.CENTRE if 'centre' in tables else 0)
    return parts


def begin_anew(p, unit):
    """A unit that takes a hundredth a hop, of anything, and is hardly heard"""
    rng, n = np.random.default_rng(7), network.HIDDEN
    p['gru_in'][2 * n + unit] = rng.standard_normal(network.CHANNELS) / np.sqrt(network.CHANNELS)
    p['gru_state'][2 * n + unit] = rng.standard_normal(n) / 8 * .3
    p['gru_bias'][unit + n * np.arange(4)] = [-np.log(100 - 1), 0, 0, 0]
    p['gru_state'][:, unit] = rng.standard_normal(3 * n) * .02
    p['out_bias'] -= MEAN_OFFSET * p['out'][network.CHANNELS + unit]
    p['out'][network.CHANNELS + unit] = 0


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    parts = shipped(sys.argv[2] if len(sys.argv) == 3 else os.path.join(ROOT, 'src', 'vad'))
    for k, p in enumerate(parts):
        for unit in np.flatnonzero(~p['gru_in'][:network.HIDDEN].any(axis=1)):
            begin_anew(p, unit)
            print('unit %d was the mean of the answers' % unit)
        name = sys.argv[1] if k == 0 else '%s-%d.npz' % (sys.argv[1].removesuffix('.npz'), k)
        np.savez(name, **{k: np.asarray(v, np.float32) for k, v in p.items()})


if __name__ == '__main__':
    main()
