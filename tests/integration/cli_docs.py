#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Help, manual page and completions say the same as the command does.

Usage: cli_docs.py COMMAND SOURCE_FOLDER"""
import re

from cli import *

MANUAL = os.path.join(sys.argv[2], 'man', 'voicestand.1')


def command_names():
    block = run('help').out.split('Commands\n')[1].split('\n\n')[0]
    return [line.split()[0] for line in block.splitlines()]


def options_of(name):
    """(long, letter or '') of each option in the help of a command."""
    found = re.findall(r'^  (?:-(\w), |    )--([\w-]+)', run(name, '--help').out, re.M)
    return [(long, letter) for letter, long in found]


def all_options():
    return {o for name in command_names() for o in options_of(name)}


@case
def every_command_has_help_in_80_columns(_):
    check(len(command_names()) >= 9, command_names())
    for name in command_names():
        text = run(name, '--help').out
        equal(run(name, '-h').out, text)
        equal(run('help', name).out, text)
        check(text.startswith('Usage: voicestand ' + name), name)
        for line in text.splitlines():
            check(len(line) <= 80 and line == line.rstrip(), repr(line))
    equal(run('--help').out, run('help').out)
    equal(run('--version').out, run('version').out)


@case
def manual_and_help_have_the_same_options(_):
    text = read_text(MANUAL)
    described = set()
    for item in re.findall(r'^\.It Fl .*$', text, re.M):
        long = re.search(r'Fl Fl ([\w-]+)', item)
        letter = re.search(r'\.It Fl (\w) ', item)
        described.add((long.group(1), letter.group(1) if letter else ''))
    equal(sorted(described), sorted(all_options()))
    for name in command_names():
        check('.It Cm %s\n' % name in text, name, 'is not in the manual')


@case
def manual_and_help_have_the_same_defaults(_):
    items = re.split(r'^\.It Fl .*?Fl ([\w-]+).*$', read_text(MANUAL), flags=re.M)
    manual = dict(zip(items[1::2], items[2::2]))
    texts = ' '.join(' '.join(run(n, '--help').out.split()) for n in command_names())
    defaults = set(re.findall(r'--([\w-]+) [A-Z]+ (?:(?! --)[^\[])*\[([\d.]+)\] ', texts))
    check(len(defaults) > 8, defaults)
    for name, value in defaults:
        check(re.search(r'default\s+is\s+%s\.\s' % re.escape(value), manual[name]),
              '--%s: %s' % (name, value), 'is not in', manual[name])


@case
def manual_has_every_exit_status(_):
    section = read_text(MANUAL).split('.Sh EXIT STATUS')[1]
    for number in ('0', '1', '2', '3', '4', '5', '6', '7', '70', '128 + n'):
        check('\n.It %s\n' % number in section, number)


@case
def manual_is_clean(_):
    if not shutil.which('mandoc'):
        raise Skip('mandoc is not installed')
    p = subprocess.run(['mandoc', '-T', 'lint', MANUAL], stdout=subprocess.PIPE, timeout=20)
    equal(p.stdout.decode(), '')


@case
def completions_know_every_command_and_option(_):
    for shell in ('bash', 'zsh', 'fish'):
        text = run('completions', shell).out
        for name in command_names():
            check(name in text, shell, name)
        for long, _letter in all_options():
            check(('-l ' if shell == 'fish' else '--') + long in text, shell, long)


def complete(folder, *words):
    """What bash offers for the last of `words`."""
    script = write_file(folder + '/completion', run('completions', 'bash').out.encode())
    line = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _voicestand 2>/dev/null; ' \
           'printf "%s\\n" "${COMPREPLY[@]}"'
    p = subprocess.run(['bash', '-c', line, script, 'voicestand', *words], cwd=folder,
                       stdout=subprocess.PIPE, timeout=20)
    return p.stdout.decode().split()


@case
def bash_completes(folder):
    if not shutil.which('bash'):
        raise Skip('bash is not installed')
    write_file(folder + '/talk.wav', b'')
    os.mkdir(folder + '/texts')
    equal(complete(folder, 'tr'), ['transcribe'])
    equal(complete(folder, 'segment', '--thresh'), ['--threshold', '--threshold-off'])
    equal(complete(folder, 'segment', '--format', 'text'), ['text', 'textgrid'])
    equal(complete(folder, 'segment', '-f', 'j'), ['jsonl'])
    equal(complete(folder, 'segment', 'ta'), ['talk.wav'])
    equal(complete(folder, 'segment', '--output-dir', 't'), ['texts'])
    equal(complete(folder, 'help', 'dev'), ['devices'])
    equal(complete(folder, 'completions', 'f'), ['fish'])
    equal(complete(folder, 'serve', ''), ['wyoming', 'mic', 'openai'])
    equal(complete(folder, 'serve', '--engines', '2', 'o'), ['openai'])
    equal(complete(folder, 'dictate', 'st'), ['start', 'stop', 'status'])
    equal(complete(folder, 'models', ''), ['list', 'add', 'verify', 'remove'])
    equal(complete(folder, 'models', 'add', 'ta'), ['talk.wav'])
    equal(complete(folder, 'eval', 't'), ['texts'])


@case
def words_that_are_offered_are_known_and_in_the_manual(folder):
    text = read_text(MANUAL)
    synopsis = text.split('.Sh SYNOPSIS')[1].split('.Sh ')[0]
    for name in command_names():
        check('.Cm %s\n' % name in synopsis, name, 'is not in the synopsis')
    more = {'serve': ['--listen', 'nonsense'], 'dictate': ['--socket', folder + '/none'], 'models': [],
            'completions': []}
    for name, options in more.items():
        words = complete(folder, name, '')
        check(len(words) >= 3, name, words)
        about = text.split('.It Cm %s\n' % name)[1]
        for word in [*words, 'opera']:
            known = not re.search("'%s' is (unknown|none of|no shell)" % word,
                                  run(name, word, *options, check_status=None).err)
            equal(known, word != 'opera', '%s %s' % (name, word))
            check(word == 'opera' or re.search(r'Cm (.*\| )?%s\b' % word, about + synopsis), name, word)
        for shell in ('zsh', 'fish'):
            check(' '.join(words) in run('completions', shell).out, shell, name)


@case
def other_shells_read_their_completions(folder):
    tried = 0
    for shell in ('zsh', 'fish'):
        if not shutil.which(shell):
            continue
        tried += 1
        path = write_file(folder + '/c', run('completions', shell).out.encode())
        p = subprocess.run([shell, '-n', path], stderr=subprocess.PIPE, timeout=20)
        equal((p.returncode, p.stderr), (0, b''), shell)
    if not tried:
        raise Skip('neither zsh nor fish is installed')


@case
def doctor_and_devices_speak_json(_):
    p = run('doctor', '--format', 'jsonl', check_status=None)
    check(p.returncode in (0, 7), p.returncode)
    lines = events(p.out)
    for e in lines:
        check(e['event'] == 'check' and e['status'] in ('ok', 'warn', 'missing'), e)
        check(e['status'] == 'ok' or e.get('fix'), 'no advice:', e)
    for area in ('Machine', 'Processor', 'Kernels', 'Limits', 'Audio', 'Capture', 'Text engines'):
        check(any(e['area'] == area for e in lines), area)
    text = run('doctor', check_status=None).out
    check(all(len(line) < 160 for line in text.splitlines()), 'a line is too long')
    p = run('devices', '--format', 'jsonl', check_status=None)
    check(p.returncode == (0 if p.out else 3), p.returncode, p.err)
    for e in events(p.out):
        check(e['event'] == 'device' and e['capture'], e)


if __name__ == '__main__':
    main()
