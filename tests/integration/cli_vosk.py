#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Vosk in its process, with the library of its wheel where that is here: loading, errors, damaged and
absent models; and with a library of the test's own, which hears a word in each second, the protocol: texts,
times of words, partial texts, a crash, an interrupt. No model of Vosk is had.

Usage: cli_vosk.py COMMAND SOURCE"""
import shutil
import signal

from cli import *

LIBRARY = os.environ.get('VOICESTAND_TEST_VOSK', '')
FAKE = r'''
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static long heard, before; static char text[4000];
void vosk_set_log_level(int l) {}
/* A model that took the library over does what its file says; what gets through is told by "no model". */
static int attack(const char *what)
{
    if (!strcmp(what, "open")) return fopen("/etc/passwd", "r") != NULL;
    if (!strcmp(what, "write")) return fopen("/tmp/voicestand-planted", "w") != NULL;
    if (!strcmp(what, "run")) return popen("true", "r") != NULL;
    if (!strcmp(what, "connect")) return socket(AF_INET, SOCK_STREAM, 0) >= 0;
    return 0;
}
void *vosk_model_new(const char *p)
{
    char path[4096], what[20] = "";
    snprintf(path, sizeof(path), "%s/attack", p);
    FILE *f = fopen(path, "r");
    if (f) fscanf(f, "%19s", what);
    return attack(what) ? NULL : (void *)p;
}
void *vosk_recognizer_new(void *m, float r) { return m; }
void vosk_recognizer_set_words(void *r, int on) {}
void vosk_recognizer_reset(void *r) { before += heard; heard = 0; }
int vosk_recognizer_accept_waveform_s(void *r, const short *p, int n)
{
    heard += n;
    for (int i = 0; i < n; i++) if (p[i] == 32767) abort();
    return heard == 32000; /* an end in the middle, as it finds by itself */
}
static const char *words(long from, long to)
{
    int at = sprintf(text, "{\"result\":[");
    for (long i = from; i < to; i++)
        at += sprintf(text + at, "%s{\"conf\":1.0,\"start\":%g,\"end\":%g,\"word\":\"w%ld\"}", i > from ? "," : "",
                      before / 16000.0 + i, before / 16000.0 + i + 0.5, i);
    at += sprintf(text + at, "],\"text\":\"");
    for (long i = from; i < to; i++) at += sprintf(text + at, "%sw%ld", i > from ? " " : "", i);
    sprintf(text + at, "\"}");
    return text;
}
const char *vosk_recognizer_result(void *r) { return words(0, 2); }
const char *vosk_recognizer_partial_result(void *r)
{
    sprintf(text, "{\"partial\":\"%s\"}", heard >= 16000 && heard < 32000 ? "w0" : "");
    return text;
}
const char *vosk_recognizer_final_result(void *r) { return words(heard >= 32000 ? 2 : 0, heard / 16000); }
'''


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


def model(folder, library=None, **settings):
    os.makedirs(folder + '/model/am', exist_ok=True)
    write_file(folder + '/model/am/final.mdl', b'no network')
    settings = {**({'library': library} if library else {}), **settings}
    return 'vosk:%s/model#%s' % (folder, '&'.join('%s=%s' % x for x in settings.items()))


def fake(folder, **settings):
    if not shutil.which('cc'):
        raise Skip('there is no compiler')
    write_file(folder + '/fake.c', FAKE.encode())
    subprocess.run(['cc', '-shared', '-fPIC', '-w', '-o', folder + '/libvosk.so', folder + '/fake.c'], check=True)
    return model(folder, folder + '/libvosk.so', **settings)


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
