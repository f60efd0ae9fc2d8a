# SPDX-License-Identifier: MIT
"""VoiceStand: find speech in audio, and clean it.

`segment()`, `probabilities()` and `enhance()` take whole recordings; `Stream` takes audio as it comes.
All of them take NumPy arrays and anything with the buffer protocol without copying it. docs/python.md
of the project is the reference.
"""
from ._bridge import lib as _lib
from ._errors import ConfigurationError, Error, FinishedError, UnavailableError
from ._events import Audio, Event, Gap, Ledger, Notice, Probabilities, Segment, Start
from ._functions import enhance, presets, probabilities, resample, segment
from ._pcm import read_wav
from ._stream import Rules, Stream

__version__: str = _lib.vs_version().decode()

__all__ = [
    "Audio", "ConfigurationError", "Error", "Event", "FinishedError", "Gap", "Ledger", "Notice",
    "Probabilities", "Rules", "Segment", "Start", "Stream", "UnavailableError", "enhance", "presets",
    "probabilities", "read_wav", "resample", "segment",
]
