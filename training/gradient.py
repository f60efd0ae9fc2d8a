# SPDX-License-Identifier: MIT
"""The steps of train.py without JAX's compiler, for processors: gradient.c, whose threads take
shares of the scenes. `gradient.py WEIGHTS.npz SCENES.npz` compares it with JAX and tells what a step
costs."""
import atexit
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import network

NAMES = (['conv%d' % i for i in range(5)] + ['bias%d' % i for i in range(5)] +
         ['gru_in', 'gru_state', 'gru_bias', 'out', 'out_bias'])
FLOATS = ctypes.POINTER(ctypes.c_float)


def build():
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, 'gradient.so')
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'gradient.c')
    subprocess.run(['cc', '-std=gnu11', '-O3', '-march=native', '-ffast-math', '-shared', '-fPIC', '-o', path,
                    source, '-lmvec', '-lm'], check=True)
    library = ctypes.CDLL(path)
    library.gradient_open.restype = ctypes.c_void_p
    return library


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def judge_odds(z, y, after, taste):
    """As train.loss_of() -> loss, gradient of z; all [scene, hop]"""
    onset, rank, hard = taste
    p = sigmoid(z)
    weight = (1 + onset * after) * (1 + hard * np.abs(p - y))
    total = weight.sum()
    loss = (weight * (softplus(z) - y * z)).sum() / total
    to_z = weight * (p - y) / total
    for scenes, hops in ((7, 31), (17, 101)) if rank else ():
        z2, y2 = (np.roll(a, (scenes, hops), (0, 1)) for a in (z, y))
        far, sign = np.abs(y - y2) * (rank / 2 / z.size), np.sign(y - y2)
        x = (z2 - z) * sign
        loss += (far * softplus(x)).sum()
        to_x = far * sigmoid(x) * sign
        to_z += np.roll(to_x, (-scenes, -hops), (0, 1)) - to_x
    return loss, to_z.astype(np.float32)


class Gradient:
    """Of `scenes` scenes, `hops` hops of each at a time, by `threads` threads"""

    def __init__(self, scenes, hops, threads):
        if scenes % (8 * threads):
            sys.exit('scenes of a batch must be a multiple of 8 for each thread')
        self._library = build()
        share = scenes // threads
        self._share = 16 if share % 16 == 0 else 8  # more at once are slower: caches
        self._works = [ctypes.c_void_p(self._library.gradient_open(self._share, hops))
                       for _ in range(scenes // self._share)]
        self._pool = ThreadPoolExecutor(threads)
        self._hops = hops

    @staticmethod
    def _pointers(arrays):
        return (FLOATS * len(NAMES))(*(a.ctypes.data_as(FLOATS) for a in arrays))

    def _forward(self, k, p, x, h, least):
        z = np.empty((self._hops, self._share), np.float32)
        here = slice(k * self._share, (k + 1) * self._share)
        x, state = np.ascontiguousarray(x[here]), h[here]
        self._library.gradient_forward(self._works[k], p, x.ctypes.data_as(ctypes.c_void_p),
                                       state.ctypes.data_as(FLOATS), ctypes.c_float(least), z.ctypes.data_as(FLOATS))
        return z.T

    def _backward(self, k, p, to_z, least, like):
        g = [np.zeros_like(a) for a in like]
        d = np.ascontiguousarray(to_z[k * self._share:(k + 1) * self._share].T)
        self._library.gradient_backward(self._works[k], p, d.ctypes.data_as(FLOATS), ctypes.c_float(least),
                                        self._pointers(g))
        return g

    def of(self, weights, x, y, after, h, least, taste):
        """h [scene, HIDDEN] goes on -> loss, [gradient], both in the order of NAMES"""
        p, ks = self._pointers(weights), range(len(self._works))
        z = np.concatenate(list(self._pool.map(lambda k: self._forward(k, p, x, h, least), ks)))
        loss, to_z = judge_odds(z, y, after, taste)
        parts = list(self._pool.map(lambda k: self._backward(k, p, to_z, least, weights), ks))
        return loss, [sum(a) for a in zip(*parts)]


class Adam:
    """The same steps as train.one_step(), but for one whose gradient is infinite, which is left out"""

    def __init__(self, weights):
        self.weights = [np.array(a, np.float32) for a in weights]
        self._m = [np.zeros_like(a) for a in self.weights]
        self._v = [np.zeros_like(a) for a in self.weights]
        self.mean = [a.copy() for a in self.weights]

    def step(self, gradient, t, rate, keep):
        norm = np.sqrt(sum(float(np.vdot(g, g)) for g in gradient))
        if not np.isfinite(norm):  # in a long stretch of hops it can explode
            return
        cut = min(1., 2. / (norm + 1e-9))
        for w, m, v, mean, g in zip(self.weights, self._m, self._v, self.mean, gradient):
            g = g * np.float32(cut)
            m += np.float32(.1) * (g - m)
            v += np.float32(.005) * (g * g - v)
            w -= np.float32(rate / (1 - .9 ** t)) * m / (np.sqrt(v / np.float32(1 - .995 ** t)) + np.float32(1e-8))
            mean += np.float32(keep) * (w - mean)


def compare(weights_path, scenes_path):
    import jax
    import jax.numpy as jnp
    import train
    with np.load(weights_path) as f:
        p = {k: f[k] for k in f.files}
    scenes, hops = 32, train.HOPS
    with np.load(scenes_path) as f:
        x = train.pad(f['x'][:scenes])[:, 400:400 + hops + network.CONTEXT]
        y = f['y'][:scenes, 400:400 + hops].astype(np.float32) / 255
    rng = np.random.default_rng(1)
    after = rng.random(y.shape) < .1
    h = np.tanh(rng.standard_normal((scenes, network.HIDDEN))).astype(np.float32)
    taste = (.5, .3, .7)
    (loss, last), theirs = jax.value_and_grad(train.loss_of, has_aux=True)(
        {k: jnp.asarray(v) for k, v in p.items()}, x, y, after, jnp.asarray(h), network.LEAST_TAKE, taste)
    for threads in (1, 2):
        ours, state = Gradient(scenes, hops, threads), h.copy()
        weights = [np.array(p[n], np.float32) for n in NAMES]
        my_loss, g = ours.of(weights, x, y, after, state, network.LEAST_TAKE, taste)
        print('loss %.6f, JAX %.6f; states differ by %.2g' % (my_loss, loss, np.abs(state - last).max()))
        for name, a in zip(NAMES, g):
            b = np.asarray(theirs[name])
            print('  %-9s %.1e of %.1e' % (name, np.sqrt(((a - b) ** 2).mean()), np.sqrt((b ** 2).mean())))
        began = time.time()
        for _ in range(20):
            ours.of(weights, x, y, after, state, network.LEAST_TAKE, taste)
        print('%d threads: %.1f ms a step' % (threads, (time.time() - began) / 20 * 1e3))


if __name__ == '__main__':
    compare(*sys.argv[1:])
