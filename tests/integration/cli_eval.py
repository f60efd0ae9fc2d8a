#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand eval: recordings and texts found, words counted, times told, what cannot be heard named.

Usage: cli_eval.py COMMAND"""
from cli import *

SAYS = 'exec:cat >/dev/null; echo hello big world'


def corpus(folder):
    """Three recordings in two folders, one of them without a text."""
    os.makedirs(folder + '/set/below')
    for name, text in (('one', 'Hello, world!'), ('below/two', 'hello big 1st world'), ('none', None)):
        write_file('%s/set/%s.wav' % (folder, name), wav_bytes(noise(0.5)))
        if text:
            write_file('%s/set/%s.txt' % (folder, name), text.encode())
    return folder + '/set'


@case
def words_are_counted(folder):
    p = run('eval', '--whole', '--stt', SAYS, '-f', 'jsonl', corpus(folder))
    two, one, total = events(p.out)
    equal([os.path.basename(e['file']) for e in (two, one)], ['two.wav', 'one.wav'])
    equal([(e['words'], e['substituted'], e['deleted'], e['inserted']) for e in (two, one, total)],
          [(4, 0, 1, 0), (2, 0, 0, 1), (6, 0, 1, 1)])
    equal((one['heard'], one['reference'], one['wer']), ('hello big world', 'Hello, world!', 50.0))
    equal((total['event'], total['files'], total['segments'], total['audio_s'], total['whole']),
          ('eval', 2, 2, 1.0, True))
    check(0 < total['final_p50_ms'] <= total['final_p95_ms'] <= total['final_max_ms'], total)
    check(total['rtf'] > 0 and 'left out' in p.err, total, p.err)
    table = run('eval', '--whole', '--stt', SAYS, corpus(folder + '/t')).out
    check('2 files, 2 segments, 1.0 s' in table and ' 33.33 ' in table.splitlines()[-1], table)


@case
def numbers_as_asked(folder):
    write_file(folder + '/a.wav', wav_bytes(noise(0.5)))
    write_file(folder + '/a.txt', b'set 30 seconds')
    says = ('--whole', '--stt', 'exec:cat >/dev/null; echo set thirty seconds', '-f', 'jsonl', folder)
    equal(events(run('eval', *says).out)[-1]['wer'], 0)
    equal(events(run('eval', '--numbers', 'written', *says).out)[-1]['substituted'], 1)


@case
def silence_has_no_words(folder):
    """The whole path: nothing is heard where nothing is said, so the engine never runs."""
    write_file(folder + '/quiet.wav', wav_bytes([0] * 32000))
    p = run('eval', '--wordless', '--stt', SAYS, '-f', 'jsonl', folder)
    equal([(e['words'], e['inserted'], e['segments'], e['wer']) for e in events(p.out)],
          [(0, 0, 0, None)] * 2)
    p = run('eval', '--wordless', '--whole', '--stt', SAYS, '-f', 'jsonl', folder)
    equal(events(p.out)[-1]['inserted'], 3)


@case
def several_at_once_say_the_same(folder):
    path = corpus(folder)
    times = ('rtf', 'final_p50_ms', 'final_p95_ms', 'final_max_ms')
    told = [[{k: v for k, v in e.items() if k not in times}
             for e in events(run('eval', '-q', '--wordless', '--whole', '--stt', SAYS, '-f', 'jsonl',
                                 '-j', jobs, path).out)] for jobs in ('1', '3')]
    equal(told[0], told[1])


@case
def what_fails_is_named(folder):
    path = corpus(folder)
    write_file(path + '/bad.wav', b'no audio')
    write_file(path + '/bad.txt', b'words')
    p = run('eval', '--whole', '--stt', SAYS, '-f', 'jsonl', path, check_status=1)
    check('bad.wav' in p.err, p.err)
    equal((events(p.out)[-1]['unread'], events(p.out)[-1]['files']), (1, 2))
    p = run('eval', '-q', '--whole', '--stt', 'exec:exit 3', '-f', 'jsonl', path, check_status=1)
    equal((events(p.out)[-1]['failed'], events(p.out)[-1]['wer']), (2, 100.0))
    for arguments, status, words in (
            ((folder + '/absent',), 3, 'absent'),
            ((path + '/bad.txt',), 3, 'not a folder'),
            (('--whole', '--enhance', path), 2, '--whole'),
            (('--enhance', path), 2, '--stt-audio enhanced'),
            (('-f', 'srt', path), 2, 'jsonl'),
            ((folder,), 0, '')):
        p = run('eval', '-q', '--stt', SAYS, *arguments, check_status=None)
        check(words in p.err and len(p.err.splitlines()) <= 1 + (status == 0), arguments, p.err)
        check(p.returncode == status or status == 0, arguments, p.returncode)
    os.makedirs(folder + '/empty')
    check('NAME.txt' in run('eval', folder + '/empty', check_status=3).err)


if __name__ == '__main__':
    main()
