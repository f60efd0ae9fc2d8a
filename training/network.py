# SPDX-License-Identifier: MIT
"""The network of the native detector in JAX: a causal convolution over three hops, residual dilated
ones, a gated recurrent unit, a sigmoid of both.

What is trained is the answer; follow() adds two numbers to it that follow it.

Everything that a matrix meets is 0..127, as the 8-bit kernels want it: numbers of the features as
they are, outputs of convolutions in steps of 1/32, the recurrent state in steps of 1/63 around 64.
Weights are rounded to 8 bits with a scale per row. Training sees all that rounding; gradients pass
through it as if it were not there."""
import jax
import jax.numpy as jnp
import numpy as np

INPUTS, CHANNELS, HIDDEN = 80, 48, 64
DILATIONS = (1, 2, 4, 8)
CONTEXT = 2 + 2 * sum(DILATIONS)  # hops before that the convolutions look at
STEP = 1 / 32                     # of an output of a convolution
FEATURE_ZERO, FEATURE_STEP = 64., 1 / 32
STATE_STEPS = 63.
UNROLL = 1                        # steps in time that are compiled in a row
LEAST_TAKE = .001                 # a hop replaces at least that of the state: it forgets in 10 s
MEAN_SHARE, MEAN_WEIGHT = .003, 1.4  # of the answer a hop; in the log odds
HELD_SHARE, HELD_WEIGHT = .03, 3.5
CENTRE = .9   # log odds that count as neither
OFFSET = .35  # in the log odds besides, as when there was the mean alone


def init(seed):
    rng = np.random.default_rng(seed)

    def matrix(rows, columns, gain=1.):
        return (rng.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)

    p = {'conv0': matrix(CHANNELS, 3 * INPUTS, 1.4), 'bias0': np.zeros(CHANNELS, np.float32)}
    for i in range(1, len(DILATIONS) + 1):
        p['conv%d' % i] = matrix(CHANNELS, 3 * CHANNELS)
        p['bias%d' % i] = np.zeros(CHANNELS, np.float32)
    p['gru_in'] = matrix(3 * HIDDEN, CHANNELS)
    p['gru_state'] = matrix(3 * HIDDEN, HIDDEN)
    # a unit takes a share of 1 / time a hop: some remember for three seconds, some for one hop
    time = np.exp(rng.uniform(np.log(2), np.log(300), HIDDEN))
    p['gru_bias'] = np.concatenate([-np.log(time - 1), np.zeros(3 * HIDDEN)]).astype(np.float32)
    p['out'] = matrix(1, CHANNELS + HIDDEN)[0]
    p['out_bias'] = np.zeros((), np.float32)
    return {k: jnp.asarray(v) for k, v in p.items()}


def mean_of(paths):
    """Weights of FILE.npz[:SHARE][,FILE.npz[:SHARE] ...], counted so often"""
    parts = []
    for path in paths.split(','):
        path, _, share = path.partition(':')
        with np.load(path) as f:
            parts.append((dict(f), float(share or 1)))
    shares = sum(share for _, share in parts)
    return {k: sum(p[k].astype(np.float64) * share for p, share in parts) / shares for k in parts[0][0]}


def through(x, rounded):
    """`rounded`, with the gradient of x."""
    return x + jax.lax.stop_gradient(rounded - x)


def round_weights(w, exact=False):
    """To -127..127 times a scale per row."""
    if exact:
        return w
    scale = jnp.abs(w).max(axis=1, keepdims=True) / 127 + 1e-12
    return through(w, jnp.round(w / scale) * scale)


def round_output(x, exact=False):
    x = jnp.maximum(x, 0.)
    if exact:
        return x
    x = jnp.minimum(x, 127 * STEP)
    return through(x, jnp.round(x / STEP) * STEP)


def round_state(h, exact=False):
    return h if exact else through(h, jnp.round(h * STATE_STEPS) / STATE_STEPS)


def convolutions(p, x, exact=False):
    """[scene, CONTEXT + hops, INPUTS] 0..127 -> [scene, hops, CHANNELS]"""
    x = (x.astype(jnp.float32) - FEATURE_ZERO) * FEATURE_STEP
    reach = 1
    for i in range(len(DILATIONS) + 1):
        if i > 0:
            reach = DILATIONS[i - 1]
        n = x.shape[1] - 2 * reach
        seen = jnp.concatenate([x[:, :n], x[:, reach:reach + n], x[:, 2 * reach:]], axis=2)
        y = seen @ round_weights(p['conv%d' % i], exact).T + p['bias%d' % i]
        if i > 0:
            y = x[:, 2 * reach:] + jnp.maximum(y, 0.)
        x = round_output(y, exact)
    return x


def recur(p, x, h, exact=False, least=LEAST_TAKE):
    """-> states [scene, hop, HIDDEN], the last"""
    w = round_weights(p['gru_in'], exact)
    u = round_weights(p['gru_state'], exact)
    bias, state_bias = p['gru_bias'][:3 * HIDDEN], p['gru_bias'][3 * HIDDEN:]
    inputs = jnp.swapaxes(x @ w.T + bias, 0, 1)

    def step(h, a):
        b = round_state(h, exact) @ u.T
        z = jax.nn.sigmoid(a[:, :HIDDEN] + b[:, :HIDDEN])
        r = jax.nn.sigmoid(a[:, HIDDEN:2 * HIDDEN] + b[:, HIDDEN:2 * HIDDEN])
        c = jnp.tanh(a[:, 2 * HIDDEN:] + r * (b[:, 2 * HIDDEN:] + state_bias))
        h = h + jnp.maximum(z, least) * (c - h)
        return h, h

    last, states = jax.lax.scan(step, h, inputs, unroll=UNROLL)
    return jnp.swapaxes(states, 0, 1), last


def forward(p, x, h, exact=False, least=LEAST_TAKE):
    """x with CONTEXT hops in front -> log odds [scene, hop], the last state"""
    y = convolutions(p, x, exact)
    states, last = recur(p, y, h, exact, least)
    return y @ p['out'][:CHANNELS] + states @ p['out'][CHANNELS:] + p['out_bias'], last


def follow(z, mean=(MEAN_SHARE, MEAN_WEIGHT), held=(HELD_SHARE, HELD_WEIGHT), centre=CENTRE):
    """Log odds [scene, hop] -> with a slow mean of what was answered, and with what it held: that rises at once
    and falls slowly. So a hop where much was speech, or soon after a word, is more likely speech, as people who
    label conversations think."""
    answer = np.tanh(np.asarray(z, np.float64) - centre)
    slow = fallen = np.full(len(answer), -1.)  # as if nobody had ever spoken
    out = np.empty_like(answer)
    for t, now in enumerate(answer.T):
        slow = slow + mean[0] * (now - slow)
        fallen = np.maximum(now, fallen + held[0] * (now - fallen))
        out[:, t] = z[:, t] + mean[1] * slow + held[1] * fallen + OFFSET
    return out
