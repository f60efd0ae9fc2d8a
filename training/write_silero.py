#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the graph of Silero VAD 6 for 16 kHz as ONNX without its weights, for C:

    training/write_silero.py OUT.h

The openvino module puts the weights of a user's file into it, so that OpenVINO never parses that file.
What is computed is what the project's own file for OpenVINO computes; inputs are `input` [1, 576] and
`state` [2, 1, 128], outputs `output` [1, 1] and `stateN`. Shapes are fixed, as an NPU needs them.
OUT.h has the bytes, and where among them the numbers of each tensor belong, in the order of
src/vad/silero.h. Needs nothing but Python; the build of the openvino module runs it."""
import math
import struct
import sys

sys.dont_write_bytecode = True
from write_onnx import FLOAT, INT64, bytes_of, number, port, raw_tensor

BEFORE, BLOCK, AFTER, WINDOW, STEP = 64, 512, 64, 256, 128
BINS, WIDE, SLIM = WINDOW // 2 + 1, 128, 64
# what they are called in the project's own files, so that whoever reads those can read what is made here
WEIGHTS = [("stft.forward_basis_buffer", 2 * BINS, 1, WINDOW),
           ("encoder.0.reparam_conv.weight", WIDE, BINS, 3), ("encoder.0.reparam_conv.bias", WIDE),
           ("encoder.1.reparam_conv.weight", SLIM, WIDE, 3), ("encoder.1.reparam_conv.bias", SLIM),
           ("encoder.2.reparam_conv.weight", SLIM, SLIM, 3), ("encoder.2.reparam_conv.bias", SLIM),
           ("encoder.3.reparam_conv.weight", WIDE, SLIM, 3), ("encoder.3.reparam_conv.bias", WIDE),
           ("decoder.rnn.weight_ih", 4 * WIDE, WIDE), ("decoder.rnn.weight_hh", 4 * WIDE, WIDE),
           ("decoder.rnn.bias_ih", 4 * WIDE), ("decoder.rnn.bias_hh", 4 * WIDE),
           ("decoder.decoder.2.weight", 1, WIDE, 1), ("decoder.decoder.2.bias", 1)]


def mark(index):
    """What stands for the first number of a tensor until it is cut out."""
    return b"\xfe\xff#" + bytes([index])


def attribute(name, value):
    """AttributeProto.INT = 2, STRING = 3, INTS = 7"""
    if isinstance(value, int):
        body = number(3, value) + number(20, 2)
    elif isinstance(value, str):
        body = bytes_of(4, value) + number(20, 3)
    else:
        body = b"".join(number(8, x) for x in value) + number(20, 7)
    return bytes_of(5, bytes_of(1, name) + body)


class Graph:
    """Nodes and constants in the order they are asked for."""

    def __init__(self):
        self.nodes, self.constants = b"", b""
        for index, (name, *shape) in enumerate(WEIGHTS):
            raw = mark(index) + bytes(4 * math.prod(shape) - 4)
            self.constants += raw_tensor(name, FLOAT, raw, *shape)

    def add(self, kind, inputs, outputs, **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        body = b"".join(bytes_of(1, i) for i in inputs) + b"".join(bytes_of(2, o) for o in outputs)
        body += bytes_of(4, kind) + b"".join(attribute(*a) for a in attributes.items())
        self.nodes += bytes_of(1, body)
        return outputs if len(outputs) > 1 else outputs[0]

    def whole(self, name, *values):
        """A constant of whole numbers. Its tensor has no name, so that it is not taken for weights."""
        raw = struct.pack(f"<{len(values)}q", *values)
        value = number(1, len(values)) + number(2, INT64) + bytes_of(9, raw)
        value = bytes_of(1, "value") + bytes_of(5, value) + number(20, 4)  # AttributeProto.TENSOR
        self.nodes += bytes_of(1, bytes_of(2, name) + bytes_of(4, "Constant") + bytes_of(5, value))
        return name

    def reshape(self, inputs, outputs, *shape):
        return self.add("Reshape", [inputs, self.whole(outputs + "_shape", *shape)], outputs)

    def split(self, inputs, axis, *outputs, size):
        return self.add("Split", [inputs, self.whole(inputs + "_sizes", *[size] * len(outputs))],
                        list(outputs), axis=axis)

    def convolve(self, index, inputs, stride):
        self.add("Conv", [inputs, f"encoder.{index}.reparam_conv.weight", f"encoder.{index}.reparam_conv.bias"],
                 f"sum{index}", kernel_shape=[3], pads=[1, 1], strides=[stride])
        return self.add("Relu", [f"sum{index}"], f"found{index}")

    def weigh(self, kind, inputs):
        return self.add("Gemm", [inputs, "decoder.rnn.weight_" + kind, "decoder.rnn.bias_" + kind], "of_" + kind,
                        transB=1)


def network():
    g = Graph()
    padded = g.add("Pad", ["input", g.whole("mirror", 0, 0, 0, AFTER)], "padded", mode="reflect")
    audio = g.reshape(padded, "audio", 1, 1, BEFORE + BLOCK + AFTER)
    spectrum = g.add("Conv", [audio, "stft.forward_basis_buffer"], "spectrum", kernel_shape=[WINDOW], strides=[STEP])
    re, im = g.split(spectrum, 1, "re", "im", size=BINS)
    power = g.add("Add", [g.add("Mul", [re, re], "re2"), g.add("Mul", [im, im], "im2")], "power")
    now = g.add("Sqrt", [power], "magnitude")
    for index, stride in enumerate((1, 2, 2, 1)):
        now = g.convolve(index, now, stride)
    heard = g.reshape(now, "heard", 1, WIDE)
    hidden, cell = (g.reshape(part, part + "_row", 1, WIDE)
                    for part in g.split("state", 0, "hidden", "cell", size=1))
    gates = g.add("Add", [g.weigh("ih", heard), g.weigh("hh", hidden)], "gates")
    into, keep, fresh, out = g.split(gates, 1, "in", "forget", "new", "out", size=WIDE)
    kept = g.add("Mul", [g.add("Sigmoid", [keep], "keep"), cell], "kept")
    taken = g.add("Mul", [g.add("Sigmoid", [into], "take"), g.add("Tanh", [fresh], "fresh")], "taken")
    cell = g.add("Add", [kept, taken], "cell_next")
    hidden = g.add("Mul", [g.add("Sigmoid", [out], "show"), g.add("Tanh", [cell], "shown")], "hidden_next")
    positive = g.reshape(g.add("Relu", [hidden], "positive"), "positive_rows", 1, WIDE, 1)
    answer = g.add("Conv", [positive, "decoder.decoder.2.weight", "decoder.decoder.2.bias"], "answer",
                   kernel_shape=[1])
    g.reshape(g.add("Sigmoid", [answer], "probability"), "output", 1, 1)
    g.add("Concat", [g.reshape(hidden, "hidden_state", 1, 1, WIDE), g.reshape(cell, "cell_state", 1, 1, WIDE)],
          "stateN", axis=0)
    graph = (g.nodes + bytes_of(2, "silero") + g.constants
             + port(11, "input", 1, BEFORE + BLOCK) + port(11, "state", 2, 1, WIDE)
             + port(12, "output", 1, 1) + port(12, "stateN", 2, 1, WIDE))
    opset = bytes_of(8, bytes_of(1, "") + number(2, 13))
    return number(1, 8) + bytes_of(2, "VoiceStand") + bytes_of(7, graph) + opset


def cut(data):
    """-> the bytes without those of the weights, and where they were"""
    rest, places = b"", []
    for index, (_, *shape) in enumerate(WEIGHTS):
        if data.count(mark(index)) != 1:
            sys.exit(f"write_silero: the mark of {index} is not alone")
        before, data = data.split(mark(index))
        rest, data = rest + before, data[4 * math.prod(shape) - 4:]
        places.append(len(rest))
    return rest + data, places


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data, places = cut(network())
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("static const unsigned char silero_graph[] = {\n")
        for at in range(0, len(data), 16):
            f.write(",".join(str(b) for b in data[at:at + 16]) + ",\n")
        f.write("};\nstatic const unsigned silero_places[] = {%s};\n" % ", ".join(map(str, places)))


if __name__ == "__main__":
    main()
