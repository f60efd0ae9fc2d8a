# SPDX-License-Identifier: MIT
"""What the tests of the command share: TAP, running it, audio files made here.

Usage of a test: cli_NAME.py COMMAND  (the built voicestand)"""
import json
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

COMMAND = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else 'voicestand'
RECORDINGS = '/usr/share/sounds/alsa'
_cases = []


def case(function):
    _cases.append(function)
    return function


class Skip(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise AssertionError(' '.join(str(w) for w in what))


def equal(got, wanted, what=''):
    check(got == wanted, '%s: got %r, wanted %r' % (what, got, wanted))


def recordings():
    names = sorted(os.path.join(RECORDINGS, n) for n in os.listdir(RECORDINGS)
                   if n.endswith('.wav') and n != 'Noise.wav') if os.path.isdir(RECORDINGS) else []
    if not names:
        raise Skip('no recordings in %s (package alsa-utils)' % RECORDINGS)
    return names


def run(*arguments, input=None, stdout=subprocess.PIPE, check_status=0, stdin=None, timeout=60,
        cwd=None):
    """Run the command. Returns the process with out and err as text."""
    more = {'input': input} if input is not None else {'stdin': stdin or subprocess.DEVNULL}
    p = subprocess.run([COMMAND, *arguments], stdout=stdout, stderr=subprocess.PIPE,
                       timeout=timeout, cwd=cwd, **more)
    p.out = (p.stdout or b'').decode()
    p.err = p.stderr.decode()
    if check_status is not None:
        check(p.returncode == check_status, ' '.join(arguments), 'ended with', p.returncode,
              'and not', check_status, '; it said:', p.err.strip())
    return p


def one_line(p, *words):
    """Standard error is one line of ours that names what `words` say."""
    lines = p.err.splitlines()
    check(len(lines) == 1, 'standard error is not one line:', lines)
    check(lines[0].startswith('voicestand: '), lines[0])
    for word in words:
        check(word in lines[0], repr(word), 'is not in', lines[0])
    return p


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def wav_bytes(samples, rate=16000, channels=1):
    data = struct.pack('<%dh' % len(samples), *samples)
    return (b'RIFF' + struct.pack('<I', 36 + len(data)) + b'WAVEfmt ' +
            struct.pack('<IHHIIHH', 16, 1, channels, rate, rate * channels * 2, channels * 2, 16) +
            b'data' + struct.pack('<I', len(data)) + data)


def noise(seconds, rate=16000, level=3000, seed=1):
    generator = random.Random(seed)
    return [generator.randint(-level, level) for _ in range(int(seconds * rate))]


def tone(seconds, rate=16000, hz=440, level=8000):
    return [int(level * math.sin(2 * math.pi * hz * i / rate)) for i in range(int(seconds * rate))]


def write_file(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    return path


def read_text(path):
    with open(path) as f:
        return f.read()


def start(*arguments, **more):
    """Start it so that Ctrl-C reaches it, also where the tests run in the background."""
    return subprocess.Popen([COMMAND, *arguments], stderr=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **more)


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, 'after', seconds, 's still not:', what)
        time.sleep(0.01)


def wait_until_caught(p, number):
    """Until the program does not just die of a signal: it catches it, or waits for it in a thread."""
    def caught():
        with open('/proc/%d/status' % p.pid) as f:
            masks = [line.split()[1] for line in f if line.startswith(('SigCgt:', 'SigBlk:'))]
        return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)
    wait_until(caught, 10, 'a program that catches signal %d' % number)


# A detector that needs nothing, so that segments are known: all of it is speech.
ALL = ['--vad', 'null:1']


def make_files(folder, count, seconds=0.3):
    return [write_file(os.path.join(folder, 'in%04d.wav' % i),
                       wav_bytes(noise(seconds + 0.01 * (i % 7), seed=i))) for i in range(count)]


def finished(text):
    """Names of the files whose ledger is there and that have no error."""
    lines = [json.loads(line) for line in text.splitlines(True) if line.endswith('\n')]
    bad = {e['file'] for e in lines if e['event'] == 'error'}
    return [e['file'] for e in lines if e['event'] == 'ledger' and e['file'] not in bad]


def lines_of(text, names):
    return [line for line in text.splitlines() if json.loads(line)['file'] in names]


def main():
    print('1..%d' % len(_cases))
    sys.stdout.flush()
    failed = 0
    for number, function in enumerate(_cases, 1):
        name = function.__name__.replace('_', ' ')
        start_s = time.monotonic()
        folder = tempfile.mkdtemp(prefix='voicestand-test-')
        try:
            function(folder)
            print('ok %d - %s' % (number, name))
            if time.monotonic() - start_s > 2:
                print('# it took %.1f s' % (time.monotonic() - start_s))
        except Skip as why:
            print('ok %d - %s # SKIP %s' % (number, name, why))
        except (AssertionError, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as why:
            failed += 1
            print('not ok %d - %s' % (number, name))
            text = '%s: %s' % (type(why).__name__, why)
            if len(text) > 2000:
                text = text[:1000] + ' [...] ' + text[-1000:]
            print('# ' + text.replace('\n', '\n# '))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
