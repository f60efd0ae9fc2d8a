# SPDX-License-Identifier: MIT
"""The call shapes of the package `silero-vad`, without torch and onnxruntime.

    -from silero_vad import load_silero_vad, read_audio, get_speech_timestamps
    +from voicestand.compat.silero import load_silero_vad, read_audio, get_speech_timestamps

VoiceStand's own detector decides, or, with `load_silero_vad(weights=PATH)`, its engine for Silero's
weights. The rules that make timestamps of probabilities are silero-vad's, in hops of 10 ms in place of
32. Differences: any rate from 8000 to 192000 Hz is taken; audio comes as NumPy arrays, but tensors on
the CPU are taken too.
"""
import os
import wave
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy

from .. import _events, _pcm
from .._functions import resample
from .._stream import SLICE_FRAMES, Rules, Stream

HOP_MS = 10
Timestamps = List[Dict[str, Any]]
_SCALE = {"s16": 2.0**15, "s32": 2.0**31}


class Model:
    """What stands for a loaded network: which detector is used, and its state for single chunks."""

    def __init__(self, vad: Optional[str] = None) -> None:
        self.vad = vad
        self.reset_states()

    def reset_states(self, batch_size: int = 1) -> None:
        """Forget what was heard."""
        self._stream: Optional[Stream] = None
        self._last = numpy.zeros(1, numpy.float32)

    def __call__(self, x: Any, sr: int) -> Any:
        """Probability of speech in a chunk, 0..1, as an array of one; chunks of any length, in order.
        The newest value where a chunk is too short for one of its own."""
        if self._stream is None or self._stream.rate != sr:
            self.reset_states()
            self._stream = Stream(sr, 1, "f32", vad=self.vad, _told=("probabilities",))
        for event in self._stream.push(_mono(x)):
            if isinstance(event, _events.Probabilities):
                self._last = event.values[event.values.argmax():][:1]
        return self._last


def load_silero_vad(onnx: bool = False, opset_version: int = 16, *,
                    weights: Union[str, "os.PathLike[str]", None] = None) -> Model:
    """A detector. `onnx` and `opset_version` change nothing; `weights` is a file of Silero VAD 6
    (.onnx for 16 kHz, or .safetensors) to use its network in place of VoiceStand's."""
    return Model(None if weights is None else "silero:" + os.fspath(weights))


def _mono(audio: Any) -> Any:
    """`audio` as float32 of shape (frames,); empty dimensions are taken away."""
    samples = numpy.asarray(audio)
    if samples.dtype == numpy.int16:
        samples = samples.astype(numpy.float32) / 2**15
    samples = numpy.asarray(samples, numpy.float32).squeeze()
    if samples.ndim > 1:
        raise ValueError("More than one dimension in audio. Are you trying to process audio with 2 "
                         "channels?")
    return samples.reshape(-1)


def get_speech_timestamps(audio: Any, model: Optional[Model] = None, threshold: float = 0.5,
                          sampling_rate: int = 16000, min_speech_duration_ms: int = 250,
                          max_speech_duration_s: float = float("inf"),
                          min_silence_duration_ms: int = 100, speech_pad_ms: int = 30,
                          return_seconds: bool = False, time_resolution: int = 1,
                          visualize_probs: bool = False,
                          progress_tracking_callback: Optional[Callable[[float], None]] = None,
                          neg_threshold: Optional[float] = None, window_size_samples: int = 512,
                          min_silence_at_max_speech: int = 98,
                          use_max_poss_sil_at_max_speech: bool = True) -> Timestamps:
    """The speech in a recording, as [{'start': …, 'end': …}] in samples, or seconds.

    Args:
        audio: float32 (full scale 1.0) or int16, one channel.
        model: of load_silero_vad(); None = VoiceStand's detector.
        threshold: a hop at or above it is speech, 0..1.
        sampling_rate: 8000..192000 Hz.
        min_speech_duration_ms: shorter speech is left out.
        max_speech_duration_s: longer segments are cut.
        min_silence_duration_ms: silence that ends a segment.
        speech_pad_ms: kept on each side.
        return_seconds: seconds, rounded to `time_resolution` digits, in place of samples.
        progress_tracking_callback: called with 0..100 as the work goes on.
        neg_threshold: inside speech, a hop below it is silence [threshold - 0.15].
        min_silence_at_max_speech: ms of silence that such a cut may be made in; the longest is taken.
        window_size_samples, use_max_poss_sil_at_max_speech: change nothing; they stand here for
            programs that name them.
        visualize_probs: must be False; draw probabilities() with the library of your choice.
    """
    if visualize_probs:
        raise ValueError("visualize_probs draws nothing here: plot voicestand.probabilities() instead")
    samples = _mono(audio)
    values: List[float] = []
    with Stream(sampling_rate, 1, "f32", vad=model.vad if model else None,
                _told=("probabilities",)) as stream:
        for start in range(0, len(samples), SLICE_FRAMES):
            values += _heard(stream.push(samples[start:start + SLICE_FRAMES]))
            if progress_tracking_callback:
                progress_tracking_callback(min(start + SLICE_FRAMES, len(samples)) / len(samples) * 100)
        values += _heard(stream.finish())
    low = max(threshold - 0.15, 0.01) if neg_threshold is None else neg_threshold
    hops = _spans(values, threshold, low, min_speech_duration_ms / HOP_MS,
                  min_silence_duration_ms / HOP_MS,
                  max_speech_duration_s * 1000 / HOP_MS - 1 - 2 * speech_pad_ms / HOP_MS,
                  min_silence_at_max_speech / HOP_MS)
    spans = [(a * sampling_rate // 100, min(b * sampling_rate // 100, len(samples))) for a, b in hops]
    found = _pad(spans, int(sampling_rate * speech_pad_ms / 1000), len(samples))
    if not return_seconds:
        return [{"start": a, "end": b} for a, b in found]
    length_s = len(samples) / sampling_rate
    return [{"start": round(a / sampling_rate, time_resolution),
             "end": min(round(b / sampling_rate, time_resolution), length_s)} for a, b in found]


def _heard(stream: Stream) -> List[float]:
    values: List[float] = []
    for event in stream:
        if isinstance(event, _events.Probabilities):
            values += event.values.tolist()
    return values


def _spans(values: List[float], threshold: float, low: float, least: float, silence: float,
           longest: float, pause: float) -> List[Tuple[int, int]]:
    """Speech by silero's rules, in hops: it begins at `threshold`, and ends where it falls below `low`
    and does not come back for `silence` hops; what is not longer than `least` is left out. What is
    longer than `longest` is cut at its longest silence of more than `pause` hops, or where it stands."""
    found: List[Tuple[int, int]] = []
    start: Optional[int] = None
    quiet: Optional[int] = None
    pauses: List[Tuple[int, int]] = []
    for hop, value in enumerate(values):
        if value >= threshold:
            if start is not None and quiet is not None and hop - quiet > pause:
                pauses.append((quiet, hop))
            quiet = None
            if start is None:
                start = hop
                continue
        if start is None:
            continue
        if hop - start > longest:
            end, again = max(pauses, key=lambda p: p[1] - p[0]) if pauses else (hop, None)
            found.append((start, end))
            start, quiet, pauses = again, None, []
        if start is not None and value < low:
            quiet = hop if quiet is None else quiet
            if hop - quiet >= silence:
                if quiet - start > least:
                    found.append((start, quiet))
                start, quiet, pauses = None, None, []
    if start is not None and len(values) - start > least:
        found.append((start, len(values)))
    return found


def _pad(spans: List[Tuple[int, int]], pad: int, length: int) -> List[Tuple[int, int]]:
    """Each span with `pad` frames on both sides, or half of what lies between two."""
    padded = []
    for i, (start, end) in enumerate(spans):
        before = start - spans[i - 1][1] if i else 2 * start
        after = spans[i + 1][0] - end if i + 1 < len(spans) else 2 * (length - end)
        padded.append((start - min(pad, before // 2), end + min(pad, after // 2)))
    return padded


class VADIterator:
    """Give it chunks of a stream; it answers with {'start': …}, {'end': …} or None.

    Args: as get_speech_timestamps(). At most one answer a call: where a chunk has more, the rest
    comes with the next calls.
    """

    def __init__(self, model: Optional[Model] = None, threshold: float = 0.5,
                 sampling_rate: int = 16000, min_silence_duration_ms: int = 100,
                 speech_pad_ms: int = 30) -> None:
        self.sampling_rate = sampling_rate
        rules = Rules(threshold=threshold, threshold_off=max(threshold - 0.15, 0.01), onset_ms=0,
                      min_speech_ms=0, hangover_ms=min_silence_duration_ms, merge_ms=0,
                      pre_roll_ms=speech_pad_ms, pad_ms=speech_pad_ms, max_ms=0)
        self._stream = Stream(sampling_rate, 1, "f32", rules=rules, vad=model.vad if model else None,
                              _told=("start", "segment"))

    def reset_states(self) -> None:
        """Begin anew, at position 0."""
        self._stream.reset()

    def __call__(self, x: Any, return_seconds: bool = False,
                 time_resolution: int = 1) -> Optional[Dict[str, Any]]:
        """Hear a chunk of any length."""
        for event in self._stream.push(_mono(x)):
            if isinstance(event, _events.Start):
                name, frame = "start", event.start_frame
            elif isinstance(event, _events.Segment):
                name, frame = "end", event.end_frame
            else:
                continue
            return {name: round(frame / self.sampling_rate, time_resolution) if return_seconds
                    else frame}
        return None


def _bounds(tss: Timestamps, seconds: bool, sampling_rate: Optional[int]) -> List[slice]:
    if not seconds:
        return [slice(t["start"], t["end"]) for t in tss]
    if not sampling_rate:
        raise ValueError("sampling_rate must be provided when seconds is True")
    return [slice(round(t["start"] * sampling_rate), round(t["end"] * sampling_rate)) for t in tss]


def collect_chunks(tss: Timestamps, wav: Any, seconds: bool = False,
                   sampling_rate: Optional[int] = None) -> Any:
    """The speech of `wav`, one piece after the other."""
    samples = numpy.asarray(wav)
    pieces = [samples[bounds] for bounds in _bounds(tss, seconds, sampling_rate)]
    return numpy.concatenate(pieces) if pieces else samples[:0]


def drop_chunks(tss: Timestamps, wav: Any, seconds: bool = False,
                sampling_rate: Optional[int] = None) -> Any:
    """What collect_chunks() leaves out of `wav`."""
    keep = numpy.ones(len(wav), bool)
    for bounds in _bounds(tss, seconds, sampling_rate):
        keep[bounds] = False
    return numpy.asarray(wav)[keep]


def read_audio(path: Union[str, "os.PathLike[str]"], sampling_rate: int = 16000) -> Any:
    """A WAV file of integers as float32, shape (frames,): the mean of its channels, at
    `sampling_rate`."""
    samples, rate = _pcm.read_wav(path)
    scale = _SCALE["s16" if samples.dtype == numpy.int16 else "s32"]
    mono = samples.astype(numpy.float32) / numpy.float32(scale)
    if mono.ndim > 1:
        mono = mono.mean(axis=1)
    return mono if rate == sampling_rate else resample(mono, rate, sampling_rate)


def save_audio(path: Union[str, "os.PathLike[str]"], tensor: Any, sampling_rate: int = 16000) -> None:
    """Write float32 samples (full scale 1.0), shape (frames,), as a WAV file of 16 bits."""
    samples = numpy.clip(numpy.rint(_mono(tensor) * 2**15), -2**15, 2**15 - 1).astype("<i2")
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes(samples.tobytes())
