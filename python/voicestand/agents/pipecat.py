# SPDX-License-Identifier: MIT
"""Voice activity for pipecat (`pip install pipecat-ai`):

    vad_analyzer=VoiceStandVADAnalyzer(params=VADParams(stop_secs=0.5))

It stands where SileroVADAnalyzer does, and takes any rate from 8000 to 192000 Hz.
"""
from typing import Optional

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams

from .. import _events
from .._stream import Stream


class VoiceStandVADAnalyzer(VADAnalyzer):
    """Tells pipecat how likely each 20 ms are speech.

    Args:
        sample_rate: of the audio, Hz; None = what the transport says.
        params: pipecat's thresholds and times.
        vad: detector, as for `voicestand.Stream`.
    """

    def __init__(self, *, sample_rate: Optional[int] = None, params: Optional[VADParams] = None,
                 vad: Optional[str] = None) -> None:
        super().__init__(sample_rate=sample_rate, params=params)
        self._vad = vad
        self._stream: Optional[Stream] = None
        self._confidence = 0.0

    def num_frames_required(self) -> int:
        """Frames of one answer: 20 ms."""
        return self.sample_rate // 50

    def voice_confidence(self, buffer: bytes) -> float:
        """Probability of speech, 0..1, in the newest audio that is decided; `buffer` holds 16-bit
        samples, mono, that follow those of the call before."""
        if self._stream is None or self._stream.rate != self.sample_rate:
            self._stream = Stream(self.sample_rate, 1, "s16", vad=self._vad, _told=("probabilities",))
            self._confidence = 0.0
        for event in self._stream.push(buffer):
            if isinstance(event, _events.Probabilities):
                self._confidence = float(event.values.max())
        return self._confidence
