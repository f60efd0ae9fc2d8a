#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a service owes to systemd: the units, readiness, watchdog, sockets that are handed over, the journal's
fields, restarts without loss; and all of it once under a real manager of user services.

Usage: cli_service.py COMMAND SOURCE_FOLDER BUILD_FOLDER"""
import re
import socket
import stat

from cli import *

SOURCE, BUILD = (os.path.abspath(a) for a in sys.argv[2:4])
UNITS = [os.path.join(BUILD, 'packaging', 'voicestand-%s.%s' % (name, kind))
         for name in ('dictate', 'wyoming') for kind in ('service', 'socket')]
LISTEN = os.path.join(BUILD, 'packaging', 'voicestand-listen.service')
UNITS.append(LISTEN)
AUDIO = ['--capture', 'pipe', '--raw', '--rate', '16000', '--vad', 'energy']
MOST_EXPOSED = 30  # tenths


def environment(folder):
    env = {k: v for k, v in os.environ.items() if not k.startswith(('XDG_', 'DBUS_', 'LISTEN_', 'WATCHDOG_'))}
    for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'SWAYSOCK', 'NOTIFY_SOCKET', 'JOURNAL_STREAM'):
        env.pop(name, None)
    env.update(HOME=folder, XDG_RUNTIME_DIR=folder)
    return env


def service(env, *arguments, engine='null', insert='none', before=(), **more):
    return subprocess.Popen([*before, COMMAND, 'dictate', *AUDIO, '--stt', engine, '--no-notify', '--insert', insert,
                             *arguments], env=env, stdin=subprocess.PIPE, **{'stderr': subprocess.PIPE, **more})


def ask(env, verb):
    return subprocess.run([COMMAND, 'dictate', verb], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def dictate(env, program):
    """One utterance."""
    wait_until(lambda: ask(env, 'status').returncode == 0 or program.poll() is not None, 30, 'it answers')
    ask(env, 'start')
    program.stdin.write(struct.pack('<8000h', *noise(0.5)))
    program.stdin.flush()
    ask(env, 'stop')
    program.stdin.write(bytes(2 * 16000 * 3))
    program.stdin.flush()


def end(program):
    if program.poll() is None:
        program.terminate()
    return program.communicate(timeout=60)[1]


def journal(folder):
    path = folder + '/.local/state/voicestand/dictation.jsonl'
    return [json.loads(line) for line in read_text(path).splitlines()] if os.path.exists(path) else []


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(program + ' is not installed')


@case
def units_are_exposed_little(folder):
    needs('systemd-analyze')
    for unit in UNITS:
        if unit.endswith('.service'):
            p = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=%d' % MOST_EXPOSED, unit],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            equal(p.returncode, 0, p.stdout.decode()[-300:])
            print('#', p.stdout.decode().strip().splitlines()[-1].encode('ascii', 'ignore').decode().strip())
    open_unit = write_file(folder + '/open.service', b'[Service]\nExecStart=/bin/true\n')  # else this could not fail
    p = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=%d' % MOST_EXPOSED, open_unit],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(p.returncode != 0)


@case
def units_are_well_formed(folder):
    needs('systemd-analyze')
    copies = []
    for unit in UNITS:  # with a command that is there
        text = re.sub(r'^ExecStart=\S+', 'ExecStart=' + COMMAND, read_text(unit), flags=re.M)
        copies.append(write_file(os.path.join(folder, os.path.basename(unit)), text.encode()))
    p = subprocess.run(['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', *copies],
                       env=dict(environment(folder), SYSTEMD_LOG_LEVEL='warning'), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    ours = [line for line in p.stderr.decode().splitlines() if 'voicestand' in line]
    equal((p.returncode, ours), (0, []))


@case
def it_tells_that_it_is_ready_and_alive(folder):
    env = environment(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(folder + '/notify')
        heard.settimeout(30)
        env.update(NOTIFY_SOCKET=folder + '/notify', WATCHDOG_USEC='300000')
        program = service(env)
        states = []

        def read(until):
            while not until():
                states.append(heard.recv(200).decode())
        read(lambda: 'READY=1' in states)
        equal(ask(env, 'status').returncode, 0, 'it answers when it is ready')
        read(lambda: states.count('WATCHDOG=1') >= 3)
        program.send_signal(signal.SIGSTOP)  # who hangs is silent
        time.sleep(0.5)
        heard.setblocking(False)
        late = []
        try:
            while True:
                late.append(heard.recv(200))
        except BlockingIOError:
            pass
        check(len(late) <= 3, late)
        program.send_signal(signal.SIGCONT)
        heard.settimeout(30)
        ask(env, 'start')
        program.stdin.write(bytes(32000))
        program.stdin.flush()
        read(lambda: any('microphone open' in s for s in states))
        end(program)
        read(lambda: 'STOPPING=1' in states)


@case
def listen_tells_it_too(folder):
    env = environment(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(folder + '/notify')
        heard.settimeout(30)
        env.update(NOTIFY_SOCKET=folder + '/notify', WATCHDOG_USEC='600000')
        program = subprocess.Popen([COMMAND, 'listen', '--capture', 'null', '--quiet'], env=env,
                                   stdout=subprocess.DEVNULL)
        states = []
        while states.count('WATCHDOG=1') < 3:
            states.append(heard.recv(400).decode())
        equal([s for s in states if s in ('READY=1', 'WATCHDOG=1')][0], 'READY=1')
        check(any(s.startswith('STATUS=listening to') for s in states), states)
        program.terminate()
        while states[-1] != 'STOPPING=1':
            states.append(heard.recv(400).decode())
        equal(program.wait(30), 0)


@case
def a_socket_that_is_handed_over_is_used(folder):
    env = environment(folder)
    os.mkdir(folder + '/voicestand', 0o700)
    path = folder + '/voicestand/dictate'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        env.update(LISTEN_FDS='1')
        program = service(env, before=['sh', '-c', 'LISTEN_PID=$$ exec "$@" 3<&%d' % listener.fileno(), 'sh'],
                          pass_fds=[listener.fileno()])
        p = ask(env, 'status')  # waits in the socket until somebody answers
        equal((p.returncode, json.loads(p.stdout)['state']), (0, 'idle'))
        end(program)
        check(os.path.exists(path), 'the socket is its owner\'s')
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)  # and he listens on
        client.close()


@case
def the_journal_gets_fields(folder):
    env = environment(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(folder + '/journal')
        heard.settimeout(30)
        errors, write_end = os.pipe()
        about = os.fstat(write_end)
        env.update(VOICESTAND_JOURNAL=folder + '/journal', JOURNAL_STREAM='%d:%d' % (about.st_dev, about.st_ino))
        program = subprocess.Popen([COMMAND, 'segment', folder + '/not\nthere.wav'], env=env, stderr=write_end,
                                   stdout=subprocess.DEVNULL)
        fields = dict(line.split('=', 1) for line in heard.recv(2000).decode().splitlines())
        equal(program.wait(30), 3)
        os.close(write_end)
        equal((fields['PRIORITY'], fields['SYSLOG_IDENTIFIER'], fields['VOICESTAND_TOPIC']), ('3', 'voicestand', 'capture'))
        check('there is no such file' in fields['MESSAGE'] and not fields['MESSAGE'].startswith('voicestand:'), fields)
        equal(os.read(errors, 100), b'', 'not said twice')
        os.close(errors)
        del env['JOURNAL_STREAM']
        p = subprocess.run([COMMAND, 'segment', folder + '/missing.wav'], env=env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
        check(p.stderr.startswith(b'voicestand: '), p.stderr)


@case
def a_text_that_a_killed_service_did_not_type_is_found_again(folder):
    env = environment(folder)
    engine = 'exec:cat >/dev/null; echo almost lost'
    program = service(env, '--hook', 'sleep 5', engine=engine, insert='clipboard')
    dictate(env, program)
    wait_until(lambda: any(e['event'] == 'heard' for e in journal(folder)), 30, 'it was heard')
    program.kill()
    program.wait()  # its hook is about to end, and holds what it was given
    program.stderr.close()
    program.stdin.close()
    program = service(env, engine=engine, insert='clipboard')
    try:
        wait_until(lambda: ask(env, 'status').returncode == 0, 30, 'it answers')
        kept = [e for e in journal(folder) if e['event'] == 'kept']
        equal(len(kept), 1, journal(folder))
        check('before it was typed' in kept[0]['why'], kept)
        equal(json.loads(b'"' + ask(env, 'last').stdout.strip() + b'"'), 'almost lost')
    finally:
        end(program)
    program = service(env, engine=engine, insert='clipboard')  # once is enough
    wait_until(lambda: ask(env, 'status').returncode == 0, 30, 'it answers')
    end(program)
    equal(len([e for e in journal(folder) if e['event'] == 'kept']), 1)


@case
def a_socket_that_outlives_its_service_is_taken_over(folder):
    env = environment(folder)
    path = folder + '/left.sock'
    listens = socket.socket(socket.AF_UNIX)
    listens.bind(path)
    pid = os.fork()
    if pid == 0:
        listens.listen(1)  # it is this process that serves, and then is gone
        os._exit(0)
    os.waitpid(pid, 0)
    left = os.stat(path).st_ino
    program = service(env, '--socket', path)
    try:
        wait_until(lambda: program.poll() is not None or
                   any(e.name == 'left.sock' and e.inode() != left for e in os.scandir(folder)), 30, 'it listens')
        equal(program.poll(), None, 'it runs')
        wait_until(lambda: subprocess.run([COMMAND, 'dictate', 'status', '--socket', path], env=env, timeout=30,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0, 30,
                   'it answers')
        other = service(env, '--socket', path)
        said = other.communicate(timeout=30)[1]
        equal(other.returncode, 1, said)
        check(b'it runs already' in said, said)
    finally:
        end(program)
        listens.close()


MANAGED = r'''
import json, os, subprocess, sys, time
command, unit = sys.argv[1:]

def ctl(*words):
    p = subprocess.run(['systemctl', '--user', *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return p.stdout.decode().strip()

def show(*names):
    text = ctl('show', unit, *['-p' + n for n in names])
    return dict(line.split('=', 1) for line in text.splitlines())

def until(condition, what):
    end = time.monotonic() + 40
    while not condition():
        if time.monotonic() > end:
            sys.exit('still not: %s; %s %s' % (what, show('ActiveState', 'SubState', 'Result', 'StatusText', 'NRestarts'),
                                               ctl('status', unit)))
        time.sleep(0.05)

def status():
    p = subprocess.run([command, 'dictate', 'status'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return json.loads(p.stdout)['state'] if p.returncode == 0 else p.stderr.decode()

def live():
    """A crash and a hang, and on it goes."""
    first = show('MainPID', 'NoNewPrivileges')
    assert first['NoNewPrivileges'] == 'yes'
    with open('/proc/%s/status' % first['MainPID']) as f:
        about = dict(line.split(':', 1) for line in f)
    assert about['NoNewPrivs'].strip() == '1' and about['Seccomp'].strip() == '2', about
    last = first['MainPID']
    for signal in (9, 19):                                   # killed; stopped, which the watchdog ends
        os.kill(int(last), signal)
        until(lambda: show('MainPID')['MainPID'] not in ('0', last) and show('ActiveState')['ActiveState'] == 'active',
              'started again after signal %d' % signal)
        last = show('MainPID')['MainPID']
    assert int(show('NRestarts')['NRestarts']) >= 2

# Containers lack what some settings cover; those are left out, and told.
left_out = [name for name in ('ProtectKernelLogs', 'ProtectKernelTunables') if subprocess.run(
    ['systemd-run', '--user', '--wait', '-q', '-p', name + '=yes', 'true'], stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL).returncode]
with open(os.environ['HOME'] + '/.config/systemd/user/%s.d/here.conf' % unit, 'w') as f:
    f.write('[Service]\n' + ''.join(name + '=no\n' for name in left_out))
ctl('daemon-reload')
print('left out here:', ', '.join(left_out) or 'nothing')
'''
DICTATING = r'''
print(ctl('start', 'voicestand-dictate.socket'))
assert show('ActiveState')['ActiveState'] == 'inactive', show('ActiveState')
assert status() == 'idle', status()                          # asking starts it
until(lambda: show('ActiveState')['ActiveState'] == 'active', 'active: it told that it is ready')
until(lambda: 'microphone' in show('StatusText')['StatusText'], 'its state is shown')
live()
assert status() == 'idle', status()
print(ctl('stop', 'voicestand-dictate.service'))
assert show('Result')['Result'] == 'success', show('Result')
assert status() == 'idle', status()                          # and asking starts it once more
print(ctl('stop', 'voicestand-dictate.socket', 'voicestand-dictate.service'))
'''
LISTENING = r'''
print(ctl('start', unit))
until(lambda: 'listening to' in show('StatusText')['StatusText'], 'its state is shown')
live()
time.sleep(0.3)
print(ctl('stop', unit))
assert show('Result')['Result'] == 'success', show('Result')
with open(os.environ['HOME'] + '/.local/state/voicestand/listen.jsonl') as f:
    lines = [json.loads(line) for line in f]
assert lines[-1]['event'] == 'ledger' and lines[-1]['residual'] == 0 and lines[-1]['captured'] > 0, lines
assert sum(e['event'] == 'start' and e['segment'] == 1 for e in lines) == 3, lines[:9]  # each time it was started
'''


def run_managed(folder, service, options, script, more=''):
    """A unit, with other options behind its command, under a manager of its own, by a script of what happens."""
    if os.environ.get('VOICESTAND_TEST_SANITIZED'):
        raise Skip('a sanitizer needs what the unit takes away')
    needs('systemd-tmpfiles')
    units = folder + '/.config/systemd/user'
    os.makedirs('%s/%s.d' % (units, service))
    stem = service.split('.')[0]
    for unit in UNITS:
        if os.path.basename(unit).startswith(stem + '.'):
            text = re.sub(r'^ExecStart=\S+ (\w+)', r'ExecStart=%s \1 %s' % (COMMAND, options), read_text(unit),
                          flags=re.M)
            write_file(os.path.join(units, os.path.basename(unit)), text.encode())
    write_file('%s/%s.d/test.conf' % (units, service),
               ('[Service]\nWatchdogSec=2\nRestartSec=0\nBindPaths=%s\n%s'  # this home is in /tmp
                'Environment=LD_LIBRARY_PATH=%s VOICESTAND_MODULE_DIR=%s\n' % (
                   folder, more, os.environ.get('LD_LIBRARY_PATH', ''),
                   os.environ.get('VOICESTAND_MODULE_DIR', ''))).encode())
    subprocess.run(['systemd-tmpfiles', '--user', '--create', SOURCE + '/packaging/voicestand.conf'],
                   env=environment(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    equal(stat.S_IMODE(os.stat(folder + '/.local/state/voicestand').st_mode), 0o700)
    p = subprocess.run([SOURCE + '/scripts/private-systemd', folder, sys.executable, '-c', MANAGED + script, COMMAND,
                        service], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=200)
    said = p.stdout.decode().strip()
    if p.returncode == 77:
        raise Skip(said)
    log = read_text(folder + '/systemd.log')[-3000:]
    equal(p.returncode, 0, said + '\n' + log)
    print('#', said.splitlines()[0])


@case
def systemd_itself_runs_dictation(folder):
    run_managed(folder, 'voicestand-dictate.service', '--capture null --vad energy --stt null --insert none '
                '--no-notify --mic press', DICTATING)
    check(stat.S_IMODE(os.stat(folder + '/run/voicestand').st_mode) == 0o700)


@case
def systemd_itself_runs_listen(folder):
    """With its output where the unit's own text says that it can go."""
    line = re.search(r'^#   (StandardOutput=.*)', read_text(LISTEN), re.M).group(1)
    run_managed(folder, 'voicestand-listen.service', '--capture null --vad null:1', LISTENING, line + '\n')
    equal(stat.S_IMODE(os.stat(folder + '/.local/state/voicestand/listen.jsonl').st_mode), 0o600)


if __name__ == '__main__':
    main()
