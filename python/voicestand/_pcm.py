# SPDX-License-Identifier: MIT
"""Audio as users have it: where its samples lie, without a copy where that can be."""
import array
import os
import wave
from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy

FORMATS = {"f32": 0, "s16": 1, "s24": 2, "s32": 3}
BYTES = {"f32": 4, "s16": 2, "s24": 3, "s32": 4}
_OF_DTYPE = {"<f4": "f32", "<i2": "s16", "<i4": "s32"}

Pcm = Any
"""Anything with the buffer protocol or `__array__`: `numpy.ndarray`, `bytes`, `bytearray`,
`memoryview`, `array.array`, a tensor on the CPU. float32 (full scale 1.0), int16 or int32 in native
byte order; raw bytes hold what `format` says. Shape (frames,), interleaved where there is more than
one channel, or (frames, channels)."""


class View(NamedTuple):
    """Where samples lie. `keep` must live as long as `address` is used."""

    keep: Any
    address: int
    frames: int
    channels: int
    format: str


def check_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {name!r}")
    return name


def view(pcm: Pcm, channels: Optional[int], raw: str) -> View:
    """Look at `pcm`; `raw` is the format of plain bytes. A copy is made only of an array whose
    samples are not in one piece, such as one column of a stereo array."""
    if isinstance(pcm, numpy.ndarray):
        samples = pcm
    elif isinstance(pcm, (bytes, bytearray, memoryview, array.array)):
        samples = numpy.asarray(memoryview(pcm))
    elif hasattr(pcm, "__array__"):
        samples = numpy.asarray(pcm)
    else:
        try:
            samples = numpy.asarray(memoryview(pcm))
        except TypeError:
            raise TypeError("audio must be an array or have the buffer protocol, not "
                            f"{type(pcm).__name__}") from None
    kind = samples.dtype.str
    if kind in _OF_DTYPE:
        form = _OF_DTYPE[kind]
    elif samples.dtype.itemsize == 1 and samples.dtype.kind in "uiS":
        return _view_bytes(samples, channels or 1, raw)
    else:
        raise TypeError(f"audio must be float32, int16, int32 or bytes, not {samples.dtype}; "
                        "convert it, for example with .astype(numpy.float32)")
    if samples.ndim == 2:
        if channels not in (None, samples.shape[1]):
            raise ValueError(f"audio has shape {samples.shape}, which is not (frames, {channels}); "
                             "one row is one frame")
        channels = samples.shape[1]
    elif samples.ndim != 1:
        raise ValueError(f"audio must have the shape (frames,) or (frames, channels), not {samples.shape}")
    channels = channels or 1
    if samples.size % channels:
        raise ValueError(f"{samples.size} samples are no whole frames of {channels} channels")
    if not samples.flags.c_contiguous:
        samples = numpy.ascontiguousarray(samples)
    address: int = samples.__array_interface__["data"][0]
    return View(samples, address, samples.size // channels, channels, form)


def _view_bytes(samples: Any, channels: int, raw: str) -> View:
    if not samples.flags.c_contiguous:
        samples = numpy.ascontiguousarray(samples)
    size = BYTES[raw] * channels
    if samples.size % size:
        raise ValueError(f"{samples.size} bytes are no whole frames of {channels} times {raw}")
    return View(samples, samples.__array_interface__["data"][0], samples.size // size, channels, raw)


def read_wav(path: Union[str, "os.PathLike[str]"]) -> Tuple[Any, int]:
    """Read a WAV file of 16, 24 or 32-bit integers with Python's own `wave`.

    Returns (samples, rate): int16 or int32, shape (frames,), or (frames, channels) for more than one
    channel; the rate in Hz. 24-bit samples become int32. Other files are for libraries that read
    them, such as soundfile: all functions take its arrays with dtype="float32" or "int16".
    """
    with wave.open(os.fspath(path), "rb") as file:
        width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
        data = file.readframes(file.getnframes())
    data = data[:len(data) // (width * channels) * width * channels]
    if width == 3:
        wide = numpy.zeros((len(data) // 3, 4), numpy.uint8)
        wide[:, 1:] = numpy.frombuffer(data, numpy.uint8).reshape(-1, 3)
        samples = wide.reshape(-1).view("<i4")
    elif width in (2, 4):
        samples = numpy.frombuffer(data, "<i2" if width == 2 else "<i4")
    else:
        raise ValueError(f"{os.fspath(path)}: has {8 * width}-bit samples; 16, 24 and 32 can be read")
    return (samples.reshape(-1, channels) if channels > 1 else samples), rate
