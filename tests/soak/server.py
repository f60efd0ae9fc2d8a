# SPDX-License-Identifier: MIT
"""A real PipeWire server of its own: hours of audio as fast as it can, and faults while it plays."""
import json
import math
import os
import signal
import subprocess
import time
import wave

from rig import ROOT, Broken, Skip, Watch, check, finish, make_tape, parse, start, wait_for

RATE = 48000


class Session:
    """scripts/private-pipewire as long as this lives: its environment, its tools, its processes."""

    def __init__(self, rig):
        self.rig = rig
        words = rig.path('session')
        self.holder = subprocess.Popen([os.path.join(ROOT, 'scripts', 'private-pipewire'), 'sh', '-c',
                                        'env -0 >"$0.new"; mv "$0.new" "$0"; read -r x', words],
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: os.path.exists(words) or self.holder.poll() is not None, 30, 'a PipeWire session')
        if not os.path.exists(words):
            reason = self.holder.stderr.read().strip().splitlines()
            check(self.holder.returncode == 77, 'no PipeWire session:', *reason)
            raise Skip(reason[-1])
        with open(words) as f:
            self.env = dict(pair.split('=', 1) for pair in f.read().split('\0') if pair)
        self.folder = self.env['PRIVATE_PIPEWIRE']
        os.remove(words)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(30)
        self.holder.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *command, fails=False):
        p = subprocess.run(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           stdin=subprocess.DEVNULL, text=True, timeout=60)
        check(fails or p.returncode == 0, ' '.join(command), 'failed:', p.stdout.strip())
        return p.stdout

    def pid(self, name):
        with open('%s/%s.pid' % (self.folder, name)) as f:
            return int(f.read())

    def has_node(self, name):
        return '"%s"' % name in self.call('pw-cli', 'ls', 'Node', fails=True)

    def feeder(self, *arguments):
        """A microphone that plays; see tests/integration/feeder.c."""
        p = subprocess.Popen([os.path.join(self.rig.build, 'tests', 'integration', 'feeder'), *arguments],
                             env=self.env, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: self.has_node(arguments[0]), 10, 'the node ' + arguments[0], 0.05)
        return p

    def listen(self, out, *arguments, **more):
        return start(self.rig, 'listen', '-q', '-f', 'jsonl', '-o', out, *arguments, env=self.env, **more)

    def manager(self):
        """Start the session manager again, as the session does."""
        home = self.folder + '/home'
        with open(self.folder + '/wireplumber.log', 'a') as log:
            p = subprocess.Popen(['wireplumber'], env=dict(self.env, HOME=home, XDG_STATE_HOME=home,
                                                           XDG_CONFIG_HOME=home),
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with open(self.folder + '/wireplumber.pid', 'w') as f:
            f.write(str(p.pid))
        self.mine = p
        wait_for(lambda: 'WirePlumber [export]' in self.call('wpctl', 'status', fails=True), 20, 'a session manager',
                 0.02)


class Witness:
    """A bare client of PipeWire that listens beside us; see tests/integration/witness.c."""

    def __init__(self, session, flows):
        self.path = session.rig.path('witness')
        with open(self.path, 'w') as out:
            self.p = subprocess.Popen([os.path.join(session.rig.build, 'tests', 'integration', 'witness')],
                                      env=session.env, stdout=out)
        if flows:
            self.instant('sound', 0)

    def instant(self, word, since_ns):
        """When it said this first after that time; None where it waits in vain, as it does no more than wait."""
        def look():
            with open(self.path) as f:
                said = [line.split() for line in f if line.endswith('\n')]
            return next((int(ns) for what, ns in said if what == word and int(ns) > since_ns), None)
        try:
            return wait_for(look, 1, word, 0.005)
        except Broken:
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.p.wait()


# as fast as it can -------------------------------------------------------------------------------------

LOOP_S = 600
NEAR = RATE // 10 # of where a segment should begin
SPEED = 200 # times real time: a core does it, with some of it left


def freewheel(rig, hours, until):
    """So many hours through the server, or until that time; each run checks where its segments lie."""
    tape = rig.path('tape.wav')
    loop_s = LOOP_S if hours > 1 else 60
    audio = make_tape(tape, loop_s, RATE, rig.draw)
    raw = rig.path('tape.raw')
    with open(raw, 'wb') as f:
        f.write(audio)
    wanted = parse_tape(rig, audio)
    whole, left = 0, hours * 3600
    with Session(rig) as session:
        while left > 0 and time.monotonic() < until:
            loops = max(2, min(12, math.ceil(left / loop_s)))
            ledger, is_whole = one_freewheel(rig, session, raw, wanted, loops, len(audio) // 2)
            whole += is_whole
            left -= ledger['delivered'] / RATE
    rig.note('seed %d: %.2f h were delivered; %d of %d runs lost no frame of the tape, and in those the segments lie '
             'where it has them' % (rig.seed, hours - left / 3600, whole, rig.runs))


def parse_tape(rig, audio):
    """Segments where the tape is played anew: at its very first the detector knows less of the room."""
    tape, out, frames = rig.path('twice.wav'), rig.path('tape.jsonl'), len(audio) // 2
    with wave.open(tape, 'wb') as w:
        w.setparams((1, 2, RATE, 0, 'NONE', ''))
        w.writeframes(2 * audio)
    p = start(rig, 'segment', '-q', '-f', 'jsonl', '-o', out, tape)
    check(finish(p, 0, 600) == 0, 'segment failed')
    return [(a - frames, b - frames) for a, b in parse(rig, out, False).segments if a >= frames]


def one_freewheel(rig, session, raw, wanted, loops, frames):
    out = rig.path('free.jsonl')
    feeder = session.feeder('tape', raw, str(SPEED), str(loops))
    p = session.listen(out, '-c', 'pipewire:tape,node.group=pipewire.freewheel,node.latency=8192/48000', '--ring-ms',
                       '60000')
    watch, began = Watch(p.pid), time.monotonic()
    try:
        wait_for(lambda: os.path.exists(out) and os.path.getsize(out) > 0, 20, 'sound')
        feeder.send_signal(signal.SIGUSR1)
        said = feeder.stdout.readline() + feeder.stdout.readline()
        check('done' in said, 'the feeder ended:', said)
        took = time.monotonic() - began
        time.sleep(0.1)
    finally:
        status = finish(p)
        feeder.kill()
        feeder.communicate()
    check(status in (0, 130), 'listen ended with', status)
    account = parse(rig, out, True)
    ledger = account.ledgers[0]
    rig.hear('PipeWire server, freewheel, 48000 Hz', ledger)
    rig.took('freewheel: times real time', loops * frames / RATE / took)
    slope = watch.slope('listen, freewheel', ledger['captured'] / RATE)
    if slope:
        rig.slopes.append(slope)
    check(account.segments or account.gaps, 'no segment in', loops, 'repetitions')
    base = find_base(account, wanted) - (loops - 1) * frames if account.segments else None
    is_whole = base is not None and all(g['end_frame'] <= base for g in account.gaps)
    if is_whole: # nothing was lost, or but before the tape began
        compare_loops(account, wanted, loops, frames, base)
    else:
        rig.note('where segments lie was not compared in runs in which processors were short: then the playing '
                 'client misses cycles too, and the server puts silence there')
    return ledger, is_whole


def compare_loops(account, wanted, loops, frames, base):
    """Each segment of each repetition lies where the tape has it: a frame that was lost and not counted would
    move all that follow. Bounds may move by hops, as a detector remembers what was before."""
    starts = sorted(a for a, _ in account.segments)
    met = missed = at = 0
    for k in range(loops):
        for a, _ in wanted:
            want = base + k * frames + a
            if want < 0: # before the first frame that was captured
                continue
            while at < len(starts) and starts[at] < want - NEAR:
                at += 1
            if at < len(starts) and starts[at] <= want + NEAR:
                met += 1
            else:
                missed += 1
    dropped = account.ledgers[0]['events_dropped']
    check(missed <= max(4, 0.03 * loops * len(wanted)) + dropped, missed, 'of', loops * len(wanted), 'segments lie elsewhere,', met,
          'where they should; events dropped:', dropped, 'lost:', account.ledgers[0]['dropped'])


def find_base(account, wanted):
    """Where the last repetition begins: that of its starts that puts most of those before where they belong. If
    it is right, all repetitions before were heard that the frames before it have room for."""
    starts, wanted = (sorted(a for a, _ in segments) for segments in (account.segments, wanted))
    best, base = -1, 0
    for last in starts[-max(3, len(wanted) // 3):]: # not those of the repetition before
        for reference in wanted[-3:]:
            origin = last - reference
            off = [min((s - origin - w for s in starts[-60:]), key=abs) for w in wanted[-20:]]
            hits = sum(abs(o) <= NEAR for o in off)
            if hits > best:
                best, base = hits, origin + sorted(off)[len(off) // 2]
    return base


# faults -----------------------------------------------------------------------------------------------

class Faults:
    """One live run, and what happens to it."""

    def __init__(self, rig, session):
        self.rig, self.session, self.out = rig, session, rig.path('live.jsonl')
        self.deaf = {} # how often a bare client heard nothing any more

    def begin(self):
        with open(self.out, 'w'):
            pass
        self.file = open(self.out)
        self.rest, self.seen = '', []
        self.began = time.monotonic()
        self.p = self.session.listen(self.out, '-c', 'pipewire', '--latency-ms', '20')
        self.watch = Watch(self.p.pid)
        self.await_event(0, lambda e: e['event'] == 'state')

    def end(self):
        status = finish(self.p)
        self.file.close()
        check(status in (0, 130), 'listen ended with', status)
        account = parse(self.rig, self.out, True)
        ledger = account.ledgers[0]
        elapsed = (ledger['mono_ns'] - account.states[0]['mono_ns']) / 1e9 # since audio flows
        heard = ledger['captured'] / ledger['rate_hz']
        self.rig.took('server: time of a run that the account misses', abs(elapsed - heard) * 1000)
        slip_s = 0.02 * elapsed if is_crowded() else 0
        check(abs(elapsed - heard) < OFF_S + slip_s, 'the account has %.3f s and %.3f s passed' % (heard, elapsed))
        self.rig.hear('PipeWire server, real time, with faults', ledger)
        slope = self.watch.slope('listen, with faults of the server', heard)
        if slope:
            self.rig.slopes.append(slope)
            check(slope['fds'][1] - slope['fds'][0] <= 24, 'descriptors grow:', slope)

    def tell(self):
        """What a run that went wrong says at its end, beside the time that passed."""
        elapsed = time.monotonic() - self.began
        finish(self.p)
        self.read()
        return '%.3f s passed, %d processors wanted; the run said %s' % (
            elapsed, os.getloadavg()[0], [(e['event'], e.get('message'), e.get('frames'), e.get('captured'))
                                          for e in self.seen[-4:]])

    def read(self):
        self.rest += self.file.read()
        *lines, self.rest = self.rest.split('\n')
        self.seen += [json.loads(line) for line in lines if '"event":"probability"' not in line]

    def await_event(self, since_ns, wanted, seconds=10, what='an event'):
        """The first such event decided after that time."""
        def look():
            self.read()
            check(self.p.poll() is None, 'listen ended by itself:', self.p.returncode)
            return next((e for e in self.seen if e['mono_ns'] > since_ns and wanted(e)), None)
        return wait_for(look, seconds, what, 0.005)

    def sound_since(self, since_ns, what, witness):
        """Audio flows again: the gap before its first frames is told. Takes the time from then on, and of that
        what a bare client needed in the same moment."""
        gap = self.await_event(since_ns, lambda e: e['event'] == 'gap', 15, 'sound after: ' + what)
        took = (gap['mono_ns'] - since_ns) / 1e6
        self.rig.took(what + ' back to the first sample', took)
        bare_ns = witness.instant('sound', since_ns)
        if bare_ns:
            self.rig.took(what + ' back: a bare client', (bare_ns - since_ns) / 1e6)
            self.rig.took(what + ' back: we, later than it', (gap['mono_ns'] - bare_ns) / 1e6)
        else:
            self.deaf[what] = self.deaf.get(what, 0) + 1
        return took

    def pause(self, most):
        time.sleep(self.rig.draw.uniform(0.02, most))

    # what happens -------------------------------------------------------------------------------------

    def microphone(self):
        with Witness(self.session, True) as witness:
            self.session.call('mic-remove')
            self.pause(1.0)
            since = time.monotonic_ns()
            self.session.call('mic-add')
            self.sound_since(since, 'microphone', witness)
        self.rig.fault('microphone removed and added')

    def server(self, away_s=None):
        killed = time.monotonic_ns()
        self.session.call('server-stop')
        busy, began = busy_s(self.p.pid), time.monotonic()
        if away_s:
            time.sleep(away_s)
        else:
            self.pause(3.0)
        share = (busy_s(self.p.pid) - busy) / (time.monotonic() - began)
        self.rig.took('processor time while the server is away, per mille', 1000 * share)
        self.await_event(killed, lambda e: e.get('message') == 'audio server gone', 5, 'that the server is gone')
        with Witness(self.session, False) as witness:
            since = start_server(self.session)
            took = self.sound_since(since, 'server, manager and microphone', witness)
            back = self.await_event(killed, lambda e: e.get('message') == 'audio server back')
            met_ns = witness.instant('connected', 0)
            check(met_ns, 'no bare client is connected')
            self.rig.took('server: we are connected, later than a bare client', (back['mono_ns'] - met_ns) / 1e6)
        self.rig.fault('server killed and restarted')
        return took

    def server_long_away(self):
        """Away for so long that the waits between tries have grown to their longest: they once were too long."""
        soon(lambda: self.server(0.85), 'the server came back')

    def manager_after_server(self):
        """The stream that fails then is tried again at once, as if no server had been away before."""
        soon(self.manager, 'the session manager came back after the server had been away')

    def manager(self):
        with Witness(self.session, True) as witness:
            os.kill(self.session.pid('wireplumber'), signal.SIGKILL)
            reap(self.session)
            self.pause(0.6)
            self.session.manager()
            self.session.call('mic-remove') # real ones go and come with it
            since = time.monotonic_ns()
            self.session.call('mic-add')
            took = self.sound_since(since, 'session manager and microphone', witness)
        self.rig.fault('session manager killed and restarted')
        return took

    def stop_server(self):
        self.stop(self.session.pid('pipewire'), 'server stopped and continued', 1.5)

    def stop_new_server(self):
        """A server that is stopped while it sets a microphone up has a clock that leaves that time out; which
        once was counted nowhere."""
        self.manager()
        self.stop(self.session.pid('pipewire'), 'server stopped while a microphone is new', 1.5)

    def stop_manager(self):
        self.stop(self.session.pid('wireplumber'), 'session manager stopped and continued', 0.5)

    def stop_us(self):
        self.stop(self.p.pid, 'we stopped and continued', 1.5)

    def stop(self, pid, name, most):
        os.kill(pid, signal.SIGSTOP)
        try:
            self.pause(most)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.flows(time.monotonic_ns(), 'sound after: ' + name)
        self.rig.fault(name)

    def quantum(self):
        for value in (self.rig.draw.choice((256, 512, 2048, 4096)), 0):
            self.session.call('pw-metadata', '-n', 'settings', '0', 'clock.force-quantum', str(value))
            self.pause(0.3)
        self.flows(time.monotonic_ns(), 'sound after another quantum')
        self.rig.fault('quantum changed')

    def rate(self):
        for value in (44100, 0):
            self.session.call('pw-metadata', '-n', 'settings', '0', 'clock.force-rate', str(value))
            self.pause(0.3)
        self.settle()
        self.flows(time.monotonic_ns(), 'sound after another rate')
        self.rig.fault('rate of the graph changed')

    def default(self):
        self.session.call('mic-add', 'other-mic')
        self.session.call('pw-metadata', '0', 'default.configured.audio.source', '{ "name": "other-mic" }')
        self.pause(0.5)
        self.session.call('pw-metadata', '0', 'default.configured.audio.source', '{ "name": "test-mic" }')
        self.pause(0.3)
        self.session.call('mic-remove', 'other-mic')
        self.settle()
        self.flows(time.monotonic_ns(), 'sound after another default')
        self.rig.fault('default microphone changed')

    def hogs(self):
        hogs = [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in range(4)]
        self.pause(0.7)
        for hog in hogs:
            hog.kill()
            hog.wait()
        self.flows(time.monotonic_ns(), 'sound after processors were taken')
        self.rig.fault('processors taken by others')

    def settle(self):
        time.sleep(0.2)

    def flows(self, since_ns, what):
        """Audio flows at or after this time: we are stopped for so long that a gap must follow, exactly seen
        where sound comes back; a run that heard nothing more would tell none."""
        os.kill(self.p.pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(self.p.pid, signal.SIGCONT)
        self.await_event(since_ns, lambda e: e['event'] == 'gap', 10, what)


SOON_MS, TRIES = 500, 3
OFF_S = 0.4 # of account and clock: what a virtual microphone's clock slips where processors are taken


def soon(fault, what):
    """The machine may be busy for once; a wait that is too long is so each time. Where far more is wanted of
    the processors than they have, server and session manager come late too, and nothing is said of it."""
    took = [fault()]
    while took[-1] > SOON_MS and len(took) < TRIES:
        took.append(fault())
    check(took[-1] <= SOON_MS or is_crowded(), what, 'and sound came after', took,
          'ms, each time later than', SOON_MS)


def is_crowded():
    """Others want far more processors than there are: then timers of servers come late, and slip."""
    return os.getloadavg()[0] > 2 * os.cpu_count()


def busy_s(pid):
    """Processor time of a process, in seconds."""
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def reap(session):
    mine = getattr(session, 'mine', None)
    if mine and mine.poll() is None:
        mine.wait()


def start_server(session):
    """server-start. Returns the instant before the microphone is made: then server and manager are there."""
    session.call('sh', '-c', '. "$PRIVATE_PIPEWIRE/lib.sh"; start_programs')
    since = time.monotonic_ns()
    session.call('mic-add')
    return since


def faults(rig, count, until):
    """So many faults, or until that time, in runs of a dozen."""
    with Session(rig) as session:
        f = Faults(rig, session)
        ways = [f.microphone, f.stop_us, f.server_long_away, f.manager_after_server, f.stop_new_server,
                f.stop_server, f.quantum, f.microphone, f.rate, f.default, f.stop_manager, f.hogs, f.server]
        turn = 0
        while turn < count and (turn == 0 or time.monotonic() < until):
            f.begin()
            last = min(count, turn + len(ways))
            try:
                while turn < last and (turn == 0 or time.monotonic() < until):
                    ways[turn % len(ways)]()
                    turn += 1
            except Broken as what:
                raise Broken('%s; %s' % (what, f.tell())) from None
            f.end()
        for what, count in f.deaf.items():
            rig.note('%s back: a bare client heard nothing within 1 s more, %d times' % (what, count))
    leaves_nothing(rig)


def leaves_nothing(rig):
    """A run that is asked to end while no server is there ends, and tells what it heard."""
    with Session(rig) as session:
        f = Faults(rig, session)
        f.begin()
        session.call('server-stop')
        time.sleep(0.4)
        status = finish(f.p, signal.SIGTERM, 5)
        check(status in (0, 143), 'listen without a server ended with', status)
        rig.hear('PipeWire server, real time, with faults', parse(rig, f.out, True).ledgers[0])
        f.file.close()
        rig.fault('asked to end while the server is gone')
        session.call('server-start')
