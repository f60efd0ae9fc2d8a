#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it is worth that two numbers follow the answer: follow.py SCENES WEIGHTS.npz[:SHARE][,...] ...

Takes weights as export.py does. Prints the ROC-AUC of the sets that prepare.py wrote to SCENES, by share and weight
of both followers and by what counts as neither; network.py has those that ship."""
import argparse
import os

import jax.numpy as jnp
import numpy as np

import network
import train


def answers(parts, x):
    """-> mean of the log odds"""
    return np.concatenate([np.mean([np.asarray(train.judge(p, train.pad(x[i:i + 32]))) for p in parts], axis=0)
                           for i in range(0, len(x), 32)])


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('scenes')
    ap.add_argument('weights', nargs='+')
    args = ap.parse_args()
    parts = [{k: jnp.asarray(v, jnp.float32) for k, v in network.mean_of(paths).items()} for paths in args.weights]
    sets = {}
    for name in sorted(os.listdir(args.scenes)):
        if name.startswith('dev'):
            with np.load(os.path.join(args.scenes, name)) as f:
                sets[name.removesuffix('.npz')] = answers(parts, f['x']), f['y'][:, :-train.LAG].ravel() > 127
    print('mean share weight  held share weight  centre ', *('%17s' % n for n in sets))
    tries = [(1, (.003, 0), (.02, 0)), (1, (.003, 1.4), (.02, 0))]
    tries += [(c, (.003, m), (s, h))
              for c in (.5, 1, 1.5) for m in (.7, 1.4) for s in (.01, .02, .04) for h in (1, 2, 3)]
    for centre, mean, held in tries:
        aucs = [train.roc_auc(network.follow(z, mean, held, centre)[:, train.LAG:].ravel(), y)
                for z, y in sets.values()]
        print('%10.3f %6.1f  %10.3f %6.1f  %6.1f ' % (*mean, *held, centre), *('%17.4f' % a for a in aucs), flush=True)


if __name__ == '__main__':
    main()
