#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Weights to go on training from, out of those that ship: restore.py OUT.npz [FOLDER]

The reverse of export.py, but that weights stay as rounded: FOLDER [src/vad] has native.bin and model.h. The
unit that remember.py set by hand begins anew."""
import os
import re
import sys

import numpy as np

import network
import remember
from data import ROOT
from export import PAD


def shipped(folder):
    """-> weights"""
    with open(os.path.join(folder, 'model.h')) as f:
        text = f.read()
    tables = {name: np.array([float(x.rstrip('f')) for x in numbers.split(',') if x.strip()])
              for name, numbers in re.findall(r'model_(\w+)\[\d+\] = \{([^}]*)\}', text)}
    raw, at, p = np.fromfile(os.path.join(folder, 'native.bin'), np.int8), 0, {}
    offsets = {}
    for name, like in network.init(0).items():
        if like.ndim != 2:
            continue
        rows, columns = like.shape
        padded = columns + -columns % PAD
        w = raw[at:at + rows * padded].reshape(rows, padded)[:, :columns].astype(np.int64)
        at += rows * padded
        scale = tables[name + '_scale']
        offsets[name] = -64 * w.sum(axis=1) * scale
        unit = network.STEP if name == 'gru_in' else 1 / network.STATE_STEPS if name == 'gru_state' else 1
        p[name] = w * (scale / unit)[:, None]
    assert at == len(raw)
    n = network.HIDDEN
    for i in range(len(network.DILATIONS) + 1):
        bias = tables['conv%d_bias' % i] - (offsets['conv0'] if i == 0 else 0)
        p['bias%d' % i] = bias * network.STEP
    state_bias = (tables['gru_state_bias'] - offsets['gru_state'])[2 * n:]
    p['gru_bias'] = np.concatenate([tables['gru_in_bias'], state_bias])
    p['out'], p['out_bias'] = tables['out'][:-1], tables['out'][-1]
    p['out'][:network.CHANNELS] /= network.STEP
    return p


def begin_anew(p, unit):
    """A unit that takes a hundredth a hop, of anything, and is hardly heard"""
    rng, n = np.random.default_rng(7), network.HIDDEN
    p['gru_in'][2 * n + unit] = rng.standard_normal(network.CHANNELS) / np.sqrt(network.CHANNELS)
    p['gru_state'][2 * n + unit] = rng.standard_normal(n) / 8 * .3
    p['gru_bias'][unit + n * np.arange(4)] = [-np.log(100 - 1), 0, 0, 0]
    p['gru_state'][:, unit] = rng.standard_normal(3 * n) * .02
    p['out_bias'] -= remember.OFFSET * p['out'][network.CHANNELS + unit]
    p['out'][network.CHANNELS + unit] = 0


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    p = shipped(sys.argv[2] if len(sys.argv) == 3 else os.path.join(ROOT, 'src', 'vad'))
    for unit in np.flatnonzero(~p['gru_in'][:network.HIDDEN].any(axis=1)):
        begin_anew(p, unit)
        print('unit %d remembered the answer' % unit)
    np.savez(sys.argv[1], **{k: np.asarray(v, np.float32) for k, v in p.items()})


if __name__ == '__main__':
    main()
