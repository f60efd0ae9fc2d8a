#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Dictation from outside: the service with a pipe as its microphone, the words that ask it, the journal.

Usage: cli_dictate.py COMMAND SOURCE_FOLDER"""
import socket

from dictation import *


@dictation()
def a_key_held_makes_text_and_the_journal_has_it(d):
    d.dictate()
    text = d.wait('text')[0]
    equal(text['text'], 'hello world')
    line = text['timeline']
    check(0 <= line['ours_ms'] < 2000 and line['grace_ms'] >= 0 and line['engine_ms'] > 0, line)
    states = [e['state'] for e in d.told('state')]
    order = [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]
    equal(order[:4], ['idle', 'listening', 'finishing', 'thinking'])
    d.wait('state', state='idle', waiting=0, mic='open')
    heard = [e for e in d.journal() if e['event'] == 'heard']
    equal([e['text'] for e in heard], ['hello world'])
    check(0.7 < heard[0]['seconds'] < 1.5, heard)  # the speech, what is before and behind it, no more
    equal(d.ask('last'), 'hello world')
    for path, mode in (('/state/voicestand/dictation.jsonl', 0o600), ('/voicestand/dictate', 0o600),
                       ('/voicestand', 0o700), ('/state/voicestand', 0o700)):
        equal(stat.S_IMODE(os.stat(d.folder + path).st_mode), mode, path)


@dictation()
def silence_gives_the_engine_nothing(d):
    d.ask('start')
    d.be_silent(2)
    d.ask('stop')
    d.be_silent(1)
    d.wait('nothing')
    check(not d.told('text') and not d.journal(), d.events)


@dictation()
def what_is_cancelled_is_forgotten(d):
    d.be_silent()
    d.ask('start')
    d.say()
    equal(json.loads(d.ask('cancel'))['state'], 'idle')
    d.be_silent()
    d.dictate()
    d.wait('text')
    equal(len(d.journal()), 1)


@dictation('--hands-free')
def hands_free_goes_by_the_voice(d):
    d.be_silent(1)
    equal(json.loads(d.ask('status'))['state'], 'waiting')
    for count in (1, 2, 3):
        d.say()
        d.be_silent(1)
        d.wait('text', count)
    equal([e['text'] for e in d.told('text')], ['hello world', ' hello world', ' hello world'])
    equal(json.loads(d.ask('toggle'))['state'], 'idle')
    d.say()
    d.be_silent(1)
    equal(len(d.journal()), 5)  # what was heard, three times, and what was meant by the last two
    equal(json.loads(d.ask('toggle'))['hands_free'], True)


@dictation(engine='exec:cat >/dev/null; echo hello comma world period new line')
def punctuation_is_said(d):
    d.dictate()
    equal(d.wait('text')[0]['text'], 'hello, world.\n')
    equal([e['text'] for e in d.journal()], ['hello comma world period new line', 'hello, world.\n'])


@dictation('--hook', 'tr a-z A-Z')
def a_hook_changes_the_text(d):
    d.dictate()
    equal(d.wait('text')[0]['text'], 'HELLO WORLD')
    check('hook_ms' in d.told('text')[0]['timeline'], d.events)


@dictation('--hook', 'false')
def a_hook_that_fails_changes_nothing(d):
    d.dictate()
    equal(d.wait('text')[0]['text'], 'hello world')
    check('--hook false: failed' in d.close(), d.err)


@dictation('--hook', 'sleep 20', '--hook-ms', '300')
def a_hook_that_hangs_changes_nothing(d):
    d.dictate()
    text = d.wait('text')[0]
    equal(text['text'], 'hello world')
    check(300 <= text['timeline']['hook_ms'] < 5000 and text['timeline']['ours_ms'] < 300, text)
    equal([e['text'] for e in d.journal()], ['hello world'])
    check('--hook sleep: did not answer in time; the text is kept' in d.close(), d.err)
    for path in os.listdir('/proc'):  # nothing of it is left
        try:
            line = read_text('/proc/%s/cmdline' % path) if path.isdigit() else ''
            check(line != 'sleep\0' '20\0' or read_text('/proc/%s/stat' % path).split()[3] != str(d.program.pid))
        except OSError:
            pass


@case
def own_phrases_are_found_without_an_option(folder):
    os.makedirs(folder + '/config/voicestand')
    write_file(folder + '/config/voicestand/phrases.txt', b'hello = good day\n')
    d = Dictation(folder, '--insert', 'none')
    try:
        d.dictate()
        equal(d.wait('text')[0]['text'], 'good day world')
    finally:
        d.close()
    write_file(folder + '/config/voicestand/phrases.txt', b'hello\n')
    p = subprocess.run([COMMAND, 'dictate', '--capture', 'pipe'], env=d.env, stdin=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
    equal(p.returncode, 2)
    check(b'phrases.txt:1' in p.stderr, p.stderr)


@dictation(engine='exec:exit 3')
def an_engine_that_fails_leaves_the_audio(d):
    d.dictate()
    failed = d.wait('failed')[0]
    equal(stat.S_IMODE(os.stat(failed['saved']).st_mode), 0o600)
    found = events(run('segment', '-q', *SPEECH, failed['saved']).out)
    equal(len([e for e in found if e['event'] == 'segment']), 1)
    equal([e['saved'] for e in d.journal()], [failed['saved']])


# It hears nothing until a file is there, and tells what it heard.
def waiting_engine(folder):
    return 'exec:while [ ! -e %s/go ]; do sleep 0.02; done; md5sum' % folder


def minutes_of_speech(utterances):
    """Each of seven seconds and more, and unlike the others."""
    word, gap, pause = (struct.pack('<%dh' % len(s), *s) for s in (noise(.5), [0] * 3200, [0] * 16000))
    return pause + b''.join((word + gap) * 10 + word[:2 * (800 + 140 * i)] + pause for i in range(utterances))


@case
def an_engine_may_be_minutes_behind(folder):
    count = 50
    tape = minutes_of_speech(count)
    check(len(tape) > 2 * RATE * 6.5 * 60, len(tape))  # of five minutes on, what comes waits in a file
    d = Dictation(folder, '--insert', 'none', '--hands-free', engine=waiting_engine(folder))
    try:
        d.program.stdin.write(tape)
        d.program.stdin.flush()
        d.wait('state', waiting=count)
        held = [os.readlink(e.path) for e in os.scandir('/proc/%d/fd' % d.program.pid)]
        check(any('/state/voicestand/waiting-' in name and name.endswith('(deleted)') for name in held), held)
        check(not os.path.getsize(folder + '/state/voicestand/dictation.jsonl'))
        write_file(folder + '/go', b'')
        wait_until(lambda: len(d.told('text')) == count, 60, 'all texts')
        heard = [e for e in d.journal() if e['event'] == 'heard']
        first = heard[0]['id']  # hands-free listens from its start on, and what it opens then is empty
        equal([e['id'] for e in heard], list(range(first, first + count)))
        equal(len({e['text'] for e in heard}), count)
    finally:
        write_file(folder + '/go', b'')
        d.close()
    # a file waits for its engine, and what it heard is the same
    other = folder + '/other'
    os.mkdir(other)
    write_file(other + '/tape.wav', wav_bytes(struct.unpack('<%dh' % (len(tape) // 2), tape)))
    env = dict(os.environ, XDG_RUNTIME_DIR=other, XDG_STATE_HOME=other, XDG_CONFIG_HOME=other)
    program = subprocess.Popen([COMMAND, 'dictate', '--hands-free', '--plain', '--insert', 'none', '--no-notify', *SPEECH,
                                '--stt', waiting_engine(other), '--capture', 'file:' + other + '/tape.wav'],
                               env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    journal = other + '/voicestand/dictation.jsonl'
    wait_until(lambda: os.path.exists(journal) or program.poll() is not None, 30, 'the journal')
    time.sleep(1)
    write_file(other + '/go', b'')
    equal(program.wait(60), 0, program.stderr.read())
    program.stderr.close()
    equal([e['text'] for e in map(json.loads, read_text(journal).splitlines()) if e['event'] == 'heard'],
          [e['text'] for e in heard])


@case
def a_text_that_cannot_be_typed_is_kept(folder):
    d = Dictation(folder)
    try:
        d.dictate()
        kept = d.wait('kept')[0]
        check('no desktop' in kept['why'], kept)
        equal([e['event'] for e in d.journal()], ['heard', 'kept'])
        check('"why":"nothing was typed' in d.ask('undo', check_status=1), d.events)
    finally:
        d.close()


@case
def a_killed_service_leaves_the_journal_and_its_place(folder):
    d = Dictation(folder, '--insert', 'none', engine='exec:cat >/dev/null; echo before the end')
    try:
        d.dictate()
        d.wait('heard')
        d.program.kill()
        d.program.wait()
    finally:
        d.close()
    equal([e['text'] for e in d.journal()], ['before the end'])
    d = Dictation(folder, '--insert', 'none')
    try:
        d.dictate()
        d.wait('text')
        equal([e['text'] for e in d.journal()], ['before the end', 'hello world'])
    finally:
        d.close()


@dictation()
def there_is_one_service(d):
    p = subprocess.run([COMMAND, 'dictate', '--capture', 'pipe', '--stt', 'null'], env=d.env,
                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    equal(p.returncode, 1)
    check(b'runs already' in p.stderr, p.stderr)
    p = subprocess.run([COMMAND, 'dictate', 'strat'], env=d.env, stderr=subprocess.PIPE)
    equal((p.returncode, b'choose from start' in p.stderr), (2, True))
    equal(json.loads(d.ask('quit'))['event'], 'state')
    equal(d.program.wait(10), 0)
    p = subprocess.run([COMMAND, 'dictate', 'status'], env=d.env, stderr=subprocess.PIPE)
    check(p.returncode == 3 and b'start it with' in p.stderr, p.returncode, p.stderr)
    d.wait('state', state='off')


@dictation()
def strange_askers_do_no_harm(d):
    for words in (b'', b'\n', b'x' * 500, b'start', b'\xff\0\n', b'status'):
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.folder + '/voicestand/dictate')
        s.send(words)
        s.close()
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for s in idle:
        s.connect(d.folder + '/voicestand/dictate')
    for s in idle:
        s.close()
    equal(json.loads(d.ask('status'))['state'], 'idle')


@case
def the_bus_asks_too(folder):
    for program in ('dbus-daemon', 'busctl'):
        if not shutil.which(program):
            raise Skip(program + ' is not installed')
    address = 'unix:path=%s/bus' % folder
    bus = subprocess.Popen(['dbus-daemon', '--session', '--nofork', '--nopidfile', '--address=' + address],
                           stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(folder + '/bus'), 10, 'the bus is there')
    d = Dictation(folder, '--insert', 'none', env={'DBUS_SESSION_BUS_ADDRESS': address})
    place = ['org.voicestand.Dictation', '/org/voicestand/Dictation', 'org.voicestand.Dictation1']

    def busctl(*words):
        p = subprocess.run(['busctl', '--user', '--json=short', words[0], *place[:words[0] == 'monitor' or 3],
                            *words[1:]], env=d.env, stdout=subprocess.PIPE, timeout=20, check=True)
        return json.loads(p.stdout)['data']
    try:
        watcher = subprocess.Popen(['busctl', '--user', '--json=short', 'monitor', place[0]], env=d.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        equal(busctl('get-property', 'State'), 'idle')
        d.be_silent()
        equal(json.loads(busctl('call', 'Start')[0])['state'], 'listening')
        d.say()
        busctl('call', 'Stop')
        d.be_silent()
        d.wait('text')
        d.wait('state', 2, state='idle')
        wait_until(lambda: busctl('get-property', 'State') == 'idle', 5, 'the bus knows the end')
        equal(json.loads(busctl('get-property', 'Status'))['mic'], 'open')
        time.sleep(0.2)
        watcher.terminate()
        seen = [json.loads(line) for line in watcher.stdout.read().splitlines()]
        told = [json.loads(m['payload']['data'][0]) for m in seen
                if m.get('member') in ('Changed', 'Event') and m['type'] == 'signal']
        check([t['text'] for t in told if t['event'] == 'text'] == ['hello world'], told)
        check('listening' in [t.get('state') for t in told], told)
    finally:
        watcher.stdout.close()
        watcher.wait()
        d.close()
        bus.terminate()
        bus.wait()


@case
def text_is_typed_and_taken_back(folder):
    session, (target,) = open_screen()
    d = typing(folder, session, 'hello comma größe', 'and 日本 more', 'scratch that')
    base = target.read().decode()

    def wait_for(text):
        wait_until(lambda: target.read().decode() == base + text, 20,
                   '%r in %r: %s' % (text, target.read().decode(), d.events))
    try:
        d.dictate()
        wait_for('hello, größe')
        d.dictate()
        wait_for('hello, größe and 日本 more')
        d.dictate()
        wait_for('hello, größe')
        equal(json.loads(d.ask('undo'))['event'], 'undone')
        wait_for('')
        equal([e['way'] for e in d.told('inserted')], ['x11', 'x11'])
    finally:
        d.close()
        session.close()


@case
def what_it_types_into_may_die(folder):
    session, (target,) = open_screen()
    d = typing(folder, session, 'one', 'two', 'three')
    try:
        d.dictate()
        d.wait('text', 1)
        target.program.kill()
        target.program.wait()
        d.dictate()
        d.wait('text', 2)
        session.server.kill()
        session.server.wait()
        d.dictate()
        d.wait('kept')
        equal([e['text'] for e in d.journal() if e['event'] == 'heard'], ['one', 'two', 'three'])
        equal(d.ask('last').strip(), 'three')
    finally:
        d.close()
        session.close()


@case
def another_window_gets_nothing(folder):
    if not shutil.which('xdotool'):
        raise Skip('xdotool is not installed')
    session, targets = open_screen(2)
    d = typing(folder, session, 'a secret', 'no secret')

    def xdotool(*words):
        return subprocess.run(['xdotool', *words], env=session.env, stdout=subprocess.PIPE, check=True,
                              timeout=20).stdout.decode().split()
    try:
        first, second = xdotool('search', '--onlyvisible', '--class', 'Tk')[:2]
        d.be_silent()
        xdotool('windowfocus', first)
        before = [t.read() for t in targets]
        d.ask('start')
        d.ask('status')  # is answered once the window was looked for
        d.say()
        xdotool('windowfocus', second)
        d.ask('stop')
        d.be_silent()
        check('another window' in d.wait('kept')[0]['why'], d.events)
        time.sleep(0.3)
        equal([t.read() for t in targets], before)
    finally:
        d.close()
        session.close()


@case
def all_that_was_said_is_heard_before_the_end(folder):
    d = Dictation(folder, '--insert', 'none', engine='exec:cat >/dev/null; sleep 1; echo late words')
    try:
        d.dictate()
        d.program.terminate()
        equal(d.program.wait(20), 0)
        equal([e['text'] for e in d.journal()], ['late words'])
    finally:
        d.close()


@case
def what_was_not_heard_at_the_end_is_saved(folder):
    d = Dictation(folder, '--insert', 'none', engine=waiting_engine(folder))
    try:
        d.dictate()
        d.dictate()
        d.wait('state', waiting=2)
        d.program.terminate()
        time.sleep(.3)
        d.program.terminate()  # a second time: it shall not wait for its engine
        equal(d.program.wait(10), 0)
        failed = d.journal()
        equal([(e['event'], e['why']) for e in failed], [('failed', 'the service ended before it was heard')] * 2)
        for e in failed:
            equal(len([e for e in events(run('segment', '-q', *SPEECH, e['saved']).out) if e['event'] == 'segment']), 1)
    finally:
        write_file(folder + '/go', b'')
        d.close()


if __name__ == '__main__':
    main()
