# SPDX-License-Identifier: MIT
"""SIGKILL at random instants: what was written parses, what was finished is whole, and a second run with
--resume gives the bytes of a run that nobody disturbed."""
import json
import os
import shutil
import signal
import subprocess
import time
import wave

from rig import Account, check, make_tape, parse, wait_for

UNFINISHED = ('.partial', '.part')
ECHO = 'exec:sleep 0.01; echo word'


def lines_of(path):
    """Whole lines of a file; only the last may be torn."""
    if not os.path.exists(path):
        return []
    with open(path, 'rb') as f:
        data = f.read()
    return data[:data.rfind(b'\n') + 1].decode().splitlines()


def by_file(lines):
    found = {}
    for line in lines:
        e = json.loads(line)
        found.setdefault(e['file'], []).append(line)
    return found


class Kills:
    def __init__(self, rig, tapes, long_s):
        self.rig = rig
        self.tapes, self.long_s = [], {}
        for i in range(tapes):
            path = rig.path('k%02d.wav' % i)
            make_tape(path, rig.draw.uniform(4, 30), 16000, rig.draw)
            self.tapes.append(path)
        self.tape = rig.path('long.wav') # minutes, so that it lasts
        make_tape(self.tape, long_s, 16000, rig.draw)
        self.whole = {}

    def run(self, arguments, **more):
        p = subprocess.run([self.rig.command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           text=True, **more)
        check(p.returncode == 0, ' '.join(arguments[:4]), 'ended with', p.returncode, p.stderr)

    def kill(self, name, arguments, stdin=None):
        """Start it, and end it at an instant of its run, or behind it."""
        usual = self.long_s.get(name, 0.3)
        began = time.monotonic()
        p = subprocess.Popen([self.rig.command, *arguments], stdin=stdin, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        try:
            p.wait(self.rig.draw.uniform(0, 1.1) * usual)
        except subprocess.TimeoutExpired:
            pass
        alive = p.poll() is None
        p.send_signal(signal.SIGKILL)
        p.wait()
        if alive:
            self.rig.fault('SIGKILL: ' + name)
        else:
            self.long_s[name] = 0.7 * usual + 0.3 * (time.monotonic() - began)
        return alive

    def undisturbed(self, name, arguments, result):
        """What the same run writes when nobody disturbs it; made once. How long it takes is kept."""
        if name not in self.whole:
            began = time.monotonic()
            self.run(arguments)
            self.long_s[name] = time.monotonic() - began
            self.whole[name] = result()
        return self.whole[name]

    # what is killed -----------------------------------------------------------------------------------

    def json_lines(self, name, command, more):
        out, again = self.rig.path('out.jsonl'), self.rig.path('whole-%s.jsonl' % name)
        arguments = [command, '-q', '-f', 'jsonl', '-j', '2', *more]
        wanted = self.undisturbed(name, [*arguments, '-o', again, *self.tapes], lambda: lines_of(again))
        whole = by_file(wanted)
        if os.path.exists(out):
            os.remove(out)
        for _ in range(self.rig.draw.choice((1, 1, 1, 2, 3))): # also while it resumes
            resume = ['--resume'] if os.path.exists(out) else []
            self.kill(name, [*arguments, *resume, '-o', out, *self.tapes])
            kept = by_file(lines_of(out))
            names = list(kept)
            for i, path in enumerate(names):
                finished = kept[path] == whole[path]
                check(finished or i == len(names) - 1, path, 'is not whole and not the last in', out)
                check(finished or kept[path] == whole[path][:len(kept[path])], path, 'is not a beginning')
        self.run([*arguments, '--resume', '-o', out, *self.tapes])
        check(lines_of(out) == wanted, 'after resumption', out, 'differs from an undisturbed run')

    def segment(self):
        self.json_lines('segment, JSON Lines', 'segment', [])

    def transcribe(self):
        self.json_lines('transcribe, JSON Lines', 'transcribe', ['--stt', ECHO, '--vad', 'energy'])

    def folder(self, name, form, more):
        """One output a file: each is there and whole, or not there."""
        out, again = self.rig.path('out'), self.rig.path('whole-' + form)
        arguments = ['segment', '-q', '-f', form, '-j', '2', *more]
        wanted = self.undisturbed(name, [*arguments, '--output-dir', again, *self.tapes],
                                  lambda: contents(again))
        shutil.rmtree(out, ignore_errors=True)
        self.kill(name, [*arguments, '--output-dir', out, *self.tapes])
        for path, data in contents(out).items():
            check(path.endswith(UNFINISHED) or data == wanted.get(path), path, 'is not whole')
        self.run([*arguments, '--resume', '--output-dir', out, *self.tapes])
        got = contents(out)
        check(got == wanted, 'after resumption', out, 'differs from an undisturbed run:',
              [path for path in {**got, **wanted} if got.get(path) != wanted.get(path)])

    def captions(self):
        self.folder('segment, SRT of a folder', 'srt', [])

    def tables(self):
        self.folder('segment, JSON Lines of a folder', 'jsonl', [])

    def audio(self):
        """Audio of segments: each file is whole."""
        name, out, again = 'segment, WAV of each segment', self.rig.path('clips'), self.rig.path('whole-clips')
        arguments = ['segment', '-q', '-f', 'jsonl', '-o', '/dev/null', '--audio', 'wav']
        wanted = self.undisturbed(name, [*arguments, '--audio-dir', again, *self.tapes],
                                  lambda: contents(again))
        shutil.rmtree(out, ignore_errors=True)
        self.kill(name, [*arguments, '--audio-dir', out, *self.tapes])
        for path, data in contents(out).items():
            check(path.endswith(UNFINISHED) or data == wanted.get(path), path, 'is not whole')
        self.run([*arguments, '--audio-dir', out, *self.tapes])
        check(contents(out) == wanted, 'after a second run', out, 'differs from an undisturbed one')

    def enhance(self):
        """Enhanced audio: the file is whole or not there, and what stood there before is untouched."""
        name, out, again = 'enhance, WAV', self.rig.path('e.wav'), self.rig.path('whole-e.wav')
        tape = self.tape
        wanted = self.undisturbed(name, ['enhance', '-q', tape, again], lambda: read(again))
        before = None
        if self.rig.draw.random() < 0.5:
            with wave.open(out, 'wb') as w:
                w.setparams((1, 2, 16000, 0, 'NONE', ''))
                w.writeframes(b'ab' * 400)
            before = read(out)
        elif os.path.exists(out):
            os.remove(out)
        self.kill(name, ['enhance', '-q', tape, out])
        now = read(out) if os.path.exists(out) else None
        check(now in (before, wanted), out, 'is neither what stood there nor the whole')
        self.run(['enhance', '-q', tape, out])
        check(read(out) == wanted, out, 'differs in a second run')

    def listen(self):
        """Live events: each line whole, in order, and what ended stays told."""
        name, out = 'listen, JSON Lines', self.rig.path('live.jsonl')
        form = ['listen', '-q', '-f', 'jsonl', '-c', 'pipe', '-o', out]
        wanted = self.undisturbed(name, ['listen', '-q', '-c', 'file:' + self.tape, '-f', 'jsonl', '-o', out],
                                  lambda: parse(self.rig, out, True).segments)
        if os.path.exists(out):
            os.remove(out)
        with open(self.tape, 'rb') as tape:
            self.kill(name, form, stdin=tape)
        account = Account(True).read('\n'.join(lines_of(out)))
        check(account.odd is None, account.odd)
        check(account.segments == wanted[:len(account.segments)], out, 'is no beginning of an undisturbed run')
        self.rig.events += account.count

    def dictate(self):
        """The journal of dictation: each text that was told is in it, whole, in its order."""
        name, state, socket = 'dictate, the journal', self.rig.path('state'), self.rig.path('d.sock')
        shutil.rmtree(state, ignore_errors=True)
        if os.path.exists(socket):
            os.remove(socket)
        env = dict(os.environ, XDG_STATE_HOME=state, XDG_CONFIG_HOME=self.rig.path('config'))
        quiet = {'env': env, 'stdin': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        service = subprocess.Popen([self.rig.command, 'dictate', '-q', '--socket', socket, '--hands-free',
                                    '--insert', 'none', '--no-notify', '--plain', '--stt', ECHO, '--vad', 'energy',
                                    '-c', 'file:' + self.tape], stdout=subprocess.DEVNULL, **quiet)
        wait_for(lambda: os.path.exists(socket) or service.poll() is not None, 10, 'the socket of dictation')
        follower = subprocess.Popen([self.rig.command, 'dictate', 'status', '--follow', '--all', '--socket',
                                     socket], stdout=subprocess.PIPE, text=True, **quiet)
        try:
            service.wait(self.rig.draw.uniform(0, 0.6))
        except subprocess.TimeoutExpired:
            self.rig.fault('SIGKILL: ' + name)
        service.send_signal(signal.SIGKILL)
        service.wait()
        time.sleep(0.05)
        follower.terminate() # it would wait for the next service
        told = [json.loads(line) for line in follower.communicate(timeout=10)[0].splitlines()]
        journal = [json.loads(line) for line in lines_of(state + '/voicestand/dictation.jsonl')]
        heard = [e['id'] for e in journal if e['event'] == 'heard']
        check(heard == list(range(1, len(heard) + 1)), 'texts are missing in the journal:', heard)
        for e in told:
            check(e['event'] != 'heard' or e in journal, 'told and not in the journal:', e)
        self.rig.events += len(journal)


def contents(folder):
    """Bytes of each file by its path below the folder."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            found[os.path.relpath(path, folder)] = read(path)
    return found


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def run(rig, kills, until):
    """Kill so often, or until that time."""
    k = Kills(rig, 14, 600) if kills > 100 else Kills(rig, 6, 300)
    ways = [k.segment, k.transcribe, k.captions, k.tables, k.audio, k.enhance, k.listen, k.dictate]
    done = 0
    while sum(rig.faults.values()) < kills and time.monotonic() < until:
        ways[done % len(ways)]()
        done += 1
        rig.runs += 1
