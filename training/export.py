#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write trained weights for src/vad: export.py WEIGHTS.npz[:SHARE][,WEIGHTS.npz[:SHARE] ...] [...]

Of each network one argument; weights with commas between are averaged to one, each counted SHARE times. src/vad gets
native.bin, the 8-bit weights row by row, each row padded with zeros to whole vectors, each matrix of all networks in
turn, and model.h, the scales and biases of the rows and what follows the mean of the answers."""
import os
import sys

import numpy as np

import network
from data import ROOT

PAD = 32


def matrices(p):
    """-> [(name, rows of int8, scale of each row)] in the order of native.bin"""
    out = []
    for name in ['conv%d' % i for i in range(len(network.DILATIONS) + 1)] + ['gru_in', 'gru_state']:
        w = np.asarray(p[name])
        scale = np.abs(w).max(axis=1, keepdims=True) / np.float32(127) + np.float32(1e-12)
        out.append((name, np.round(w / scale).astype(np.int8), scale[:, 0]))
    return out


def floats(p, rows):
    """Scale and bias of each row, such that sum * scale + bias is in the unit that native.c goes on
    with: steps of an output for convolutions, plain numbers for the rest. Inputs that are stored
    with 64 for zero are set right by the bias. -> [(name, numbers)]"""
    out = []
    for name, w, scale in rows:
        offset = -64 * w.astype(np.int64).sum(axis=1)
        if name == 'conv0':
            bias = offset * scale + p['bias0'] / network.STEP
        elif name.startswith('conv'):
            bias = p['bias' + name[4:]] / network.STEP
        elif name == 'gru_in':
            scale = scale * network.STEP
            bias = p['gru_bias'][:3 * network.HIDDEN]
        else:
            scale = scale / network.STATE_STEPS
            bias = offset * scale
            bias[2 * network.HIDDEN:] += p['gru_bias'][3 * network.HIDDEN:]
        out += [(name + '_scale', scale), (name + '_bias', bias)]
    return out


def answers(parts):
    """What weighs the channels of all networks, then their states, and the constant: the mean of their log odds"""
    n = network.CHANNELS
    channels = [np.asarray(p['out'], np.float64)[:n] * network.STEP for p in parts]
    states = [np.asarray(p['out'], np.float64)[n:] for p in parts]
    constant = np.mean([p['out_bias'] for p in parts]) + network.OFFSET
    return np.append(np.concatenate(channels + states) / len(parts), constant)


def number(x):
    text = '%.8g' % np.float32(x)
    return text + ('f' if '.' in text or 'e' in text else '.0f')


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = os.path.join(ROOT, 'src', 'vad')
    parts = [{k: v.astype(np.float32) for k, v in network.mean_of(paths).items()} for paths in sys.argv[1:]]
    rows = [matrices(p) for p in parts]
    with open(os.path.join(folder, 'native.bin'), 'wb') as f:
        for same in zip(*rows):
            for _, w, _ in same:
                f.write(np.pad(w, ((0, 0), (0, -w.shape[1] % PAD))).tobytes())
    tables = [(same[0][0], np.concatenate([a for _, a in same]))
              for same in zip(*(floats(p, r) for p, r in zip(parts, rows)))]
    tables += [('out', answers(parts)), ('centre', [network.CENTRE + network.OFFSET]),
               ('follower_share', [network.MEAN_SHARE, network.HELD_SHARE]),
               ('follower_weight', [network.MEAN_WEIGHT, network.HELD_WEIGHT])]
    with open(os.path.join(folder, 'model.h'), 'w') as f:
        f.write('/* SPDX-License-Identifier: MIT */\n'
                '/* Scales and biases of the native detector, whose weights are native.bin. Written by\n'
                '   training/export.py; sources and licences in training/README.md. */\n'
                '#ifndef VS_SRC_VAD_MODEL_H\n#define VS_SRC_VAD_MODEL_H\n\n/* clang-format off */\n')
        for name, a in tables:
            f.write('static const float model_%s[%d] = {\n' % (name, len(a)))
            line = '   '
            for x in a:
                word = ' ' + number(x) + ','
                if len(line) + len(word) > 99:
                    f.write(line + '\n')
                    line = '   '
                line += word
            f.write(line + '\n};\n')
        f.write('/* clang-format on */\n\n#endif\n')


if __name__ == '__main__':
    main()
