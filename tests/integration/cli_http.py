#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The engine `http`: what is sent, what is understood, and what is said when a server fails. The
server is scripted, on loopback: each test says what it answers to one request after another.

Usage: cli_http.py COMMAND"""
import http.server
import socket
import threading

from cli import *


class Server:
    """Answers with `answers`, one a request, the last for ever; keeps what came."""

    def __init__(self, *answers):
        self.answers, self.got, self.hold = list(answers), [], threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.got.append((self.path, self.headers, body))
                answer = outer.answers[0] if len(outer.answers) == 1 else outer.answers.pop(0)
                answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None # a client that went away is part of the play
        self.url = 'http://127.0.0.1:%d' % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.http.shutdown()
        self.http.server_close()


def answer(body, status=200, kind='application/json', **headers):
    def act(handler):
        data = body.encode() if isinstance(body, str) else body
        handler.send_response(status)
        handler.send_header('Content-Type', kind)
        handler.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)
    return act


def break_off(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def half(handler):
    handler.send_response(200)
    handler.send_header('Content-Type', 'application/json')
    handler.send_header('Content-Length', '100')
    handler.end_headers()
    handler.wfile.write(b'{"text": "hal')
    break_off(handler)


def stream(*events):
    return answer(''.join('data: %s\n\n' % (e if isinstance(e, str) else json.dumps(e))
                          for e in events), kind='text/event-stream')


OK = answer('{"text": " Hello\\tworld\\n"}')


def hear(folder, url, settings='', status=0):
    """Text of a recording, all in one segment; and what was said on standard error."""
    path = folder + '/in.wav'
    if not os.path.exists(path):
        write_file(path, wav_bytes(noise(0.5)))
    p = run('eval', '--whole', '--wordless', '-f', 'jsonl', '--stt', 'http:' + url + settings, folder,
            check_status=status)
    lines = events(p.out)
    return (lines[0]['heard'] if lines else None), p.err


@case
def a_form_with_a_wav_is_sent(folder):
    with Server(OK) as s:
        equal(hear(folder, s.url, '#model=tiny&language=en&prompt=a%20b%26c')[0], 'Hello world')
        path, headers, body = s.got[0]
        equal((path, len(s.got)), ('/v1/audio/transcriptions', 1))
        check(headers['Content-Type'].startswith('multipart/form-data; boundary='), headers)
        check('Authorization' not in headers, headers)
        parts = body.split(b'--' + headers['Content-Type'].split('boundary=')[1].encode())
        fields = {}
        for part in parts[1:-1]:
            head, data = part.strip(b'\r\n').split(b'\r\n\r\n', 1)
            fields[head.split(b'name="')[1].split(b'"')[0].decode()] = (head, data)
        head, wav = fields.pop('file')
        check(b'filename="segment.wav"' in head and b'audio/wav' in head, head)
        equal((wav[:4], wav[8:16], struct.unpack('<I', wav[40:44])[0]), (b'RIFF', b'WAVEfmt ', 16000))
        check(len(wav) in (44 + 16000 - 2, 44 + 16000), len(wav))
        equal({k: v[1] for k, v in fields.items()},
              {'model': b'tiny', 'response_format': b'json', 'language': b'en', 'prompt': b'a b&c'})
        hear(folder, s.url + '/inference')
        equal(s.got[1][0], '/inference')


@case
def a_key_comes_from_a_file(folder):
    write_file(folder + '/key', b'secret-1\n')
    with Server(OK) as s:
        hear(folder, s.url, '#key-file=' + folder + '/key')
        equal(s.got[0][1]['Authorization'], 'Bearer secret-1')
        check('key' in hear(folder, s.url, '#key-file=' + folder + '/none', status=2)[1])
        for text in (b'', b'\nsecret', b'two words', b'bell\a\n', 'schlüssel'.encode(), 4095 * b'k', 9000 * b'k' + b'\n'):
            write_file(folder + '/bad', text)
            check('holds no key' in hear(folder, s.url, '#key-file=' + folder + '/bad', status=2)[1], text[:20])
        equal(len(s.got), 1)


@case
def answers_of_all_kinds_are_understood(folder):
    delta = {'type': 'transcript.text.delta', 'delta': 'one '}
    for act, text in (
            (answer('plain words\n', kind='text/plain; charset=utf-8'), 'plain words'),
            (answer('{"text": "\\u00e4 \\u001b[31m x"}'), '\u00e4 [31m x'),
            (answer('{"text": "", "segments": []}', kind='text/plain'), ''),
            (stream(delta, {'type': 'transcript.text.delta', 'delta': 'two'},
                    {'type': 'transcript.text.done', 'text': 'one two.'}), 'one two.'),
            (stream({'text': 'piece '}, {'text': 'by piece'}, '[DONE]'), 'piece by piece'),
            (stream(delta, {'type': 'other'}, '[DONE]'), 'one'),
            (stream('[DONE]'), '')):
        with Server(act) as s:
            equal(hear(folder, s.url, '#stream=1')[0], text)


@case
def malformed_answers_are_said_and_not_asked_again(folder):
    for act, words in (
            (answer('{"text": 5}'), 'transcript'),
            (answer('{"text": "cut'), 'transcript'),
            (answer('<html>\x1b[2J</html>', kind='text/html'), '<html> [2J</html>'),
            (answer(bytes(range(256)) * 10), 'transcript'),
            (answer(''), 'nothing'),
            (answer('[' * 100000), 'transcript'),
            (answer('{"error": {"message": "model is cold"}}'), 'model is cold'),
            (stream({'type': 'transcript.text.delta', 'delta': 'x'}), 'broke off'),
            (stream('{"type": '), 'transcript'),
            (answer(b'x' * (5 << 20)), '4 MB'),
            (answer('no', 401), 'key-file'),
            (answer('no', 404), '/inference'),
            (answer('', 302, Location='http://192.0.2.1/'), 'elsewhere'),
            (answer('{"detail": "bad\\nfile"}', 400), 'bad file')):
        with Server(act) as s:
            text, said = hear(folder, s.url, status=1)
            check(text == '' and words in said and s.url in said and '\x1b' not in said, words, said)
            equal(len(s.got), 1, words)


@case
def what_may_pass_is_tried_again_with_the_same_audio(folder):
    for act in (answer('busy', 503), answer('slow down', 429), break_off, half):
        with Server(act, act, OK) as s:
            equal(hear(folder, s.url)[0], 'Hello world')
            equal(len(s.got), 3)
            equal(len({body.split(b'RIFF')[1][:16044] for _, _, body in s.got}), 1)
    with Server(answer('busy', 503)) as s:
        check('3 tries' in hear(folder, s.url, status=1)[1])
        equal(len(s.got), 3)
        check('(segment 1, 1 try)' in hear(folder, s.url, '#tries=1', status=1)[1])


@case
def a_server_that_hangs_is_left(folder):
    with Server(lambda handler: s.hold.wait(20), OK) as s:
        began = time.monotonic()
        equal(hear(folder, s.url, '#timeout=1')[0], 'Hello world')
        check(1 <= time.monotonic() - began < 8, time.monotonic() - began)


@case
def nobody_there_and_the_audio_is_kept(folder):
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    url = 'http://127.0.0.1:%d/inference' % listener.getsockname()[1]
    os.makedirs(folder + '/kept')
    said = hear(folder, url, '#tries=2&keep=' + folder + '/kept', status=1)[1]
    check('is it running?' in said and url in said and '2 tries' in said, said)
    kept = os.listdir(folder + '/kept')
    equal(len(kept), 1, kept)
    path = folder + '/kept/' + kept[0]
    equal(os.stat(path).st_mode & 0o777, 0o600)
    equal(events(run('segment', path).out)[-1]['captured'] // 80, 100)
    check('could not be written' in hear(folder, url, '#tries=1&keep=/nonexistent', status=1)[1])


@case
def an_interrupt_ends_it_at_once(folder):
    write_file(folder + '/in.wav', open(recordings()[0], 'rb').read())
    with Server(lambda handler: s.hold.wait(20)) as s:
        p = subprocess.Popen([COMMAND, 'transcribe', '--stt', 'http:' + s.url, folder + '/in.wav'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: s.got, 30, 'it asks')
        began = time.monotonic()
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=20)
        check(time.monotonic() - began < 2, time.monotonic() - began)


@case
def addresses_are_checked(folder):
    for argument, words in (('', 'needs the address'), ('localhost:80', 'needs the address'),
                            ('ftp://x/', 'needs the address'), ('http://', 'needs the address'),
                            ('http://x/#colour=red', "no setting 'colour'"),
                            ('http://x/#timeout=0', 'from 1 to 3600'), ('http://x/#tries=many', 'tries=many'),
                            ('http://x/#language=', 'needs a value'), ('http://x/#prompt=%0', 'needs a value')):
        text, said = hear(folder, argument, status=2)
        check(text is None and words in said and len(said.splitlines()) == 1, argument, said)
    # Nothing is said here, so nothing is sent there.
    write_file(folder + '/in.wav', wav_bytes([0] * 16000))
    for url, warns in (('http://192.0.2.1/', True), ('https://192.0.2.1/', False),
                       ('http://127.0.0.2/', False), ('http://[::1]/', False)):
        said = run('eval', '--wordless', '--stt', 'http:' + url, folder).err
        equal('in the clear' in said, warns, url)


if __name__ == '__main__':
    main()
