#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write networks that sherpa-onnx takes for models of speech, so that its real library can be tested
without a trained one: sherpa_toy.py FOLDER

FOLDER/zipformer-ctc hears a "hello" in each stretch that is loud, once it is over; FOLDER/streaming-zipformer-ctc
does so as it comes. Beside them are models that are wrong in one way each."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'training'))
from write_onnx import FLOAT, INT64, bytes_of, node, number, raw_tensor, tensor

TOKENS = '<blk> 0\n\u2581hello 1\n\u2581world 2\n'
VOCABULARY, BANDS, EVERY = 3, 80, 4
LOUD = 6.0  # the mean of the logarithm of a band's energy is above -LOUD


def port(field, name, kind, *shape):
    """Dimensions are numbers, or names where they vary."""
    dims = b''.join(bytes_of(1, number(1, d) if isinstance(d, int) else bytes_of(2, d)) for d in shape)
    return bytes_of(field, bytes_of(1, name) + bytes_of(2, bytes_of(1, number(1, kind) + bytes_of(2, dims))))


def whole(*values):
    return struct.pack('<%dq' % len(values), *values)


def hearing():
    """From `x` [N, T, 80] to `log_probs` [N, T/4, 3]: "hello" is better than nothing where it is loud."""
    constants = raw_tensor('from', INT64, whole(0), 1) + raw_tensor('to', INT64, whole(1 << 40), 1)
    constants += raw_tensor('axis', INT64, whole(1), 1) + raw_tensor('step', INT64, whole(EVERY), 1)
    constants += tensor('weights', [w for _ in range(BANDS) for w in (0, 1 / BANDS, 0)], BANDS, VOCABULARY)
    constants += tensor('bias', [0, LOUD, -100], VOCABULARY)
    nodes = node('Slice', ['x', 'from', 'to', 'axis', 'step'], 'every')
    nodes += node('MatMul', ['every', 'weights'], 'sums') + node('Add', ['sums', 'bias'], 'log_probs')
    return nodes, constants


def model(nodes, constants, ports, **metadata):
    graph = nodes + bytes_of(2, 'toy') + constants + ports
    out = number(1, 8) + bytes_of(8, bytes_of(1, '') + number(2, 13)) + bytes_of(7, graph)
    return out + b''.join(bytes_of(14, bytes_of(1, k) + bytes_of(2, str(v))) for k, v in metadata.items())


def offline():
    nodes, constants = hearing()
    constants += raw_tensor('four', INT64, whole(EVERY), 1)
    nodes += node('Div', ['x_lens', 'four'], 'log_probs_len')
    ports = port(11, 'x', FLOAT, 'N', 'T', BANDS) + port(11, 'x_lens', INT64, 'N')
    ports += port(12, 'log_probs', FLOAT, 'N', 'S', VOCABULARY) + port(12, 'log_probs_len', INT64, 'N')
    return model(nodes, constants, ports)


def streaming():
    """With the smallest memory of a streaming Zipformer: one layer of one head, passed on as it is."""
    nodes, constants = hearing()
    shapes = {'key': (1, 'N', 1), 'attention': (1, 'N', 1, 3), 'value1': (1, 'N', 1), 'value2': (1, 'N', 1),
              'conv1': ('N', 4, 1), 'conv2': ('N', 4, 1), 'embed': ('N', 128, 3, 19)}
    before, after = port(11, 'x', FLOAT, 'N', 'T', BANDS), port(12, 'log_probs', FLOAT, 'N', 'S', VOCABULARY)
    for name, shape in shapes.items():
        before += port(11, name, FLOAT, *shape)
        after += port(12, 'new_' + name, FLOAT, *shape)
        nodes += node('Identity', [name], 'new_' + name)
    before += port(11, 'processed_lens', INT64, 'N')
    after += port(12, 'new_processed_lens', INT64, 'N')
    nodes += node('Identity', ['processed_lens'], 'new_processed_lens')
    return model(nodes, constants, before + after, encoder_dims=4, query_head_dims=1, value_head_dims=1, num_heads=1,
                 num_encoder_layers=1, cnn_module_kernels=2, left_context_len=1, T=16, decode_chunk_len=16)


def write(folder, tokens=TOKENS, **networks):
    os.makedirs(folder, exist_ok=True)
    if tokens:
        with open(os.path.join(folder, 'tokens.txt'), 'w', encoding='utf-8') as f:
            f.write(tokens)
    for name, data in networks.items():
        with open(os.path.join(folder, name + '.onnx'), 'wb') as f:
            f.write(data)


def main():
    to = sys.argv[1]
    write(to + '/zipformer-ctc', model=offline())
    write(to + '/streaming-zipformer-ctc', model=streaming())
    write(to + '/zipformer-cut', model=offline()[:500])
    write(to + '/zipformer-noise', model=os.urandom(5000))
    write(to + '/zipformer-no-tokens', tokens='', model=offline())
    write(to + '/streaming-zipformer-ctc-bare', model=offline())  # lacks what its family needs
    write(to + '/untold', model=offline())
    write(to + '/transducer-half', encoder=offline(), joiner=offline())
    write(to + '/empty', tokens='')


if __name__ == '__main__':
    main()
