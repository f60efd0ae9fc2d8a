#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the network of the native detector as ONNX: training/write_onnx.py MODEL.h OUT.onnx [OUT.h]

One input, `features` [1, 160], and one output, `sum` [1, 1]: what native.c computes between its
features and its probability. Shapes are fixed, as an NPU needs them. OUT.h is the same as an array
of bytes. Needs nothing but Python; the build of the openvino module runs it."""
import re
import struct
import sys


def tables(path):
    """{name: [numbers]} of the arrays and numbers in model.h, and its sizes."""
    text = open(path, encoding="utf-8").read()
    out = {name: int(value) for name, value in re.findall(r"#define (MODEL_\w+)\s+(\d+)", text)}
    for name, body in re.findall(r"static const float (\w+)\[\d+\] = \{(.*?)\}", text, re.S):
        out[name] = [float(x) for x in re.findall(r"-?\d[\d.e+-]*", body)]
    for name, value in re.findall(r"static const float (\w+) = (-?[\d.e+-]+)f?;", text):
        out[name] = [float(value)]
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


FLOAT = 1  # TensorProto.DataType


def tensor(name, values, *shape):
    count = 1
    for size in shape:
        count *= size
    if count != len(values):
        sys.exit(f"write_onnx: {name} has {len(values)} numbers, not {shape}")
    dims = b"".join(number(1, size) for size in shape)
    raw = struct.pack(f"<{count}f", *values)
    return bytes_of(5, dims + number(2, FLOAT) + bytes_of(8, name) + bytes_of(9, raw))


def port(field, name, *shape):
    dims = b"".join(bytes_of(1, number(1, size)) for size in shape)
    kind = bytes_of(1, number(1, FLOAT) + bytes_of(2, dims))
    return bytes_of(field, bytes_of(1, name) + bytes_of(2, kind))


def node(kind, inputs, output, *attributes):
    body = b"".join(bytes_of(1, i) for i in inputs) + bytes_of(2, output) + bytes_of(4, kind)
    for name, value in attributes:  # whole numbers: AttributeProto.INT = 2
        body += bytes_of(5, bytes_of(1, name) + number(3, value) + number(20, 2))
    return bytes_of(1, body)


def layer(inputs, weights, bias, output):
    return node("Gemm", [inputs, weights, bias], output, ("transB", 1))


def network(t):
    inputs, one, two = t["MODEL_INPUTS"], t["MODEL_HIDDEN1"], t["MODEL_HIDDEN2"]
    graph = (layer("features", "hidden1", "bias1", "a") + node("Relu", ["a"], "b")
             + layer("b", "hidden2", "bias2", "c") + node("Relu", ["c"], "d")
             + layer("d", "output", "bias3", "sum") + bytes_of(2, "native")
             + tensor("hidden1", t["model_hidden1"], one, inputs)
             + tensor("bias1", t["model_bias1"], one)
             + tensor("hidden2", t["model_hidden2"], two, one)
             + tensor("bias2", t["model_bias2"], two)
             + tensor("output", t["model_output"], 1, two) + tensor("bias3", t["model_bias3"], 1)
             + port(11, "features", 1, inputs) + port(12, "sum", 1, 1))
    opset = bytes_of(8, bytes_of(1, "") + number(2, 13))
    return number(1, 8) + bytes_of(2, "VoiceStand") + bytes_of(7, graph) + opset


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    data = network(tables(sys.argv[1]))
    with open(sys.argv[2], "wb") as f:
        f.write(data)
    if len(sys.argv) == 4:
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            f.write("static const unsigned char native_onnx[] = {\n")
            for at in range(0, len(data), 16):
                f.write(",".join(str(b) for b in data[at:at + 16]) + ",\n")
            f.write("};\n")


if __name__ == "__main__":
    main()
