#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PocketSphinx in its process: a crash or a hang costs no words, damage is named, nothing is left.

Usage: cli_pocketsphinx.py COMMAND"""
import glob
import shutil
import signal
import wave

from cli import *

MODEL = '/usr/share/pocketsphinx/model/en-us'
SPEECH = '/usr/share/sounds/alsa/%s.wav'


def speech():
    """48 kHz, mono, 16 bits: bytes of three recordings, each with its silence."""
    data = b''
    for name in ('Front_Center', 'Rear_Left', 'Side_Right'):
        with wave.open(SPEECH % name) as f:
            data += f.readframes(f.getnframes()) + bytes(48000)
    return data


def children(pid):
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            name, fields = read_text(path).rsplit(')', 1)
            if '(pocketsphinx-h' in name and int(fields.split()[1]) == pid and fields.split()[0] != 'Z':
                found.append(int(path.split('/')[2]))
        except OSError:
            pass
    return found


def hear(harm=None, settings='#timeout=4'):
    """All of it as one segment, while the engine's process is harmed in the middle."""
    p = subprocess.Popen([COMMAND, 'listen', '--capture', 'pipe', *ALL, '--max-ms', '60000', '-f', 'jsonl', '--stt',
                          'pocketsphinx' + (':' + settings if settings else ''), '--raw', '--rate', '48000'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    data = speech()
    p.stdin.write(data[:len(data) // 2])
    check(b'"start"' in p.stdout.readline(), 'no segment') # so the model is loaded
    host = children(p.pid)
    equal(len(host), 1)
    if harm is not None:
        os.kill(host[0], harm)
    p.stdin.write(data[len(data) // 2:])
    out, err = p.communicate(timeout=120)
    check(not os.path.exists('/proc/%d' % host[0]), 'its process is left')
    final = [e for e in events(out.decode()) if e['event'] == 'text' and e['final']]
    return [(e['text'], e.get('words')) for e in final], err.decode()


@case
def a_crash_or_a_hang_costs_no_words(folder):
    well, err = hear()
    check(len(well) == 1 and len(well[0][1]) >= 4 and 'PocketSphinx' not in err, well, err)
    for harm in (signal.SIGSEGV, signal.SIGSTOP):
        equal(hear(harm)[0], well, harm)


@case
def one_try_can_be_asked_for(folder):
    told, err = hear(signal.SIGSEGV, '#tries=1')
    equal(told, [])
    # a sanitizer hears the signal itself and ends with a status
    ended = 'ended with status' if os.environ.get('VOICESTAND_TEST_SANITIZED') else 'ended with signal 11'
    check(ended in err and 'segment 1, 1 try' in err, err)


@case
def damage_and_settings_are_named(folder):
    path = SPEECH % 'Front_Center'
    name = folder + '/bad'
    os.makedirs(name + '/bad')
    for file in os.listdir(MODEL + '/en-us'):
        os.symlink(MODEL + '/en-us/' + file, name + '/bad/' + file)
    os.symlink(MODEL + '/cmudict-en-us.dict', name + '/cmudict-bad.dict')
    with open(MODEL + '/en-us.lm.bin', 'rb') as f:
        write_file(name + '/bad.lm.bin', f.read(100000))
    one_line(run('transcribe', '-q', '--stt', 'pocketsphinx:' + name, path, check_status=4), 'bad', 'damaged')
    os.remove(name + '/bad/mdef')
    write_file(name + '/bad/mdef', b'damaged')
    one_line(run('transcribe', '-q', '--stt', 'pocketsphinx:' + name, path, check_status=4), 'bad', 'damaged')
    for settings, words in (('#timeout=0', 'timeout'), ('#speed=1', 'speed')):
        one_line(run('transcribe', '-q', '--stt', 'pocketsphinx:' + settings, path, check_status=2), words)
    one_line(run('transcribe', '-q', '--stt', 'pocketsphinx:/nonexistent', path, check_status=3), '/nonexistent')


@case
def without_its_program_it_says_so(folder):
    modules = os.environ['VOICESTAND_MODULE_DIR']
    shutil.copy(modules + '/pocketsphinx.so', folder)
    shutil.copy(modules + '/sndfile.so', folder)
    shutil.copy(modules + '/sound-host', folder)
    env = {**os.environ, 'VOICESTAND_MODULE_DIR': folder}
    p = subprocess.run([COMMAND, 'transcribe', '-q', SPEECH % 'Front_Center'], env=env, stderr=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True)
    check(p.returncode != 0 and 'pocketsphinx-host' in p.stderr and len(p.stderr.splitlines()) == 1, p)


if __name__ == '__main__':
    if not os.path.exists(MODEL + '/en-us.lm.bin') or not os.path.exists(SPEECH % 'Front_Center'):
        print('1..0 # SKIP PocketSphinx\'s English model or alsa-utils\' recordings are not installed')
        raise SystemExit
    main()
