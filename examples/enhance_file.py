# SPDX-License-Identifier: MIT
"""Lower the noise and level the speech of a WAV file: enhance_file.py IN OUT"""
import sys
import wave

import numpy

import voicestand

samples, rate = voicestand.read_wav(sys.argv[1])
clean = voicestand.enhance(samples, rate)
with wave.open(sys.argv[2], "wb") as file:
    file.setnchannels(1 if clean.ndim == 1 else clean.shape[1])
    file.setsampwidth(2)
    file.setframerate(rate)
    file.writeframes(numpy.rint(clean * 32767).astype("<i2").tobytes())
print(f"{len(samples) / rate:.2f} s written to {sys.argv[2]}")
