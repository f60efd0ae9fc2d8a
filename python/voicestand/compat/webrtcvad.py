# SPDX-License-Identifier: MIT
"""The call shapes of the package `webrtcvad`, decided by VoiceStand's detector.

    -import webrtcvad
    +from voicestand.compat import webrtcvad

A `Vad` hears one stream: give it the frames of one recording in order, as webrtcvad wants them too.
Each answer is about the newest audio that is decided; docs/python.md says how well the modes do.
"""
from typing import Any, Optional

from .. import _events, _pcm
from .._stream import Stream

# A frame is speech where its likeliest hop reaches this; mode 3 is the most reluctant.
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
_RATES = (8000, 16000, 32000, 48000)


def valid_rate_and_frame_length(rate: int, frame_length: int) -> bool:
    """Does is_speech() take frames of so many samples at this rate? They last 10, 20 or 30 ms."""
    return rate in _RATES and frame_length * 100 in (rate, 2 * rate, 3 * rate)


class Vad:
    """Say of each frame of 10, 20 or 30 ms whether it is speech.

    Args:
        mode: 0..3, how reluctant to call something speech [0].
    """

    def __init__(self, mode: Optional[int] = None) -> None:
        self._stream: Optional[Stream] = None
        self._speech = False
        self.set_mode(0 if mode is None else mode)

    def set_mode(self, mode: int) -> None:
        """How reluctant to call something speech, 0..3."""
        if mode not in (0, 1, 2, 3):
            raise ValueError(f"mode must be 0, 1, 2 or 3, not {mode!r}")
        self._threshold = THRESHOLDS[mode]

    def is_speech(self, buf: Any, sample_rate: int, length: Optional[int] = None) -> bool:
        """Is this frame speech?

        Args:
            buf: 16-bit samples, mono, native byte order.
            sample_rate: 8000, 16000, 32000 or 48000 Hz. Another rate than before begins anew.
            length: of the frame in samples [all of buf].
        """
        view = _pcm.view(buf, 1, "s16")
        length = view.frames if length is None or length == 0 else length
        if length > view.frames:
            raise IndexError(f"buffer has {view.frames} frames, but length argument was {length}")
        if view.format != "s16" or not valid_rate_and_frame_length(sample_rate, length):
            raise ValueError(f"a frame must hold 10, 20 or 30 ms of 16-bit samples at 8000, 16000, "
                             f"32000 or 48000 Hz, not {length} samples at {sample_rate} Hz")
        if self._stream is None or self._stream.rate != sample_rate:
            self._stream = Stream(sample_rate, 1, "s16", _told=("probabilities",))
            self._speech = False
        whole = view.keep.reshape(-1)
        values = [event.values.max() for event in
                  self._stream.push(whole[:length * 2 // whole.itemsize])
                  if isinstance(event, _events.Probabilities)]
        if values:  # the first frames come before the first decision
            self._speech = bool(max(values) >= self._threshold)
        return self._speech
