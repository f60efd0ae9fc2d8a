#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures while it listens: JSON Lines, a terminal, HTTP on sockets of this machine, a browser."""
import http.client
import pty
import select
import socket
import threading

from cli import *


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(connection, path, headers={}, method='GET'):
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Listener:
    """A monitor or listener that hears noise, in real time, until the block ends."""

    def __init__(self, *arguments):
        self.p = start(*arguments, '--capture', 'pipe', '--raw', '--rate', '16000',
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.feeding = True
        self.thread = threading.Thread(target=self.feed)

    def feed(self):
        block = struct.pack('<160h', *noise(0.01))
        due = time.monotonic()
        try:
            while self.feeding:
                self.p.stdin.write(block)
                self.p.stdin.flush()
                due += 0.01  # of the clock, as a machine that is busy sleeps longer than it is told
                time.sleep(max(0, due - time.monotonic()))
            self.p.stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.feeding = False
        self.thread.join()
        self.p.stdout.close()
        if self.p.wait(10) not in (0, 6):
            raise AssertionError('it ended with %d: %s' % (self.p.returncode, self.p.stderr.read()))
        self.p.stderr.close()


def wait_for(path):
    """Until somebody answers there: a socket is there before it is listened on."""
    def answers():
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
            return True
        except OSError:
            return False
    wait_until(answers, 10, 'somebody answers at ' + path)


def needs_server():
    p = run('monitor', *ALL, '--capture', 'null:1', '--metrics', 'unix:/nonexistent/x',
            check_status=None)
    if 'serve module is not installed' in p.err:
        raise Skip('the serve module is not built here (libmicrohttpd-dev)')


@case
def a_pipe_gets_a_line_a_second(_):
    with Listener('monitor', *ALL) as l:
        first, second = (json.loads(l.p.stdout.readline()) for _ in range(2))
    for line in (first, second):
        equal(line['event'], 'monitor')
        queued = line['captured'] - line['delivered'] - sum(line['dropped'].values())
        check(0 <= queued <= 1600, line)
        check(line['latency']['vad']['p50_us'] <= line['latency']['vad']['max_us'], line)
        check(line['rss_bytes'] > line['anonymous_bytes'] > 0, line)
        check('vs-worker' in line['threads'], line['threads'])
        for name in ('level_db', 'peak_db', 'speech'):
            equal(len(line[name]), len(line['probability']), name)
        check(all(-30 < db < -20 for db in line['level_db']), line['level_db'])
        check(all(-21.5 < db < -18 for db in line['peak_db']), line['peak_db'])
    # each hop is told once
    equal(second['hop'], first['hop'] + len(first['probability']))
    check(80 < len(second['probability']) < 120, len(second['probability']))


@case
def metrics_are_open_metrics(folder):
    needs_server()
    path = folder + '/socket'
    with Listener('monitor', *ALL, '--metrics', 'unix:' + path):
        wait_for(path)
        time.sleep(1.5)
        status, text, headers = get(UnixConnection(path), '/metrics')
    equal(status, 200)
    check(headers['Content-Type'].startswith('application/openmetrics-text; version=1.0.0'),
          headers['Content-Type'])
    check(text.endswith('# EOF\n'), text[-100:])
    # Debian's packages are not in the path of every python3
    sys.path.append('/usr/lib/python3/dist-packages')
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        raise Skip('the parser of Prometheus is not installed (python3-prometheus-client)')
    families = {f.name: f for f in text_string_to_metric_families(text)}
    captured = families['voicestand_frames_captured'].samples[0].value
    delivered = families['voicestand_frames_delivered'].samples[0].value
    check(captured >= delivered > 8000, captured, delivered)
    stages = {s.labels['stage'] for s in families['voicestand_latency_seconds'].samples}
    check({'dsp', 'vad', 'segment', 'event'} <= stages, stages)
    equal(families['voicestand_pipeline'].samples[0].labels['capture'], 'pipe')


@case
def a_socket_is_for_its_user_alone(folder):
    needs_server()
    path = folder + '/socket'
    with Listener('listen', *ALL, '-q', '--metrics', 'unix:' + path):
        wait_for(path)
        equal(os.stat(path).st_mode & 0o777, 0o600)
        equal(get(UnixConnection(path), '/live.json')[0], 200)
        equal(get(UnixConnection(path), '/other')[0], 404)
        equal(get(UnixConnection(path), '/metrics', method='POST')[0], 405)
        if os.geteuid() == 0 and shutil.which('setpriv') and shutil.which('curl'):
            os.chmod(folder, 0o755)
            os.chmod(path, 0o666)  # even if somebody opens the door
            p = subprocess.run(['setpriv', '--reuid', '65534', '--clear-groups', 'curl', '-s', '-o',
                                '/dev/null', '-w', '%{http_code}', '--unix-socket', path,
                                'http://localhost/metrics'], stdout=subprocess.PIPE)
            equal(p.stdout, b'403')
    check(not os.path.exists(path), 'the socket stays behind')


@case
def a_stale_socket_is_taken_over_a_used_one_is_not(folder):
    needs_server()
    path = folder + '/socket'
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)  # and nobody listens on it any more
    with Listener('monitor', *ALL, '--metrics', 'unix:' + path):
        wait_for(path)
        p = run('monitor', *ALL, '--capture', 'null:1', '--metrics', 'unix:' + path, check_status=6)
        one_line(p, 'somebody answers there already')
        equal(get(UnixConnection(path), '/metrics')[0], 200)


@case
def a_port_answers_to_its_own_names_alone(_):
    needs_server()
    port = free_port()
    with Listener('monitor', *ALL, '--metrics', str(port)) as l:
        check(b'http://127.0.0.1' in l.p.stderr.readline(), 'the address is not said')
        for host, status in (('127.0.0.1', 200), ('localhost:%d' % port, 200), ('[::1]', 200),
                             ('evil.example', 403), ('localhost.evil.example', 403)):
            got = get(http.client.HTTPConnection('127.0.0.1', port), '/live.json', {'Host': host})
            equal(got[0], status, host)
        time.sleep(0.3)
        live = json.loads(get(http.client.HTTPConnection('127.0.0.1', port), '/live.json?since=5')[1])
        equal(live['hop'], 5)
        page, headers = get(http.client.HTTPConnection('127.0.0.1', port), '/')[1:]
        check('<canvas' in page and "default-src 'none'" in headers['Content-Security-Policy'], page)


@case
def a_browser_shows_the_page(folder):
    needs_server()
    browser = shutil.which('chromium')
    if not browser:
        raise Skip('chromium is not installed')
    port = free_port()
    with Listener('monitor', *ALL, '--metrics', str(port)) as l:
        l.p.stderr.readline()
        p = subprocess.run([browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
                            '--no-first-run', '--disable-background-networking',
                            '--disable-component-update', '--disable-sync',
                            '--user-data-dir=' + folder, '--virtual-time-budget=4000', '--dump-dom',
                            'http://127.0.0.1:%d/' % port], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, timeout=60)
    page = p.stdout.decode()
    for shown in ('standard input, 16000 Hz', 'captured', 'wake-ups', '<td>vad</td>', 'speech</span>'):
        check(shown in page, shown, 'is not in', page[-3000:])


@case
def a_terminal_is_drawn_and_left_as_it_was(folder):
    fifo = folder + '/audio'
    os.mkfifo(fifo)
    pid, fd = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'xterm'
        os.execv('/bin/sh', ['/bin/sh', '-c', 'exec "$0" monitor --vad null:1 --capture pipe --raw '
                             '--rate 16000 < "$1"', COMMAND, fifo])
    shown = b''
    with open(fifo, 'wb', buffering=0) as audio:
        end = time.monotonic() + 10
        while b'vs-worker' not in shown and time.monotonic() < end:  # which comes after a second or two
            audio.write(struct.pack('<160h', *noise(0.01)))
            if select.select([fd], [], [], 0.01)[0]:
                shown += os.read(fd, 65536)
        os.write(fd, b'q')  # standard input is the audio: keys come from the terminal itself
        try:
            while True:
                data = os.read(fd, 65536)
                if not data:
                    break
                shown += data
        except OSError:
            pass
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    os.close(fd)
    text = shown.decode()
    for word in ('VoiceStand', 'speech', 'latency, us', 'vad', 'account', 'vs-worker', 'memory'):
        check(word in text, word, 'is not in', text[-2000:])
    check(text.index('\x1b[?1049h') < text.index('\x1b[?1049l'), 'the screen is not given back')


@case
def wrong_addresses_are_refused(_):
    for address, status, word in (('0', 2, 'neither unix:PATH nor a port'), ('99999', 2, '65535'),
                                  ('http://x', 2, 'neither'), ('unix:', 6, 'no path'),
                                  ('unix:/nonexistent/x', 6, 'No such file')):
        needs_server()
        p = run('monitor', *ALL, '--capture', 'null:1', '--metrics', address, check_status=status)
        one_line(p, address, word)
    one_line(run('monitor', '--format', 'srt', check_status=2), 'jsonl')


if __name__ == '__main__':
    main()
