# SPDX-License-Identifier: MIT
"""Voice activity for LiveKit's agents (`pip install livekit-agents`):

    session = AgentSession(vad=voicestand.agents.livekit.VAD.load(), …)

It stands where livekit.plugins.silero does. Frames of any rate from 8000 to 192000 Hz are taken; audio
comes back at the rate it came in, mono.
"""
import time
from typing import Any, List, Optional

import numpy
from livekit import rtc
from livekit.agents import vad

from .. import _events
from .._stream import Rules, Stream

UPDATE_S = 0.01


class VAD(vad.VAD):
    """Detects speech for an agent; make it with load()."""

    @classmethod
    def load(cls, *, min_speech_duration: float = 0.05, min_silence_duration: float = 0.55,
             prefix_padding_duration: float = 0.5, max_buffered_speech: float = 60.0,
             activation_threshold: float = 0.5, deactivation_threshold: Optional[float] = None,
             detector: Optional[str] = None) -> "VAD":
        """The arguments of livekit.plugins.silero, where they mean something here.

        Args:
            min_speech_duration: speech before a start is told, s.
            min_silence_duration: silence before an end is told, s.
            prefix_padding_duration: audio before the speech that is given with it, s.
            max_buffered_speech: longest audio that is kept for the end, s.
            activation_threshold: probability from which a hop is speech, 0..1.
            deactivation_threshold: below which it is silence in speech [activation - 0.15].
            detector: as `vad` of `voicestand.Stream`.
        """
        rules = Rules(threshold=activation_threshold, threshold_off=deactivation_threshold,
                      onset_ms=0, min_speech_ms=round(min_speech_duration * 1000),
                      hangover_ms=round(min_silence_duration * 1000), merge_ms=0,
                      pre_roll_ms=round(prefix_padding_duration * 1000), pad_ms=0, max_ms=0)
        return cls(rules, max_buffered_speech, detector)

    def __init__(self, rules: Rules, max_buffered_speech: float, detector: Optional[str]) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=UPDATE_S))
        self.rules, self.max_buffered_speech, self.detector = rules, max_buffered_speech, detector
        Stream(rules=rules, vad=detector).close()  # what is wrong is told now, not in a task

    @property
    def model(self) -> str:
        """The detector's name."""
        return self.detector or "native"

    @property
    def provider(self) -> str:
        """Who decides."""
        return "voicestand"

    def stream(self) -> "VADStream":
        """A stream of its own; call it inside the event loop."""
        return VADStream(self)


class _Ear:
    """One run of audio at one rate: what was heard of it, and the audio that may still be needed."""

    def __init__(self, owner: VAD, rate: int, channels: int) -> None:
        self.stream = Stream(rate, channels, "s16", rules=owner.rules, vad=owner.detector,
                             _told=("start", "segment", "probabilities"))
        self.rate, self.channels = rate, channels
        self.kept: Any = numpy.empty(0, numpy.int16)
        self.first = 0  # position of what is kept
        pre_roll = owner.rules.pre_roll_ms or 0
        self.idle = rate * (pre_roll + 1000) // 1000
        self.most = max(int(rate * owner.max_buffered_speech), self.idle)
        self.start: Optional[int] = None
        self.heard = 0

    def keep(self, samples: Any) -> None:
        """Keep the newest audio while nobody speaks, the oldest of the speech while somebody does."""
        self.kept = numpy.concatenate([self.kept, samples])
        if self.start is None:
            gone = max(0, len(self.kept) - self.idle - len(samples))
            self.kept, self.first = self.kept[gone:], self.first + gone
        else:
            self.kept = self.kept[:self.start - self.first + self.most]

    def frame(self, start: int, end: int) -> rtc.AudioFrame:
        """What is kept of a range, as LiveKit has audio."""
        some = self.kept[max(0, start - self.first):max(0, end - self.first)]
        return rtc.AudioFrame(data=some.tobytes(), sample_rate=self.rate, num_channels=1,
                              samples_per_channel=len(some))


class VADStream(vad.VADStream):
    """Hears frames, tells events."""

    def __init__(self, owner: VAD) -> None:
        self._owner = owner
        super().__init__(owner)

    async def _main_task(self) -> None:
        ear: Optional[_Ear] = None
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                ear = None  # a flush begins anew
                continue
            if ear is None or (ear.rate, ear.channels) != (item.sample_rate, item.num_channels):
                ear = _Ear(self._owner, item.sample_rate, item.num_channels)
            samples = numpy.frombuffer(item.data, numpy.int16).reshape(-1, item.num_channels)
            ear.keep(samples[:, 0] if item.num_channels == 1
                     else samples.mean(axis=1).astype(numpy.int16))
            began = time.perf_counter()
            await ear.stream.push_async(samples)
            took = time.perf_counter() - began
            for event in list(ear.stream):
                for told in self._translate(ear, event, item, took):
                    self._event_ch.send_nowait(told)

    def _translate(self, ear: _Ear, event: _events.Event, item: rtc.AudioFrame,
                   took: float) -> List[vad.VADEvent]:
        kind, frames, probability, took_s = vad.VADEventType.INFERENCE_DONE, [item], 0.0, took
        speech_s = 0.0 if ear.start is None else (ear.heard - ear.start) / ear.rate
        if isinstance(event, _events.Probabilities):
            ear.heard, probability = event.end_frame, float(event.values[-1])
        elif isinstance(event, _events.Start):
            kind, took_s = vad.VADEventType.START_OF_SPEECH, 0.0
            ear.start, ear.heard = event.start_frame, event.now_frame
            frames = [ear.frame(event.start_frame, event.now_frame)]
            speech_s = (event.now_frame - event.start_frame) / ear.rate
        elif isinstance(event, _events.Segment):
            kind, took_s = vad.VADEventType.END_OF_SPEECH, 0.0
            frames = [ear.frame(event.start_frame, event.end_frame)]
            speech_s, ear.start = event.end_s - event.start_s, None
        else:
            return []
        silence_s = (self._owner.rules.hangover_ms or 0) / 1000 \
            if kind is vad.VADEventType.END_OF_SPEECH else 0.0
        return [vad.VADEvent(type=kind, samples_index=ear.heard, timestamp=ear.heard / ear.rate,
                             speech_duration=speech_s, silence_duration=silence_s, frames=frames,
                             probability=probability, inference_duration=took_s,
                             speaking=ear.start is not None)]
