# SPDX-License-Identifier: MIT
"""The stream: push audio, read events."""
import asyncio
import collections
import ctypes
import dataclasses
import os
import threading
import weakref
from types import TracebackType
from typing import (Any, AsyncIterable, AsyncIterator, Callable, Deque, Dict, Iterable, Iterator, List,
                    Optional, Tuple, Type, TypeVar, Union)

import numpy

from . import _bridge, _errors, _events, _pcm

_Stream = TypeVar("_Stream", bound="Stream")

SLICE_FRAMES = 1 << 20  # pushed at once, so that an interrupt is seen in the middle of an hour
_AUDIO = {None: 0, "segments": 1, "all": 2, "wide": 3}
_KINDS = {"start": _bridge.START, "segment": _bridge.SEGMENT, "gap": _bridge.GAP,
          "ledger": _bridge.LEDGER, "probabilities": _bridge.PROBABILITY, "audio": _bridge.AUDIO}
_TOLD = ("start", "segment", "gap", "ledger")


@dataclasses.dataclass(frozen=True)
class Rules:
    """How probabilities become segments. `None` means the default in brackets, or what `preset`
    says; 0 means none at all. Times are rounded down to hops of 10 ms."""

    preset: Optional[str] = None
    """"dictation", "agent" or "archive", see docs/presets.md; fills what is not given"""
    threshold: Optional[float] = None
    """a hop at or above it is speech, 0..1 [0.5]"""
    threshold_off: Optional[float] = None
    """inside a segment, a hop below it is silence, 0..1 [threshold - 0.15]"""
    onset_ms: Optional[int] = None
    """speech that must be gathered before a segment opens [50]"""
    min_speech_ms: Optional[int] = None
    """segments with less speech are never opened [100]"""
    hangover_ms: Optional[int] = None
    """silence that ends a segment [500]"""
    merge_ms: Optional[int] = None
    """padded segments closer than this are one [200]"""
    pre_roll_ms: Optional[int] = None
    """audio kept before the first speech hop [60]"""
    pad_ms: Optional[int] = None
    """audio kept after the last speech hop [40]"""
    max_ms: Optional[int] = None
    """longest segment; cut at a pause in its last 2 s if any; 0 = no limit [30000]"""

    def _fill(self, config: _bridge.Config) -> None:
        config.preset = _encode(self.preset)
        for name in ("threshold", "threshold_off"):
            value = getattr(self, name)
            if value is not None:
                if not 0 < value <= 1:
                    raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
                setattr(config, name, value)
        for name in ("onset_ms", "min_speech_ms", "hangover_ms", "merge_ms", "pre_roll_ms", "pad_ms",
                     "max_ms"):
            value = getattr(self, name)
            if value is not None:
                if not 0 <= value < _bridge.NONE_MS:
                    raise ValueError(f"{name} must be 0 or more milliseconds, not {value}")
                setattr(config, name, int(value) or _bridge.NONE_MS)


def _encode(text: Union[str, "os.PathLike[str]", None]) -> Optional[bytes]:
    return None if text is None else os.fsencode(text)


def _unsigned(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not least <= value <= most or value != int(value):
        raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(value)


class Stream:
    """Push audio, read what came of it: a detector of speech and a segmenter of your own.

    >>> with Stream(16000) as stream:
    ...     for chunk in chunks:
    ...         for event in stream.push(chunk):
    ...             print(event)
    ...     for event in stream.finish():
    ...         print(event)

    `for event in stream` reads the events that wait and ends when none does. `async for event in
    stream` waits for more, and ends when the stream is finished and all was read. `process()` and
    `process_async()` push for you.

    How the audio is cut into chunks changes nothing. Memory does not grow with time as long as the
    events are read. All methods may be called from any thread; calls on one stream wait for each
    other. Other Python threads run while audio is processed.

    Args:
        rate: of the audio, 8000..192000 Hz.
        channels: 1..32.
        format: "f32", "s16", "s24" or "s32": what raw bytes hold, in native byte order. Arrays say
            it themselves; all that is pushed into one stream must be of one format.
        rules: how probabilities become segments: `Rules`, or the name of a preset.
        vad: "native" (the default), "energy", "silero:WEIGHTS"; docs/voice-activity.md compares them.
        channel: 1.. = hear that channel alone; 0 = the mean of all.
        probabilities: also tell `Probabilities`.
        audio: also tell `Audio`: "segments" (that of speech, 16 kHz mono), "all" (16 kHz mono) or
            "wide" (at the source's rate and with its channels).
        denoise: lower the noise in that audio.
        level: bring speech in it to -23 LUFS, no sample beyond -1 dB.
        high_pass_hz: cut-off of the high-pass; 0 = none.
        cpu: "c", "avx2", … instead of the fastest kernels.
        module_dir: folder of backend modules, from an installation of VoiceStand.

    Raises:
        ConfigurationError, ValueError: a setting is out of range.
        UnavailableError: the detector, its weights or the kernels are not here.
    """

    def __init__(self, rate: int = 16000, channels: int = 1, format: Optional[str] = None, *,
                 rules: Union[Rules, str, None] = None, vad: Optional[str] = None, channel: int = 0,
                 probabilities: bool = False, audio: Optional[str] = None, denoise: bool = False,
                 level: bool = False, high_pass_hz: float = 80, cpu: Optional[str] = None,
                 module_dir: Union[str, "os.PathLike[str]", None] = None,
                 _told: Optional[Tuple[str, ...]] = None) -> None:
        if audio not in _AUDIO:
            raise ValueError(f'audio must be "segments", "all", "wide" or None, not {audio!r}')
        config = _bridge.Config(
            vad=_encode(vad), cpu=_encode(cpu), module_dir=_encode(module_dir),
            rate_hz=_unsigned("rate", rate, 8000, 192000),
            channels=_unsigned("channels", channels, 1, 32),
            channel=_unsigned("channel", channel, 0, channels),
            audio=_AUDIO[audio], enhance=bool(denoise) | bool(level) << 1,
            high_pass_hz=high_pass_hz if high_pass_hz > 0 else -1)
        if isinstance(rules, str):
            rules = Rules(preset=rules)
        if rules is not None:
            rules._fill(config)
        told = _TOLD + (("probabilities",) if probabilities else ()) + (("audio",) if audio else ())
        self._open(config, _told or told, format)

    def _open(self, config: _bridge.Config, told: Tuple[str, ...], form: Optional[str]) -> None:
        config.wanted = 1 << _bridge.STATE | 1 << _bridge.ERROR
        for kind in told:
            config.wanted |= 1 << _KINDS[kind]
        self.rate: int = config.rate_hz
        self.channels: int = config.channels
        self._config = config
        self._fixed = form is not None
        self._format = _pcm.check_format(form or "s16")
        self._lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: Deque[_events.Event] = collections.deque()
        self._waiters: List[Tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]] = []
        self._ended = False
        self._fresh = True
        self._create()

    def _create(self) -> None:
        handle, message = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        self._config.format = _pcm.FORMATS[self._format]
        status = _bridge.lib.bridge_create(ctypes.byref(self._config), ctypes.byref(handle), message,
                                           len(message))
        if status < 0:
            raise _errors.make(status, message.value.decode(errors="replace"))
        self._handle: Optional[int] = handle.value
        self._free = weakref.finalize(self, _bridge.lib.bridge_destroy, handle.value)
        self._free.atexit = False  # a daemon thread may still be in a call

    def push(self: _Stream, pcm: _pcm.Pcm) -> _Stream:
        """Push audio, any number of frames.

        Args:
            pcm: float32 (full scale 1.0), int16 or int32 samples, shape (frames,), interleaved where
                there is more than one channel, or (frames, channels); or raw bytes. Taken where it
                lies, without a copy, unless it is an array in pieces.

        Returns:
            The stream itself, so that `for event in stream.push(pcm)` reads what came of it.

        Raises:
            FinishedError: after finish() or close().
            TypeError, ValueError: the audio has another type, shape or format than it must.
        """
        view = _pcm.view(pcm, self.channels, self._format)
        with self._lock:
            if view.format != self._format:
                self._adopt(view.format)
            self._fresh = False
            at, left, step = view.address, view.frames, SLICE_FRAMES
            if left <= step:
                self._take(_bridge.lib.bridge_push(self._alive(), at, left))
                return self
            width = self.channels * _pcm.BYTES[self._format]
            while left:
                frames = min(left, step)
                self._take(_bridge.lib.bridge_push(self._alive(), at, frames))
                at += frames * width
                left -= frames
        return self

    async def push_async(self: _Stream, pcm: _pcm.Pcm) -> _Stream:
        """push() on a thread of the event loop's executor, so that the loop goes on meanwhile."""
        await asyncio.get_running_loop().run_in_executor(None, self.push, pcm)
        return self

    def gap(self: _Stream, frames: int) -> _Stream:
        """Say that `frames` frames are missing here: they are counted, and later positions include
        them. Returns the stream, as push()."""
        frames = _unsigned("frames", frames, 0, 2**62)
        with self._lock:
            self._fresh = False
            self._take(_bridge.lib.bridge_gap(self._alive(), frames))
        return self

    def finish(self: _Stream) -> _Stream:
        """The audio ends here: decide what is pending, close an open segment, tell the ledger.
        Returns the stream, as push(). Raises FinishedError the second time."""
        with self._lock:
            handle = self._alive()
            try:
                self._take(_bridge.lib.bridge_finish(handle))
            finally:
                self._ended = True  # not before the last events are queued
        self._wake()
        return self

    def reset(self) -> None:
        """Back to the start: position 0, nothing heard, no event waiting."""
        with self._lock:
            _bridge.lib.bridge_reset(self._alive())
            self._queue.clear()
            self._ended, self._fresh = False, True

    def close(self) -> None:
        """Free the stream, without further events; those that wait can still be read. Closing twice
        does no harm; `with` does it."""
        with self._lock:
            self._handle = None
            self._free()
            self._ended = True
        self._wake()

    @property
    def finished(self) -> bool:
        """No more audio can be pushed."""
        return self._ended

    def process(self, chunks: Iterable[_pcm.Pcm]) -> Iterator[_events.Event]:
        """Push each chunk, tell the events as they come, finish at the end."""
        for chunk in chunks:
            yield from self.push(chunk)
        yield from self.finish()

    async def process_async(self, chunks: AsyncIterable[_pcm.Pcm]) -> AsyncIterator[_events.Event]:
        """Push each chunk as it comes, on a thread, tell the events, finish at the end."""
        async for chunk in chunks:
            for event in await self.push_async(chunk):
                yield event
        for event in self.finish():
            yield event

    def __iter__(self) -> Iterator[_events.Event]:
        while self._queue:
            yield self._queue.popleft()

    def __aiter__(self) -> AsyncIterator[_events.Event]:
        return self

    async def __anext__(self) -> _events.Event:
        while True:
            with self._queue_lock:
                if self._queue:
                    return self._queue.popleft()
                if self._ended:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                waiter = loop.create_future()
                self._waiters.append((loop, waiter))
            await waiter

    def __enter__(self: _Stream) -> _Stream:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def _alive(self) -> int:
        if self._handle is None:
            raise _errors.make(-114, "the stream is closed")
        return self._handle

    def _adopt(self, form: str) -> None:
        """Take the format of the first array, unless another was asked for."""
        if self._fixed or not self._fresh:
            raise ValueError(f"this stream takes {self._format}, and was given {form}")
        self._alive()
        self._handle = None
        self._free()
        self._format = form
        self._create()

    def _take(self, count: int) -> None:
        """Queue what a call made; `count` is what it returned. Under the lock."""
        if count < 0:
            raise _errors.make(count, _bridge.sentence(count))
        if count == 0:
            return
        batch = _bridge.Batch()
        _bridge.lib.bridge_show(self._handle, ctypes.byref(batch))
        for index in range(count):
            event = batch.events[index]
            self._queue.append(_READERS[event.type](self, event, batch))
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        with self._queue_lock:
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            try:
                loop.call_soon_threadsafe(_release, waiter)
            except RuntimeError:  # its loop is closed: nobody waits any more
                pass


def _release(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _floats(event: _bridge.Event, batch: _bridge.Batch) -> _events.Array:
    """A copy of the floats of an event, which the next call overwrites."""
    found = numpy.empty(event.count, numpy.float32)
    ctypes.memmove(found.__array_interface__["data"][0], batch.floats + 4 * event.offset,
                   4 * event.count)
    return found


def _read_start(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    return _events.Start(e.segment, e.start_s, e.end_s, e.start_frame, e.end_frame,
                         bool(e.flags & _bridge.SPLIT))


def _read_segment(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    return _events.Segment(e.segment, e.start_s, e.end_s, e.start_frame, e.end_frame, e.probability,
                           e.level_db, bool(e.flags & _bridge.SPLIT))


def _read_probabilities(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    return _events.Probabilities(e.start_s, e.end_s, e.start_frame, e.end_frame, _floats(e, batch))


def _read_audio(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    samples = _floats(e, batch)
    if e.audio_channels > 1:
        samples = samples.reshape(-1, e.audio_channels)
    return _events.Audio(e.segment, e.start_frame, e.audio_rate_hz, samples)


def _drop_name(cause: int) -> str:
    name: bytes = _bridge.lib.vs_drop_name(cause)
    return name.decode()


def _read_gap(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    return _events.Gap(e.start_s, e.end_s, e.start_frame, e.end_frame, _drop_name(e.cause))


def _read_notice(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    text = ctypes.string_at(batch.text + e.offset, e.count - 1) if e.count else b""
    return _events.Notice(text.decode(errors="replace"), -e.status)


def _read_ledger(stream: Stream, e: _bridge.Event, batch: _bridge.Batch) -> _events.Event:
    found = _bridge.Ledger()
    _bridge.lib.bridge_ledger(stream._handle, ctypes.byref(found))
    dropped = {_drop_name(cause): frames for cause, frames in enumerate(found.dropped)}
    return _events.Ledger(found.rate_hz, found.channels, found.captured, found.delivered, dropped,
                          found.gaps, found.residual, found.poisoned)


_READERS: Dict[int, Callable[[Stream, _bridge.Event, _bridge.Batch], _events.Event]] = {
    _bridge.START: _read_start,
    _bridge.SEGMENT: _read_segment,
    _bridge.PROBABILITY: _read_probabilities,
    _bridge.AUDIO: _read_audio,
    _bridge.GAP: _read_gap,
    _bridge.STATE: _read_notice,
    _bridge.ERROR: _read_notice,
    _bridge.LEDGER: _read_ledger,
}
