#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What dictation shows and plays: notifications, sounds, a status bar's lines, a terminal.

Usage: cli_feedback.py COMMAND SOURCE_FOLDER DESKTOP_SERVICE"""
import fcntl
import pty
import re
import select
import termios
import wave

from dictation import *


@case
def notifications_tell_of_the_microphone_and_of_what_was_not_typed(folder):
    if not shutil.which('notify-send'):
        raise Skip('notify-send is not installed')
    desktop = Desktop(sys.argv[3], folder)
    del desktop.env['WAYLAND_DISPLAY']
    d = Dictation(folder, notify=True, env=desktop.env)
    try:
        d.be_silent()
        desktop.wait('notify VoiceStand: Microphone open: VoiceStand keeps the last 3 seconds')
        d.dictate()
        d.wait('kept')
        desktop.wait('notify VoiceStand: Text was not typed: ')
        line = [line for line in desktop.lines if 'not typed' in line][0]
        check('no desktop' in line and "'voicestand dictate last' shows the text: hello world" in line, line)
        d.program.terminate()
        d.program.wait(20)
        desktop.wait('notify VoiceStand: Microphone closed')
    finally:
        d.close()
        desktop.close()


def tone(path):
    """Mean frequency of both halves of a sound, by its zero crossings, and its level at both ends."""
    with wave.open(path) as w:
        equal((w.getnchannels(), w.getsampwidth()), (1, 2))
        rate, frames = w.getframerate(), w.getnframes()
        x = struct.unpack('<%dh' % frames, w.readframes(frames))
    check(0.05 < frames / rate < 0.3, frames)
    half = frames // 2
    hz = [sum((a < 0) != (b < 0) for a, b in zip(part, part[1:])) / 2 / (len(part) / rate)
          for part in (x[:half], x[half:])]
    return hz, max(abs(x[0]), abs(x[-1])), max(map(abs, x))


@case
def sounds_say_when_it_listens(folder):
    os.makedirs(folder + '/bin')
    write_file(folder + '/bin/pw-play', ('#!/bin/sh\ncp "$1" \'%s/played\'.$(basename "$1")\n'
               'basename "$1" >>\'%s/played\'\n' % (folder, folder)).encode())
    os.chmod(folder + '/bin/pw-play', 0o755)
    d = Dictation(folder, '--cues', env={'PATH': folder + '/bin:' + os.environ['PATH']})
    played = folder + '/played'
    try:
        d.dictate()
        d.wait('kept')
        wait_until(lambda: os.path.exists(played) and len(read_text(played).split()) == 3, 30, 'three sounds')
        equal(read_text(played).split(), ['cue-start.wav', 'cue-stop.wav', 'cue-fail.wav'])
        for name, rises in (('start', True), ('stop', False)):
            hz, ends, peak = tone('%s.cue-%s.wav' % (played, name))
            check((hz[0] < hz[1]) == rises and 600 < sum(hz) / 2 < 900, name, hz)
            check(ends < 100 and 1000 < peak < 16000, name, ends, peak)  # no click, not loud
    finally:
        d.close()
    check(not [n for n in os.listdir(folder + '/voicestand') if n.startswith('cue-')], 'sounds stay')


@dictation()
def a_bar_has_a_meter(d):
    bar = subprocess.Popen([COMMAND, 'dictate', 'status', '--meter'], env=d.env, stdout=subprocess.PIPE)
    lines = []
    threading.Thread(target=lambda: lines.extend(json.loads(line) for line in bar.stdout), daemon=True).start()
    try:
        wait_until(lambda: lines, 30, 'a first line')
        d.dictate()
        d.wait('text')
        wait_until(lambda: len(lines) > 3 and lines[-1]['state'] == 'idle', 30, lines)
        meters = [e for e in lines if 'level_db' in e]
        check(meters and all(e['state'] in ('listening', 'finishing') for e in meters), lines)
        check(all(e['event'] == 'state' and e['class'] == e['state'] for e in lines), lines)
        loud = max(meters, key=lambda e: e['level_db'])
        check(re.fullmatch('● [ ▁▂▃▄▅▆▇█]{6}', loud['text']) and loud['text'][-1] in '▄▅▆▇█', loud)
        check(not [e for e in lines if e['state'] == 'idle' and 'level_db' in e], lines)
    finally:
        bar.kill()
        bar.wait()
        bar.stdout.close()


class Terminal:
    """The screen of `dictate ui`, as a terminal of 60 by 14 would show it."""

    def __init__(self, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(COMMAND, [COMMAND, 'dictate', 'ui'], env)
        self.size(60, 14)
        self.raw = b''

    def size(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def take(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                return False
            if not more:
                return False
            self.raw += more
        return True

    def lines(self):
        """The last whole picture, without colours."""
        self.take()
        pictures = self.raw.decode(errors='replace').split('\033[H')
        whole = [p for p in pictures if p.rstrip().endswith('\033[K') or '\033[?25h' in p]
        return re.sub('\033\\[[0-9;?]*[a-zA-Z]', '', whole[-1]).replace('\r', '').split('\n') if whole else ['']

    def wait(self, pattern):
        wait_until(lambda: any(re.search(pattern, line) for line in self.lines()), 30,
                   '%s in %s' % (pattern, self.lines()))

    def key(self, key):
        os.write(self.fd, key)

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(self.fd)


@dictation(engine='exec:cat >/dev/null; echo größe 日本 and more')
def a_terminal_shows_it(d):
    t = Terminal(d.env)
    try:
        d.be_silent()
        t.wait('VoiceStand  ○ idle  microphone open')
        t.wait('space listen  u undo')
        t.key(b' ')
        t.wait('● listening')
        d.say()
        t.wait('level  \\[█{3,}')
        d.be_silent(1)
        t.wait('größe 日本 and more')
        t.key(b' ')
        t.wait('○ idle')
        t.key(b'u')
        t.wait('nothing was typed that could be taken back')
        t.size(40, 10)
        wait_until(lambda: len(t.lines()) == 10, 30, t.lines)
        d.dictate()
        t.wait('größe 日本 and more$')
        check(all(len(line) <= 40 for line in t.lines()), t.lines())
        d.program.terminate()
        d.program.wait(20)
        t.wait('○ off')
        t.key(b' ')
        t.wait('no service answers')
        t.key(b'q')
        equal(os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]), 0)
        t.take()
        check(t.raw.endswith(b'\033[?25h\033[?1049l'), t.raw[-80:])
    finally:
        t.close()
    p = run('dictate', 'ui', '--socket', d.folder + '/none', check_status=2)
    one_line(p, 'this is no terminal', 'status --follow --all')


if __name__ == '__main__':
    main()
