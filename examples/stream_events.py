# SPDX-License-Identifier: MIT
"""Push audio as it comes and read the events: stream_events.py FILE"""
import sys
import wave

import voicestand

with wave.open(sys.argv[1]) as file:
    rate, channels = file.getframerate(), file.getnchannels()
    chunks = iter(lambda: file.readframes(rate // 50), b"")  # 20 ms of bytes, as a device gives them
    with voicestand.Stream(rate, channels, format="s16") as stream:
        for event in stream.process(chunks):
            if isinstance(event, voicestand.Start):
                print(f"speech began at {event.start_s:.2f} s, known at {event.now_s:.2f} s")
            elif isinstance(event, voicestand.Segment):
                print(f"speech from {event.start_s:.2f} s to {event.end_s:.2f} s")
            elif isinstance(event, voicestand.Ledger):
                print(f"{event.captured} frames heard, {event.residual} unaccounted")
