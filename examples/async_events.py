# SPDX-License-Identifier: MIT
"""One task pushes audio, another waits for events: async_events.py FILE"""
import asyncio
import sys

import voicestand


async def listen(stream: voicestand.Stream) -> None:
    async for event in stream:
        if isinstance(event, voicestand.Segment):
            print(f"speech from {event.start_s:.2f} s to {event.end_s:.2f} s")


async def main(path: str) -> None:
    samples, rate = voicestand.read_wav(path)
    with voicestand.Stream(rate) as stream:
        listener = asyncio.ensure_future(listen(stream))
        for start in range(0, len(samples), rate // 10):
            await stream.push_async(samples[start:start + rate // 10])
        stream.finish()
        await listener


asyncio.run(main(sys.argv[1]))
