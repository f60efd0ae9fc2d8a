#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The engine `wyoming`: with servers made of the package that defines the protocol, and with sockets
that play what such a package never would.

Usage: cli_wyoming.py COMMAND"""
import asyncio
import itertools
import socket
import threading

from cli import *

sys.path.insert(0, os.environ.get('VOICESTAND_TEST_WYOMING', ''))
try:
    from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.error import Error
    from wyoming.info import Info
    from wyoming.server import AsyncEventHandler, AsyncServer
    MISSING = None
except ImportError as reason:
    AsyncEventHandler, MISSING = object, 'the package wyoming is not there: %s' % reason


class Handler(AsyncEventHandler):
    """Keeps what it gets in `log`; answers as `mode` says."""

    def __init__(self, reader, writer, log, modes):
        super().__init__(reader, writer)
        self.log, self.mode = log, modes.pop(0) if len(modes) > 1 else modes[0]
        self.audio = b''

    async def handle_event(self, event):
        if Transcribe.is_type(event.type):
            self.log.append(Transcribe.from_event(event))
            if self.mode == 'stream':
                await self.write_event(Info().event()) # nobody asked; to be passed over
                await self.write_event(TranscriptStart().event())
        elif AudioStart.is_type(event.type):
            self.log.append(AudioStart.from_event(event))
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            self.audio += chunk.audio
            if self.mode == 'stream':
                await self.write_event(TranscriptChunk(text='word%d ' % (len(self.audio) // 3200)).event())
            if self.mode == 'drop' and len(self.audio) > 8000:
                return False
        elif AudioStop.is_type(event.type):
            self.log.append(self.audio)
            if self.mode == 'hang':
                await asyncio.sleep(20)
            if self.mode == 'error':
                await self.write_event(Error(text='out of\nmemory', code='oom').event())
            elif self.mode != 'drop':
                await self.write_event(Transcript(text=' Turn on the l\u00efght\n').event())
                if self.mode == 'stream':
                    await self.write_event(TranscriptStop().event())
            return False
        return True


class Server:
    def __init__(self, *modes, uri=None):
        if MISSING:
            raise Skip(MISSING)
        self.log, self.uri = [], uri
        self.loop = asyncio.new_event_loop()
        if uri is None:
            free = socket.create_server(('127.0.0.1', 0))
            self.uri = 'tcp://127.0.0.1:%d' % free.getsockname()[1]
            free.close()
        modes = list(modes)
        ready = threading.Event()

        def serve():
            asyncio.set_event_loop(self.loop)
            server = AsyncServer.from_uri(self.uri)
            make = lambda reader, writer: Handler(reader, writer, self.log, modes)
            self.loop.run_until_complete(server.start(make))
            ready.set()
            self.loop.run_forever()
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        check(ready.wait(20), 'the server did not start')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def hear(folder, place, seconds=0.55, status=0):
    path = folder + '/in.wav'
    write_file(path, wav_bytes(noise(seconds)))
    p = run('eval', '--whole', '--wordless', '-f', 'jsonl', '--stt', 'wyoming:' + place, folder,
            check_status=status)
    lines = events(p.out)
    return (lines[0]['heard'] if lines else None), p.err


@case
def a_server_hears_all_of_a_segment(folder):
    with Server('plain') as s:
        equal(hear(folder, s.uri[6:] + '#model=tiny&language=en')[0], 'Turn on the l\u00efght')
        wish, start, audio = s.log
        equal((wish.name, wish.language), ('tiny', 'en'))
        equal((start.rate, start.width, start.channels), (16000, 2, 1))
        equal(len(audio) // 320, 55)
        with open(folder + '/in.wav', 'rb') as f:
            equal(audio, f.read()[44:44 + len(audio)])
        equal(hear(folder, s.uri)[0], 'Turn on the l\u00efght') # tcp:// too
        check(s.log[3].name is None and s.log[3].language is None, s.log[3])


@case
def a_unix_socket_serves(folder):
    with Server('plain', uri='unix://' + folder + '/s') as s:
        for place in (s.uri, 'unix:' + folder + '/s', folder + '/s'):
            equal(hear(folder, place)[0], 'Turn on the l\u00efght')


@case
def what_is_heard_so_far_is_told(folder):
    with Server('stream') as s:
        write_file(folder + '/long.wav', wav_bytes(noise(0.3, 0) * 100))
        p = subprocess.Popen([COMMAND, 'listen', '--capture', 'pipe', '--vad', 'null:1', '-q', '-f', 'jsonl', '--stt',
                              'wyoming:' + s.uri, '--raw', '--rate', '16000'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        audio = struct.pack('<16000h', *(i % 99 * 50 for i in range(16000)))
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(p.stdout.readline, b'')))
        reader.start()
        for _ in range(40): # as it is spoken, until something is heard: a loaded machine takes its time
            p.stdin.write(audio)
            p.stdin.flush()
            time.sleep(0.1)
            if any(b'"text"' in line for line in lines):
                break
        p.stdin.close()
        reader.join(timeout=20)
        p.wait(timeout=20)
        texts = [e for e in events(b''.join(lines).decode()) if e['event'] == 'text']
        partial = [e['text'] for e in texts if not e['final']]
        check(partial and partial[0].startswith('word'), texts)
        equal([e['text'] for e in texts if e['final']], ['Turn on the l\u00efght'])


@case
def a_broken_connection_costs_no_words(folder):
    with Server('drop', 'drop', 'plain') as s:
        equal(hear(folder, s.uri)[0], 'Turn on the l\u00efght')
        audio = [a for a in s.log if isinstance(a, bytes)]
        equal(len(audio[-1]) // 320, 55)
    with Server('drop') as s:
        check('3 tries' in hear(folder, s.uri, status=1)[1])


@case
def errors_and_silence_are_said(folder):
    with Server('error') as s:
        said = hear(folder, s.uri, status=1)[1]
        check('says: out of memory' in said and '1 try' in said, said)
    with Server('hang') as s:
        began = time.monotonic()
        said = hear(folder, s.uri + '#timeout=1&tries=1', status=1)[1]
        check('did not answer in 1 s' in said and time.monotonic() - began < 8, said)


@case
def an_interrupt_ends_it_at_once(folder):
    with Server('hang') as s:
        write_file(folder + '/in.wav', wav_bytes(noise(1)))
        p = subprocess.Popen([COMMAND, 'transcribe', '--vad', 'null:1', '--stt', 'wyoming:' + s.uri,
                              folder + '/in.wav'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while len(s.log) < 3:
            time.sleep(0.01)
        began = time.monotonic()
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=20)
        check(time.monotonic() - began < 2, time.monotonic() - began)


def play(*answers):
    """A socket that answers each connection with bytes, at once, the last for ever; its place."""
    server = socket.create_server(('127.0.0.1', 0))

    def serve():
        for answer in itertools.chain(answers, itertools.repeat(answers[-1])):
            connection = server.accept()[0]
            try:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass # it went away, as it should
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return '127.0.0.1:%d' % server.getsockname()[1]


@case
def nonsense_is_not_believed(folder):
    text = b'{"text":"behind"}'
    for answer in (b'HTTP/1.1 400 Bad Request\r\n\r\n', b'\n', b'{}\n', b'[1]\n', b'{"type":5}\n',
                   b'{"type":"x","data_length":-1}\n', b'{"type":"x","data_length":"9"}\n',
                   b'{"type":"x","payload_length":99999999999999999999}\n',
                   b'{"type":"x","payload_length":2000000}\n', b'{"type":"x","data_length":3}\n{]}',
                   b'{"type":"transcript","data_length":2}\n[]', b'\xff\xfe\n', b'x' * 1100000):
        said = hear(folder, play(answer), status=1)[1]
        check('does not speak' in said and '1 try' in said and len(said.splitlines()) <= 2, answer[:60], said)
    for answer, heard in (
            (b'{"type":"transcript","data":{"text":"inside"}}\n', 'inside'),
            (b'{"type":"transcript","data":{"text":"inside"},"data_length":17}\n' + text, 'behind'),
            (b'{"type":"new","payload_length":4}\n\n\n{"{"type":"transcript","data_length":17}\n' + text, 'behind'),
            (b'{"type":"transcript","data":{"text":7}}\n', ''),
            (b'{"type":"transcript"}\n', ''),
            (b'{"type":"transcript","data":{"text":"a\\u001b[2J\\u0007b"}}\n', 'a [2J b')):
        equal(hear(folder, play(answer))[0], heard, answer)
    equal(hear(folder, play(b'{"type":"transcript","da', b'{"type":"transcript"', b'{"type":"transcript"}\n'))[0], '')


@case
def places_are_checked(folder):
    for place, words in (('', 'needs the address'), ('localhost', 'needs the address'),
                         ('::1:10300', 'needs the address'), ('host:port', 'needs the address'),
                         ('unix:relative', 'needs the address'), ('/' + 'x' * 200, 'needs the address'),
                         ('127.0.0.1:1#tries=0', 'tries=0'), ('127.0.0.1:1#mode=x', "no setting 'mode'")):
        said = hear(folder, place, status=2)[1]
        check(words in said and len(said.splitlines()) == 1, place, said)
    for place in ('127.0.0.1:1#tries=1', '[::1]:1#tries=1', folder + '/none#tries=2'):
        said = hear(folder, place, status=1)[1]
        check('cannot be reached' in said or 'broke off' in said, place, said)
    os.remove(folder + '/in.wav')
    write_file(folder + '/quiet.wav', wav_bytes([0] * 16000))
    check('in the clear' in run('eval', '--wordless', '--stt', 'wyoming:192.0.2.1:10300', folder).err)


if __name__ == '__main__':
    main()
