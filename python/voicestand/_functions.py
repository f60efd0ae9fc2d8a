# SPDX-License-Identifier: MIT
"""Whole recordings in one call."""
import ctypes
from typing import Any, Callable, Iterator, List, Optional, Union

import numpy

from . import _bridge, _errors, _events, _pcm
from ._stream import Rules, Stream, _unsigned

ENHANCE_SECONDS = 10  # pushed at once, so that what comes out lies twice in memory for no longer


def _slices(view: _pcm.View, frames: int) -> Iterator[Any]:
    """The samples in pieces of at most `frames` frames, where they lie."""
    samples = view.keep.reshape(view.frames, -1) if view.frames else view.keep
    for start in range(0, view.frames, frames):
        yield samples[start:start + frames].reshape(-1)


def segment(pcm: _pcm.Pcm, rate: int = 16000, *, channels: Optional[int] = None, format: str = "s16",
            rules: Union[Rules, str, None] = None, vad: Optional[str] = None, channel: int = 0,
            cpu: Optional[str] = None) -> List[_events.Segment]:
    """Find the speech in a recording.

    Args:
        pcm: float32 (full scale 1.0), int16 or int32, shape (frames,) or (frames, channels); or raw
            bytes of `format`. Not copied.
        rate: 8000..192000 Hz.
        channels: of interleaved audio and raw bytes, 1..32; taken from the shape where there are two
            dimensions.
        rules, vad, channel, cpu: as for `Stream`.

    Returns:
        The segments in order, with bounds in seconds and in frames.

    >>> samples, rate = voicestand.read_wav("talk.wav")
    >>> [(s.start_s, s.end_s) for s in voicestand.segment(samples, rate)]
    """
    view = _pcm.view(pcm, channels, _pcm.check_format(format))
    with Stream(rate, view.channels, view.format, rules=rules, vad=vad,
                      channel=channel, cpu=cpu, _told=("segment",)) as stream:
        stream.push(_flat(view)).finish()
        return [event for event in stream if isinstance(event, _events.Segment)]


def _flat(view: _pcm.View) -> Any:
    return view.keep.reshape(-1)


def probabilities(pcm: _pcm.Pcm, rate: int = 16000, *, channels: Optional[int] = None,
                  format: str = "s16", vad: Optional[str] = None, channel: int = 0,
                  cpu: Optional[str] = None) -> _events.Array:
    """How likely each hop of 10 ms is speech.

    Arguments as for `segment()`.

    Returns:
        float32, shape (hops,), 0..1. Value i is about the time from i * 0.01 s on.
    """
    view = _pcm.view(pcm, channels, _pcm.check_format(format))
    with Stream(rate, view.channels, view.format, vad=vad, channel=channel,
                      cpu=cpu, _told=("probabilities",)) as stream:
        stream.push(_flat(view)).finish()
        values = [event.values for event in stream if isinstance(event, _events.Probabilities)]
    return numpy.concatenate(values) if values else numpy.empty(0, numpy.float32)


def enhance(pcm: _pcm.Pcm, rate: int = 16000, *, channels: Optional[int] = None, format: str = "s16",
            denoise: bool = True, level: bool = True, cpu: Optional[str] = None,
            progress: Optional[Callable[[float], None]] = None) -> _events.Array:
    """Lower the noise and level the speech of a recording.

    Arguments as for `segment()`, and:
        denoise: lower the noise.
        level: bring speech to -23 LUFS, no sample beyond -1 dB.
        progress: called with 0..1 as the work goes on.

    Returns:
        float32, full scale 1.0, as long as the input and at its rate, in step with it; shape
        (frames,), or (frames, channels) for more than one channel.
    """
    view = _pcm.view(pcm, channels, _pcm.check_format(format))
    done = 0
    result = numpy.empty((view.frames, view.channels), numpy.float32)
    with Stream(rate, view.channels, view.format, audio="wide", denoise=denoise,
                      level=level, cpu=cpu, _told=("audio",)) as stream:

        def collect() -> None:
            nonlocal done
            for event in stream:
                if isinstance(event, _events.Audio):
                    frames = len(event.samples)
                    result[done:done + frames] = event.samples.reshape(frames, -1)
                    done += frames
            if progress and view.frames:
                progress(done / view.frames)

        for piece in _slices(view, ENHANCE_SECONDS * rate):
            stream.push(piece)
            collect()
        stream.finish()
        collect()
    if done != view.frames:
        raise _errors.Error(5, f"{view.frames} frames went in and {done} came out")
    return result if view.channels > 1 else result[:, 0]


def resample(samples: Any, rate: int, to_rate: int) -> _events.Array:
    """Change the rate of a recording by the library's filter for quality (flat to 0.475 of the lower
    rate, folding below -110 dB).

    Args:
        samples: float32, shape (frames,).
        rate, to_rate: 8000..192000 Hz.

    Returns:
        float32, shape (ceil(frames * to_rate / rate),); frame n stands for the time n / to_rate.
    """
    source = numpy.ascontiguousarray(samples, numpy.float32)
    if source.ndim != 1:
        raise ValueError(f"audio must have the shape (frames,), not {source.shape}")
    config = _bridge.ResamplerConfig(size=ctypes.sizeof(_bridge.ResamplerConfig), quality=1,
                                     in_hz=_unsigned("rate", rate, 8000, 192000),
                                     out_hz=_unsigned("to_rate", to_rate, 8000, 192000))
    lib, handle = _bridge.lib, ctypes.c_void_p()
    status = lib.vs_resampler_create(ctypes.byref(config), ctypes.byref(handle))
    if status < 0:
        raise _errors.make(status, _bridge.sentence(status))
    try:
        room = lib.vs_resampler_max_out(handle, len(source)) + lib.vs_resampler_max_out(handle, 0)
        result = numpy.empty(room, numpy.float32)
        at = result.__array_interface__["data"][0]
        done = lib.vs_resampler_process(handle, source.__array_interface__["data"][0], len(source), at)
        done += lib.vs_resampler_flush(handle, at + 4 * done)
    finally:
        lib.vs_resampler_destroy(handle)
    return result[:done]


def presets() -> List[str]:
    """Names of the presets that `Rules` takes."""
    names: List[str] = []
    while True:
        name = _bridge.lib.vs_segment_preset_name(len(names))
        if name is None:
            return names
        names.append(name.decode())
