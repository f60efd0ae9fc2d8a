# SPDX-License-Identifier: MIT
"""The service of dictation for tests: fed by a pipe, asked by the command, watched as a status bar does."""
import importlib.machinery
import importlib.util
import stat
import threading

from cli import *

SPEECH = ['--vad', 'energy']
RATE = 16000


class Dictation:
    """The service, fed with audio as fast as it takes it, and all that it tells."""

    def __init__(self, folder, *arguments, engine='exec:cat >/dev/null; echo hello world', env=None,
                 notify=False):
        self.folder = folder
        self.env = dict(os.environ, XDG_RUNTIME_DIR=folder, XDG_STATE_HOME=folder + '/state',
                        XDG_CONFIG_HOME=folder + '/config')
        for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'SWAYSOCK'):
            self.env.pop(name, None)
        self.env.update(env or {})
        self.program = subprocess.Popen(
            [COMMAND, 'dictate', '--capture', 'pipe', '--raw', '--rate', str(RATE), *SPEECH, '--stt', engine,
             *([] if notify else ['--no-notify']), *arguments], env=self.env, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: not subprocess.run([COMMAND, 'dictate', 'status'], env=self.env,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
                   or self.program.poll() is not None, 30, 'the service answers')
        self.events = []
        self.follower = subprocess.Popen([COMMAND, 'dictate', 'status', '--follow', '--all'], env=self.env,
                                         stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()
        self.wait('state')

    def read(self):
        for line in self.follower.stdout:
            self.events.append(json.loads(line))

    def told(self, event, **what):
        return [e for e in list(self.events) if e['event'] == event
                and all(e.get(k) == v for k, v in what.items())]

    def wait(self, event, count=1, **what):
        wait_until(lambda: len(self.told(event, **what)) >= count, 30,
                   '%d times %s %s in %s' % (count, event, what, self.events))
        return self.told(event, **what)

    def turns(self, state):
        """How often it came into a state; while it is in it, it may tell other news."""
        states = [e['state'] for e in self.told('state')]
        return sum(s == state and (i == 0 or states[i - 1] != s) for i, s in enumerate(states))

    def wait_turn(self, state, count=1):
        wait_until(lambda: self.turns(state) >= count, 30, '%d times %s in %s' % (count, state, self.events))

    def ask(self, verb, check_status=0):
        p = subprocess.run([COMMAND, 'dictate', verb], env=self.env, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=20)
        if check_status is not None:
            equal(p.returncode, check_status, verb + ': ' + p.stderr.decode())
        return p.stdout.decode().strip()

    def hear(self, samples):
        """Audio, and wait until it was taken: levels are told each 100 ms of it."""
        before = len(self.told('level'))
        self.program.stdin.write(struct.pack('<%dh' % len(samples), *samples))
        self.program.stdin.flush()
        self.wait('level', before + len(samples) // (RATE // 10) - 1)

    def say(self, seconds=0.5):
        self.hear(noise(seconds))

    def be_silent(self, seconds=0.6):
        self.hear([0] * int(seconds * RATE))

    def dictate(self):
        """One utterance with a key."""
        self.be_silent()
        self.ask('start')
        self.say()
        self.ask('stop')
        self.be_silent()

    def journal(self):
        return [json.loads(line) for line in read_text(self.folder + '/state/voicestand/dictation.jsonl')
                .splitlines()]

    def close(self):
        self.follower.kill()
        self.follower.wait()
        if self.program.poll() is None:
            self.program.terminate()
            self.program.wait(20)
        if not self.program.stderr.closed:
            self.err = self.program.stderr.read().decode()
            self.program.stderr.close()
        return self.err


def dictation(*arguments, **more):
    """Give a test a service of its own."""
    def wrap(function):
        def test(folder):
            d = Dictation(folder, '--insert', 'none', *arguments, **more)
            try:
                function(d)
            finally:
                d.close()
        test.__name__ = function.__name__
        return case(test)
    return wrap


def insertion_tool():
    """scripts/check-insertion as a module."""
    loader = importlib.machinery.SourceFileLoader(
        'check_insertion', os.path.join(sys.argv[2], 'scripts', 'check-insertion'))
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(tool)
    return tool


def open_screen(widgets=1):
    """A server of X with widgets of scripts/check-insertion."""
    tool = insertion_tool()
    try:
        session = tool.X(COMMAND)
    except tool.Missing as why:
        raise Skip(str(why))
    try:
        session.layout('us')
        return session, [tool.Target(session, session.widget, 'widget%d' % n, '\n') for n in range(widgets)]
    except tool.Missing as why:
        session.close()
        raise Skip(str(why))


def typing(folder, session, *lines):
    """A service that types on it; its engine says the lines, one an utterance."""
    path = write_file(folder + '/lines', ''.join(line + '\n' for line in lines).encode())
    return Dictation(folder, engine="exec:cat >/dev/null; head -n 1 '%s'; sed -i 1d '%s'" % (path, path),
                     env={'DISPLAY': session.env['DISPLAY']})


class Desktop:
    """A bus with a portal and notifications."""

    def __init__(self, service, folder, mode='granting'):
        if not shutil.which('dbus-daemon'):
            raise Skip('dbus-daemon is not installed')
        self.service = os.path.abspath(service)
        self.address = 'unix:path=%s/bus' % folder
        self.env = {'DBUS_SESSION_BUS_ADDRESS': self.address, 'WAYLAND_DISPLAY': 'none'}
        self.bus = subprocess.Popen(['dbus-daemon', '--session', '--nofork', '--nopidfile',
                                     '--address=' + self.address], stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(folder + '/bus'), 30, 'the bus is there')
        self.start(mode)

    def start(self, mode):
        self.lines = []
        self.program = subprocess.Popen([self.service, mode], env=dict(os.environ, **self.env),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self.read, args=(self.program.stdout,), daemon=True).start()
        self.wait('ready')

    def read(self, stream):
        for line in stream:
            self.lines.append(line.decode().strip())

    def wait(self, begin):
        wait_until(lambda: any(line.startswith(begin) for line in self.lines), 30,
                   '%s in %s' % (begin, self.lines))

    def do(self, word):
        self.program.stdin.write(word.encode() + b'\n')
        self.program.stdin.flush()

    def stop(self):
        self.program.kill()
        self.program.wait()
        self.program.stdin.close()

    def close(self):
        self.stop()
        self.bus.terminate()
        self.bus.wait()
