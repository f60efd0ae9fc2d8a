# SPDX-License-Identifier: MIT
"""Recordings that the tests share."""
import os
import pathlib

import numpy
import pytest

import voicestand

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = pathlib.Path("/usr/share/sounds/alsa")


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def data():
    """The real recordings beside the checkout."""
    shared = pathlib.Path(os.environ.get("VOICESTAND_TEST_SHARED") or ROOT.parent / "shared")
    if not (shared / "data").is_dir():
        pytest.skip("no audio data beside the checkout")
    return shared / "data"


@pytest.fixture(scope="session")
def prompt():
    """A spoken prompt of alsa-utils: (path, int16 samples, 48000)."""
    path = PROMPTS / "Front_Center.wav"
    if not path.exists():
        pytest.skip("the recordings of alsa-utils are not installed")
    return (path,) + voicestand.read_wav(path)


@pytest.fixture(scope="session")
def speech(prompt):
    """Several prompts at 16 kHz with pauses of a second, float32."""
    pieces = []
    for path in sorted(PROMPTS.glob("*_*.wav")):
        samples, rate = voicestand.read_wav(path)
        mono = samples.astype(numpy.float32) / 2**15
        pieces += [voicestand.resample(mono, rate, 16000), numpy.zeros(16000, numpy.float32)]
    return numpy.concatenate(pieces)
