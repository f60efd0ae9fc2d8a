# SPDX-License-Identifier: MIT
"""The stream: events, formats, splits, threads, async, life and death."""
import array
import asyncio
import gc
import threading
import weakref

import numpy
import pytest

import voicestand
from voicestand import _pcm


def bounds(events):
    return [(s.start_frame, s.end_frame) for s in events if isinstance(s, voicestand.Segment)]


def test_events_come_in_order_and_the_account_closes(speech):
    with voicestand.Stream(16000, probabilities=True, audio="segments") as stream:
        events = list(stream.process(speech[i:i + 1600] for i in range(0, len(speech), 1600)))
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("Segment") >= 4 and kinds.count("Start") == kinds.count("Segment")
    ledger = events[-1]
    assert isinstance(ledger, voicestand.Ledger)
    assert ledger.captured == ledger.delivered == len(speech) and ledger.residual == 0
    assert set(ledger.dropped) == {"ring_full", "gap_exact", "gap_estimated", "at_stop"}
    hops = [e for e in events if isinstance(e, voicestand.Probabilities)]
    assert sum(len(e.values) for e in hops) == -(-len(speech) // 160)
    assert all(a.end_frame == b.start_frame for a, b in zip(hops, hops[1:]))
    assert all(0 <= e.values.min() and e.values.max() <= 1 for e in hops)
    for segment in (e for e in events if isinstance(e, voicestand.Segment)):
        audio = [e for e in events if isinstance(e, voicestand.Audio) and e.segment == segment.segment]
        assert sum(len(e.samples) for e in audio) == segment.end_frame - segment.start_frame
        assert audio[0].position == segment.start_frame and audio[0].rate == 16000
        assert 0 < segment.probability <= 1 and segment.level_db < 0
        assert segment.start_s == segment.start_frame / 16000


def test_what_is_not_asked_for_is_not_told(speech):
    kinds = {type(e).__name__ for e in voicestand.Stream().process([speech])}
    assert kinds == {"Start", "Segment", "Ledger"}


@pytest.mark.parametrize("size", [1, 7, 160, 4096])
def test_the_cut_changes_nothing(speech, size):
    some = speech[:160 * 300]
    whole = [e for e in voicestand.Stream().process([some])]
    cut = [e for e in voicestand.Stream().process(some[i:i + size]
                                                  for i in range(0, len(some), size))]
    assert bounds(whole) and bounds(whole) == bounds(cut) and whole[-1] == cut[-1]


def test_every_kind_of_buffer_gives_the_same(speech):
    ints = numpy.rint(speech * 2**15).clip(-2**15, 2**15 - 1).astype(numpy.int16)
    expected = bounds(voicestand.Stream().process([ints]))
    assert len(expected) >= 4
    wide = ints.astype(numpy.int32) << 16
    packed = wide.view(numpy.uint8).reshape(-1, 4)[:, 1:].tobytes()
    for pcm, form in ((ints.tobytes(), None), (bytearray(ints.tobytes()), "s16"),
                      (memoryview(ints), None), (array.array("h", ints.tolist()), None),
                      (ints.astype(numpy.float32) / 2**15, None), (wide, None), (packed, "s24"),
                      (numpy.repeat(ints, 2)[::2], None)):
        assert bounds(voicestand.Stream(16000, format=form).process([pcm])) == expected, form


def test_two_dimensions_and_interleaved_are_the_same(speech):
    both = numpy.stack([speech, numpy.zeros_like(speech)], axis=1)
    one = bounds(voicestand.Stream(16000, 2).process([both]))
    assert one and one == bounds(voicestand.Stream(16000, 2).process([both.reshape(-1)]))
    left = bounds(voicestand.Stream(16000, 2, channel=1).process([both]))
    assert left == bounds(voicestand.Stream(16000).process([speech]))
    assert bounds(voicestand.Stream(16000, 2, channel=2).process([both])) == []


def test_samples_are_taken_where_they_lie(speech):
    both = numpy.stack([speech, speech], axis=1)
    ints = array.array("h", [1, 2, 3])
    data = bytes(8)
    for pcm, address in ((speech, speech.ctypes.data), (speech[5:], speech.ctypes.data + 20),
                         (both, both.ctypes.data), (ints, ints.buffer_info()[0]),
                         (data, numpy.frombuffer(data, numpy.uint8).ctypes.data)):
        assert _pcm.view(pcm, None, "s16").address == address
    speech.setflags(write=False)
    try:
        assert _pcm.view(speech, None, "s16").address == speech.ctypes.data
    finally:
        speech.setflags(write=True)


@pytest.mark.parametrize("pcm, error, words", [
    (numpy.zeros(4), TypeError, "float64"),
    (numpy.zeros(4, numpy.dtype(">i2")), TypeError, ">i2"),
    ([0.0, 1.0], TypeError, "list"),
    ("text", TypeError, "str"),
    (b"123", ValueError, "3 bytes"),
    (numpy.zeros((4, 2), numpy.float32), ValueError, "(frames, 1)"),
    (numpy.zeros((1, 2, 3), numpy.float32), ValueError, "shape"),
])
def test_audio_of_another_kind_is_refused(pcm, error, words):
    with voicestand.Stream() as stream, pytest.raises(error) as caught:
        stream.push(pcm)
    assert words in str(caught.value)


def test_one_stream_takes_one_format(speech):
    stream = voicestand.Stream()
    stream.push(speech[:160])
    with pytest.raises(ValueError, match="takes f32, and was given s16"):
        stream.push(numpy.zeros(160, numpy.int16))
    with pytest.raises(ValueError, match="takes s16, and was given f32"):
        voicestand.Stream(format="s16").push(speech)
    with pytest.raises(ValueError, match="no whole frames"):
        voicestand.Stream(16000, 2).push(speech[:3])


def test_a_gap_is_told_and_counted(speech):
    stream = voicestand.Stream()
    events = list(stream.push(speech[:16000])) + list(stream.gap(8000)) + list(stream.finish())
    gap = [e for e in events if isinstance(e, voicestand.Gap)]
    assert gap == [voicestand.Gap(1.0, 1.5, 16000, 24000, "gap_exact")]
    assert events[-1].captured == 24000 and events[-1].dropped["gap_exact"] == 8000
    with pytest.raises(ValueError, match="frames"):
        voicestand.Stream().gap(-1)


def test_after_finish_nothing_is_taken(speech):
    stream = voicestand.Stream()
    stream.push(speech[:1600]).finish()
    assert stream.finished
    for act in (lambda: stream.push(speech), stream.finish, lambda: stream.gap(1)):
        with pytest.raises(voicestand.FinishedError) as caught:
            act()
        assert caught.value.errno and str(caught.value)
    stream.reset()
    assert not stream.finished and list(stream) == []
    assert bounds(stream.push(speech).finish()) == bounds(voicestand.Stream().process([speech]))


def test_closing_frees_and_leaves_what_waits(speech):
    with voicestand.Stream() as stream:
        stream.push(speech).finish()
    assert bounds(stream)
    stream.close()
    with pytest.raises(voicestand.FinishedError, match="closed"):
        stream.push(speech)
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None


def test_others_run_while_audio_is_processed(speech):
    """The lock of the stream is held in its call alone, so who sees it held runs beside the call."""
    stream = voicestand.Stream()
    long = numpy.tile(speech, 60)
    worker = threading.Thread(target=stream.push, args=(long,))
    worker.start()
    seen = 0
    while worker.is_alive():
        seen += stream._lock.locked()
    worker.join()
    assert seen > 1000


def test_threads_may_share_a_stream(speech):
    stream = voicestand.Stream()
    workers = [threading.Thread(target=lambda: [stream.push(speech[:800]) for _ in range(200)])
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ledger = list(stream.finish())[-1]
    assert ledger.captured == 4 * 200 * 800 and ledger.residual == 0


def test_streams_in_threads_are_independent(speech):
    expected = bounds(voicestand.Stream().process([speech]))
    found = [None] * 4

    def work(index):
        found[index] = bounds(voicestand.Stream().process([speech]))
    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 4


def test_async_iteration_waits_for_events(speech):
    async def talk():
        stream = voicestand.Stream()

        async def produce():
            for i in range(0, len(speech), 16000):
                await stream.push_async(speech[i:i + 16000])
            stream.finish()
        task = asyncio.ensure_future(produce())
        events = [event async for event in stream]
        await task
        return events
    events = asyncio.run(asyncio.wait_for(talk(), 60))
    assert bounds(events) == bounds(voicestand.Stream().process([speech]))
    assert isinstance(events[-1], voicestand.Ledger)


def test_async_events_of_another_thread(speech):
    async def listen(stream):
        return [event async for event in stream]

    def produce():
        for i in range(0, len(speech), 1600):
            stream.push(speech[i:i + 1600])
        stream.finish()
    stream = voicestand.Stream()
    worker = threading.Thread(target=produce)
    worker.start()
    events = asyncio.run(asyncio.wait_for(listen(stream), 60))
    worker.join()
    assert bounds(events) == bounds(voicestand.Stream().process([speech]))


def test_async_processing_and_closing(speech):
    async def chunks():
        for i in range(0, len(speech), 16000):
            yield speech[i:i + 16000]

    async def talk():
        stream = voicestand.Stream()
        found = [event async for event in stream.process_async(chunks())]
        empty = voicestand.Stream()
        waiting = asyncio.ensure_future(empty.__anext__())
        await asyncio.sleep(0)
        empty.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        return found
    assert bounds(asyncio.run(asyncio.wait_for(talk(), 60))) == \
        bounds(voicestand.Stream().process([speech]))


def test_memory_does_not_grow(speech):
    def resident():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096
    stream = voicestand.Stream(16000, probabilities=True, audio="all")
    for _ in range(5):
        list(stream.push(speech))
    before = resident()
    for _ in range(25):
        list(stream.push(speech))
    assert resident() - before < 8 << 20
    for _ in range(100):
        voicestand.Stream().push(speech[:1600])
    assert resident() - before < 16 << 20
