#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand transcribe: one long file on several engines, in one order, killed and resumed.

Usage: cli_transcribe.py COMMAND"""
import os
import pty
import signal
import struct
import threading

from cli import *

# Five bursts and pauses that the energy detector cuts alike each time.
ENERGY = ['--vad', 'energy', '--hangover-ms', '200', '--merge-ms', '50']
# Says which audio it was given. Some segments take longer, so that engines finish out of order.
SUMS = 'exec:d=$(mktemp -p "$VS_TEST"); cat >$d; sleep 0.0$(( $(wc -c <$d) / 64 % 5 )); ' \
    'cksum <$d; rm $d'


def long_file(folder, bursts=24, name='long.wav'):
    samples = []
    for i in range(bursts):
        samples += list(tone(0.35 + 0.03 * (i * 7 % 5), hz=300 + 37 * i))
        samples += list(noise(0.5, level=20, seed=i))
    return write_file(os.path.join(folder, name), wav_bytes(samples))


def transcribe(folder, *arguments, **more):
    os.environ['VS_TEST'] = folder
    return run('transcribe', '--stt', SUMS, *ENERGY, *arguments, **more)


def hearings(folder):
    return len(open(folder + '/heard').readlines())


@case
def each_spoken_prompt_is_heard(folder):
    """Rules that keep noise from becoming text leave clear speech alone."""
    p = run('transcribe', '--stt', 'exec:cat >/dev/null; echo heard', '-f', 'jsonl', *recordings())
    equal(len([e for e in events(p.out) if e['event'] == 'text' and e['text'] == 'heard']), len(recordings()), p.out)


@case
def engines_side_by_side_say_what_one_says(folder):
    path = long_file(folder)
    for form in ('jsonl', 'srt', 'vtt', 'textgrid'):
        one = transcribe(folder, '-q', '-j', '1', '-f', form, path).out
        check(len(one) > 500, form, one)
        equal(transcribe(folder, '-q', '-j', '5', '-f', form, path).out, one, form)
    told = events(transcribe(folder, '-q', '-j', '5', '-f', 'jsonl', path).out)
    names = [e['event'] for e in told]
    equal(names, ['start', 'end', 'text', 'segment'] * 24 + ['ledger'])
    for text, segment in zip(told[2::4], told[3::4]):
        equal((text['text'], text['segment'], text['start_frame']),
              (segment['text'], segment['segment'], segment['start_frame']))
    write_file(folder + '/told.jsonl', ''.join(json.dumps(e) + '\n' for e in told).encode())
    run('verify-ledger', folder + '/told.jsonl')


@case
def they_really_work_side_by_side(folder):
    path = long_file(folder, 6)
    meet = 'exec:cat >/dev/null; touch "$VS_TEST/here.$$"; for i in $(seq 400); do ' \
        '[ $(ls "$VS_TEST" | grep -c here) -ge 3 ] && echo met && exit; sleep 0.02; done; echo alone'
    os.environ['VS_TEST'] = folder
    told = events(run('transcribe', '-q', '-j', '3', '--stt', meet, *ENERGY, '-f', 'jsonl', path).out)
    equal([e['text'] for e in told if e['event'] == 'text'], ['met'] * 6)


@case
def an_engine_that_fails_costs_its_segment_alone(folder):
    path = long_file(folder, 6)
    os.environ['VS_TEST'] = folder
    third = 'exec:n=$(cksum | cut -c1-4); [ $(( n % 2 )) -ne 0 ] && echo $n'
    told = [events(run('transcribe', '-q', '-j', jobs, '--stt', third, *ENERGY, '-f', 'jsonl', path,
                       check_status=None).out) for jobs in ('1', '4')]
    equal(told[0], told[1])
    names = [e['event'] for e in told[0]]
    equal((names.count('segment'), names.count('text') + names.count('error')), (6, 6))
    check('error' in names, names)


def kill_when(folder, count, *arguments):
    """Start it, kill it once so many segments were heard."""
    os.environ['VS_TEST'] = folder
    p = start('transcribe', '-q', '-j', '2', '--stt', COUNTED, *ENERGY, *arguments)
    wait_until(lambda: os.path.exists(folder + '/heard') and hearings(folder) >= count, 60, 'texts')
    p.send_signal(signal.SIGKILL)
    p.communicate()


COUNTED = 'exec:d=$(cksum); echo "$d" >>"$VS_TEST/heard"; sleep 0.02; echo "$d"'


@case
def what_was_killed_goes_on_to_the_same_output(folder):
    path = long_file(folder)
    for form, count in (('srt', 12), ('jsonl', 7), ('textgrid', 16)):
        os.environ['VS_TEST'] = folder
        whole, out = folder + '/whole.' + form, folder + '/out.' + form
        run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', form, '-o', whole, path)
        check(not os.path.exists(whole + '.texts'))
        os.remove(folder + '/heard')
        kill_when(folder, count, '-f', form, '-o', out, path)
        check(os.path.exists(out + '.texts'), os.listdir(folder))
        before = hearings(folder)
        p = run('transcribe', '-j', '3', '--stt', COUNTED, *ENERGY, '-f', form, '-o', out, '--resume', path)
        equal(read_text(out), read_text(whole), form)
        # at the most what was under way was heard twice
        check(24 <= hearings(folder) <= 24 + 2 and before >= count, form, before, hearings(folder))
        check('texts were found before' in p.err, p.err)
        check(not os.path.exists(out + '.texts'))
        p = run('transcribe', '--stt', COUNTED, *ENERGY, '-f', form, '-o', out, '--resume', path)
        equal(read_text(out), read_text(whole), form)
        check('1 of 1 files were finished' in p.err, p.err)
        os.remove(folder + '/heard')


@case
def folders_and_changed_settings_are_told_apart(folder):
    path = long_file(folder)
    os.environ['VS_TEST'] = folder
    run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', 'srt', '-o', folder + '/whole.srt', path)
    os.remove(folder + '/heard')
    kill_when(folder, 10, '-f', 'srt', '--output-dir', folder + '/d', path)
    check(os.path.exists(folder + '/d/long.srt.texts'), os.listdir(folder + '/d'))
    # another engine's texts are not taken
    other = COUNTED + '; echo other'
    run('transcribe', '-q', '--stt', other, *ENERGY, '-f', 'srt', '-o', folder + '/other.srt', path)
    os.rename(folder + '/d/long.srt.texts', folder + '/x.srt.texts')
    run('transcribe', '-q', '--stt', other, *ENERGY, '-f', 'srt', '-o', folder + '/x.srt', '--resume', path)
    equal(read_text(folder + '/x.srt'), read_text(folder + '/other.srt'))
    # nor are those of a file that has changed since
    os.remove(folder + '/heard')
    kill_when(folder, 10, '-f', 'srt', '-o', folder + '/y.srt', path)
    long_file(folder)
    os.utime(path, (1, 1))
    os.remove(folder + '/heard')
    run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', 'srt', '-o', folder + '/y.srt', '--resume', path)
    equal((read_text(folder + '/y.srt'), hearings(folder)), (read_text(folder + '/whole.srt'), 24))
    # a line that was cut, and one that is none
    kill_when(folder, 34, '-f', 'srt', '-o', folder + '/z.srt', path)
    with open(folder + '/z.srt.texts', 'ab') as f:
        f.write(b'no json\n{"input":"')
    run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', 'srt', '-o', folder + '/z.srt', '--resume', path)
    equal(read_text(folder + '/z.srt'), read_text(folder + '/whole.srt'))


@case
def an_interrupt_keeps_what_was_heard(folder):
    path = long_file(folder)
    os.environ['VS_TEST'] = folder
    run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', 'vtt', '-o', folder + '/whole.vtt', path)
    os.remove(folder + '/heard')
    p = start('transcribe', '-q', '-j', '2', '--stt', COUNTED, *ENERGY, '-f', 'vtt', '-o', folder + '/out.vtt', path)
    wait_until(lambda: os.path.exists(folder + '/heard') and hearings(folder) >= 8, 60, 'texts')
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=20)
    equal(p.returncode, 130)
    check(os.path.exists(folder + '/out.vtt.texts'), os.listdir(folder))
    run('transcribe', '-q', '--stt', COUNTED, *ENERGY, '-f', 'vtt', '-o', folder + '/out.vtt', '--resume', path)
    equal(read_text(folder + '/out.vtt'), read_text(folder + '/whole.vtt'))
    check(hearings(folder) <= 24 + 2, hearings(folder))


@case
def a_terminal_sees_progress_and_a_pipe_nothing(folder):
    path = long_file(folder)
    command = ['transcribe', '-j', '2', '--stt', 'exec:sleep 0.1; echo word', *ENERGY, '-f', 'srt', '-o', folder + '/a.srt', path]
    ours, theirs = pty.openpty()
    p = subprocess.Popen([COMMAND, *command], stderr=theirs, env={**os.environ, 'TERM': 'xterm'})
    os.close(theirs)
    seen = b''
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:
            break
    equal(p.wait(), 0)
    parts = [int(part.split(b'%')[0].split()[-1]) for part in seen.split(b'\r') if b'%' in part and b'files' in part]
    check(len(parts) >= 3 and parts == sorted(parts) and 0 < parts[len(parts) // 2] < 100, parts, seen)
    p = run(*command)
    check('%  ' not in p.err and '\r' not in p.err, p.err)
    equal((p.out, len(p.err.splitlines()) <= 3), ('', True), p.err)


@case
def memory_does_not_grow_with_the_file(folder):
    if os.environ.get('VOICESTAND_TEST_SANITIZED'):
        raise Skip('a sanitizer keeps what was freed')
    # 2 s that the detector takes as one segment each, far more than may wait at once
    peaks = []
    for times in (20, 200):
        cut = write_file(folder + '/long.wav', wav_bytes(noise(2) * times))
        p = subprocess.run(['/usr/bin/env', 'python3', '-c',
                            'import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, '
                            'stdout=subprocess.DEVNULL); '
                            'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)',
                            COMMAND, 'transcribe', '-q', '-j', '2', *ALL, '--max-ms', '2000', '--stt',
                            'exec:wc -c', '-f', 'srt', cut], stdout=subprocess.PIPE, check=True, text=True)
        peaks.append(int(p.stdout))
    check(peaks[1] < peaks[0] + 4000, peaks)


if __name__ == '__main__':
    main()
