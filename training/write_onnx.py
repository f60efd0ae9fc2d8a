#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the network of the native detector as ONNX:

    training/write_onnx.py MODEL.h NATIVE.bin OUT.onnx [OUT.h]

Inputs are `features` [1, 80], 0..127, and `state` [1, 3170]; outputs `sum` [1, 1], the log odds of
speech, and `stateN`, which is the next `state`: what native.c computes between its features and its
probability, in the same units and with the same steps, in floating point. Shapes are fixed, as an
NPU needs them. Its networks are one here, with zeros in its matrices where one hears nothing of another.
Matrices stay whole numbers but for a power of two, so that single precision sums them as exactly as
native.c does, and half precision does not overflow. OUT.h is the same as an array of bytes. Needs nothing but Python; the build of the
openvino module runs it."""
import re
import struct
import sys


MEMBERS, INPUTS, FOLLOWERS, PAD = 2, 80, 2, 32
OWN_CHANNELS, OWN_HIDDEN = 48, 64  # of each member
CHANNELS, HIDDEN = MEMBERS * OWN_CHANNELS, MEMBERS * OWN_HIDDEN
REACHES = (1, 2, 4, 8)
STATE_STEPS, STATE_ZERO, LEAST_TAKE = 63, 64, 0.001
UNIT = 2 ** -10  # of a weight: 3 * INPUTS * 127 * 127 of these are less than MOST_SUM
MOST_SUM = 4096.0


def numbers(path):
    """{name: [numbers]} of the arrays in model.h"""
    text = open(path, encoding="utf-8").read()
    return {name: [float(x) for x in re.findall(r"-?\d[\d.e+-]*", body)]
            for name, body in re.findall(r"static const float model_(\w+)\[\d+\] = \{(.*?)\}",
                                         text, re.S)}


def spread(row, member, groups):
    """`row`, which has groups of numbers of one member, with zeros for the others of each group"""
    size = len(row) // groups
    out = [0.0] * (MEMBERS * len(row))
    for k in range(groups):
        at = (k * MEMBERS + member) * size
        out[at:at + size] = row[k * size:(k + 1) * size]
    return out


def tables(model, weights):
    """{name: [numbers]}: matrices row by row, in UNITs, and scales and biases of the rows"""
    with open(weights, "rb") as f:
        data = f.read()
    t, at = numbers(model), 0
    out = {"out": t["out"][:-1], "out_bias": t["out"][-1:], "centre": t["centre"],
           "follower_share": t["follower_share"], "follower_weight": t["follower_weight"]}
    for name, rows, columns, groups in ([("conv0", OWN_CHANNELS, 3 * INPUTS, 0)]
                                        + [(f"conv{i}", OWN_CHANNELS, 3 * OWN_CHANNELS, 3)
                                           for i in range(1, len(REACHES) + 1)]
                                        + [("gru_in", 3 * OWN_HIDDEN, OWN_CHANNELS, 1),
                                           ("gru_state", 3 * OWN_HIDDEN, OWN_HIDDEN, 1)]):
        width = -(-columns // PAD) * PAD
        scale, bias = t[name + "_scale"], t[name + "_bias"]
        found = []
        for r in range(MEMBERS * rows):
            row = struct.unpack_from(f"{columns}b", data, at)
            at += width
            if name == "gru_state":  # its input is stored in steps around 64
                bias[r] += STATE_ZERO * sum(row) * scale[r]
            row = [w * UNIT for w in row]
            found.append((spread(row, r // rows, groups) if groups else row, scale[r] / UNIT, bias[r]))
        if name.startswith("gru"):  # each gate of all members in turn
            found = [found[m * rows + gate * OWN_HIDDEN + i]
                     for gate in range(3) for m in range(MEMBERS) for i in range(OWN_HIDDEN)]
        out[name] = [w for row, _, _ in found for w in row]
        out[name + "_scale"] = [s for _, s, _ in found]
        out[name + "_bias"] = [b for _, _, b in found]
    if at != len(data):
        sys.exit(f"write_onnx: {weights} is of another network")
    return out


# Protocol buffers, as far as ONNX needs them: fields of numbers, and of bytes with their length.
def number(field, value):
    return varint(field << 3) + varint(value)


def bytes_of(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


FLOAT, INT64 = 1, 7  # TensorProto.DataType


def raw_tensor(name, kind, raw, *shape):
    dims = b"".join(number(1, size) for size in shape)
    return bytes_of(5, dims + number(2, kind) + bytes_of(8, name) + bytes_of(9, raw))


def tensor(name, values, *shape):
    return raw_tensor(name, FLOAT, struct.pack(f"<{len(values)}f", *values), *shape)


def port(field, name, *shape):
    dims = b"".join(bytes_of(1, number(1, size)) for size in shape)
    kind = bytes_of(1, number(1, FLOAT) + bytes_of(2, dims))
    return bytes_of(field, bytes_of(1, name) + bytes_of(2, kind))


def node(kind, inputs, outputs, *attributes):
    outputs = [outputs] if isinstance(outputs, str) else outputs
    body = b"".join(bytes_of(1, i) for i in inputs) + b"".join(bytes_of(2, o) for o in outputs)
    body += bytes_of(4, kind)
    for name, value in attributes:  # whole numbers: AttributeProto.INT = 2
        body += bytes_of(5, bytes_of(1, name) + number(3, value) + number(20, 2))
    return bytes_of(1, body)


class Graph:
    """Nodes and constants in the order they are asked for."""

    def __init__(self):
        self.nodes, self.constants = b"", b""

    def add(self, kind, inputs, outputs, *attributes):
        self.nodes += node(kind, inputs, outputs, *attributes)
        return outputs

    def weigh(self, name, table, inputs, outputs):
        """-> what a matrix, its scales and biases make of `inputs`"""
        rows = len(table[name + "_bias"])
        self.constants += tensor(name, table[name], rows, len(table[name]) // rows)
        for part in ("_scale", "_bias"):
            self.constants += tensor(name + part, table[name + part], rows)
        self.add("Gemm", [inputs, name], name + "_product", ("transB", 1))
        # changes nothing, but a compiler may not take the scales into the matrix
        self.add("Clip", [name + "_product", "least_sum", "most_sum"], name + "_sum")
        self.add("Mul", [name + "_sum", name + "_scale"], name + "_scaled")
        return self.add("Add", [name + "_scaled", name + "_bias"], outputs)

    def cut(self, inputs, sizes):
        """-> names of the parts of `inputs`"""
        self.constants += raw_tensor(inputs + "_sizes", INT64, struct.pack(f"<{len(sizes)}q", *sizes),
                                     len(sizes))
        parts = [f"{inputs}_{i}" for i in range(len(sizes))]
        return self.add("Split", [inputs, inputs + "_sizes"], parts, ("axis", 1))

    def join(self, inputs, outputs):
        return self.add("Concat", inputs, outputs, ("axis", 1))


def network(t):
    g = Graph()
    g.constants += tensor("least", [0.0]) + tensor("most", [127.0])
    g.constants += tensor("least_sum", [-MOST_SUM]) + tensor("most_sum", [MOST_SUM])
    g.constants += tensor("state_steps", [float(STATE_STEPS)])
    g.constants += tensor("least_take", [LEAST_TAKE])
    past = g.cut("state", [2 * INPUTS] + [2 * d * CHANNELS for d in REACHES] + [HIDDEN, 1, 1])
    after = [g.cut(past[0], [INPUTS, INPUTS])[1], "features"]
    g.weigh("conv0", t, g.join([past[0], "features"], "row0"), "sum0")
    g.add("Clip", ["sum0", "least", "most"], "clipped0")
    now = g.add("Round", ["clipped0"], "now0")
    for i, reach in enumerate(REACHES, 1):
        between = [(reach - 1) * CHANNELS] if reach > 1 else []
        rows = g.cut(past[i], [CHANNELS] + between + [CHANNELS] + between)
        g.join([rows[0], rows[1 + len(between)], now], f"row{i}")
        g.weigh(f"conv{i}", t, f"row{i}", f"sum{i}")
        g.add("Relu", [f"sum{i}"], f"found{i}")
        g.add("Add", [now, f"found{i}"], f"all{i}")
        after += rows[1:] + [now]
        g.add("Clip", [f"all{i}", "least", "most"], f"clipped{i}")
        now = g.add("Round", [f"clipped{i}"], f"now{i}")
    hidden = past[-3]
    a = g.cut(g.weigh("gru_in", t, now, "a"), [HIDDEN] * 3)
    g.add("Round", [g.add("Mul", [hidden, "state_steps"], "scaled")], "rounded")
    b = g.cut(g.weigh("gru_state", t, "rounded", "b"), [HIDDEN] * 3)
    g.add("Add", [a[0], b[0]], "take_sum")
    g.add("Add", [a[1], b[1]], "keep_sum")
    g.add("Mul", [g.add("Sigmoid", ["keep_sum"], "keep"), b[2]], "kept")
    g.add("Tanh", [g.add("Add", [a[2], "kept"], "candidate_sum")], "candidate")
    g.add("Sub", ["candidate", hidden], "change")
    g.add("Max", [g.add("Sigmoid", ["take_sum"], "take"), "least_take"], "at_least")
    g.add("Mul", ["at_least", "change"], "taken")
    g.add("Add", [hidden, "taken"], "hidden")
    g.constants += tensor("out", t["out"], 1, len(t["out"])) + tensor("out_bias", t["out_bias"], 1)
    g.add("Gemm", [g.join([now, "hidden"], "heard"), "out", "out_bias"], "sum_alone", ("transB", 1))
    g.constants += tensor("centre", t["centre"])
    g.add("Tanh", [g.add("Sub", ["sum_alone", "centre"], "beside")], "answer")
    for name, before, share, weight in zip(("mean", "fallen"), past[-2:], t["follower_share"], t["follower_weight"]):
        g.constants += tensor(name + "_share", [share]) + tensor(name + "_weight", [weight])
        way = g.add("Sub", ["answer", before], name + "_way")
        g.add("Add", [before, g.add("Mul", [way, name + "_share"], name + "_step")], name)
    g.add("Max", ["fallen", "answer"], "held")
    g.add("Add", [g.add("Mul", ["mean", "mean_weight"], "mean_part"),
                  g.add("Mul", ["held", "fallen_weight"], "held_part")], "both_parts")
    g.add("Add", ["sum_alone", "both_parts"], "sum")
    g.join(after + ["hidden", "mean", "held"], "stateN")
    size = 2 * INPUTS + 2 * sum(REACHES) * CHANNELS + HIDDEN + FOLLOWERS
    graph = (g.nodes + bytes_of(2, "native") + g.constants
             + port(11, "features", 1, INPUTS) + port(11, "state", 1, size)
             + port(12, "sum", 1, 1) + port(12, "stateN", 1, size))
    opset = bytes_of(8, bytes_of(1, "") + number(2, 13))
    return number(1, 8) + bytes_of(2, "VoiceStand") + bytes_of(7, graph) + opset


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    data = network(tables(sys.argv[1], sys.argv[2]))
    with open(sys.argv[3], "wb") as f:
        f.write(data)
    if len(sys.argv) == 5:
        with open(sys.argv[4], "w", encoding="utf-8") as f:
            f.write("static const unsigned char native_onnx[] = {\n")
            for at in range(0, len(data), 16):
                f.write(",".join(str(b) for b in data[at:at + 16]) + ",\n")
            f.write("};\n")


if __name__ == "__main__":
    main()
