# SPDX-License-Identifier: MIT
"""Whole recordings: segments, probabilities, enhancement, files, settings and their errors."""
import errno
import wave

import numpy
import pytest

import voicestand


def test_segment_is_what_a_stream_says(speech):
    found = voicestand.segment(speech)
    assert found == [e for e in voicestand.Stream().process([speech])
                     if isinstance(e, voicestand.Segment)]
    assert len(found) >= 4
    ints = numpy.rint(speech * 2**15).clip(-2**15, 2**15 - 1).astype(numpy.int16)
    assert [s.start_frame for s in voicestand.segment(ints.tobytes())] == \
        [s.start_frame for s in voicestand.segment(ints)]


def test_channels_come_from_the_shape(speech):
    both = numpy.stack([speech, speech], axis=1)
    assert [s[:5] for s in voicestand.segment(both)] == [s[:5] for s in voicestand.segment(speech)]
    assert voicestand.segment(both.reshape(-1), channels=2) == voicestand.segment(both)
    quiet = numpy.stack([numpy.zeros_like(speech), speech], axis=1)
    assert voicestand.segment(quiet, channel=1) == []
    assert voicestand.segment(quiet, channel=2) == voicestand.segment(speech)


def test_nothing_gives_nothing():
    none = numpy.empty(0, numpy.float32)
    assert voicestand.segment(none) == [] and voicestand.segment(b"") == []
    assert voicestand.probabilities(none).shape == (0,) and voicestand.enhance(none).shape == (0,)
    assert voicestand.enhance(numpy.empty((0, 2), numpy.float32)).shape == (0, 2)


def test_probabilities_are_those_of_the_segments(speech):
    values = voicestand.probabilities(speech)
    assert values.dtype == numpy.float32 and values.shape == (-(-len(speech) // 160),)
    speaking = numpy.zeros(len(values), bool)
    for s in voicestand.segment(speech):
        speaking[s.start_frame // 160:s.end_frame // 160] = True
    assert values[speaking].mean() > 0.5 > 0.2 > values[~speaking].mean()


def test_rules_change_segments(speech):
    def count(rules):
        return len(voicestand.segment(speech, rules=rules))
    assert count(voicestand.Rules(hangover_ms=3000)) < count(None)
    assert count(voicestand.Rules(threshold=1.0)) == 0
    assert count("dictation") == count(voicestand.Rules(preset="dictation"))
    cut = voicestand.segment(speech, rules=voicestand.Rules(hangover_ms=3000, max_ms=1000))
    assert any(s.split for s in cut) and max(s.end_s - s.start_s for s in cut) <= 1.0
    assert voicestand.presets() == ["dictation", "agent", "archive"]
    plain = voicestand.segment(speech)[0]
    bare = voicestand.segment(speech, rules=voicestand.Rules(pre_roll_ms=0))[0]
    assert round((bare.start_s - plain.start_s) * 1000) == min(60, round(bare.start_s * 1000))


@pytest.mark.parametrize("kernels", ["c", "auto"])
def test_kernels_agree(speech, kernels):
    values = voicestand.probabilities(speech, cpu=kernels)
    assert numpy.array_equal(values, voicestand.probabilities(speech))


def test_enhancement_lowers_noise_and_keeps_length(speech):
    noise = numpy.random.default_rng(1).normal(0, 0.01, len(speech)).astype(numpy.float32)
    clean = voicestand.enhance(speech + noise, level=False)
    assert clean.dtype == numpy.float32 and clean.shape == speech.shape
    silent = numpy.ones(len(speech), bool)
    for s in voicestand.segment(speech):
        silent[max(0, s.start_frame - 3200):s.end_frame + 3200] = False
    assert clean[silent][16000:].std() < noise.std() / 3
    lag = numpy.correlate(clean[8000:40000], speech[8000:40000], "same").argmax() - 16000
    assert abs(lag) <= 8  # half a millisecond: the high-pass
    loud = voicestand.enhance(speech * 0.01, denoise=False)
    assert abs(loud).max() > 5 * abs(speech * 0.01).max() and abs(loud).max() <= 10**(-1 / 20) + 1e-6


def test_enhancement_at_other_rates_and_channels(prompt):
    _, samples, rate = prompt
    both = numpy.stack([samples, samples // 2], axis=1)
    steps = []
    clean = voicestand.enhance(both, rate, progress=steps.append)
    assert clean.shape == both.shape and steps == sorted(steps) and steps[-1] == 1
    assert numpy.abs(clean).max() > 0.01
    packed = (samples.astype(numpy.int32) << 16).view(numpy.uint8).reshape(-1, 4)[:, 1:].tobytes()
    assert numpy.array_equal(voicestand.enhance(packed, rate, format="s24"),
                             voicestand.enhance(samples, rate))


@pytest.mark.parametrize("settings, error, code, words", [
    (dict(vad="nonsense"), voicestand.ConfigurationError, errno.EINVAL, 'no vad backend "nonsense"'),
    (dict(vad="silero:/nowhere"), voicestand.UnavailableError, errno.ENOENT, "/nowhere"),
    (dict(vad="openvino:CPU"), voicestand.UnavailableError, errno.ENOTSUP, "openvino"),
    (dict(cpu="nonsense"), voicestand.ConfigurationError, errno.EINVAL, 'kernels "nonsense"'),
    (dict(rules="nonsense"), voicestand.ConfigurationError, errno.EINVAL, "no preset is called nonsense"),
    (dict(rules=voicestand.Rules(threshold=0.5, threshold_off=0.6)), voicestand.ConfigurationError,
     errno.EINVAL, "threshold_off"),
    (dict(rules=voicestand.Rules(max_ms=10)), voicestand.ConfigurationError, errno.EINVAL, "max_ms"),
])
def test_errors_carry_the_sentence_of_the_library(settings, error, code, words):
    with pytest.raises(error) as caught:
        voicestand.Stream(**settings, module_dir="/nowhere")
    assert caught.value.errno == code and words in str(caught.value)
    assert str(caught.value) == caught.value.strerror and isinstance(caught.value, OSError)


@pytest.mark.parametrize("settings, words", [
    (dict(rate=7999), "rate must be"), (dict(rate=192001), "rate must be"),
    (dict(rate=16000.5), "rate must be"), (dict(channels=0), "channels must be"),
    (dict(channels=33), "channels must be"), (dict(channel=2), "channel must be"),
    (dict(format="u8"), "format must be"), (dict(audio="some"), "audio must be"),
    (dict(rules=voicestand.Rules(threshold=0)), "threshold must be"),
    (dict(rules=voicestand.Rules(pad_ms=-1)), "pad_ms must be"),
])
def test_settings_out_of_range_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        voicestand.Stream(**settings)


def test_resampling(speech):
    up = voicestand.resample(speech, 16000, 44100)
    assert up.shape == (-(-len(speech) * 44100 // 16000),)
    back = voicestand.resample(up, 44100, 16000)
    low = voicestand.resample(voicestand.resample(speech, 16000, 8000), 8000, 16000)
    assert abs(back[:len(speech)] - speech).max() < 0.05 and len(low) == len(speech) + len(speech) % 2
    assert voicestand.resample(speech[:0], 16000, 8000).shape == (0,)
    with pytest.raises(ValueError, match="to_rate"):
        voicestand.resample(speech, 16000, 7)


@pytest.mark.parametrize("width, kind", [(2, numpy.int16), (3, numpy.int32), (4, numpy.int32)])
def test_wav_files_are_read(tmp_path, width, kind):
    values = numpy.array([[0, 1], [-1, 2**15 - 1], [-2**15, 5]], numpy.int32) << 16
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, width, 48000, 0, "NONE", ""))
        file.writeframes(values.view(numpy.uint8).reshape(-1, 4)[:, 4 - width:].tobytes())
    samples, rate = voicestand.read_wav(path)
    assert samples.dtype == kind and rate == 48000
    assert numpy.array_equal(samples, values >> 16 if width == 2 else values)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 48000, 0, "NONE", ""))
        file.writeframes(b"123")
    with pytest.raises(ValueError, match="8-bit"):
        voicestand.read_wav(path)
