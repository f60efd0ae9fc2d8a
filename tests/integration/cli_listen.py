#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listening: events as they come, Ctrl-C, a terminal; and what is only shown on a terminal."""
import pty
import select
import signal

from cli import *

def endless_wav(seconds):
    """A WAV stream whose end is not known, as programs write it into pipes."""
    data = wav_bytes(noise(seconds))
    return data[:4] + b'\xff\xff\xff\xff' + data[8:40] + b'\xff\xff\xff\xff' + data[44:]


def read_line(p, seconds=5):
    check(select.select([p.stdout], [], [], seconds)[0], 'no line within', seconds, 's')
    return json.loads(p.stdout.readline())


def finish(p):
    if p.poll() is None:
        p.kill()
    p.wait()
    for stream in (p.stdin, p.stdout, p.stderr):
        try:
            if stream:
                stream.close()
        except BrokenPipeError:
            pass


def listen(*arguments):
    return start('listen', '--capture', 'pipe', *arguments, stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE, bufsize=0)


def in_terminal(arguments, seconds=20):
    """Run it with a terminal as standard output and error. Returns status and what was shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'xterm'
        os.execv(COMMAND, [COMMAND, *arguments])
    shown = b''
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@case
def live_events_carry_both_clocks_and_come_at_once(_):
    p = listen('-q', *ALL, '--max-ms', '1000')
    try:
        before = time.monotonic_ns()
        p.stdin.write(endless_wav(3))
        first = read_line(p)
        equal(first['event'], 'start')
        check('file' not in first, first)
        check(before <= first['mono_ns'] <= time.monotonic_ns(), first)
        check(abs(first['wall_ns'] - time.time_ns()) < 10e9, first)
        p.stdin.close()
        last = [json.loads(line) for line in p.stdout.read().splitlines()][-1]
        equal(last['event'], 'ledger')
        equal((last['captured'], last['residual']), (48000, 0))
        equal(p.wait(10), 0)
    finally:
        finish(p)


@case
def ctrl_c_delivers_all_that_was_heard(_):
    p = listen(*ALL)
    try:
        p.stdin.write(endless_wav(2))
        read_line(p)
        p.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in p.stdout.read().splitlines()]
        equal(p.wait(10), 0, 'status')
        equal([e['event'] for e in lines if e['event'] in ('end', 'segment', 'ledger')],
              ['end', 'segment', 'ledger'])
        ledger = lines[-1]
        equal(ledger['residual'], 0)
        check(ledger['captured'] >= ledger['delivered'] > 0, ledger)
        err = p.stderr.read().decode()
        check('listening to standard input' in err and 'Ctrl-C ends' in err, err)
        check('residual 0' in err, err)
    finally:
        finish(p)


@case
def a_second_ctrl_c_ends_it_at_once(_):
    p = listen('-q', *ALL, '--max-ms', '500', '--stt', 'exec:sleep 30')
    try:
        p.stdin.write(endless_wav(3))
        read_line(p)
        p.send_signal(signal.SIGINT)
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        equal(p.wait(5), 130, 'status')
    finally:
        finish(p)


@case
def ctrl_c_works_while_nothing_comes(_):
    p = listen('-q')
    try:
        wait_until_caught(p, signal.SIGINT)
        time.sleep(0.2)
        p.send_signal(signal.SIGINT)
        check(p.wait(5) in (0, 130), p.returncode)
    finally:
        finish(p)


@case
def seconds_end_it(_):
    p = listen('-q', '--seconds', '1')
    try:
        began = time.monotonic()
        p.stdin.write(endless_wav(0.5))
        p.stdout.read()
        equal(p.wait(5), 0)
        check(0.7 < time.monotonic() - began < 3, time.monotonic() - began, 's')
    finally:
        finish(p)


@case
def a_reader_that_leaves_ends_listening(_):
    p = listen('-q', *ALL, '--max-ms', '400', '--merge-ms', '0')
    try:
        p.stdin.write(endless_wav(1))
        read_line(p)
        p.stdout.close()
        p.stdout = None
        for _ in range(100):
            if p.poll() is not None:
                break
            try:
                p.stdin.write(bytes(16000))
            except BrokenPipeError:
                break
            time.sleep(0.02)
        equal(p.wait(5), 6)
        equal(p.stderr.read(), b'')
    finally:
        p.stdin = None
        finish(p)


@case
def a_file_heard_live_has_the_segments_of_the_file(folder):
    paths = recordings()
    for path in paths[:3]:
        wanted = run('segment', '-q', path).out
        got = run('listen', '-q', '--capture', 'file:' + path).out
        keys = ('segment', 'start_frame', 'end_frame')
        equal([[e[k] for k in keys] for e in events(got) if e['event'] == 'segment'],
              [[e[k] for k in keys] for e in events(wanted) if e['event'] == 'segment'], path)
        equal(events(got)[-1]['residual'], 0)


@case
def segment_audio_and_latency_are_given(folder):
    path = write_file(folder + '/a.wav', wav_bytes(noise(1)))
    p = run('listen', *ALL, '--capture', 'file:' + path, '--audio', 'wav', '--audio-dir', folder,
            '-o', folder + '/out', '--stats')
    equal(len([n for n in os.listdir(folder) if n.startswith('listen_')]), 1, os.listdir(folder))
    for word in ('latency', 'p50', 'p99', 'vad'):
        check(word in p.err, word, 'is not in', p.err)
    equal(events(read_text(folder + '/out'))[-1]['event'], 'ledger')


@case
def a_terminal_gets_text_and_a_progress_line(folder):
    paths = [write_file(folder + '/%d.wav' % i, wav_bytes(noise(0.3))) for i in range(12)]
    more = ['segment', *ALL, '--jobs', '1', '--stt', 'exec:sleep 0.05; echo hello']
    status, shown = in_terminal([*more, *paths])
    equal(status, 0)
    check('hello' in shown and '{"event"' not in shown, shown)
    check('/12 files' in shown and '%' in shown, 'no progress line:', shown)
    status, shown = in_terminal([*more, '-q', *paths])
    check('/12 files' not in shown, 'a progress line in spite of -q')
    check('files' not in run(*more, '-q', *paths).err, 'progress without a terminal')


def processors_of(p):
    """Name of each thread of a process, and the list of its processors."""
    threads = {}
    for thread in os.listdir('/proc/%d/task' % p.pid):
        with open('/proc/%d/task/%s/status' % (p.pid, thread)) as f:
            status = dict(line.split(':', 1) for line in f if ':' in line)
        threads[status['Name'].strip()] = status['Cpus_allowed_list'].strip()
    return threads


@case
def threads_run_where_they_are_put(_):
    usable = sorted(os.sched_getaffinity(0))
    first, last = str(usable[0]), str(usable[-1])
    p = listen(*ALL, '--place', 'capture=%s:worker=%s:background=%s' % (first, last, first))
    try:
        p.stdin.write(endless_wav(3))
        read_line(p)
        threads = processors_of(p)
        equal({name: threads[name] for name in ('vs-capture', 'vs-worker', 'vs-output')},
              {'vs-capture': first, 'vs-worker': last, 'vs-output': first})
        p.stdin.close()
        equal(p.wait(10), 0)
    finally:
        finish(p)
    for policy, word in (('fast', 'none of auto'), ('worker=1023', 'not there')):
        p = run('listen', '--capture', 'null:1', '--place', policy, check_status=None)
        check(p.returncode != 0 and word in p.err, policy, p.returncode, p.err)
        equal(p.err.count('\n'), 1, p.err)


@case
def what_tune_finds_is_used(folder):
    os.environ['XDG_STATE_HOME'] = folder
    try:
        p = run('tune', '--seconds', '1')
        check('best here: --place' in p.out and p.out.count(' ms ') >= 5, p.out)
        kept = json.loads(read_text(folder + '/voicestand/tuned.json'))
        check(len(kept['rows']) >= 5 and all(r['wake_p99_us'] > 0 for r in kept['rows']), kept)
        row = next(json.loads(line) for line in run('doctor', '--format', 'jsonl',
                                                    check_status=None).out.splitlines()
                   if '"tuned"' in line)
        check('placement %s, period %d ms' % (kept['place'], kept['period_ms']) in row['value'], row)
        kept['place'] = 'worker=1023'  # what cannot be shows that it is looked at
        write_file(folder + '/voicestand/tuned.json', json.dumps(kept).encode())
        p = run('listen', '--capture', 'null:1', check_status=3)
        check('names a processor' in p.err, p.err)
        run('listen', '--capture', 'null:1', '--place', 'none')
    finally:
        del os.environ['XDG_STATE_HOME']


@case
def validate_judges_by_its_own_figures(_):
    p = run('validate', '--seconds', '1', '--format', 'jsonl', check_status=None)
    rows = [json.loads(line) for line in p.out.splitlines()]
    bars = [r for r in rows if 'pass' in r]
    check(len(bars) >= 10 and all('absent' in r or 'value' in r for r in rows), rows)
    for r in bars:
        kept = r['value'] <= r['at_most'] if 'at_most' in r else r['value'] >= r['at_least']
        equal(r['pass'], kept, r)
    equal(p.returncode, 0 if all(r['pass'] for r in bars) else 1, bars)
    # what does not hang on other work of the machine
    for name in ('samples neither', 'alias', 'tone over', 'white noise'):
        check(any(name in r['check'] and r['pass'] for r in bars), name, bars)


@case
def standard_input_as_a_terminal_is_refused(_):
    status, shown = in_terminal(['segment', '-'])
    check(status != 0 and 'terminal' in shown, status, shown)


if __name__ == '__main__':
    main()
