# SPDX-License-Identifier: MIT
"""What the parts of a soak share: the built command, audio made of recordings, the account of a run checked
apart from the library, and what a process holds."""
import glob
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import wave

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORDINGS = '/usr/share/sounds/alsa'
CAUSES = ('ring_full', 'gap_exact', 'gap_estimated', 'at_stop')


class Skip(Exception):
    """A part cannot run here; the words say why."""


class Broken(Exception):
    """A promise was not kept."""


def check(condition, *what):
    if not condition:
        raise Broken(' '.join(str(w) for w in what))


class Rig:
    """A build, a folder to work in, and what was seen: seconds of audio, samples, faults, losses, times."""

    def __init__(self, build, folder, seed):
        self.build, self.folder, self.seed = os.path.abspath(build), folder, seed
        self.command = os.path.join(self.build, 'tools', 'voicestand')
        os.environ['VOICESTAND_MODULE_DIR'] = os.path.join(self.build, 'src', 'modules')
        self.draw = random.Random(seed)
        self.began = time.monotonic()
        self.audio, self.faults, self.losses = {}, {}, dict.fromkeys((*CAUSES, 'residual'), 0)
        self.times, self.slopes, self.notes = {}, [], []
        self.runs = self.events = 0
        self.broken = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def hear(self, way, ledger):
        """Add a finished run to what was heard by this way."""
        row = self.audio.setdefault(way, {'runs': 0, 'seconds': 0.0, 'samples': 0})
        row['runs'] += 1
        row['seconds'] += ledger['captured'] / ledger['rate_hz']
        row['samples'] += ledger['captured'] * ledger['channels']
        self.runs += 1
        for cause in CAUSES:
            self.losses[cause] += ledger['dropped'][cause]
        self.losses['residual'] += ledger['residual']

    def heard_s(self):
        return sum(row['seconds'] for row in self.audio.values())

    def fault(self, name, count=1):
        self.faults[name] = self.faults.get(name, 0) + count

    def took(self, what, ms):
        self.times.setdefault(what, []).append(round(ms, 1))

    def note(self, sentence):
        if sentence not in self.notes:
            self.notes.append(sentence)

    def result(self):
        return {'seed': self.seed, 'seconds': round(time.monotonic() - self.began, 1), 'audio': self.audio,
                'faults': self.faults, 'losses': self.losses, 'times': self.times, 'slopes': self.slopes,
                'notes': self.notes, 'runs': self.runs, 'events': self.events, 'broken': self.broken}


# audio ------------------------------------------------------------------------------------------------

def make_tape(path, seconds, rate, draw):
    """A WAV file, 16 bits, one channel, of spoken prompts with pauses, silence first and last."""
    prompts = sorted(glob.glob(RECORDINGS + '/*.wav'))
    if len(prompts) < 9:
        raise Skip('no recordings in %s: install alsa-utils' % RECORDINGS)
    audio, wanted, spoken = bytearray(rate), int(seconds * rate) * 2, []
    for name in prompts:
        with wave.open(name) as w:
            frames = w.readframes(w.getnframes())
        spoken.append(frames if rate == 48000 else bytes(memoryview(frames).cast('h')[::48000 // rate]))
    while len(audio) < wanted:
        audio += draw.choice(spoken) + bytes(2 * int(rate * draw.uniform(0.2, 1.5)))
    audio = bytes(audio[:wanted - rate]) + bytes(rate)
    with wave.open(path, 'wb') as w:
        w.setparams((1, 2, rate, 0, 'NONE', ''))
        w.writeframes(audio)
    return audio


# the account ------------------------------------------------------------------------------------------

class Account:
    """Reads the JSON Lines of one or more runs and checks what must hold in each, apart from the library."""

    def __init__(self, live):
        self.live, self.ledgers, self.count = live, [], 0
        self.segments, self.states, self.gaps = [], [], []
        self.clear()

    def clear(self):
        self.open, self.number, self.sequence, self.odd = None, 0, -1, None
        self.lost = dict.fromkeys(CAUSES, 0)

    def take(self, line):
        e = json.loads(line)
        self.count += 1
        kind = e['event']
        if self.live:
            check(e['sequence'] > self.sequence, 'events out of order:', line) # those not written count too
            self.sequence = e['sequence']
        if kind == 'start':
            self.expect(self.open is None and e['segment'] > self.number, 'a second start: ' + line)
            self.open = self.number = e['segment']
        elif kind == 'end':
            self.expect(self.open == e['segment'], 'an end without its start: ' + line)
            self.number = max(self.number, e['segment'])
            self.open = None
        elif kind == 'segment':
            check(e['start_frame'] <= e['end_frame'], 'a segment that ends before it starts:', line)
            self.segments.append((e['start_frame'], e['end_frame']))
        elif kind == 'gap':
            check(e['frames'] == e['end_frame'] - e['start_frame'], 'a gap of another length:', line)
            self.lost[e['cause']] += e['frames']
            self.gaps.append(e)
        elif kind == 'state':
            self.states.append(e)
        elif kind == 'ledger':
            self.close(e, line)

    def expect(self, condition, what):
        """True of a run that dropped no event, which is known at its end."""
        if not condition and self.odd is None:
            self.odd = what

    def close(self, e, line):
        self.expect(self.open is None, 'a segment is left open: ' + line)
        check(self.odd is None or e['events_dropped'] > 0, self.odd)
        check(e['residual'] == 0, 'the residual is not 0:', line)
        check(e['captured'] == e['delivered'] + sum(e['dropped'].values()), 'the sum is wrong:', line)
        for cause in CAUSES[:3]:
            check(self.lost[cause] <= e['dropped'][cause], 'gaps and account differ:', cause, line)
            if e['events_dropped'] == 0 and e['dropped']['at_stop'] == 0:
                check(self.lost[cause] == e['dropped'][cause], 'gaps and account differ:', cause, line)
        self.ledgers.append(e)
        self.clear()

    def read(self, text):
        for line in text.splitlines():
            self.take(line)
        return self


def parse(rig, path, live, runs=1):
    """The account of a finished file, also by the command itself."""
    with open(path) as f:
        account = Account(live).read(f.read())
    check(len(account.ledgers) == runs, len(account.ledgers), 'accounts and not', runs, 'in', path)
    rig.events += account.count
    if any(ledger['events_dropped'] for ledger in account.ledgers):
        rig.note('events that a slow writer dropped, and the account counts, were not looked for by verify-ledger')
        return account
    p = subprocess.run([rig.command, 'verify-ledger', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    check(p.returncode == 0, 'verify-ledger:', p.stdout.strip())
    return account


# processes --------------------------------------------------------------------------------------------

def start(rig, *arguments, **more):
    """The command in the background; Ctrl-C reaches it."""
    return subprocess.Popen([rig.command, *arguments],
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **more)


def finish(process, number=signal.SIGINT, seconds=20):
    """End a run and wait for it."""
    if process.poll() is None and number:
        process.send_signal(number)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Broken('it hangs: ' + ' '.join(process.args)) from None


def wait_for(condition, seconds, what, pause=0.01):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        check(time.monotonic() < end, 'after %g s still not: %s' % (seconds, what))
        time.sleep(pause)


def holds(pid):
    """(anonymous memory in KiB, descriptors, threads) of a process, or None when it is over."""
    try:
        with open('/proc/%d/status' % pid) as f:
            text = f.read()
        fields = {k: int(v) for k, v in re.findall(r'^(RssAnon|Threads):\s*(\d+)', text, re.M)}
        return fields['RssAnon'], len(os.listdir('/proc/%d/fd' % pid)), fields['Threads']
    except (OSError, KeyError):
        return None


class Watch(threading.Thread):
    """Looks every second, or so, at what a process holds; slope() judges after the first fifth."""

    def __init__(self, pid, every=1.0):
        super().__init__(daemon=True)
        self.pid, self.every, self.seen, self.over = pid, every, [], threading.Event()
        self.still = threading.Lock() # who holds it is not looked at
        self.start()

    def run(self):
        while not self.over.wait(self.every):
            with self.still:
                held = holds(self.pid)
            if held is None:
                return
            self.seen.append((time.monotonic(),) + held)

    def slope(self, name, audio_s):
        """Least squares of memory over time, and the range of descriptors; None if it was too short."""
        self.over.set()
        self.join()
        rows = self.seen[len(self.seen) // 5:]
        if len(rows) < 10:
            return None
        t0, n = rows[0][0], len(rows)
        x, y = [r[0] - t0 for r in rows], [r[1] for r in rows]
        mx, my = sum(x) / n, sum(y) / n
        slope = sum((a - mx) * (b - my) for a, b in zip(x, y)) / (sum((a - mx) ** 2 for a in x) or 1)
        return {'name': name, 'seconds': round(x[-1]), 'audio_s': round(audio_s), 'kib': [min(y), max(y)],
                'kib_an_hour': round(slope * 3600, 1), 'fds': [min(r[2] for r in rows), max(r[2] for r in rows)],
                'threads': [min(r[3] for r in rows), max(r[3] for r in rows)]}
