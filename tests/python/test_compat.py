# SPDX-License-Identifier: MIT
"""The call shapes of other packages."""
import inspect

import numpy
import pytest

import voicestand
from voicestand.compat import silero, webrtcvad

# As the packages have them; what calls them so must go on working.
SILERO = ("audio model threshold sampling_rate min_speech_duration_ms max_speech_duration_s "
          "min_silence_duration_ms speech_pad_ms return_seconds time_resolution visualize_probs "
          "progress_tracking_callback neg_threshold window_size_samples min_silence_at_max_speech "
          "use_max_poss_sil_at_max_speech").split()


def test_silero_takes_the_same_arguments():
    assert list(inspect.signature(silero.get_speech_timestamps).parameters) == SILERO
    assert list(inspect.signature(silero.VADIterator).parameters) == [
        "model", "threshold", "sampling_rate", "min_silence_duration_ms", "speech_pad_ms"]


def test_silero_returns_the_same_shape(speech):
    model = silero.load_silero_vad(onnx=True)
    found = silero.get_speech_timestamps(speech, model)
    assert len(found) >= 4 and all(set(t) == {"start", "end"} for t in found)
    assert all(isinstance(t["start"], int) and t["start"] < t["end"] <= len(speech) for t in found)
    seconds = silero.get_speech_timestamps(speech, model, return_seconds=True, time_resolution=2)
    assert [t["start"] for t in seconds] == [round(t["start"] / 16000, 2) for t in found]
    assert silero.get_speech_timestamps(speech[None, :], model) == found
    ints = numpy.rint(speech * 2**15).clip(-2**15, 2**15 - 1).astype(numpy.int16)
    assert len(silero.get_speech_timestamps(ints, model)) == len(found)
    assert silero.get_speech_timestamps(speech[:0], model) == []


@pytest.mark.parametrize("values, settings, expected", [
    # silence is below 0.35; between that and 0.5 goes on, but starts nothing
    ([.1] * 5 + [.4] * 5 + [.9] * 20 + [.4] * 30 + [.9] * 5 + [.1] * 40, {}, [(10, 65)]),
    # a silence shorter than asked for is bridged
    ([.9] * 30 + [.1] * 9 + [.9] * 30 + [.1] * 20, dict(silence=10), [(0, 69)]),
    ([.9] * 30 + [.1] * 11 + [.9] * 30 + [.1] * 20, dict(silence=10), [(0, 30), (41, 71)]),
    # between the two, nothing ends either
    ([.9] * 30 + [.1] + [.4] * 20 + [.9] * 5, dict(silence=10, least=0), [(0, 56)]),
    # what is not longer than the least is left out, also at the end
    ([.9] * 25 + [.1] * 20 + [.9] * 26 + [.1] * 20 + [.9] * 25, dict(least=25), [(45, 71)]),
    # too long: cut at the longest silence, go on behind it
    ([.9] * 40 + [.1] * 5 + [.9] * 30 + [.1] * 8 + [.9] * 60, dict(silence=20, longest=100, pause=4),
     [(0, 75), (83, 143)]),
    # too long, no silence: cut where it stands
    ([.9] * 130, dict(longest=100, least=5), [(0, 101), (102, 130)]),
])
def test_silero_rules(values, settings, expected):
    rules = dict(threshold=.5, low=.35, least=20, silence=10, longest=float("inf"), pause=9)
    assert silero._spans(values, **dict(rules, **settings)) == expected


def test_silero_padding():
    assert silero._pad([(1000, 2000), (2300, 3000), (9000, 9900)], 480, 10000) == \
        [(520, 2150), (2150, 3480), (8520, 10000)]
    assert silero._pad([(100, 200)], 480, 10000) == [(0, 680)]


def test_silero_settings_do_what_they_say(speech):
    def find(**settings):
        return silero.get_speech_timestamps(speech, **settings)
    plain = find()
    assert find(threshold=1.0) == []
    assert len(find(min_silence_duration_ms=3000)) < len(plain)
    assert len(find(min_speech_duration_ms=600)) < len(plain)
    assert all(t["end"] - t["start"] <= 16000 for t in find(max_speech_duration_s=1))
    wide = find(speech_pad_ms=100)
    assert sum(t["end"] - t["start"] for t in wide) > sum(t["end"] - t["start"] for t in plain)
    steps = []
    find(progress_tracking_callback=steps.append)
    assert steps and steps[-1] == 100
    with pytest.raises(ValueError, match="visualize_probs"):
        find(visualize_probs=True)
    with pytest.raises(ValueError, match="More than one dimension"):
        silero.get_speech_timestamps(numpy.zeros((2, 16000), numpy.float32))


def test_silero_iterator_agrees_with_the_whole(speech):
    iterator = silero.VADIterator(silero.load_silero_vad())
    answers = [iterator(speech[i:i + 512]) for i in range(0, len(speech), 512)]
    answers += [iterator(numpy.zeros(512, numpy.float32)) for _ in range(20)]
    answers = [a for a in answers if a]
    assert [list(a) for a in answers] == [["start"], ["end"]] * (len(answers) // 2) and len(answers) >= 8
    iterator.reset_states()
    first = next(a for a in (iterator(speech[i:i + 512], return_seconds=True)
                             for i in range(0, len(speech), 512)) if a)
    assert first == {"start": round(answers[0]["start"] / 16000, 1)}


def test_silero_model_says_probabilities(speech):
    model = silero.load_silero_vad()
    values = [float(model(speech[i:i + 512], 16000).item()) for i in range(0, 32000, 512)]
    assert 0 <= min(values) and 0.5 < max(values) <= 1
    model.reset_states()
    assert model(speech[:512], 16000).item() == values[0]


def test_silero_files_and_chunks(prompt, tmp_path):
    path, _, _ = prompt
    audio = silero.read_audio(str(path))
    assert audio.dtype == numpy.float32 and audio.ndim == 1
    found = silero.get_speech_timestamps(audio)
    speech = silero.collect_chunks(found, audio)
    rest = silero.drop_chunks(found, audio)
    assert found and len(speech) + len(rest) == len(audio) and len(speech) > len(rest)
    seconds = [{"start": t["start"] / 16000, "end": t["end"] / 16000} for t in found]
    assert len(silero.collect_chunks(seconds, audio, seconds=True, sampling_rate=16000)) == len(speech)
    with pytest.raises(ValueError, match="sampling_rate"):
        silero.collect_chunks(seconds, audio, seconds=True)
    silero.save_audio(str(tmp_path / "a.wav"), speech)
    again, rate = voicestand.read_wav(tmp_path / "a.wav")
    assert rate == 16000 and abs(again / 2**15 - speech).max() <= 1 / 2**15


def test_silero_weights_are_used(speech, data):
    weights = data / "models" / "silero-vad" / "silero_vad_16k_op15.onnx"
    if not weights.exists():
        pytest.skip("no weights of Silero beside the checkout")
    model = silero.load_silero_vad(weights=weights)
    found = silero.get_speech_timestamps(speech, model)
    assert len(found) >= 4 and found != silero.get_speech_timestamps(speech)


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
@pytest.mark.parametrize("ms", [10, 20, 30])
def test_webrtcvad_hears_speech_at_every_rate(speech, rate, ms):
    samples = speech if rate == 16000 else voicestand.resample(speech, 16000, rate)
    frame, data = rate * ms // 1000, numpy.rint(samples * 2**15).clip(-2**15, 2**15 - 1).astype("<i2")
    vad = webrtcvad.Vad(1)
    answers = [vad.is_speech(data[i:i + frame].tobytes(), rate)
               for i in range(0, len(data) - frame, frame)]
    assert set(map(type, answers)) == {bool}
    hops = voicestand.probabilities(samples, rate) >= webrtcvad.THRESHOLDS[1]
    likely = [hops[i * ms // 10:(i + 1) * ms // 10].any() for i in range(len(answers))]
    lag = 2 if ms == 10 else 1
    agree = max((numpy.array(answers[n:]) == likely[:len(likely) - n]).mean() for n in range(lag + 1))
    assert agree > 0.95 and 0.2 < numpy.mean(answers) < 0.8


def test_webrtcvad_modes_and_errors(speech):
    data = numpy.rint(speech * 2**15).clip(-2**15, 2**15 - 1).astype("<i2")

    def count(mode):
        vad = webrtcvad.Vad(mode)
        return sum(vad.is_speech(data[i:i + 320], 16000) for i in range(0, len(data) - 320, 320))
    counts = [count(mode) for mode in range(4)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[3] > 0
    assert webrtcvad.valid_rate_and_frame_length(16000, 160)
    assert not webrtcvad.valid_rate_and_frame_length(16000, 161)
    assert not webrtcvad.valid_rate_and_frame_length(44100, 441)
    vad = webrtcvad.Vad()
    assert vad.is_speech(bytes(640), 16000, length=160) is False
    with pytest.raises(IndexError, match="length argument was 400"):
        vad.is_speech(bytes(640), 16000, length=400)
    for frame, rate in ((bytes(642), 16000), (bytes(640), 44100)):
        with pytest.raises(ValueError, match="10, 20 or 30 ms"):
            vad.is_speech(frame, rate)
    with pytest.raises(ValueError, match="mode must be"):
        vad.set_mode(4)
