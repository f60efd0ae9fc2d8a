#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand serve openai: with the package `openai` as its client, and with requests that no such package
sends.

Usage: cli_openai.py COMMAND"""
import functools
import re

from serving import *

sys.path.insert(0, os.environ.get('VOICESTAND_TEST_OPENAI', ''))
try:
    import openai
    try:
        import httpx2 as httpx # what its newer versions are made with
    except ImportError:
        import httpx
    MISSING, FAILURE = None, openai.OpenAIError
except ImportError as reason:
    MISSING, FAILURE = 'the package openai is not there: %s' % reason, ()


def case(function, plain=case):
    @functools.wraps(function)
    def judged(folder):
        try:
            function(folder)
        except FAILURE as why:
            raise AssertionError(repr(why))
    return plain(judged)


LOUD = ['--vad', 'energy', '--hangover-ms', '200', '--merge-ms', '0']
BURSTS = ([0] * 8000 + noise(0.6, level=12000)) * 2 + [0] * 8000
KEY = 'a-key-for-the-test-0123'
PATH = '/v1/audio/transcriptions'


def client(server, key='none', **more):
    if MISSING:
        raise Skip(MISSING)
    transport = httpx.HTTPTransport(uds=server.path) if server.path else None
    http = httpx.Client(transport=transport, trust_env=False, timeout=30)
    return openai.OpenAI(base_url='http://127.0.0.1:%d/v1' % (server.port or 80), api_key=key, http_client=http,
                         max_retries=0, **more)


def hear(server, samples=BURSTS, **more):
    return client(server).audio.transcriptions.create(model='whisper-1', file=('a.wav', wav_bytes(samples)), **more)


def form(fields, boundary=b'XX'):
    """A form by hand: (name, file name or None, bytes) …"""
    body = b''
    for name, file, data in fields:
        body += b'--' + boundary + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"'
        body += b'; filename="' + file.encode() + b'"' if file else b''
        body += b'\r\n\r\n' + data + b'\r\n'
    return body + b'--' + boundary + b'--\r\n'


def request(body, method='POST', path=PATH, type='multipart/form-data; boundary=XX', length=None, host='localhost',
            more=''):
    head = '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' % (method, path, host)
    head += 'Content-Type: %s\r\n' % type if type else ''
    head += 'Content-Length: %d\r\n' % (len(body) if length is None else length)
    return (head + more + '\r\n').encode() + body


def exchange(server, data, timeout=20):
    """Send bytes, read to the end. Returns status and body."""
    with server.connect(timeout) as s:
        try:
            s.sendall(data)
        except ConnectionError:
            pass # it may have answered before it read everything
        answer = b''
        try:
            while piece := s.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    head, _, body = answer.partition(b'\r\n\r\n')
    return (int(head.split()[1]) if head else None), body


def refused(server, data, status, code):
    got, body = exchange(server, data)
    equal(got, status, body[:200])
    error = json.loads(body)['error']
    equal(sorted(error), ['code', 'message', 'param', 'type'])
    equal(error['code'], code, error)
    check(error['message'] and '\n' not in error['message'], error)
    return error


@case
def every_format_is_answered(folder):
    with Served('openai', '--stt', COUNT, '--languages', 'de', *LOUD) as s:
        said = hear(s)
        equal(len(said.text.split()), 2)
        check(hear(s, response_format='text').strip() == said.text)
        srt = hear(s, response_format='srt')
        check(re.match(r'1\n00:00:00,\d+ --> 00:00:01,\d+\n\d+\n\n2\n', srt), srt)
        vtt = hear(s, response_format='vtt')
        check(vtt.startswith('WEBVTT\n\n00:00:00.'), vtt)
        v = hear(s, response_format='verbose_json', language='en', prompt='words', temperature=0.5)
        equal((v.text, v.language, len(v.segments), v.words), (said.text, 'en', 2, None))
        check(abs(float(v.duration) - 2.7) < 0.01, v.duration)
        for segment, start in zip(v.segments, (0.5, 1.6)):
            check(abs(segment.start - start) < 0.11 and abs(segment.end - start - 0.6) < 0.11, segment)
            equal(segment.temperature, 0.5)
        equal(hear(s, response_format='verbose_json').language, 'de')


@case
def pocketsphinx_tells_words(folder):
    path = recordings()[0]
    heard = run('transcribe', '-f', 'jsonl', path, check_status=None)
    if heard.returncode == 7:
        raise Skip('no PocketSphinx, or no model of it')
    wanted = [e for e in events(heard.out) if e['event'] == 'text' and e['final']]
    with Served('openai') as s:
        c = client(s)
        with open(path, 'rb') as f:
            v = c.audio.transcriptions.create(model='pocketsphinx', file=f, response_format='verbose_json',
                                              timestamp_granularities=['word', 'segment'])
        equal(v.text, ' '.join(e['text'] for e in wanted))
        equal([(w.word, w.start, w.end) for w in v.words],
              [(w['word'], w['start_s'], w['end_s']) for e in wanted for w in e['words']])
        equal(len(v.segments), len(wanted))
        equal([m.id for m in c.models.list()], ['pocketsphinx'])
        equal(c.models.retrieve('pocketsphinx').object, 'model')


@case
def other_kinds_of_files_are_read(folder):
    wav = write_file(folder + '/in.wav', wav_bytes(BURSTS))
    with Served('openai', '--stt', COUNT, *LOUD) as s:
        c, said = client(s), hear(s).text
        for kind in ('flac', 'ogg', 'mp3') if shutil.which('ffmpeg') else ():
            path = folder + '/in.' + kind
            subprocess.run(['ffmpeg', '-loglevel', 'error', '-i', wav, path], check=True, timeout=30)
            with open(path, 'rb') as f:
                got = c.audio.transcriptions.create(model='m', file=f).text
            equal(len(got.split()), 2, kind)
            if kind == 'flac':
                equal(got, said)


@case
def a_stream_comes_while_it_is_heard(folder):
    slow = 'exec:sleep 0.4; wc -c'
    with Served('openai', '--stt', slow, *LOUD) as s:
        times, deltas, done = [], [], None
        for event in hear(s, stream=True):
            times.append(time.monotonic())
            if event.type == 'transcript.text.delta':
                deltas.append(event.delta)
            else:
                done = event
        equal(done.type, 'transcript.text.done')
        equal(len(deltas), 2)
        equal(''.join(deltas), done.text)
        check(times[1] - times[0] > 0.3, 'the first text waited for the second')
    with Served('openai', '--stt', 'exec:exit 3', *LOUD) as s:
        try:
            list(hear(s, stream=True))
            raise AssertionError('a failed engine is no success')
        except openai.APIStatusError as error:
            equal(error.status_code, 502)
    once = 'exec:test -e %s/x && exit 3; touch %s/x; wc -c' % (folder, folder)
    with Served('openai', '--stt', once, '--max-audio', '1000', *LOUD) as s: # an engine that fails later on
        equal(len(''.join(e.delta for e in hear(s, stream=True) if e.type.endswith('delta')).split()), 1)


@case
def keys_are_asked_for(folder):
    path = write_file(folder + '/key', (KEY + '\nmore\n').encode())
    os.chmod(path, 0o600)
    with Served('openai', '--stt', COUNT, '--key-file', path, *LOUD) as s:
        check(client(s, KEY).audio.transcriptions.create(model='m', file=('a.wav', wav_bytes(BURSTS))).text)
        for key in ('wrong', KEY + 'x', KEY[:-1], KEY.upper()):
            try:
                client(s, key).models.list()
                raise AssertionError('let in with ' + key)
            except openai.AuthenticationError as error:
                equal(error.code, 'invalid_api_key')
        refused(s, request(form([('file', 'a', wav_bytes(BURSTS))])), 401, 'invalid_api_key')
        equal(exchange(s, request(b'', 'GET', '/health'))[0], 200)
        check(KEY not in ''.join(s.said) and KEY not in subprocess.run(
            ['ps', '-o', 'args=', '-p', str(s.process.pid)], stdout=subprocess.PIPE, text=True).stdout)
    os.chmod(path, 0o644)
    said = run('serve', 'openai', '--stt', 'exec:true', '--key-file', path, '--listen', 'unix:' + folder + '/no/s',
               check_status=6)
    check('others may read it' in said.err, said.err)
    os.chmod(path, 0o600)
    short = write_file(folder + '/short', b'short\n')
    for text in (b'', b'short\n', 511 * b'k', 4000 * b'k', b'a key with spaces\n', b'a-key-with-a-bell\a\n', 16 * b'\xff'):
        write_file(short, text)
        one_line(run('serve', 'openai', '--stt', 'exec:true', '--key-file', short, check_status=2), 'of 16 to 510 letters')
    one_line(run('serve', 'openai', '--stt', 'exec:true', '--listen', '0.0.0.0:0', check_status=2), '--key-file')
    one_line(run('serve', 'openai', '--stt', 'null', check_status=2), 'choose an engine')
    one_line(run('serve', 'wyoming', '--stt', 'null', '--key-file', path, check_status=2), 'no keys')


@case
def a_unix_socket_serves_its_user(folder):
    with Served('openai', '--stt', COUNT, *LOUD, listen='unix:' + folder + '/s') as s:
        equal(os.stat(folder + '/s').st_mode & 0o777, 0o600)
        equal(len(hear(s).text.split()), 2)
    check(not os.path.exists(folder + '/s'), 'the socket was left')


@case
def pages_of_the_web_are_not_let_in(folder):
    with Served('openai', '--stt', COUNT, *LOUD) as s:
        body = form([('file', 'a', wav_bytes(BURSTS))])
        for host, more in (('evil.example', ''), ('localhost.evil.example', ''), ('127.0.0.1.evil.example:80', ''),
                           ('localhost', 'Origin: https://evil.example\r\n'), ('localhost', 'Origin: null\r\n')):
            refused(s, request(body, host=host, more=more), 403, 'forbidden')
        for host in ('127.0.0.1:%d' % s.port, 'localhost', '[::1]:80'):
            equal(exchange(s, request(body, host=host))[0], 200)


@case
def bad_requests_are_refused_in_openais_form(folder):
    wav = ('file', 'a.wav', wav_bytes(BURSTS))
    with Served('openai', '--stt', COUNT, '--max-audio', '4', '--max-upload', '1', *LOUD) as s:
        for fields, status, code in (
                ([], 400, 'missing_required_parameter'), ([('model', None, b'm')], 400, 'missing_required_parameter'),
                ([('file', 'a', b'')], 400, 'missing_required_parameter'),
                ([('file', 'a', b'no audio at all')], 400, 'invalid_audio'),
                ([('file', 'a', wav_bytes([0] * 100)[:30])], 400, 'invalid_audio'),
                ([('file', 'a', random.Random(1).randbytes(5000))], 400, 'invalid_audio'),
                ([('file', 'a', wav_bytes(noise(5)))], 400, 'audio_too_long'),
                ([('file', 'a', bytes((1 << 20) + 1))], 413, 'file_too_large'),
                ([wav, wav], 400, 'invalid_value'),
                ([wav, ('response_format', None, b'xml')], 400, 'invalid_value'),
                ([wav, ('temperature', None, b'hot')], 400, 'invalid_value'),
                ([wav, ('temperature', None, b'1.5')], 400, 'invalid_value'),
                ([wav, ('temperature', None, b'nan')], 400, 'invalid_value'),
                ([wav, ('stream', None, b'maybe')], 400, 'invalid_value'),
                ([wav, ('stream', None, b'true'), ('response_format', None, b'srt')], 400, 'invalid_value'),
                ([wav, ('language', None, b'en; rm')], 400, 'invalid_value'),
                ([wav, ('language', None, b'x' * 32)], 400, 'invalid_value'),
                ([wav, ('model', None, b'a\0b')], 400, 'invalid_value'),
                ([wav, ('prompt', None, b'x' * 9000)], 400, 'invalid_value'),
                ([wav] + [('other', None, b'x' * 8000)] * 9, 400, 'invalid_value'),
                ([wav, ('timestamp_granularities[]', None, b'word')], 400, 'invalid_value'),
                ([wav, ('timestamp_granularities[]', None, b'letter'), ('response_format', None, b'verbose_json')], 400,
                 'invalid_value')):
            try:
                refused(s, request(form(fields)), status, code)
            except AssertionError as why:
                raise AssertionError(str(why), fields[-1][0], fields[-1][2][:50] if fields else "")
        body = form([wav])
        refused(s, request(body, type=None), 415, 'invalid_form')
        refused(s, request(body, type='application/json'), 415, 'invalid_form')
        refused(s, request(body, type='multipart/form-data'), 415, 'invalid_form')
        equal(len(json.loads(exchange(s, request(form([('x', None, b'y'), wav]).replace(b' name="x"', b'')))[1])['text']
                  .split()), 2, 'a part without a name is passed over')
        for bad in (body[:-10], body.replace(b'--XX\r\n', b'--YY\r\n'), b'', b'\0' * 3000):
            got, text = exchange(s, request(bad))
            check(got == 400 and json.loads(text)['error'], got, text)
        refused(s, request(b'', 'GET', '/nothing'), 404, 'not_found')
        refused(s, request(b'', 'GET', '/v1/models/other'), 404, 'not_found')
        refused(s, request(body, path='/v1/audio/translations'), 404, 'not_found')
        refused(s, request(b'', 'GET'), 405, 'method_not_allowed')
        refused(s, request(b'', 'DELETE', '/v1/models'), 405, 'method_not_allowed')
        equal(len(hear(s).text.split()), 2, 'and it goes on')


@case
def changed_requests_do_no_harm(folder):
    generator = random.Random(7)
    whole = request(form([('file', 'a.wav', wav_bytes(noise(0.02))), ('response_format', None, b'verbose_json'),
                          ('timestamp_granularities[]', None, b'word'), ('language', None, b'en')]))
    with Served('openai', '--stt', 'exec:true', '--idle', '1') as s:
        for _ in range(200):
            data = bytearray(whole)
            for _ in range(generator.randint(1, 8)):
                data[generator.randrange(500 if generator.random() < 0.8 else len(data))] = generator.choice(
                    b'\0\r\n-:;="X\xff0 ')
            with s.connect(5) as c:
                c.sendall(data)
                c.shutdown(socket.SHUT_WR)
                answer = b''
                try:
                    while piece := c.recv(65536):
                        answer += piece
                except ConnectionError:
                    pass
            check(answer[:9] in (b'', b'HTTP/1.1 ', b'HTTP/1.0 '), answer[:100])
        equal(exchange(s, whole)[0], 200)


@case
def limits_are_kept(folder):
    with Served('openai', '--stt', 'exec:sleep 2; wc -c', '--vad', 'null:1', '--clients', '6', '--wait', '1', '--idle',
                '1', '--max-upload', '1') as s:
        body = form([('file', 'a.wav', wav_bytes(noise(0.3)))])
        equal(exchange(s, request(body))[0], 200) # by then it has opened all that it keeps open
        wait_until(lambda: s.threads() <= 4, 15, 'threads of a client that was answered')
        base = s.files()
        busy = threading.Thread(target=exchange, args=(s, request(body)))
        busy.start()
        time.sleep(0.5)
        refused(s, request(body), 503, 'overloaded')
        busy.join()
        held = [s.connect() for _ in range(5)] # heads that never end
        for i, c in enumerate(held):
            c.sendall(b'POST %s HTTP/1.1\r\nHost: localhost\r\n' % PATH.encode() if i % 2 else b'')
        began = time.monotonic()
        try:
            for i in range(60): # a byte now and then is silence too
                held[1].sendall(b'x')
                time.sleep(0.1)
        except OSError:
            pass
        check(time.monotonic() - began < 5, 'a slow head is not waited for')
        for c in held:
            try:
                check(c.recv(4096) == b'', 'a client that says nothing got an answer')
            except ConnectionError:
                pass
            c.close()
        with s.connect() as c: # a body that never ends
            c.sendall(b'POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n'
                      b'Content-Type: multipart/form-data; boundary=XX\r\n\r\n' % PATH.encode())
            sent = 0
            try:
                while sent < 64 << 20:
                    c.sendall(b'10000\r\n' + bytes(65536) + b'\r\n')
                    sent += 65536
            except OSError:
                pass
            check(sent < 16 << 20, 'an endless body was read on', sent)
        for data in (b'', b'POST ', request(body)[:200], request(body)[:-40], request(body)):
            with s.connect() as c: # leaves in the middle
                c.sendall(data)
        check(exchange(s, b'\x16\x03\x01\x02\x00' + bytes(200))[0] in (400, None))
        check(exchange(s, b'GET / HTTP/1.1\r\n' + b'X: ' + b'y' * 100000 + b'\r\n\r\n')[0] in (400, 413, 431, None))
        wait_until(lambda: s.threads() <= 4 and s.files() <= base, 15,
                   'threads and files of clients that left: %d were open' % base)
        equal(exchange(s, request(body))[0], 200)


@case
def who_leaves_frees_the_engine(folder):
    with Served('openai', '--stt', 'exec:sleep 0.5; wc -c', '--vad', 'energy', '--hangover-ms', '50', '--merge-ms', '0',
                '--wait', '4') as s:
        long = form([('file', 'a.wav', wav_bytes((noise(0.3, level=12000) + [0] * 3200) * 20))]) # 10 s of engine
        for more in ([], [('stream', None, b'true')]):
            with s.connect() as c:
                c.sendall(request(form([('file', 'a.wav', wav_bytes((noise(0.3, level=12000) + [0] * 3200) * 20))] + more)))
                time.sleep(0.7)
            equal(exchange(s, request(form([('file', 'a.wav', wav_bytes(noise(0.3)))])))[0], 200)


@case
def several_are_heard_at_once(folder):
    with Served('openai', '--stt', 'exec:sleep 0.3; wc -c', '--vad', 'null:1', '--engines', '2') as s:
        results = {}

        def one(i):
            results[i] = exchange(s, request(form([('file', 'a.wav', wav_bytes(noise(0.2 + 0.1 * i)))])))

        threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        for i in range(8): # each got the text of its own audio
            status, body = results[i]
            size = int(json.loads(body)['text'])
            check(status == 200 and abs(size - 44 - 32000 * (0.2 + 0.1 * i)) < 700, i, status, body)


@case
def it_ends_in_the_middle_of_everything(folder):
    with Served('openai', '--stt', 'exec:sleep 20', '--vad', 'null:1') as s:
        body = form([('file', 'a.wav', wav_bytes(noise(0.3)))])
        asked = [threading.Thread(target=exchange, args=(s, request(body)), daemon=True) for _ in range(3)]
        silent = s.connect()
        for t in asked:
            t.start()
        time.sleep(1)
        check(s.end() < 4, 'it took too long to end')
        for t in asked:
            t.join(10)
        silent.close()


if __name__ == '__main__':
    main()
