# SPDX-License-Identifier: MIT
"""Readers and disks that fail while the command writes: it ends with one sentence, what is written parses, and
a second run with --resume gives what an undisturbed one gives."""
import fcntl
import os
import resource
import signal
import subprocess
import time

from kills import lines_of
from rig import Account, Broken, check, make_tape, wait_for

F_SETPIPE_SZ = 1031


class Outputs:
    def __init__(self, rig):
        self.rig, self.out = rig, rig.path('out.jsonl')
        self.tapes = []
        for i in range(12):
            self.tapes.append(rig.path('t%02d.wav' % i))
            make_tape(self.tapes[-1], rig.draw.uniform(3, 30), 16000, rig.draw)
        self.tape = rig.path('long.wav')
        make_tape(self.tape, 900, 16000, rig.draw)
        self.arguments = ['segment', '-q', '-f', 'jsonl', '-j', '2']
        self.run(self.out)
        self.wanted = lines_of(self.out)
        self.size = os.path.getsize(self.out)

    def run(self, out, *more, **options):
        p = subprocess.run([self.rig.command, *self.arguments, *more, '-o', out, *self.tapes], timeout=60, text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
        self.rig.runs += 1
        return p

    def told(self, p, what):
        """It failed, and said so in one line."""
        lines = p.stderr.splitlines()
        check(p.returncode not in (0, None) and p.returncode > 0, what, 'ended with', p.returncode)
        check(len(lines) == 1 and lines[0].startswith('voicestand: '), what, 'said', p.stderr)

    def resumed(self, out):
        """What is there is a beginning, and the rest can be done."""
        kept = lines_of(out)
        check(kept == self.wanted[:len(kept)], out, 'is no beginning of the whole')
        p = self.run(out, '--resume')
        check(p.returncode == 0, 'a run that resumes ended with', p.returncode, p.stderr)
        check(lines_of(out) == self.wanted, 'after resumption', out, 'differs')

    # disks --------------------------------------------------------------------------------------------

    def limited(self):
        """No file may grow beyond a byte that is drawn."""
        limit = self.rig.draw.randrange(0, self.size)
        if os.path.exists(self.out):
            os.remove(self.out)

        def lower():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        self.told(self.run(self.out, preexec_fn=lower), 'no room behind byte %d' % limit)
        self.resumed(self.out)
        self.rig.fault('disk full (a limit of the file size)')

    def small_disk(self):
        """A disk of a few pages."""
        folder = self.rig.path('disk')
        os.makedirs(folder, exist_ok=True)
        size = self.rig.draw.randrange(4096, max(8192, self.size), 4096)
        p = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % size, 'soak', folder], stderr=subprocess.PIPE)
        if p.returncode != 0:
            self.rig.note('not tried: a disk that is full, because nothing may be mounted here')
            return
        try:
            out = folder + '/out.jsonl'
            p = self.run(out)
            if p.returncode != 0:
                self.told(p, 'a disk of %d bytes' % size)
            subprocess.run(['mount', '-o', 'remount,size=100M', folder], check=True)
            self.resumed(out)
        finally:
            subprocess.run(['umount', folder], check=True)
        self.rig.fault('disk full (a small disk)')

    def full_device(self):
        self.told(self.run('/dev/full'), '/dev/full')
        self.rig.fault('disk full (/dev/full)')

    # readers ------------------------------------------------------------------------------------------

    def gone(self):
        """The reader of standard output goes away after some bytes."""
        p = subprocess.Popen([self.rig.command, *self.arguments, *self.tapes], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        p.stdout.read(self.rig.draw.randrange(0, 400))
        p.stdout.close()
        status = wait_end(p, 'a reader that is gone')
        check(status >= 0, 'a reader that is gone: it died of signal', -status)
        p.stderr.close()
        self.rig.fault('reader of the output gone')
        self.rig.runs += 1

    def slow(self):
        """A reader that sleeps, of a live run: nothing that is told is torn, what is not told is counted."""
        with open(self.tape, 'rb') as tape:
            p = subprocess.Popen([self.rig.command, 'listen', '-q', '-f', 'jsonl', '-c', 'pipe'], stdin=tape,
                                 stdout=subprocess.PIPE)
        fcntl.fcntl(p.stdout, F_SETPIPE_SZ, 4096)
        text = b''
        time.sleep(self.rig.draw.uniform(0.05, 0.3))
        while True:
            piece = p.stdout.read1(self.rig.draw.choice((100, 4096)))
            if not piece:
                break
            text += piece
            if self.rig.draw.random() < 0.2:
                time.sleep(0.005)
        p.stdout.close()
        check(wait_end(p, 'a slow reader') == 0, 'a slow reader: it failed')
        account = Account(True).read(text.decode())
        check(len(account.ledgers) == 1, 'no account')
        self.rig.hear('pipe, a slow reader', account.ledgers[0])
        self.rig.fault('reader of the output slow')

    # signals ------------------------------------------------------------------------------------------

    def signalled(self):
        """One signal at an instant that is drawn: what was heard is told, with the account, and soon."""
        number = self.rig.draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        twice = self.rig.draw.random() < 0.3
        p = subprocess.Popen([self.rig.command, 'listen', '-q', '-f', 'jsonl', '-c', 'pipe', '-o', self.out],
                             stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        fcntl.fcntl(p.stdin, F_SETPIPE_SZ, 1 << 20)
        with open(self.tape, 'rb') as f:
            p.stdin.write(f.read(1 << 20))
        p.stdin.flush()
        wait_for(lambda: os.path.exists(self.out) and started(p.pid), 10, 'a run')
        time.sleep(self.rig.draw.uniform(0, 0.2))
        began = time.monotonic()
        p.send_signal(number)
        if twice:
            time.sleep(self.rig.draw.uniform(0, 0.002))
            p.send_signal(number)
        status = wait_end(p, number.name)
        self.rig.took('a signal to the end of the run', (time.monotonic() - began) * 1000)
        check(status in (0, 128 + number, -number), number.name, 'ended with', status)
        p.stdin.close()
        p.stderr.close()
        account = Account(True).read('\n'.join(lines_of(self.out)))
        if not twice:
            check(len(account.ledgers) == 1, number.name, 'and no account')
            self.rig.hear('pipe, ended by a signal', account.ledgers[0])
        self.rig.fault(number.name + (', twice' if twice else ''))


def started(pid):
    """Whether its threads run, so that signals are caught."""
    try:
        return len(os.listdir('/proc/%d/task' % pid)) > 2
    except OSError:
        return False


def wait_end(p, what):
    try:
        return p.wait(20)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        raise Broken(what + ': it hangs') from None


def run(rig, faults, until):
    """So many faults, or until that time."""
    o = Outputs(rig)
    ways = [o.limited, o.gone, o.signalled, o.slow, o.full_device, o.small_disk, o.signalled]
    for turn in range(faults):
        if turn >= len(ways) and time.monotonic() > until:
            break
        ways[turn % len(ways)]()
