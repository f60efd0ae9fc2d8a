#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Vosk in its process, with the library of its wheel where that is here: loading, errors, damaged and
absent models; and with a library of the test's own, which hears a word in each second, the protocol: texts,
times of words, partial texts, a crash, an interrupt. No model of Vosk is had.

Usage: cli_vosk.py COMMAND SOURCE"""
import signal

from cli import *

LIBRARY = os.environ.get('VOICESTAND_TEST_VOSK', '')
FAKE = os.environ.get('VOICESTAND_TEST_FAKE_VOSK', '')  # tests/integration/fake_vosk.c


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


def model(folder, library=None, **settings):
    os.makedirs(folder + '/model/am', exist_ok=True)
    write_file(folder + '/model/am/final.mdl', b'no network')
    settings = {**({'library': library} if library else {}), **settings}
    return 'vosk:%s/model#%s' % (folder, '&'.join('%s=%s' % x for x in settings.items()))


def fake(folder, **settings):
    return model(folder, FAKE, **settings)


@case
def texts_and_times_of_words_come(folder):
    engine = fake(folder)
    path = write_file(folder + '/in.wav', wav_bytes(noise(3.4)))
    told = events(run('transcribe', '-q', '-f', 'jsonl', *ALL, '--stt', engine, path, path).out)
    texts = [e for e in told if e['event'] == 'text']
    equal([e['text'] for e in texts], ['w0 w1 w2'] * 2)
    for e in texts: # the second segment counts anew
        equal([(w['word'], w['start_s'], w['end_s']) for w in e['words']],
              [('w0', 0, 0.5), ('w1', 1, 1.5), ('w2', 2, 2.5)])
    p = start('listen', '-q', '--capture', 'pipe', '-f', 'jsonl', *ALL, '--stt', engine, stdin=subprocess.PIPE,
              stdout=subprocess.PIPE)
    audio = read_bytes(path)
    for at in range(0, len(audio), 3200): # as it is spoken, three times as fast
        p.stdin.write(audio[at:at + 3200])
        p.stdin.flush()
        time.sleep(0.03)
    out = p.communicate(timeout=20)[0]
    partial = [e['text'] for e in events(out.decode()) if e['event'] == 'text' and not e['final']]
    check(partial and partial[0] in ('w0', 'w0 w1'), partial)


@case
def a_crash_and_an_interrupt_end_well(folder):
    engine = fake(folder)
    path = write_file(folder + '/loud.wav', wav_bytes([32767] * 16000))
    p = run('transcribe', '-q', '-f', 'jsonl', *ALL, '--high-pass-hz', '0', '--stt', engine, path, check_status=1)
    check('ended with signal 6' in p.err and '2 tries' in p.err, p.err)
    equal([e['event'] for e in events(p.out)], ['start', 'end', 'error', 'segment', 'ledger'])
    p = start('transcribe', '-q', *ALL, '--stt', engine, '-', stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    p.stdin.write(wav_bytes(noise(5))[:32000])
    p.stdin.flush()
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    equal(p.wait(20), 130)


@case
def a_model_that_took_over_gets_nothing(folder):
    engine = fake(folder)
    path = write_file(folder + '/in.wav', wav_bytes(noise(1.4)))
    p = run('transcribe', *ALL, '--stt', engine, path)
    if 'less protection' in p.err:
        raise Skip('this kernel does not give every layer')
    for what, status, said in (('open', 0, ''), ('write', 0, ''), ('run', None, 'signal 31'), ('connect', None, 'signal 31')):
        write_file(folder + '/model/attack', what.encode())
        p = run('transcribe', *ALL, '--stt', engine, path, check_status=status)
        check(said in p.err and 'as a model' not in p.err, what, p.err)
    check(not os.path.exists('/tmp/voicestand-planted'))
    # where the kernel gives nothing the same gets through, and a warning says that it might
    for what, status in (('none', 0), ('open', 4), ('run', 4)):
        write_file(folder + '/model/attack', what.encode())
        p = subprocess.run([os.environ['VOICESTAND_TEST_BARE'], COMMAND, 'transcribe', *ALL, '--stt', engine, path],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=20)
        equal(p.returncode, status, what + ': ' + p.stderr)
        check('gives no Landlock and seccomp' in p.stderr if status == 0 else 'as a model' in p.stderr, what, p.stderr)


@case
def errors_are_one_line(folder):
    path = write_file(folder + '/in.wav', wav_bytes(noise(1)))
    for engine, status, words in (
            ('vosk:', 2, ['folder of a model']), ('vosk:' + folder + '/none', 3, ['/none', 'am/final.mdl']),
            (model(folder, '/nonexistent.so'), 7, ['does not load']), (model(folder, 'libm.so.6'), 7, ['vosk lacks']),
            (model(folder, timeout='0'), 2, ['timeout']), (model(folder, speed='1'), 2, ['speed'])):
        one_line(run('transcribe', '-q', *ALL, '--stt', engine, path, check_status=status), *words)


@case
def the_real_library_refuses_what_is_no_model(folder):
    if not os.path.exists(LIBRARY):
        raise Skip('the wheel of vosk is not here')
    path = write_file(folder + '/in.wav', wav_bytes(noise(1)))
    p = run('transcribe', '-q', *ALL, '--stt', model(folder, LIBRARY), path, check_status=4)
    one_line(p, folder + '/model')
    check('vosk' in p.err.lower(), p.err)


if __name__ == '__main__':
    main()
