# SPDX-License-Identifier: MIT
"""Find the speech in WAV files: segment_file.py FILE..."""
import sys

import voicestand

for path in sys.argv[1:]:
    samples, rate = voicestand.read_wav(path)
    for s in voicestand.segment(samples, rate):
        print(f"{path}: speech from {s.start_s:.2f} s to {s.end_s:.2f} s, {s.level_db:.0f} dB")
