#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The GStreamer elements in pipelines of gst-launch: audio goes through voicestandvad bit by bit, its messages
are the events of `voicestand segment`; voicestandenhance gives what `voicestand enhance` gives.

Usage: gstreamer.py COMMAND FOLDER-OF-THE-BUILD FOLDER-OF-THE-SOURCE"""
import array
import re

from cli import *

BUILD, SOURCE = os.path.abspath(sys.argv[2]), sys.argv[3]
PARSE = 'rawaudioparse use-sink-caps=false format=pcm sample-rate=%d num-channels=%d pcm-format=%s'
# Sample formats: ours, GStreamer's, of Python's arrays
FORMATS = {'s16': ('s16le', 'h'), 'f32': ('f32le', 'f')}


def gst(folder, *words, input=b'', status=0, seconds=60):
    if not shutil.which(words[0]):
        raise Skip('%s is missing (package gstreamer1.0-tools)' % words[0])
    env = dict(os.environ, GST_PLUGIN_PATH=os.path.join(BUILD, 'plugins'), G_DEBUG='fatal-warnings',
               GST_REGISTRY=os.path.join(folder, 'registry'), GST_REGISTRY_FORK='no')
    p = subprocess.run(words, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, env=env)
    check(p.returncode == status, ' '.join(words), 'ended with', p.returncode, p.stderr.decode()[-500:])
    return p.stdout, p.stderr.decode()


def gst_has(element):
    if not shutil.which('gst-inspect-1.0'):
        raise Skip('gst-inspect-1.0 is missing (package gstreamer1.0-tools)')
    return not subprocess.run(['gst-inspect-1.0', '--exists', element], stderr=subprocess.DEVNULL).returncode


def need_base():
    if not gst_has('rawaudioparse'):
        raise Skip('rawaudioparse is missing (package gstreamer1.0-plugins-base)')


def pipe(folder, audio, rate, channels, kind, element, block=4096):
    """What came out, the messages of the element, and all that was said."""
    out = os.path.join(folder, 'out')
    need_base()
    said = gst(folder, 'gst-launch-1.0', '-m', 'fdsrc', 'fd=0', 'blocksize=%d' % block, '!',
               *(PARSE % (rate, channels, FORMATS[kind][0])).split(), '!', *element, '!', 'filesink',
               'location=' + out, input=audio.tobytes())[0].decode()
    with open(out, 'rb') as f:
        got = array.array(FORMATS[kind][1], f.read())
    fields = []
    for line in said.splitlines():
        if '(element): voicestand, ' in line:
            fields.append(dict(re.findall(r'([\w-]+)=\(\w+\)([^,;]+)', line)))
    return got, fields, said


def speech(rate, channels, kind):
    """The first recordings at any rate, by leaving out and repeating: what it sounds like does not matter."""
    out = array.array(FORMATS[kind][1])
    for name in recordings()[:2]:
        with open(name, 'rb') as f:
            data = f.read()
        pcm = array.array('h', data[44:len(data) - len(data) % 2])
        for i in range(len(pcm) * rate // 48000):
            x = pcm[i * 48000 // rate]
            out.extend([x if kind == 's16' else x / 32768] * channels)
        out.extend([0] * (rate * channels))
    return out


def ours(audio, rate, channels, kind, *words, raw=True):
    p = subprocess.run([COMMAND, *words, '-q', '--raw', '--rate', str(rate), '--channels', str(channels),
                        '--sample-format', kind, '-', *(['-'] if raw else [])], input=audio.tobytes(),
                       stdout=subprocess.PIPE, check=True)
    return p.stdout


@case
def gst_inspect_knows_both(folder):
    text = gst(folder, 'gst-inspect-1.0', 'voicestand')[0].decode()
    check('2 features' in text and 'MIT' in text, text)
    for element in ('voicestandvad', 'voicestandenhance'):
        text, words = gst(folder, 'gst-inspect-1.0', element)
        check(not words.strip(), words)
        check('[ 8000, 192000 ]' in text.decode(), text)


@case
def messages_are_the_events_of_segment(folder):
    for number, (rate, channels, kind, block) in enumerate(
            ((16000, 1, 's16', 4096), (48000, 2, 'f32', 1234), (44100, 1, 'f32', 100000), (8000, 2, 's16', 640))):
        audio = speech(rate, channels, kind)
        got, fields, said = pipe(folder, audio, rate, channels, kind, ['voicestandvad'], block)
        check(got == audio, 'the audio is another one')
        wanted = [e for e in events(ours(audio, rate, channels, kind, 'segment', '--format', 'jsonl',
                                         raw=False).decode()) if e['event'] in ('start', 'end', 'segment')]
        equal([f['event'] for f in fields], [e['event'] for e in wanted])
        check(len(wanted) >= 6, 'only', wanted)
        for f, e in zip(fields, wanted):
            equal(int(f['segment']), e['segment'])
            for name in ('timestamp', 'stream-time', 'running-time'):
                check(abs(int(f[name]) / 1e9 - e['start_frame'] / rate) < 1e-7, name, f, e)
            if e['event'] != 'start':
                check(abs(int(f['duration']) / 1e9 - (e['end_frame'] - e['start_frame']) / rate) < 1e-7, f, e)
                check(abs(float(f['probability']) - e['probability']) < 1e-4, f, e)
                check(abs(float(f['level-db']) - e['level_db']) < 0.01, f, e)
        check(said.rindex('voicestand, ') < said.index('(eos)'), 'the end came before a message')


@case
def properties_change_segments_as_options_do(folder):
    audio = speech(16000, 1, 's16')
    for element, options in ((['preset=archive'], ['--preset', 'archive']),
                             (['threshold=0.8', 'hangover-ms=100', 'merge-ms=10'],
                              ['--threshold', '0.8', '--hangover-ms', '100', '--merge-ms', '10']),
                             (['detector=energy'], ['--vad', 'energy'])):
        fields = pipe(folder, audio, 16000, 1, 's16', ['voicestandvad', *element])[1]
        wanted = events(ours(audio, 16000, 1, 's16', 'segment', '--format', 'jsonl', *options, raw=False).decode())
        equal([round(int(f['timestamp']) / 1e9, 3) for f in fields if f['event'] == 'segment'],
              [e['start_s'] for e in wanted if e['event'] == 'segment'], ' '.join(element))


@case
def enhanced_audio_is_that_of_enhance(folder):
    """But for the last 30 ms: enhance knows that the audio ends there."""
    for rate, channels, block, element, options in (
            (16000, 1, 4096, [], []), (48000, 2, 1000, [], []), (44100, 2, 65536, ['level=false'], ['--no-level']),
            (192000, 1, 77777, [], [])):
        audio = speech(rate, channels, 'f32')
        got = pipe(folder, audio, rate, channels, 'f32', ['voicestandenhance', *element], block)[0]
        wanted = array.array('f', ours(audio, rate, channels, 'f32', 'enhance', '--output-raw', '--output-format',
                                       'f32', *options))
        equal((len(got), len(wanted)), (len(audio), len(audio)), 'samples')
        same = len(audio) - channels * rate * 30 // 1000
        check(got[:same] == wanted[:same], rate, 'Hz:', 'differs from sample',
              next((i for i in range(same) if got[i] != wanted[i]), same))
        check(got[:same] != audio[:same], 'nothing was enhanced')


@case
def bypass_is_the_sound_as_it_came_where_it_was(folder):
    audio = speech(48000, 2, 'f32')
    got = pipe(folder, audio, 48000, 2, 'f32', ['voicestandenhance', 'enabled=0', 'retroactive=200'])[0]
    check(got == audio)


@case
def a_bad_detector_is_one_clear_error(folder):
    for _ in range(4): # of an error while it prerolls, of any element, gst-launch tells, and then may not end
        try:
            words = gst(folder, 'gst-launch-1.0', 'fakesrc', 'num-buffers=1', '!', 'capsfilter',
                        'caps=audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved', '!',
                        'voicestandvad', 'detector=opera', '!', 'fakesink', status=1, seconds=10)[1]
            break
        except subprocess.TimeoutExpired as e:
            words = ''
            check(b'opera' in (e.stderr or b''), e.stderr)
    check('opera' in words, words)


@case
def commands_of_the_page_run(folder):
    """With elements that other packages have replaced where they are missing."""
    need_base()
    with open(os.path.join(SOURCE, 'docs/plugins.md')) as f:
        commands = re.findall(r'<!-- run: gstreamer -->\n    (.*)', f.read())
    equal(len(commands), 2)
    write_file(folder + '/talk.wav', wav_bytes(speech(16000, 1, 's16')))
    for command in commands:
        words = []
        for word in command.replace('talk.wav', folder + '/talk.wav').replace('clean.wav', folder + '/out').split():
            if word in ('wavparse', 'wavenc') and not gst_has(word):
                word = {'wavparse': PARSE % (16000, 1, 's16le'), 'wavenc': 'identity'}[word]
            words += word.split()
        said = gst(folder, *words)[0].decode()
        check('event=(string)segment' in said or 'wavenc' in command, said)
    check(os.path.getsize(folder + '/out') > 32000)


if __name__ == '__main__':
    if not os.path.exists(os.path.join(BUILD, 'plugins/libgstvoicestand.so')):
        print('ok 1 - gstreamer # SKIP built without GStreamer (package libgstreamer1.0-dev)\n1..1')
        sys.exit(0)
    main()
