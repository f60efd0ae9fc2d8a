#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The engine `sherpa` on the real library, with networks made for it: what is heard, what is said of
models that are wrong, and what a process that crashes or hangs costs.

Usage: cli_sherpa.py COMMAND SOURCE"""
import glob

from cli import *

TOY = os.path.join(sys.argv[2] if len(sys.argv) > 2 else '.', 'tests', 'contract', 'sherpa_toy.py')
LIBRARY = os.path.join(os.environ.get('VOICESTAND_SHERPA', ''), 'libsherpa-onnx-c-api.so')


def models(folder):
    if os.environ.get('VOICESTAND_TEST_NO_SHERPA') or not os.path.exists(LIBRARY):
        raise Skip(os.environ.get('VOICESTAND_TEST_NO_SHERPA') or 'no sherpa-onnx at ' + LIBRARY)
    subprocess.run([sys.executable, '-B', TOY, folder + '/models'], check=True)
    return folder + '/models/'


def bursts(count):
    """Half a second of noise, half a second of silence, and so on."""
    return (noise(0.5) + [0] * 8000) * count


def hear(folder, argument, status=0, samples=None):
    os.makedirs(folder + '/set', exist_ok=True)
    write_file(folder + '/set/in.wav', wav_bytes(samples or bursts(3)))
    p = run('eval', '--whole', '--wordless', '-f', 'jsonl', '--stt', 'sherpa:' + argument, folder + '/set',
            check_status=status)
    lines = events(p.out)
    return (lines[0]['heard'] if lines else None), p.err


@case
def both_ways_of_hearing(folder):
    m = models(folder)
    for name in ('zipformer-ctc', 'streaming-zipformer-ctc'):
        equal(hear(folder, m + name)[0], 'hello hello hello', name)
        equal(hear(folder, m + name, samples=[0] * 16000)[0], '', name)
    equal(hear(folder, m + 'untold#kind=zipformer-ctc&threads=2&language=en')[0], 'hello hello hello')


@case
def a_model_is_found_by_its_name(folder):
    os.environ['XDG_DATA_HOME'] = folder + '/data'
    run('models', 'add', 'toy-zipformer', models(folder) + 'zipformer-ctc', '--licence', 'MIT')
    equal(hear(folder, 'toy-zipformer')[0], 'hello hello hello')
    check('No such file' in hear(folder, 'toy', status=3)[1])


@case
def what_is_wrong_with_a_model_is_said(folder):
    m = models(folder)
    for argument, status, words in (
            ('zipformer-cut', 4, 'refuses'), ('zipformer-noise', 4, 'refuses'),
            ('zipformer-no-tokens', 3, 'tokens.txt'), ('streaming-zipformer-ctc-bare', 4, 'encoder_dims'),
            ('untold', 2, '#kind='), ('transducer-half', 3, 'decoder'), ('empty', 3, '.onnx'),
            ('none', 3, 'No such file'), ('zipformer-ctc#kind=spell', 2, 'choose from whisper'),
            ('zipformer-ctc#kind=whisper', 3, 'encoder'), ('zipformer-ctc#threads=0', 2, 'threads=0'),
            ('zipformer-ctc#library=/nonexistent.so', 7, 'does not load'),
            ('zipformer-ctc#library=libm.so.6', 7, 'lacks SherpaOnnxGetVersionStr')):
        text, said = hear(folder, m + argument, status=status)
        check(text is None and words in said and len(said.splitlines()) == 1, argument, said)
    check('folder of a model' in hear(folder, '', status=2)[1])


def host_of(pid):
    """Process of the engine that a command has started."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for path in glob.glob('/proc/[0-9]*/stat'):
            try:
                fields = read_text(path).rsplit(')', 1)
                if '(sherpa-host' in fields[0] and int(fields[1].split()[1]) == pid:
                    return int(path.split('/')[2])
            except OSError:
                pass
        time.sleep(0.01)
    raise AssertionError('no process')


class Live:
    """A segment that is spoken while things happen to the engine."""

    def __init__(self, argument, command=('listen', '--capture', 'pipe'), end=()):
        self.p = subprocess.Popen(
            [COMMAND, *command, '--vad', 'null:1', '--max-ms', '60000', '-f', 'jsonl', '--stt', 'sherpa:' + argument,
             '--raw', '--rate', '16000', *end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.host = host_of(self.p.pid)
        self.say(bursts(1))
        check(b'"start"' in self.p.stdout.readline(), 'no segment') # so the model is loaded

    def say(self, samples):
        self.p.stdin.write(struct.pack('<%dh' % len(samples), *samples))
        self.p.stdin.flush()

    def end(self):
        out, err = self.p.communicate(timeout=60)
        told = [e for e in events(out.decode()) if e['event'] in ('text', 'error')]
        return told, err.decode()


@case
def partial_texts_come_while_it_is_spoken(folder):
    live = Live(models(folder) + 'streaming-zipformer-ctc')
    for _ in range(5):
        live.say(bursts(1))
        time.sleep(0.1)
    told, err = live.end()
    partial = [e['text'] for e in told if not e.get('final')]
    check(len(partial) >= 2 and partial[0].startswith('hello') and len(partial[0]) < len(partial[-1]), told, err)
    equal([e['text'] for e in told if e.get('final')], [' '.join(['hello'] * 6)])


@case
def a_crash_or_a_hang_costs_no_words(folder):
    for name, harm in (('zipformer-ctc', signal.SIGSEGV), ('streaming-zipformer-ctc', signal.SIGKILL),
                       ('streaming-zipformer-ctc', signal.SIGSTOP)):
        live = Live(models(folder) + name + '#timeout=1')
        live.say(bursts(1))
        os.kill(live.host, harm)
        live.say(bursts(2))
        told, err = live.end()
        equal([e.get('text') for e in told if e.get('final')], ['hello hello hello hello'], (name, harm, err))
        check(not os.path.exists('/proc/%d' % live.host), 'the process is left')


@case
def an_interrupt_ends_it_and_its_process(folder):
    live = Live(models(folder) + 'zipformer-ctc', ['segment'], ['-'])
    os.kill(live.host, signal.SIGSTOP) # it would not answer for a minute
    live.p.stdin.close()
    live.p.stdin = None
    time.sleep(0.3)
    began = time.monotonic()
    live.p.send_signal(signal.SIGINT)
    live.end()
    check(time.monotonic() - began < 5, time.monotonic() - began)
    check(not os.path.exists('/proc/%d' % live.host), 'the process is left')


if __name__ == '__main__':
    main()
