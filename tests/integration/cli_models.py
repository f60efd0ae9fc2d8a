#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand models: taken in, pinned, checked, thrown away.

Usage: cli_models.py COMMAND"""
import hashlib

from cli import *


def models(folder, *arguments, **more):
    os.environ['XDG_DATA_HOME'] = folder + '/data'
    return run('models', *arguments, **more)


def listed(folder):
    return {e['name']: e for e in events(models(folder, 'list', '-f', 'jsonl').out)}


@case
def a_model_is_taken_in_and_pinned(folder):
    data = os.urandom(3 << 18)
    os.makedirs(folder + '/from/below')
    write_file(folder + '/from/a.onnx', data)
    write_file(folder + '/from/tokens.txt', b'x 1\n')
    write_file(folder + '/from/.hidden', b'')
    models(folder, 'add', 'mine', folder + '/from', '--licence', 'CC "BY" 4.0', '--source', 'a friend')
    m = listed(folder)['mine']
    equal((m['here'], m['bytes'], m['licence'], m['source']), (True, len(data) + 4, 'CC "BY" 4.0', 'a friend'))
    equal(m['path'], folder + '/data/voicestand/models/mine')
    equal(sorted(os.listdir(m['path'])), ['a.onnx', 'model.json', 'tokens.txt'])
    pins = {f['file']: (f['bytes'], f['sha256']) for f in json.loads(read_text(m['path'] + '/model.json'))['files']}
    equal(pins['a.onnx'], (len(data), hashlib.sha256(data).hexdigest()))
    equal(read_bytes(m['path'] + '/a.onnx'), data)
    check('2 files' in models(folder, 'verify', 'mine').err)
    check('mine' in models(folder).out)
    check('already' in models(folder, 'add', 'mine', folder + '/from', '--licence', 'x', check_status=2).err)
    models(folder, 'remove', 'mine')
    check('mine' not in listed(folder) and not os.path.exists(m['path']))


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


@case
def damage_is_found(folder):
    write_file(folder + '/a', b'abc')
    models(folder, 'add', 'one', folder + '/a', '--licence', 'MIT', '--sha256',
           'BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD')
    models(folder, 'add', 'two', folder + '/a', '--licence', 'MIT')
    place = folder + '/data/voicestand/models/'
    for damage, words in ((lambda: write_file(place + 'one/a', b'abd'), 'another SHA-256'),
                          (lambda: write_file(place + 'one/a', b'abcd'), 'another size'),
                          (lambda: os.remove(place + 'one/a'), 'No such file'),
                          (lambda: write_file(place + 'one/model.json', b'{"files": []}'), 'model.json'),
                          (lambda: write_file(place + 'one/model.json', b'{"licence": "x", "files": '
                           b'[{"file": "../two/a", "bytes": 1, "sha256": "' + b'0' * 64 + b'"}]}'), 'model.json'),
                          (lambda: os.remove(place + 'one/model.json'), 'model.json')):
        damage()
        p = models(folder, 'verify', check_status=1)
        check(words in p.err and 'two: 1 files' in p.err, words, p.err)
    equal('two' in models(folder, 'list', check_status=1).out, True)
    models(folder, 'remove', 'one', check_status=None)
    check(os.path.exists(place + 'two/a'))


@case
def a_known_model_is_told_and_nothing_else_is_taken_for_it(folder):
    known = [e for e in listed(folder).values() if not e['here']]
    check(len(known) >= 3 and all(len(e['sha256']) == 64 and e['licence'] for e in known), known)
    name = known[0]['name']
    out = models(folder, 'add', name).out
    check(known[0]['source'] in out and known[0]['sha256'] in out and str(known[0]['bytes']) in out, out)
    write_file(folder + '/part.bin', b'half')
    check('broke off' in models(folder, 'add', name, folder + '/part.bin', check_status=1).err)
    with open(folder + '/same-size.bin', 'wb') as f:
        f.truncate(known[0]['bytes'])
    check('do not use it' in models(folder, 'add', name, folder + '/same-size.bin', check_status=1).err)
    equal(os.listdir(folder + '/data/voicestand/models'), [])


@case
def wrong_use_is_said_in_one_line(folder):
    write_file(folder + '/a', b'a')
    os.makedirs(folder + '/empty')
    os.makedirs(folder + '/same/a')
    for arguments, status, words in (
            (('get',), 2, 'choose from'), (('add',), 2, 'NAME FILE'), (('add', 'x'), 2, 'files'),
            (('add', 'x', folder + '/a'), 2, '--licence'), (('remove',), 2, 'NAME'),
            (('add', '../x', folder + '/a', '--licence', 'MIT'), 2, 'no name'),
            (('add', 'x', folder + '/none', '--licence', 'MIT'), 3, 'no file'),
            (('add', 'x', folder + '/empty', '--licence', 'MIT'), 3, 'no file'),
            (('add', 'x', folder + '/a', folder + '/a', '--licence', 'MIT'), 2, 'two files'),
            (('add', 'x', folder + '/a', '--licence', 'MIT', '--sha256', '00'), 1, 'SHA-256'),
            (('verify', 'x'), 1, 'no such model'), (('remove', '..'), 1, 'no such model'),
            (('list', '-f', 'srt'), 2, 'jsonl')):
        p = models(folder, *arguments, check_status=status)
        check(words in p.err and len(p.err.splitlines()) == 1, arguments, p.err)
    equal(os.listdir(folder + '/data/voicestand/models'), [])


if __name__ == '__main__':
    main()
