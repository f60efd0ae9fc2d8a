# SPDX-License-Identifier: MIT
"""What a stream tells. Positions are frames of the audio that was pushed, gaps included; ranges are
[start, end). Seconds are those positions divided by the rate."""
from typing import Any, Dict, NamedTuple, Union

import numpy

Array = numpy.ndarray[Any, numpy.dtype[numpy.float32]]


class Start(NamedTuple):
    """Speech began: a segment is open. It is never taken back."""

    segment: int
    """1, 2, …"""
    start_s: float
    now_s: float
    """where the audio stands, so `now_s - start_s` is how late this was known"""
    start_frame: int
    now_frame: int
    split: bool
    """it goes on after a cut at the maximum length"""


class Segment(NamedTuple):
    """A finished segment of speech; its bounds are final."""

    segment: int
    """1, 2, …"""
    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    probability: float
    """mean over the segment, 0..1"""
    level_db: float
    """RMS in dB full scale"""
    split: bool
    """cut at the maximum length: speech goes on"""


class Probabilities(NamedTuple):
    """Voice activity of some hops in a row, 10 ms each; only where it was asked for."""

    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    values: Array
    """float32, shape (hops,), 0..1"""


class Audio(NamedTuple):
    """Processed audio; only where it was asked for."""

    segment: int
    """whose audio it is, or 0"""
    position: int
    """of the first frame, in frames of `rate`"""
    rate: int
    """Hz"""
    samples: Array
    """float32, full scale 1.0; shape (frames,), or (frames, channels) for more than one channel"""


class Gap(NamedTuple):
    """Frames are missing."""

    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    cause: str
    """"gap_exact", …: names of the ledger's causes"""


class Notice(NamedTuple):
    """What became of the detector's device, or what failed; the stream goes on."""

    text: str
    errno: int
    """0, or why it failed"""


class Ledger(NamedTuple):
    """The account of every frame, the last event: captured = delivered + the sum of dropped."""

    rate: int
    """Hz"""
    channels: int
    captured: int
    """frames, gaps included"""
    delivered: int
    """frames that were judged"""
    dropped: Dict[str, int]
    """frames by cause"""
    gaps: int
    residual: int
    """what is missing from the equation: 0, or there is a bug"""
    poisoned: int
    """samples that were NaN, infinite or absurdly large, and count as 0"""


Event = Union[Start, Segment, Probabilities, Audio, Gap, Notice, Ledger]
