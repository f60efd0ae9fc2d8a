# SPDX-License-Identifier: MIT
"""The C library by ctypes, which lets other Python threads run during each call. The structs are
those of bridge.h and voicestand/*.h."""
import ctypes
import os
import pathlib
from typing import Any

STATE, START, END, SEGMENT, TEXT, AUDIO, PROBABILITY, GAP, ERROR, LEDGER = range(10)
SPLIT = 2
NONE_MS = 0xFFFFFFFF
DROPS = 4


class Config(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("vad", "preset", "cpu", "module_dir")),
        *((name, ctypes.c_uint32) for name in ("rate_hz", "channels", "channel")),
        *((name, ctypes.c_int32) for name in ("format", "audio", "enhance")),
        ("wanted", ctypes.c_uint32),
        *((name, ctypes.c_float) for name in ("high_pass_hz", "threshold", "threshold_off")),
        *((name, ctypes.c_uint32) for name in ("onset_ms", "min_speech_ms", "hangover_ms", "merge_ms",
                                               "pre_roll_ms", "pad_ms", "max_ms")),
    ]


class Event(ctypes.Structure):
    type: int
    flags: int
    cause: int
    status: int
    segment: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    probability: float
    level_db: float
    offset: int
    count: int
    audio_rate_hz: int
    audio_channels: int
    _fields_ = [
        ("type", ctypes.c_int32), ("flags", ctypes.c_uint32),
        ("cause", ctypes.c_int32), ("status", ctypes.c_int32),
        *((name, ctypes.c_uint64) for name in ("segment", "start_frame", "end_frame")),
        ("start_s", ctypes.c_double), ("end_s", ctypes.c_double),
        ("probability", ctypes.c_float), ("level_db", ctypes.c_float),
        ("offset", ctypes.c_uint64), ("count", ctypes.c_uint64),
        ("audio_rate_hz", ctypes.c_uint32), ("audio_channels", ctypes.c_uint32),
    ]


class Batch(ctypes.Structure):
    _fields_ = [
        ("events", ctypes.POINTER(Event)), ("floats", ctypes.c_void_p), ("text", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("event_count", "float_count", "text_bytes")),
    ]


class Ledger(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("rate_hz", ctypes.c_uint32), ("channels", ctypes.c_uint32),
        ("captured", ctypes.c_uint64), ("delivered", ctypes.c_uint64),
        ("dropped", ctypes.c_uint64 * DROPS), ("gaps", ctypes.c_uint64),
        ("residual", ctypes.c_int64), ("poisoned", ctypes.c_uint64),
        *((name, ctypes.c_uint64) for name in ("text_frames", "text_dropped", "events_dropped")),
    ]


class ResamplerConfig(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("in_hz", ctypes.c_uint32), ("out_hz", ctypes.c_uint32),
        ("quality", ctypes.c_int), ("cpu", ctypes.c_char_p), ("adjustable", ctypes.c_int),
    ]


_VOID, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_CALLS: Any = {
    "bridge_sizes": (ctypes.c_uint32, []),
    "bridge_create": (ctypes.c_int, [ctypes.POINTER(Config), ctypes.POINTER(_VOID), _VOID, _SIZE]),
    "bridge_push": (ctypes.c_int64, [_VOID, _VOID, _SIZE]),
    "bridge_gap": (ctypes.c_int64, [_VOID, ctypes.c_uint64]),
    "bridge_finish": (ctypes.c_int64, [_VOID]),
    "bridge_reset": (None, [_VOID]),
    "bridge_show": (None, [_VOID, ctypes.POINTER(Batch)]),
    "bridge_ledger": (None, [_VOID, ctypes.POINTER(Ledger)]),
    "bridge_destroy": (None, [_VOID]),
    "vs_version": (ctypes.c_char_p, []),
    "vs_strerror": (ctypes.c_char_p, [ctypes.c_int]),
    "vs_drop_name": (ctypes.c_char_p, [ctypes.c_int]),
    "vs_segment_preset_name": (ctypes.c_char_p, [ctypes.c_uint]),
    "vs_resampler_create": (ctypes.c_int, [ctypes.POINTER(ResamplerConfig), ctypes.POINTER(_VOID)]),
    "vs_resampler_max_out": (_SIZE, [_VOID, _SIZE]),
    "vs_resampler_process": (_SIZE, [_VOID, _VOID, _SIZE, _VOID]),
    "vs_resampler_flush": (_SIZE, [_VOID, _VOID]),
    "vs_resampler_destroy": (None, [_VOID]),
}


def _path() -> str:
    """Where the library is: what VOICESTAND_BRIDGE says, here, or where the wheel put it."""
    named = os.environ.get("VOICESTAND_BRIDGE")
    if named:
        return named
    here = pathlib.Path(__file__).resolve().parent
    beside = here / "libvoicestand_bridge.so"
    return str(beside if beside.exists() else here.parent / ".voicestand.mesonpy.libs" / beside.name)


def _load(path: str) -> Any:
    try:
        library = ctypes.CDLL(path)
    except OSError as why:
        raise ImportError(f"voicestand: cannot load its library: {why}; install the package from its "
                          "wheel, or set VOICESTAND_BRIDGE to the built file") from why
    for name, (result, arguments) in _CALLS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"voicestand: {path} has no {name}(): it belongs to another version of "
                              "the package") from None
        function.restype, function.argtypes = result, arguments
    sizes = [ctypes.sizeof(kind) for kind in (Config, Event, Batch)]
    if library.bridge_sizes() != sizes[0] | sizes[1] << 10 | sizes[2] << 20:
        raise ImportError(f"voicestand: {path} belongs to another version of the package")
    return library


lib = _load(_path())


def sentence(status: int) -> str:
    """What the library says about a status, which is -errno."""
    text: bytes = lib.vs_strerror(status)
    return text.decode()
