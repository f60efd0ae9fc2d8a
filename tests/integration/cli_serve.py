#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand serve wyoming and mic: with clients made of the package that defines the protocol, and with
sockets that say what such a package never would.

Usage: cli_serve.py COMMAND"""
import asyncio

from serving import *

sys.path.insert(0, os.environ.get('VOICESTAND_TEST_WYOMING', ''))
try:
    from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncClient
    from wyoming.error import Error
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong
    from wyoming.vad import VoiceStarted, VoiceStopped
    MISSING = None
except ImportError as reason:
    MISSING = 'the package wyoming is not there: %s' % reason

# Speech is where it is loud, so that segments are known.
LOUD = ['--vad', 'energy', '--hangover-ms', '200', '--merge-ms', '0']


def talk(server, function, timeout=30):
    """Run a coroutine of a connected client."""
    if MISSING:
        raise Skip(MISSING)

    async def go():
        uri = 'unix://' + server.path if server.path else 'tcp://127.0.0.1:%d' % server.port
        async with AsyncClient.from_uri(uri) as client:
            return await asyncio.wait_for(function(client), timeout)

    return asyncio.run(go())


async def send_audio(client, samples, rate=16000, width=2, channels=1, frames=1000):
    form = dict(rate=rate, width=width, channels=channels)
    await client.write_event(AudioStart(**form).event())
    data = b''.join((s << 8 * (width - 2)).to_bytes(width, 'little', signed=True) for s in samples)
    step = frames * width * channels
    for at in range(0, len(data), step):
        await client.write_event(AudioChunk(audio=data[at:at + step], **form).event())
    await client.write_event(AudioStop().event())


async def read_until(client, last):
    got = []
    while True:
        event = await client.read_event()
        if event is None:
            return got
        got.append(event)
        if event.type == last or event.type == 'error':
            return got


def ask(server, samples, last='transcript-stop', text=True, **form):
    async def go(client):
        if text:
            await client.write_event(Transcribe(language='en').event())
        await send_audio(client, samples, **form)
        return await read_until(client, last)
    return talk(server, go)


def text_of(got):
    return [Transcript.from_event(e).text for e in got if Transcript.is_type(e.type)]


BURSTS = ([0] * 8000 + noise(0.6, level=12000)) * 2 + [0] * 8000


@case
def describe_and_ping_are_answered(folder):
    with Served('wyoming', '--stt', COUNT, '--languages', 'en,de') as s:
        async def go(client):
            await client.write_event(Describe().event())
            info = Info.from_event(await client.read_event())
            await client.write_event(Ping(text='x').event())
            return info, Pong.from_event(await client.read_event()).text
        info, pong = talk(s, go)
        equal(pong, 'x')
        equal(len(info.asr), 1)
        check(info.asr[0].supports_transcript_streaming and info.asr[0].installed)
        equal((info.asr[0].models[0].name, info.asr[0].models[0].languages), ('exec', ['en', 'de']))
    with Served('wyoming', '--stt', 'null') as s:
        async def go(client):
            await client.write_event(Describe().event())
            return Info.from_event(await client.read_event())
        equal(talk(s, go).asr, [])


@case
def text_comes_while_more_is_said(folder):
    with Served('wyoming', '--stt', COUNT, *LOUD) as s:
        async def go(client):
            await client.write_event(Transcribe().event())
            form = dict(rate=16000, width=2, channels=1)
            await client.write_event(AudioStart(**form).event())
            data = struct.pack('<%dh' % len(BURSTS), *BURSTS)
            half = 2 * 8000 * 3 # behind the first burst
            await client.write_event(AudioChunk(audio=data[:half], **form).event())
            early = await read_until(client, 'transcript-chunk') # before the rest is sent
            await client.write_event(AudioChunk(audio=data[half:], **form).event())
            await client.write_event(AudioStop().event())
            return early, await read_until(client, 'transcript-stop')
        early, late = talk(s, go)
        equal([e.type for e in early], ['transcript-start', 'voice-started', 'voice-stopped', 'transcript-chunk'])
        equal([e.type for e in late], ['voice-started', 'voice-stopped', 'transcript-chunk', 'transcript',
                                       'transcript-stop'])
        chunks = ''.join(TranscriptChunk.from_event(e).text for e in early + late if e.type == 'transcript-chunk')
        equal(chunks, text_of(late)[0])
        equal(len(chunks.split()), 2)


@case
def voice_is_told_where_it_is(folder):
    with Served('wyoming', '--stt', 'null', *LOUD) as s:
        for form in (dict(), dict(width=3), dict(width=4, frames=77)):
            async def go(client):
                await send_audio(client, BURSTS, **form)
                return [await client.read_event() for _ in range(4)]
            got = talk(s, go)
            equal([e.type for e in got], ['voice-started', 'voice-stopped'] * 2, form)
            for event, ms in zip(got, (500, 1100, 1600, 2200)):
                check(abs(event.data['timestamp'] - ms) <= 110, event, ms)
        got = ask(s, [0] * 1600)
        equal((got[0].type, got[0].data['code']), ('error', 'no-engine'))


@case
def a_unix_socket_serves_its_user(folder):
    path = folder + '/s'
    with Served('wyoming', '--stt', COUNT, '--vad', 'null:1', listen='unix:' + path) as s:
        equal(os.stat(path).st_mode & 0o777, 0o600)
        check(int(text_of(ask(s, noise(0.5)))[0]) >= 16000)
        said = run('serve', 'wyoming', '--listen', 'unix:' + path, '--stt', 'null', check_status=6)
        one_line(said, 'somebody answers there already')
    check(not os.path.exists(path), 'the socket was left')
    s = socket.socket(socket.AF_UNIX)
    s.bind(path) # left over from one that was killed
    s.close()
    with Served('wyoming', '--stt', COUNT, '--vad', 'null:1', listen='unix:' + path) as s:
        check(text_of(ask(s, noise(0.3))))


@case
def systemd_hands_a_socket_over(folder):
    listener = socket.create_server(('127.0.0.1', 0))
    as_systemd = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&%d' % listener.fileno(), 'sh']
    with Served('wyoming', '--stt', COUNT, '--vad', 'null:1', listen='systemd', before=as_systemd,
                pass_fds=[listener.fileno()]) as s:
        equal(s.port, listener.getsockname()[1])
        check(text_of(ask(s, noise(0.3))))
        one_line(run('serve', 'wyoming', '--stt', 'exec:true', '--listen', str(s.port), check_status=6), 'answers there')
    listener.close()


@case
def pocketsphinx_hears_what_transcribe_hears(folder):
    path = recordings()[0]
    heard = run('transcribe', '-f', 'jsonl', path, check_status=None)
    if heard.returncode == 7:
        raise Skip('no PocketSphinx, or no model of it')
    wanted = [e for e in events(heard.out) if e['event'] == 'segment']
    import wave
    with wave.open(path) as w:
        rate, channels, data = w.getframerate(), w.getnchannels(), w.readframes(w.getnframes())
    samples = struct.unpack('<%dh' % (len(data) // 2), data)
    with Served('wyoming') as s:
        got = ask(s, samples, rate=rate, channels=channels)
        equal(text_of(got), [' '.join(e['text'] for e in wanted if e['text'])])
        equal([(e.type, e.data['timestamp']) for e in got if e.type.startswith('voice')],
              [(kind, int(e[at] * 1000)) for e in wanted for kind, at in (('voice-started', 'start_s'),
                                                                          ('voice-stopped', 'end_s'))])


@case
def several_clients_share_the_engines(folder):
    with Served('wyoming', '--stt', 'exec:sleep 0.3; wc -c', '--vad', 'null:1', '--engines', '2') as s:
        with s.connect() as c: # who was answered finds open all that is kept open
            c.sendall(b'{"type":"describe"}\n')
            check(b'"info"' in c.recv(4096))
        wait_until(lambda: s.threads() <= 3, 15, 'threads of a client that was answered')
        base = s.files()

        async def one(uri, seconds):
            async with AsyncClient.from_uri(uri) as client:
                await client.write_event(Transcribe().event())
                await send_audio(client, noise(seconds))
                return int(text_of(await asyncio.wait_for(read_until(client, 'transcript-stop'), 30))[0])

        async def all_of_them():
            uri = 'tcp://127.0.0.1:%d' % s.port
            return await asyncio.gather(*(one(uri, 0.2 + 0.1 * i) for i in range(6)))

        if MISSING:
            raise Skip(MISSING)
        sizes = asyncio.run(all_of_them())
        for i, size in enumerate(sizes): # each got the text of its own audio
            check(abs(size - 44 - 32000 * (0.2 + 0.1 * i)) < 700, sizes)
        wait_until(lambda: s.threads() <= 3 and s.files() <= base, 10, 'threads and files of clients that left')


@case
def limits_are_kept_and_said(folder):
    def code(got):
        check(got and got[-1].type == 'error', got)
        return got[-1].data['code']

    with Served('wyoming', '--stt', 'exec:sleep 3; wc -c', '--vad', 'null:1', '--clients', '2', '--wait', '1',
                '--idle', '1', '--max-audio', '2') as s:
        first, second = s.connect(), s.connect()
        third = s.connect()
        check(b'too-many-clients' in third.recv(4096))
        equal(third.recv(4096), b'')
        first.sendall(b'{"type":"describe"}\n')
        check(b'"info"' in first.recv(4096))
        began = time.monotonic()
        for silent in (first, second):
            answer = b''
            while piece := silent.recv(4096):
                answer += piece
            check(b'"idle"' in answer, answer)
        check(0.2 < time.monotonic() - began < 4, 'idle clients are left after a second')
        wait_until(lambda: s.threads() <= 3, 5, 'threads of clients that were left')
        equal(code(ask(s, noise(3))), 'too-long')
        busy = threading.Thread(target=ask, args=(s, noise(0.3)))
        busy.start()
        wait_until(lambda: s.threads() > 2, 5, 'a busy engine')
        time.sleep(0.3)
        equal(code(ask(s, noise(0.3))), 'busy')
        busy.join()
    with Served('wyoming', '--stt', 'exec:exit 3', '--vad', 'null:1') as s:
        equal(code(ask(s, noise(0.3))), 'engine-failed')


@case
def nonsense_is_refused_and_the_server_goes_on(folder):
    form = b'"data":{"rate":16000,"width":2,"channels":1}'
    start = b'{"type":"audio-start",' + form + b'}\n'
    with Served('wyoming', '--stt', COUNT, '--vad', 'null:1', '--idle', '2') as s:
        for sent, code in (
                (b'GET / HTTP/1.1\r\n\r\n', b'bad-event'), (b'\n', b'bad-event'), (b'{}\n', b'bad-event'),
                (b'[1]\n', b'bad-event'), (b'{"type":5}\n', b'bad-event'), (b'\xff\xfe\n', b'bad-event'),
                (b'{"type":"x","data_length":-1}\n', b'bad-event'), (b'{"type":"x","data_length":"9"}\n', b'bad-event'),
                (b'{"type":"x","data_length":2}\n[]', b'bad-event'), (b'{"type":"x","data_length":3}\n{]}', b'bad-event'),
                (b'{"type":"x","payload_length":99999999999999999999}\n', b'bad-event'),
                (b'{"type":"x","payload_length":1048577}\n', b'too-long'),
                (b'{"type":"x","data_length":65537}\n', b'too-long'), (b'x' * 8192, b'too-long'),
                (b'[' * 7000 + b'\n', b'bad-event'),
                (b'{"type":"audio-start"}\n', b'bad-audio'),
                (b'{"type":"audio-start","data":{"rate":7999,"width":2,"channels":1}}\n', b'bad-audio'),
                (b'{"type":"audio-start","data":{"rate":16000,"width":1,"channels":1}}\n', b'bad-audio'),
                (b'{"type":"audio-start","data":{"rate":16000,"width":2,"channels":33}}\n', b'bad-audio'),
                (start + start, b'bad-audio'),
                (start + b'{"type":"audio-chunk",' + form + b',"payload_length":3}\nabc', b'bad-audio'),
                (start + b'{"type":"audio-chunk","payload_length":2}\nab', b'bad-audio')):
            with s.connect() as client:
                client.sendall(sent)
                answer = b''
                while piece := client.recv(65536):
                    answer += piece
                check(b'"error"' in answer and code in answer, sent[:60], answer[-200:])
        for sent in (b'', b'{"type":"desc', start, start + b'{"type":"audio-chunk",' + form + b',"payload_length":99}\nab'):
            with s.connect() as client: # leaves in the middle
                client.sendall(sent)
        with s.connect() as client: # resets in the middle
            client.sendall(b'{"type":"transcribe"}\n' + start)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        with s.connect() as client: # a byte now and then is silence too
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.monotonic()
            try:
                for c in b'{"type":"describe"' + b' ' * 1000:
                    client.sendall(bytes([c]))
                    time.sleep(0.05)
            except OSError:
                pass
            check(time.monotonic() - began < 8, 'a slow client is left')
        check(text_of(ask(s, noise(0.3))), 'and the server goes on')
        wait_until(lambda: s.threads() <= 3, 10, 'threads of clients that left')


@case
def who_does_not_read_is_left(folder):
    with Served('wyoming', '--stt', COUNT, listen='unix:' + folder + '/s') as s:
        with s.connect() as client:
            client.settimeout(0.2)
            asks, at = b'{"type":"describe"}\n' * 500, 0
            end = time.monotonic() + 30
            try:
                while not any('does not read' in line for line in s.said):
                    check(time.monotonic() < end, 'nobody said that the client does not read')
                    try:
                        at = (at + client.send(asks[at:])) % len(asks)
                    except socket.timeout:
                        pass # it does not take more than it can answer
            except ConnectionError:
                wait_until(lambda: any('does not read' in line for line in s.said), 10, 'a line that says so')
        check(text_of(ask(s, noise(0.3))) is not None)


@case
def a_server_ends_in_the_middle_of_everything(folder):
    if MISSING:
        raise Skip(MISSING)
    with Served('wyoming', '--stt', 'exec:sleep 20', '--vad', 'null:1') as s:
        silent = s.connect()
        waiting = [threading.Thread(target=lambda: ask(s, noise(0.3)), daemon=True) for _ in range(3)]
        for t in waiting:
            t.start()
        wait_until(lambda: s.threads() >= 6, 10, 'clients that wait')
        check(s.end() < 4, 'it took too long to end')
        for t in waiting:
            t.join(10)
        silent.close()


@case
def the_microphone_is_given_to_several(folder):
    with Served('mic', '--capture', 'null') as s:
        async def go(client, chunks=20):
            await client.write_event(Describe().event())
            frames, form, info = 0, None, None
            while chunks or info is None:
                event = await client.read_event()
                check(event is not None and event.type in ('info', 'audio-start', 'audio-chunk'), event)
                if event.type == 'info':
                    info = Info.from_event(event)
                if AudioStart.is_type(event.type):
                    form = AudioStart.from_event(event)
                if AudioChunk.is_type(event.type):
                    chunk = AudioChunk.from_event(event)
                    frames += chunk.samples
                    chunks -= chunks > 0
            return frames, form, info.mic[0]

        idle = s.threads()
        frames, form, program = talk(s, go)
        check(frames >= 20 * 320, frames)
        equal((form.rate, form.width, form.channels), (16000, 2, 1))
        equal((program.name, program.mic_format.rate), ('voicestand', 16000))

        async def several():
            async with AsyncClient.from_uri('tcp://127.0.0.1:%d' % s.port) as a, \
                    AsyncClient.from_uri('tcp://127.0.0.1:%d' % s.port) as b:
                return await asyncio.wait_for(asyncio.gather(go(a), go(b, 40)), 30)

        for attempt in range(3): # on a loaded machine a client may read slower than the microphone speaks
            try:
                (a, _, _), (b, _, _) = asyncio.run(several())
                break
            except AssertionError as e:
                if 'too-slow' not in str(e) or attempt == 2:
                    raise
        check(a >= 20 * 320 and b >= 40 * 320, a, b)
        wait_until(lambda: s.threads() <= idle + 1, 10, 'a microphone that is closed when nobody listens')
        with s.connect() as slow: # does not read for longer than the ring lasts
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            check(talk(s, go)[0] >= 6400)
    with Served('mic', '--capture', 'file:/nonexistent.wav') as s:
        with s.connect() as client:
            check(b'no-microphone' in client.recv(4096))


@case
def usage_is_checked(folder):
    for arguments, status, words in (
            (['serve'], 2, 'needs wyoming|mic|openai'), (['serve', 'http'], 2, 'none of wyoming, mic, openai'),
            (['serve', 'wyoming', '--listen', 'x'], 2, 'neither unix:PATH'),
            (['serve', 'wyoming', '--listen', '127.0.0.1:99999'], 2, 'neither unix:PATH'),
            (['serve', 'wyoming', '--listen', 'example.org:1'], 2, 'neither unix:PATH'),
            (['serve', 'wyoming', '--listen', '::1:99'], 2, 'neither unix:PATH'),
            (['serve', 'wyoming', '--listen', 'unix:/' + 'x' * 200], 6, 'shorter'),
            (['serve', 'wyoming', '--listen', 'unix:' + folder + '/no/s'], 6, 'cannot be opened'),
            (['serve', 'wyoming', '--listen', 'systemd'], 6, 'no socket'),
            (['serve', 'openai', '--key-file', folder + '/none'], 3, 'cannot be read'),
            (['serve', 'wyoming', '--stt', 'nothing'], 2, 'unknown'),
            (['serve', 'wyoming', '--clients', '0'], 2, '--clients')):
        if '--stt' not in arguments:
            arguments += ['--stt', 'exec:true']
        one_line(run(*arguments, check_status=status), words)


if __name__ == '__main__':
    main()
