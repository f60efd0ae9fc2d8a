#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The processes that parse what others made, started and spoken to as the modules do: they tell that they are ready,
hear, pass over what is torn or nonsense, and end by themselves when nobody owns them any more.

Usage: hosts.py COMMAND MODULES SOURCE  (the built voicestand, the folder of the built modules, the checkout)"""
import socket
import wave

from cli import *

MODULES = sys.argv[2]
MODEL = '/usr/share/pocketsphinx/model/en-us'
HOSTS = ('pocketsphinx-host', 'vosk-host', 'sherpa-host', 'sound-host')


class Host:
    """One of them, with a socket for packets as its descriptor 3."""

    def __init__(self, name, *arguments):
        path = os.path.join(MODULES, name)
        if not os.path.exists(path):
            raise Skip('%s is not built' % name)
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(60)
        # a look for leaks would start a process, for which the sandbox ends it
        told = ':'.join(filter(None, (os.environ.get('ASAN_OPTIONS'), 'detect_leaks=0')))
        self.pid = os.posix_spawn(path, [name, *arguments], dict(os.environ, ASAN_OPTIONS=told), file_actions=[
            (os.POSIX_SPAWN_DUP2, other.fileno(), 3)])
        other.close()

    def connect(self):
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        socket.send_fds(self.control, [b'\0'], [theirs.fileno()])
        theirs.close()
        return ours

    def end(self):
        """-> its status, once nobody owns it any more"""
        self.control.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError('it goes on for nobody')


def event(kind, data=None, payload=b''):
    body = json.dumps(data).encode() if data else b''
    head = dict(type=kind, **({'data_length': len(body)} if body else {}),
                **({'payload_length': len(payload)} if payload else {}))
    return json.dumps(head).encode() + b'\n' + body + payload


def answers(connection):
    """-> [(type, data)] until it closes"""
    got = b''
    while True:
        part = connection.recv(65536)
        if not part:
            break
        got += part
    found = []
    while got:
        line, got = got.split(b'\n', 1)
        head = json.loads(line)
        length = head.get('data_length', 0)
        found.append((head['type'], json.loads(got[:length]) if length else head.get('data')))
        got = got[length + head.get('payload_length', 0):]
    return found


def speech():
    """16 kHz, 16 bits: a third of a recording of 48 kHz"""
    with wave.open(next(r for r in recordings() if 'Front_Center' in r)) as w:
        pcm = struct.unpack('<%dh' % w.getnframes(), w.readframes(w.getnframes()))
    return struct.pack('<%dh' % (len(pcm) // 3), *(sum(pcm[i:i + 3]) // 3 for i in range(0, len(pcm) - 2, 3)))


FORM = dict(rate=16000, width=2, channels=1)


def said(connection, pcm):
    try:
        connection.sendall(event('transcribe', {'language': 'en'}) + event('audio-start', FORM))
        for at in range(0, len(pcm), 3200):
            connection.sendall(event('audio-chunk', FORM, pcm[at:at + 3200]))
        connection.sendall(event('audio-stop'))
        return answers(connection)
    except (BrokenPipeError, ConnectionResetError):  # it hung up
        return []


@case
def nobody_else_starts_them(folder):
    for name in HOSTS:
        path = os.path.join(MODULES, name)
        if os.path.exists(path):
            p = subprocess.run([path, 'x'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
            equal((p.returncode, p.stdout, p.stderr), (2, '', name + ' is started by voicestand\n'))


@case
def pocketsphinx_hears_and_ends_by_itself(folder):
    if not os.path.exists(MODEL):
        raise Skip('there is no model of pocketsphinx here')
    host = Host('pocketsphinx-host', MODEL + '/en-us', MODEL + '/en-us.lm.bin', MODEL + '/cmudict-en-us.dict')
    ready = host.control.recv(512).decode()
    check(ready.split('\n')[0] == 'ready PocketSphinx', ready)
    pcm = speech()
    for _ in range(2):
        heard = said(host.connect(), pcm)
        equal(heard[-1][0], 'transcript', heard)
        check('center' in heard[-1][1]['text'], heard)
        check(all(len(w) == 3 and 0 <= w[1] <= w[2] <= 3 for w in heard[-1][1]['words']), heard)
    torn = host.connect()  # who asked is gone in the middle
    torn.sendall(event('audio-start', FORM) + event('audio-chunk', FORM, pcm[:6400])[:-100])
    torn.close()
    for nonsense in (b'\n', b'{}\n', b'[' * 5000 + b'\n', b'{"type":"audio-chunk","payload_length":-1}\n', b'\0' * 100 + b'\n'):
        connection = host.connect()
        connection.sendall(nonsense)
        equal(answers(connection), [], nonsense[:20])
    connection = host.connect()  # what it does not know, and nothing at all
    connection.sendall(event('new-words', {'a': 1}) + event('audio-stop'))
    equal(answers(connection)[-1][1]['text'], '')
    check('center' in said(host.connect(), pcm)[-1][1]['text'])
    equal(host.end(), 0)


@case
def sherpa_hears_and_ends_by_itself(folder):
    library = os.path.join(os.environ.get('VOICESTAND_SHERPA', ''), 'libsherpa-onnx-c-api.so')
    if os.environ.get('VOICESTAND_TEST_NO_SHERPA') or not os.path.exists(library):
        raise Skip('the library of sherpa-onnx is not here')
    subprocess.run([sys.executable, '-B', os.path.join(sys.argv[3], 'tests/contract/sherpa_toy.py'), folder], check=True)
    pcm = struct.pack('<32000h', *(noise(0.5) + [0] * 8000) * 2)
    for name in ('zipformer-ctc', 'streaming-zipformer-ctc'):
        host = Host('sherpa-host', library, os.path.join(folder, name), '1', '', '', '')
        ready = host.control.recv(512).decode()
        equal(ready.split('\n')[0], 'ready ' + ('streaming-ctc' if 'streaming' in name else 'zipformer-ctc'))
        for _ in range(2):
            heard = said(host.connect(), pcm)
            equal((heard[-1][0], heard[-1][1]['text']), ('transcript', 'hello hello'), heard)
        connection = host.connect()  # nothing at all
        connection.sendall(event('audio-stop'))
        equal(answers(connection)[-1][1]['text'], '')
        equal(host.end(), 0)
    for name, kind, word in (('zipformer-cut', '', 'damaged'), ('untold', '', 'usage'), ('transducer-half', '', 'files'),
                             ('zipformer-ctc', 'no-such-kind', 'usage')):
        host = Host('sherpa-host', library, os.path.join(folder, name), '1', kind, 'en', '')
        first = host.control.recv(512).decode()
        check(first.split(' ')[0] == word or not first, name, first)
        check(host.end() != 0, name)
    host = Host('sherpa-host', '/nowhere.so', os.path.join(folder, 'zipformer-ctc'), '1', '', '', '')
    equal(host.control.recv(512).decode().split(' ')[0], 'missing')
    equal(host.end(), 1)


@case
def vosk_hears_and_ends_by_itself(folder):
    library = os.environ.get('VOICESTAND_TEST_FAKE_VOSK', '')
    host = Host('vosk-host', library, folder)
    equal(host.control.recv(512).decode().split('\n')[0], 'ready Vosk')
    for seconds, text in ((3, 'w0 w1 w2'), (1, 'w0'), (0, '')):
        heard = said(host.connect(), bytes(32000 * seconds))
        equal((heard[-1][0], heard[-1][1]['text']), ('transcript', text), heard)
        equal([w[:2] for w in heard[-1][1].get('words', [])], [['w%d' % i, i] for i in range(seconds)])
    equal(said(host.connect(), struct.pack('<h', -32768) * 1600), [])  # it fails on this audio
    equal(said(host.connect(), bytes(32000))[-1][1]['text'], 'w0')
    equal(host.end(), 0)
    for path, word in (('/nowhere.so', 'missing'), ('libm.so.6', 'missing')):
        host = Host('vosk-host', path, folder)
        equal(host.control.recv(512).decode().split(' ')[0], word)
        equal(host.end(), 1)


@case
def a_damaged_model_is_told(folder):
    write_file(folder + '/model', b'nothing of that kind')
    host = Host('pocketsphinx-host', folder + '/model', folder + '/model', folder + '/model')
    said = host.control.recv(512).decode()
    check(not said.startswith('ready'), said)
    check(host.end() != 0)


@case
def the_decoder_ends_with_who_asks(folder):
    host = Host('sound-host')
    head = host.control.recv(4096)
    check(len(head) > 8, head)
    equal(os.waitstatus_to_exitcode(os.waitpid(host.pid, 0)[1]), 0)  # it is nobody's child
    for packet in (b'x', b'x' * 4000):  # without descriptors: passed over
        host.control.sendall(packet)
    host.control.shutdown(socket.SHUT_WR)
    equal(host.control.recv(16), b'')


if __name__ == '__main__':
    main()
