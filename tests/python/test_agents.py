# SPDX-License-Identifier: MIT
"""The adapters for voice agents, with the real frameworks."""
import asyncio

import numpy
import pytest

import voicestand


def to_ints(speech):
    return numpy.rint(speech * 2**15).clip(-2**15, 2**15 - 1).astype("<i2")


def test_pipecat_hears_turns(speech):
    vad = pytest.importorskip("pipecat.audio.vad.vad_analyzer", reason="pipecat-ai is not installed")
    from voicestand.agents.pipecat import VoiceStandVADAnalyzer

    async def hear(rate, samples):
        analyzer = VoiceStandVADAnalyzer(params=vad.VADParams(confidence=0.5, start_secs=0.1,
                                                              stop_secs=0.5, min_volume=0.0))
        analyzer.set_sample_rate(rate)
        data, step = to_ints(samples).tobytes(), rate // 100 * 2
        states = [await analyzer.analyze_audio(data[i:i + step]) for i in range(0, len(data), step)]
        await analyzer.cleanup()
        return states

    expected = len(voicestand.segment(speech, rules=voicestand.Rules(merge_ms=0)))
    for rate in (16000, 24000):
        samples = speech if rate == 16000 else voicestand.resample(speech, 16000, rate)
        states = asyncio.run(asyncio.wait_for(hear(rate, samples), 60))
        turns = sum(a != vad.VADState.SPEAKING == b and a != vad.VADState.STOPPING
                    for a, b in zip(states, states[1:]))
        assert states[0] == states[-1] == vad.VADState.QUIET
        assert abs(turns - expected) <= 1, (rate, turns, expected)


def livekit_events(frames, **settings):
    from voicestand.agents import livekit

    async def hear():
        stream = livekit.VAD.load(**settings).stream()
        for frame in frames:
            if frame is None:
                stream.flush()
            else:
                stream.push_frame(frame)
        stream.end_input()
        events = [event async for event in stream]
        await stream.aclose()
        return events
    return asyncio.run(asyncio.wait_for(hear(), 60))


def livekit_frames(samples, rate, channels=1):
    from livekit import rtc
    data, step = to_ints(samples), rate // 100
    return [rtc.AudioFrame(numpy.repeat(data[i:i + step], channels).tobytes(), rate, channels, step)
            for i in range(0, len(data) - step + 1, step)]


@pytest.mark.parametrize("rate, channels", [(16000, 1), (48000, 2)])
def test_livekit_hears_turns(speech, rate, channels):
    vad = pytest.importorskip("livekit.agents.vad", reason="livekit-agents is not installed")
    samples = speech if rate == 16000 else voicestand.resample(speech, 16000, rate)
    events = livekit_events(livekit_frames(samples, rate, channels))
    kinds = [e.type for e in events if e.type != vad.VADEventType.INFERENCE_DONE]
    starts = [e for e in events if e.type == vad.VADEventType.START_OF_SPEECH]
    ends = [e for e in events if e.type == vad.VADEventType.END_OF_SPEECH]
    rules = voicestand.Rules(onset_ms=0, min_speech_ms=50, hangover_ms=550, merge_ms=0,
                             pre_roll_ms=500, pad_ms=0, max_ms=0)
    expected = voicestand.segment(to_ints(samples), rate, rules=rules)
    assert len(expected) == len(ends) >= 4
    assert kinds == [vad.VADEventType.START_OF_SPEECH, vad.VADEventType.END_OF_SPEECH] * len(ends)
    for start, end, segment in zip(starts, ends, expected):
        audio = end.frames[0]
        assert audio.sample_rate == rate and audio.num_channels == 1
        assert audio.samples_per_channel == segment.end_frame - segment.start_frame
        assert numpy.array_equal(numpy.frombuffer(audio.data, numpy.int16),
                                 to_ints(samples)[segment.start_frame:segment.end_frame])
        assert start.speaking and not end.speaking and end.speech_duration > start.speech_duration
    values = [e for e in events if e.type == vad.VADEventType.INFERENCE_DONE]
    assert len(values) > len(samples) / rate * 90 and max(e.probability for e in values) > 0.9


def test_livekit_flush_and_errors(speech):
    vad = pytest.importorskip("livekit.agents.vad", reason="livekit-agents is not installed")
    from voicestand.agents import livekit
    frames = livekit_frames(speech, 16000)
    first = voicestand.segment(speech)[0]
    middle = (first.start_frame + first.end_frame) // 2 // 160
    events = livekit_events(frames[:middle] + [None] + livekit_frames(numpy.zeros(32000), 16000))
    kinds = [e.type for e in events]
    assert vad.VADEventType.START_OF_SPEECH in kinds and vad.VADEventType.END_OF_SPEECH not in kinds
    with pytest.raises(voicestand.ConfigurationError, match="nonsense"):
        livekit.VAD.load(detector="nonsense")
    short = livekit_events(frames, max_buffered_speech=0.1)
    longest = max(e.frames[0].samples_per_channel for e in short
                  if e.type == vad.VADEventType.END_OF_SPEECH)
    assert longest <= 16000 * 1.5
