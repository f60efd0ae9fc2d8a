#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Text on its way to a window: a desktop's portal, a focus that moves, whatever dies meanwhile.

Usage: cli_insert.py COMMAND SOURCE_FOLDER DESKTOP_SERVICE"""
from dictation import *

ROUNDS = 8


def typed(lines):
    """What a desktop was told to press: characters, and < for BackSpace; each key is released."""
    keys = [tuple(map(int, line.split()[1:])) for line in lines if line.startswith('key ')]
    downs = [symbol for symbol, state in keys if state]
    equal(keys, [(symbol, state) for symbol in downs for state in (1, 0)])
    special = {0xff0d: '\n', 0xff09: '\t', 0xff08: '<'}
    return ''.join(special.get(s) or chr(s & 0xffffff) for s in downs)


@case
def the_portal_types(folder):
    desktop = Desktop(sys.argv[3], folder)
    d = Dictation(folder, '--insert', 'portal', env=desktop.env,
                  engine='exec:cat >/dev/null; echo größe comma 日本 new line')
    token = folder + '/state/voicestand/portal-token'
    os.makedirs(os.path.dirname(token), exist_ok=True)
    write_file(token, b'\xffwhat no portal gave\n')
    try:
        d.dictate()
        d.wait('inserted', way='portal', characters=10)
        wait_until(lambda: typed(desktop.lines) == 'größe, 日本\n', 30, desktop.lines)
        equal(read_text(token).strip(), 'again')
        equal(stat.S_IMODE(os.stat(token).st_mode), 0o600)
        check('remote no token' in desktop.lines, desktop.lines)
        equal(json.loads(d.ask('undo'))['event'], 'undone')
        wait_until(lambda: typed(desktop.lines).endswith('\n' + 10 * '<'), 30, desktop.lines)
        check('remote again' in desktop.lines, desktop.lines)  # consent was kept
        desktop.stop()
        desktop.start('refuse')
        d.dictate()
        check('did not allow' in d.wait('kept')[0]['why'], d.events)
        equal(typed(desktop.lines), '')
    finally:
        d.close()
        desktop.close()


@case
def a_focus_that_moves_ends_the_typing(folder):
    if not shutil.which('xdotool'):
        raise Skip('xdotool is not installed')
    session, (other,) = open_screen()

    def xdotool(*words):
        return subprocess.run(['xdotool', *words], env=session.env, stdout=subprocess.PIPE, check=True,
                              timeout=20).stdout.decode().split()
    try:
        second = xdotool('getwindowfocus')[0]
        target = type(other)(session, session.terminal, 'terminal', '\r')
        first = xdotool('search', '--onlyvisible', '--class', 'xterm')[0]
        xdotool('windowfocus', '--sync', first)
        before = other.read()
        text = ''.join(chr(c) for c in range(0x4e00, 0x4f00))  # does not answer pings: takes seconds
        p = subprocess.Popen([COMMAND, 'type', '--insert', 'x11'], env=session.env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(text.encode())
        p.stdin.close()
        wait_until(lambda: target.fresh(), 30, 'the first characters')
        xdotool('windowfocus', '--sync', second)
        said = json.loads(p.stdout.read())
        equal(p.wait(20), 1)
        check('another window' in said['error'] and 0 < said['characters'] < len(text), said)
        check(b'another window' in p.stderr.read(), said)
        time.sleep(0.3)
        equal(other.read(), before)
        check(0 < len(target.fresh().decode()) <= said['characters'], target.fresh(), said)
    finally:
        session.close()


@case
def keys_that_are_held_do_not_matter(folder):
    if not shutil.which('xdotool'):
        raise Skip('xdotool is not installed')
    session, (target,) = open_screen()

    def xdotool(*words):
        subprocess.run(['xdotool', *words], env=session.env, check=True, timeout=20)
    try:
        for held in (['Control_L'], ['Alt_L'], ['Shift_L', 'Super_L']):
            for key in held:
                xdotool('keydown', key)
            right, got, _ = target.try_string('a word, GRÖSSE', '--insert', 'x11')
            for key in held:
                xdotool('keyup', key)
            check(right, held, got)
        xdotool('key', 'Caps_Lock')
        right, got, _ = target.try_string('mixed Case', '--insert', 'x11')
        check(right, 'Caps Lock', got)
        xdotool('type', 'a')
        wait_until(lambda: target.fresh() == b'A', 30, target.fresh)  # it is as it was
    finally:
        session.close()


def kept_texts(d):
    """Texts that the journal has, and how many utterances it has the audio of."""
    lines = d.journal()
    return [e['text'] for e in lines if e['event'] == 'heard'], len([e for e in lines if e.get('saved')])


def kill(program):
    program.kill()
    program.wait()


def die_and_dictate(folder, session, target, seed):
    """Texts one after the other, while the target, the server, or the engine is killed at random. None is
    lost: it is in the journal, or its audio is."""
    rng = random.Random(seed)
    victims = ['engine', 'nobody', 'engine', 'target', 'nobody', 'server', 'engine', 'nobody']
    victims[:3] = rng.sample(victims[:3], 3)
    path = folder + '/engine'
    env = {k: v for k, v in session.env.items() if k in ('DISPLAY', 'WAYLAND_DISPLAY', 'SWAYSOCK')}
    env['XDG_RUNTIME_DIR'] = session.env['XDG_RUNTIME_DIR'] if 'SWAYSOCK' in env else folder
    # the engine says its process and its utterance, takes a while, and then its text
    d = Dictation(folder, engine="exec:cat >/dev/null; echo $$ >>'%s'; sleep 0.3; n=$(wc -l <'%s'); echo text $n"
                  % (path, path), env=env)
    try:
        for number, victim in enumerate(victims, 1):
            done = len(d.told('text')) + len(d.told('failed'))
            runs = len(read_text(path).split()) if os.path.exists(path) else 0
            d.dictate()
            wait_until(lambda: os.path.exists(path) and len(read_text(path).split()) > runs, 30, 'the engine')
            time.sleep(rng.uniform(0, 0.25))
            if victim == 'engine':
                try:
                    os.kill(int(read_text(path).split()[-1]), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            elif victim != 'nobody':
                kill(target.program if victim == 'target' else session.server)
            wait_until(lambda: len(d.told('text')) + len(d.told('failed')) > done, 30,
                       'utterance %d, %s killed: %s' % (number, victim, d.events[-8:]))
        texts, audio = kept_texts(d)
        equal(len(texts) + audio, len(victims), '%s: %s' % (victims, d.journal()))
        equal(len(set(texts)), len(texts))
        for e in d.told('failed'):
            check(os.path.exists(e['saved']), e)
    finally:
        d.close()


@case
def nothing_is_lost_whatever_dies_on_x(folder):
    session, (target,) = open_screen()
    try:
        die_and_dictate(folder, session, target, 1)
    finally:
        session.close()


@case
def nothing_is_lost_whatever_dies_on_wayland(folder):
    tool = insertion_tool()
    try:
        session = tool.Wayland(COMMAND)
    except tool.Missing as why:
        raise Skip(str(why))
    try:
        die_and_dictate(folder, session, tool.Target(session, session.terminal, 'foot', '\r'), 2)
    finally:
        session.close()


if __name__ == '__main__':
    main()
