#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Push-to-talk: a key of a server of X, of keyboards of the kernel's form, and of a desktop's portal.

Usage: cli_keys.py COMMAND SOURCE_FOLDER DESKTOP_SERVICE"""
import array
import fcntl
import termios

from dictation import *

KEY_PAUSE, KEY_LEFTCTRL, KEY_SPACE = 119, 29, 57


def utter(d, press, release):
    """One utterance by a key that the two functions move."""
    before = len(d.told('text'))
    d.be_silent()
    turns = d.turns('listening')
    press()
    d.wait_turn('listening', turns + 1)
    d.say()
    release()
    wait_until(lambda: d.told('state')[-1]['state'] != 'listening', 30, 'the release')
    d.be_silent()
    d.wait('text', before + 1)


class Keyboards:
    """A folder that looks like /dev/input; each keyboard is a pipe with what the kernel would say."""

    def __init__(self, folder, count=1):
        self.folder = folder + '/input'
        os.mkdir(self.folder)
        self.pipes = []
        for _ in range(count):
            self.add()

    def add(self):
        path = '%s/event%d' % (self.folder, len(self.pipes))
        os.mkfifo(path)
        self.pipes.append(os.open(path, os.O_RDWR))

    def send(self, code, value, keyboard=0):
        """What a key does, which was read at the return, so that keyboards are heard in order."""
        now = time.monotonic()
        when = (int(now), int(now % 1 * 1e6))
        os.write(self.pipes[keyboard], struct.pack('qqHHi', *when, 4, 4, code) + struct.pack(
            'qqHHi', *when, 1, code, value) + struct.pack('qqHHi', *when, 0, 0, 0))
        wait_until(lambda: self.unread(keyboard) == 0, 30, 'the key is read')

    def unread(self, keyboard):
        count = array.array('i', [0])
        fcntl.ioctl(self.pipes[keyboard], termios.FIONREAD, count)
        return count[0]

    def close(self):
        for pipe in self.pipes:
            os.close(pipe)


def with_keyboards(folder, *arguments, count=1, key='pause'):
    keyboards = Keyboards(folder, count)
    return keyboards, Dictation(folder, '--insert', 'none', '--key', key, '--key-devices', keyboards.folder,
                                *arguments)


@case
def a_key_of_x_is_held(folder):
    if not shutil.which('xdotool'):
        raise Skip('xdotool is not installed')
    session, (target,) = open_screen()
    d = Dictation(folder, '--insert', 'none', '--key', 'Pause', env={'DISPLAY': session.env['DISPLAY']})

    def xdotool(*words):
        subprocess.run(['xdotool', *words], env=session.env, check=True, timeout=20)
    try:
        before = target.read()
        utter(d, lambda: xdotool('keydown', 'Pause'), lambda: xdotool('keyup', 'Pause'))
        # Num Lock and Caps Lock do not matter
        xdotool('key', 'Caps_Lock')
        xdotool('key', 'Num_Lock')
        utter(d, lambda: xdotool('keydown', 'Pause'), lambda: xdotool('keyup', 'Pause'))
        xdotool('key', 'Caps_Lock')
        # held long enough to repeat, which is no release
        ends = d.turns('finishing')
        xdotool('keydown', 'Pause')
        time.sleep(1.2)
        equal(d.turns('finishing'), ends)
        xdotool('keyup', 'Pause')
        d.wait_turn('finishing', ends + 1)
        equal(target.read(), before)  # no window got the key
    finally:
        d.close()
        session.close()


@case
def a_key_that_another_program_has_is_refused(folder):
    session, _ = open_screen()
    more = {'env': {'DISPLAY': session.env['DISPLAY']}}
    d = Dictation(folder, '--insert', 'none', '--key', 'ctrl+alt+space', **more)
    try:
        os.mkdir(folder + '/other')
        p = subprocess.run([COMMAND, 'dictate', '--capture', 'pipe', '--stt', 'null', '--key', 'ctrl+alt+space',
                            '--key-from', 'x11'], env=dict(d.env, XDG_RUNTIME_DIR=folder + '/other'),
                           stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        p.err = p.stderr.decode()
        equal(p.returncode, 7)
        one_line(p, 'another program has the key', 'choose another one with --key')
    finally:
        d.close()
        session.close()


@case
def a_text_waits_until_the_key_is_up(folder):
    if not shutil.which('xdotool'):
        raise Skip('xdotool is not installed')
    session, (target,) = open_screen()
    d = Dictation(folder, '--key', 'pause', env={'DISPLAY': session.env['DISPLAY']})

    def xdotool(*words):
        subprocess.run(['xdotool', *words], env=session.env, check=True, timeout=20)
    try:
        base = target.read()
        d.be_silent()
        xdotool('keydown', 'Pause')
        d.wait_turn('listening')
        for _ in range(22):  # beyond 20 s a pause ends an utterance while the key is held
            d.say()
            d.be_silent(0.5)
        d.be_silent(1)
        d.wait('heard')
        time.sleep(0.5)
        equal(target.read(), base)
        xdotool('keyup', 'Pause')
        d.wait('inserted')
        wait_until(lambda: target.read() == base + b'hello world', 30, target.read)
    finally:
        d.close()
        session.close()


@case
def a_key_of_the_kernel_is_held(folder):
    keyboards, d = with_keyboards(folder)
    try:
        utter(d, lambda: keyboards.send(KEY_PAUSE, 1), lambda: keyboards.send(KEY_PAUSE, 0))
        # it repeats; other keys are nobody's business
        keyboards.send(KEY_PAUSE, 1)
        d.wait_turn('listening', 2)
        for _ in range(20):
            keyboards.send(KEY_PAUSE, 2)
            keyboards.send(KEY_SPACE, 1)
            keyboards.send(KEY_SPACE, 0)
        d.be_silent()
        equal(d.turns('finishing'), 1)
        keyboards.send(KEY_PAUSE, 0)
        d.wait_turn('finishing', 2)
        # one that is plugged in later
        keyboards.add()
        d.be_silent(1)
        wait_until(lambda: len(os.listdir('/proc/%d/fd' % d.program.pid)) and any(
            'event1' in os.readlink('/proc/%d/fd/%s' % (d.program.pid, n))
            for n in os.listdir('/proc/%d/fd' % d.program.pid)), 10, 'the new keyboard is open')
        utter(d, lambda: keyboards.send(KEY_PAUSE, 1, 1), lambda: keyboards.send(KEY_PAUSE, 0, 1))
    finally:
        d.close()
        keyboards.close()


@case
def a_combination_is_held(folder):
    keyboards, d = with_keyboards(folder, count=2, key='ctrl+space')

    def press():
        keyboards.send(KEY_LEFTCTRL, 1, 1)
        time.sleep(0.05)
        keyboards.send(KEY_SPACE, 1)
    try:
        keyboards.send(KEY_SPACE, 1)
        keyboards.send(KEY_SPACE, 0)
        utter(d, press, lambda: keyboards.send(KEY_SPACE, 0))
        equal(d.turns('listening'), 1)
    finally:
        d.close()
        keyboards.close()


@case
def a_key_toggles(folder):
    keyboards, d = with_keyboards(folder, '--key-toggles')
    try:
        d.be_silent(1)
        for on in (True, False):
            keyboards.send(KEY_PAUSE, 1)
            keyboards.send(KEY_PAUSE, 0)
            wait_until(lambda: d.told('state')[-1]['hands_free'] == on, 30, 'it is %s' % on)
    finally:
        d.close()
        keyboards.close()


@case
def keyboards_that_may_not_be_read_are_named(folder):
    os.mkdir(folder + '/input')
    p = run('dictate', '--capture', 'pipe', '--stt', 'null', '--socket', folder + '/socket', '--key', 'pause',
            '--key-from', 'evdev', '--key-devices', folder + '/input', check_status=7)
    one_line(p, '--key pause', 'has no keyboard with the key')
    p = run('dictate', '--key', 'pauze', '--socket', folder + '/socket', check_status=2)
    one_line(p, "did you mean 'pause'?")
    if os.getuid() == 0 and not shutil.which('setpriv'):
        raise Skip('setpriv is not installed')
    write_file(folder + '/input/event0', b'')
    os.chmod(folder + '/input/event0', 0)
    os.chmod(folder, 0o777)
    os.chmod(folder + '/input', 0o755)
    other = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] if os.getuid() == 0 else []
    p = subprocess.run([*other, COMMAND, 'dictate', '--capture', 'pipe', '--stt', 'null', '--socket',
                        folder + '/socket', '--key', 'pause', '--key-from', 'evdev', '--key-devices',
                        folder + '/input'], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       env=dict(os.environ, XDG_STATE_HOME=folder + '/state'))
    p.err = p.stderr.decode()
    if p.returncode in (126, 127): # said by who should start it
        raise Skip('the built command may not be run by another user')
    equal(p.returncode, 5)
    one_line(p, 'may be read', 'usermod -aG input')


@case
def the_portal_tells_of_a_key(folder):
    desktop = Desktop(sys.argv[3], folder)
    d = Dictation(folder, '--insert', 'none', '--key', 'ctrl+alt+space', env=desktop.env)
    try:
        desktop.wait('bind')
        equal([line for line in desktop.lines if line.startswith('bind')],
              ['bind push-to-talk CTRL+ALT+space'])
        utter(d, lambda: desktop.do('press'), lambda: desktop.do('release'))
        # the portal is started anew, as after a crash; a held key is up then
        desktop.do('press')
        d.wait_turn('listening', 2)
        desktop.stop()
        d.wait_turn('finishing', 2)
        desktop.start('granting')
        desktop.wait('bind')
        d.be_silent()
        utter(d, lambda: desktop.do('press'), lambda: desktop.do('release'))
        desktop.do('close')
        time.sleep(0.5)
        check('did not grant it' in d.close(), d.err)
    finally:
        d.close()
        desktop.close()


@case
def a_portal_that_refuses_is_told(folder):
    desktop = Desktop(sys.argv[3], folder, 'refuse')
    d = Dictation(folder, '--insert', 'none', '--key', 'pause', env=desktop.env)
    try:
        desktop.wait('bind')
        d.be_silent(1)
        check('did not grant it' in d.close() and '--key-from evdev' in d.err, d.err)
        desktop.stop()
        desktop.start('bare')
        p = subprocess.run([COMMAND, 'dictate', '--capture', 'pipe', '--stt', 'null', '--key', 'pause', '--key-from',
                            'portal'], env=d.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        p.err = p.stderr.decode()
        equal(p.returncode, 7)
        one_line(p, 'gives no global shortcuts', '--key-from evdev')
    finally:
        d.close()
        desktop.close()


def diagnose(env):
    """What doctor says of dictation."""
    text = subprocess.run([COMMAND, 'doctor', '-f', 'jsonl'], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode()
    return {e['name']: e for e in events(text) if e.get('area') == 'Dictation'}


@case
def doctor_says_which_way_works(folder):
    session, _ = open_screen()
    try:
        found = diagnose(session.env)
        equal(found['key by x11']['value'], '--key KEY works this way')
        equal(found['by x11']['value'], 'the X server takes keys')
        check('key' not in found, found)
    finally:
        session.close()
    plain = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY', 'SWAYSOCK')}
    for mode, works in (('granting', True), ('bare', False)):
        os.makedirs(folder + '/' + mode)
        desktop = Desktop(sys.argv[3], folder + '/' + mode, mode)
        try:
            found = diagnose(dict(plain, **desktop.env))
            equal('works this way' in found['key by portal']['value'], works, found)
            equal('asks you once' in found['by portal']['value'], works, found)
            check(works or '--key-from evdev' in found['key by portal']['fix'], found)
            check(works or not os.path.isdir('/dev/input') or found['key by evdev'], found)
        finally:
            desktop.close()


if __name__ == '__main__':
    main()
