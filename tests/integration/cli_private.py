#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing leaves: no network, nothing on the disk or in logs that was not asked for, and nobody else is
let in.

Usage: cli_private.py COMMAND SOURCE_FOLDER FENCED"""
import re
import socket
import stat
import threading

from cli import *

FENCED = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else 'fenced'
WORDS = 'zanzibar quagmire'
ENGINE = 'exec:cat >/dev/null; echo ' + WORDS
VOICE = noise(0.4, seed=77) + [0] * 12800
RAW = struct.pack('<%dh' % len(VOICE), *VOICE)
PIECE = RAW[2000:2064]  # what is looked for on the disk
LISTEN = ['listen', '--capture', 'pipe', '--raw', '--rate', '16000', '--vad', 'energy', '--stt', ENGINE]


class Home:
    """A place of one's own: whatever is left behind lies in it."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'home')
        os.mkdir(self.folder, 0o700)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(('XDG_', 'DBUS_', 'PIPEWIRE_'))}
        for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'SWAYSOCK', 'NOTIFY_SOCKET', 'LISTEN_FDS'):
            self.env.pop(name, None)
        self.env.update(HOME=self.folder, TMPDIR=self.folder, XDG_RUNTIME_DIR=self.folder)

    def run(self, *command, input=None, status=0):
        p = subprocess.run(command, input=input, env=self.env, cwd=self.folder, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=120)
        check(status is None or p.returncode == status, command, 'ended with', p.returncode, p.stderr.decode())
        return p

    def files(self):
        return sorted(os.path.relpath(os.path.join(where, name), self.folder)
                      for where, _, names in os.walk(self.folder) for name in names)

    def dictate(self, *before):
        """One utterance by the service, which `before` may run under something."""
        service = subprocess.Popen(
            [*before, COMMAND, 'dictate', '--capture', 'pipe', '--raw', '--rate', '16000', '--vad', 'energy', '--stt',
             ENGINE, '--no-notify', '--insert', 'none', '--seconds', '60'], env=self.env, cwd=self.folder,
            stdin=subprocess.PIPE, stderr=subprocess.PIPE)

        def ask(verb):
            return subprocess.run([COMMAND, 'dictate', verb], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        try:
            wait_until(lambda: service.poll() is not None or not ask('status').returncode, 60, 'it answers')
            check(service.poll() is None, 'it ended:', service.poll())
            ask('start')
            service.stdin.write(RAW)
            service.stdin.flush()
            ask('stop')
            for _ in range(40):  # silence ends the utterance
                service.stdin.write(bytes(3200))
            service.stdin.flush()
            wait_until(lambda: WORDS in ask('last').stdout.decode(), 60, 'the text is there')
            yield ask
        finally:
            if service.poll() is None:
                service.terminate()
            _, self.said = service.communicate(timeout=60)
        equal(service.returncode, 0, self.said.decode())


def commands(folder):
    """What the default build does with audio and text: a name, the arguments, the input."""
    wav = write_file(os.path.join(folder, 'voice.wav'), wav_bytes(VOICE))
    flac = os.path.join(folder, 'voice.flac')
    run('enhance', '-q', wav, flac)
    out = os.path.join(folder, 'home', 'out.wav')
    return [('segment', ['segment', '--vad', 'energy', '--stt', ENGINE, wav], None),
            ('segment of FLAC', ['segment', '--vad', 'energy', flac], None),
            ('listen', LISTEN, RAW),
            ('enhance', ['enhance', wav, out], None)]


def drain(steps):
    for _ in steps:
        pass


@case
def the_fence_holds(folder):
    """Else the next test could not fail."""
    home = Home(folder)
    p = home.run(FENCED, sys.executable, '-c', 'import socket; socket.socket(socket.AF_UNIX); print(1, flush=True); '
                 'socket.socket(socket.AF_INET)', status=None)
    if p.returncode == 77:
        raise Skip(p.stderr.decode().strip())
    equal((p.stdout, p.returncode), (b'1\n', -signal.SIGSYS))


@case
def no_network_is_asked_for(folder):
    home = Home(folder)
    if home.run(FENCED, 'true', status=None).returncode == 77:
        raise Skip('this kernel has no seccomp')
    for name, arguments, given in commands(folder):
        p = home.run(FENCED, COMMAND, *arguments, input=given)
        check(name == 'enhance' or b'"ledger"' in p.stdout, name, p.stdout)
    drain(home.dictate(FENCED))


def needs_strace(home):
    if not shutil.which('strace') or home.run('strace', '-o', '/dev/null', 'true', status=None).returncode:
        raise Skip('strace is missing, or may not look here')


def traced(home, calls):
    """-> the words that put strace before a command, and what it saw"""
    path = os.path.join(os.path.dirname(home.folder), 'trace')
    return ['strace', '-f', '-qq', '-o', path, '-e', 'signal=none', '-e', 'trace=' + calls], lambda: read_text(path)


FAMILY = re.compile(r'socket(?:pair)?\((\w+)|connect\(\d+, {sa_family=(\w+)')


@case
def no_network_is_seen(folder):
    """The same by strace, which also sees what is asked of sockets that were inherited."""
    home = Home(folder)
    needs_strace(home)
    before, saw = traced(home, 'network')

    def families():
        return {a or b for a, b in FAMILY.findall(saw())}
    home.run(*before, sys.executable, '-c', 'import socket; socket.socket(socket.AF_INET)')
    check('AF_INET' in families(), 'strace sees nothing', saw())
    for name, arguments, given in commands(folder):
        home.run(*before, COMMAND, *arguments, input=given)
        check(families() <= {'AF_UNIX'}, name, families())
    drain(home.dictate(*before))
    check(families() <= {'AF_UNIX'}, 'dictate', families())


WRITES = re.compile(r'(?:open|openat|creat)\((?:AT_FDCWD, )?"([^"]*)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)')


@case
def nothing_is_written_that_was_not_asked_for(folder):
    home = Home(folder)
    needs_strace(home)
    before, saw = traced(home, 'open,openat,creat')
    p = home.run(*before, COMMAND, *LISTEN, input=RAW)
    check(WORDS in p.stdout.decode(), 'the text was asked for', p.stdout)
    check(WORDS not in p.stderr.decode(), 'it is said in the log', p.stderr)
    equal(home.files(), [], 'left behind')
    equal(set(WRITES.findall(saw())) - {'/dev/null', '/dev/tty'}, set(), 'opened to be written')
    p = home.run(*before, COMMAND, 'segment', '--raw', '--rate', '16000', '--vad', 'energy', '--stt', ENGINE, '-',
                 input=RAW)
    check(WORDS in p.stdout.decode() and WORDS not in p.stderr.decode(), p.stderr)
    equal(home.files(), [], 'left behind')
    equal(set(WRITES.findall(saw())) - {'/dev/null', '/dev/tty'}, set(), 'opened to be written')


@case
def dictation_keeps_the_text_and_no_audio(folder):
    home = Home(folder)
    needs_strace(home)
    before, saw = traced(home, 'open,openat,creat')
    for ask in home.dictate(*before):
        wait_until(lambda: json.loads(ask('status').stdout)['state'] == 'idle', 30, 'it is idle again')
        said = json.loads(ask('status').stdout)
        equal(said['mic'], 'open')
        check('open' in said['tooltip'] or 'mic' in said['tooltip'].lower(), said['tooltip'])
    journal = '.local/state/voicestand/dictation.jsonl'
    equal(home.files(), [journal])
    path = os.path.join(home.folder, journal)
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    equal(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
    check(WORDS in read_text(path))
    with open(path, 'rb') as f:
        check(PIECE not in f.read(), 'audio is in the journal')
    check(WORDS not in home.said.decode(), 'it is said in the log', home.said)
    written = {os.path.basename(p) for p in WRITES.findall(saw())} - {'null', 'tty'}
    equal(written, {'dictation.jsonl'}, 'opened to be written')


@case
def its_socket_is_closed_to_others_from_the_first_instant(folder):
    home = Home(folder)
    needs_strace(home)
    before, saw = traced(home, 'bind,fchmod,chmod,fchmodat,socket,listen')
    for ask in home.dictate(*before):
        path = os.path.join(home.folder, 'voicestand', 'dictate')
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        equal(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
        if os.geteuid() == 0:
            refuse_others(folder, home, path, ask)
    lines = [line.split(None, 1)[1] for line in saw().splitlines()]
    bound = [i for i, line in enumerate(lines) if line.startswith('bind(') and 'voicestand/dictate' in line]
    equal(len(bound), 1, lines)
    fd = re.match(r'bind\((\d+)', lines[bound[0]]).group(1)
    check('fchmod(%s, 0600)' % fd in ' '.join(lines[:bound[0]]), 'its mode is set before it is there', lines)
    check('fchmod' not in ' '.join(lines[bound[0]:]), lines)


def refuse_others(folder, home, path, ask):
    """Even if somebody opens the doors, another user is not answered."""
    code = ('import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]);'
            's.send(b"status\\n"); print(s.recv(100))')
    for place in (folder, home.folder, os.path.dirname(path)):
        os.chmod(place, 0o755)
    os.chmod(path, 0o666)
    p = subprocess.run(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', sys.executable, '-c', code,
                        path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    check(p.stdout.strip() == b"b''" or b'ConnectionReset' in p.stderr or b'BrokenPipe' in p.stderr, p)
    equal(ask('status').returncode, 0, 'the user himself is answered')


@case
def an_open_microphone_shows(folder):
    """`--mic press` closes it; the state that bars show says which."""
    home = Home(folder)
    service = subprocess.Popen(
        [COMMAND, 'dictate', '--mic', 'press', '--mic-idle', '1', '--capture', 'pipe', '--raw', '--rate', '16000', '--vad',
         'energy', '--stt', ENGINE, '--no-notify', '--insert', 'none'], env=home.env, stdin=subprocess.PIPE,
        stderr=subprocess.PIPE)

    def mic():
        p = subprocess.run([COMMAND, 'dictate', 'status'], env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return json.loads(p.stdout)['mic'] if p.returncode == 0 else None
    try:
        wait_until(lambda: mic() == 'closed', 30, 'closed at first')
        subprocess.run([COMMAND, 'dictate', 'start'], env=home.env, stdout=subprocess.DEVNULL)
        service.stdin.write(RAW)
        service.stdin.flush()
        wait_until(lambda: mic() == 'open', 30, 'open from the press on')
        subprocess.run([COMMAND, 'dictate', 'cancel'], env=home.env, stdout=subprocess.DEVNULL)
        # a pipe cannot be opened again, so that the service is over with it
        wait_until(lambda: mic() == 'closed' or service.poll() == 0, 60, 'closed again')
    finally:
        if service.poll() is None:
            service.terminate()
        service.communicate(timeout=30)


if __name__ == '__main__':
    main()
