# SPDX-License-Identifier: MIT
"""Hours of audio through files and pipes, random faults in simulated time, and one long run whose memory is
watched."""
import mmap
import os
import re
import subprocess
import threading
import time

from rig import Watch, check, finish, make_tape, parse, start

FRAME_BYTES = {'s16': 2, 's24': 3, 's32': 4, 'f32': 4}
HEADER_BYTES = 44
DETECTORS = ('energy', 'native') # the first costs little, and hours count here; the second runs in one piece of eight


class Bulk:
    def __init__(self, rig, tape_s):
        self.rig = rig
        self.tape = rig.path('tape.wav')
        self.frames = len(make_tape(self.tape, tape_s, 16000, rig.draw)) // 2
        self.out = rig.path('out.jsonl')
        with open(self.tape, 'rb') as f:
            self.bytes = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        self.segments = {}
        for vad in DETECTORS:
            self.segments[vad] = self.read_files(1, vad).segments
            check(len(self.segments[vad]) > tape_s / 20, 'hardly any segment in the tape')

    def read_files(self, count, vad):
        """The tape so often in one process: each time the same segments, no frame lost."""
        p = start(self.rig, 'segment', '-q', '-f', 'jsonl', '-j', '1', '--vad', vad, '-o', self.out,
                  *[self.tape] * count)
        watch = Watch(p.pid)
        check(finish(p, 0, 3600) == 0, 'segment failed')
        account = parse(self.rig, self.out, False, count)
        for ledger in account.ledgers:
            check(ledger['captured'] == ledger['delivered'] == self.frames, 'frames are lost:', ledger)
            self.rig.hear('file, s16, 16000 Hz, 1 channel, detector ' + vad, ledger)
        self.keep_slope(watch, 'segment, %d files, detector %s' % (count, vad), count * self.frames / 16000)
        return account

    def keep_slope(self, watch, name, audio_s):
        slope = watch.slope(name, audio_s)
        if slope:
            self.rig.slopes.append(slope)

    def files(self, hours, vad):
        count = max(1, round(hours * 3600 * 16000 / self.frames))
        account = self.read_files(count, vad)
        check(account.segments == self.segments[vad] * count, 'the same file gives other segments')

    def pipe(self, hours, vad):
        """Pieces of the tape in any order and length, in any format: its bytes are hostile as floats."""
        draw = self.rig.draw
        form = draw.choice(list(FRAME_BYTES))
        rate, channels = draw.choice(((16000, 1), (16000, 1), (48000, 2), (44100, 1), (8000, 1), (96000, 6)))
        wanted = int(hours * 3600 * rate) * FRAME_BYTES[form] * channels
        p = start(self.rig, 'listen', '-q', '-f', 'jsonl', '-c', 'pipe', '--raw', '--rate', str(rate), '--channels',
                  str(channels), '--sample-format', form, '--vad', vad, '-o', self.out, stdin=subprocess.PIPE)
        watch = Watch(p.pid)
        view, sent = memoryview(self.bytes), 0
        while sent < wanted:
            at = draw.randrange(HEADER_BYTES, len(view))
            piece = view[at:at + min(wanted - sent, draw.choice((1, 4097, 1 << 20)))]
            p.stdin.write(piece)
            sent += len(piece)
        p.stdin.close()
        check(finish(p, 0, 3600) == 0, 'listen failed')
        ledger = parse(self.rig, self.out, True).ledgers[0]
        check(ledger['captured'] == ledger['delivered'] == sent // (FRAME_BYTES[form] * channels),
              'frames are lost:', sent, ledger)
        way = 'pipe, %s, %d Hz, %d channel%s, detector %s' % (form, rate, channels, 's' if channels > 1 else '', vad)
        self.rig.hear(way, ledger)
        if ledger['poisoned']:
            self.rig.fault('samples that are no numbers, in a pipe', 1)
        self.keep_slope(watch, way, sent / (FRAME_BYTES[form] * channels) / rate)


def run(rig, hours, until):
    """So many hours of audio, or until that time: half of it files, half pipes."""
    small = hours <= 1
    b = Bulk(rig, 120 if small else 3600)
    total, piece = (0.4, 0.1) if small else (hours, 8)
    turn = 0
    while rig.heard_s() < total * 3600 and time.monotonic() < until:
        (b.pipe if turn % 2 else b.files)(piece, DETECTORS[turn // 2 % 8 == 0])
        turn += 1
    if not small and time.monotonic() < until:
        beyond_32_bits(b)


def beyond_32_bits(b):
    """One run of more frames than 32 bits count."""
    p = start(b.rig, 'listen', '-q', '-f', 'jsonl', '-c', 'pipe', '--raw', '--rate', '192000', '--vad', 'energy',
              '-o', b.out, stdin=subprocess.PIPE)
    watch, sent = Watch(p.pid), 0
    while sent <= 2 * (2 ** 32 + 1000000):
        sent += p.stdin.write(memoryview(b.bytes)[HEADER_BYTES:])
    p.stdin.close()
    check(finish(p, 0, 3600) == 0, 'listen failed')
    ledger = parse(b.rig, b.out, True).ledgers[0]
    check(ledger['captured'] == ledger['delivered'] == sent // 2, 'frames are lost:', sent, ledger)
    b.rig.hear('pipe, s16, 192000 Hz, 1 channel, more than 2^32 frames in one run', ledger)
    b.keep_slope(watch, 'pipe, more than 2^32 frames', sent / 2 / 192000)


# in simulated time ------------------------------------------------------------------------------------

def simulated(rig, runs, until):
    """tests/faults: the pipeline on a simulated base, as many seeds."""
    program = os.path.join(rig.build, 'tests', 'faults', 'faults')
    first = rig.seed * 1000000
    done, step = 0, min(runs, 2000)
    while done < runs and (time.monotonic() < until or done == 0):
        p = subprocess.run([program, '--runs', str(step), '--from', str(first + done), '--classes'], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(p.returncode == 0, p.stdout)
        for count, name in re.findall(r'^fault (\d+) (.*)$', p.stdout, re.M):
            rig.fault('simulated: ' + name, int(count))
        frames, dropped = map(int, re.search(r'(\d+) frames, (\d+) of them', p.stdout).groups())
        add_simulated(rig, step, frames, dropped)
        done += step
    rig.note('seeds of simulated runs: %d to %d' % (first, first + done - 1))


def add_simulated(rig, runs, frames, dropped):
    row = rig.audio.setdefault('simulated devices', {'runs': 0, 'seconds': 0.0, 'samples': 0, 'dropped': 0})
    row['runs'] += runs
    row['samples'] += frames
    row['dropped'] += dropped
    rig.runs += runs


# memory over time ------------------------------------------------------------------------------------

def slope(rig, seconds, until):
    """One run for so long, fed at 25 times real time, with its figures read all the while."""
    if seconds == 0:
        return
    tape = rig.path('tape.wav')
    make_tape(tape, 3600, 16000, rig.draw)
    out, socket = rig.path('slope.jsonl'), rig.path('figures')
    arguments = ['listen', '-q', '-f', 'jsonl', '-c', 'pipe', '--raw', '--rate', '16000', '-o', out]
    if os.path.exists(os.path.join(rig.build, 'src', 'modules', 'serve.so')):
        arguments += ['--metrics', 'unix:' + socket]
    p = start(rig, *arguments, stdin=subprocess.PIPE)
    watch, over = Watch(p.pid, 2.0), threading.Event()
    reader = threading.Thread(target=read_figures, args=(socket, watch, over), daemon=True)
    reader.start()
    began, sent = time.monotonic(), 0
    with open(tape, 'rb') as f:
        view = memoryview(f.read())[HEADER_BYTES:]
    while time.monotonic() < min(began + seconds, max(until, began + 60)):
        at = sent % len(view)
        sent += p.stdin.write(view[at:at + 40000])
        p.stdin.flush()
        over.wait(max(0, began + sent / 32000 / 25 - time.monotonic()))
    over.set()
    reader.join()
    held = watch.slope('listen, fed at 25 times real time, figures read', sent / 32000)
    if held:
        rig.slopes.append(held)
    p.stdin.close()
    check(finish(p, 0, 60) == 0, 'listen failed')
    ledger = parse(rig, out, True).ledgers[0]
    check(ledger['captured'] == ledger['delivered'] == sent // 2, 'frames are lost:', ledger)
    rig.hear('pipe, s16, 16000 Hz, 1 channel, 25 times real time', ledger)
    if held:
        check(held['fds'][1] - held['fds'][0] <= 2, 'descriptors grow:', held)
        check(held['kib'][1] - held['kib'][0] <= 1024, 'memory grows:', held)


def read_figures(socket, watch, over):
    """Every five seconds; what the process holds is looked at between the readings, when no connection is open."""
    while not over.wait(5):
        with watch.still:
            subprocess.run(['curl', '-s', '--unix-socket', socket, 'http://x/metrics'], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            over.wait(0.2)
