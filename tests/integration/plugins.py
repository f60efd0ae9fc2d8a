#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The LADSPA and LV2 plugins: what voicestand enhance gives, later by the latency that they report; any
block, one memory for input and output, no allocation; the gate; what the validators of LADSPA and LV2
say; other people's hosts.

Usage: plugins.py COMMAND FOLDER-OF-THE-BUILD FOLDER-OF-THE-SOURCE"""
import array

from cli import *

BUILD, SOURCE = os.path.abspath(sys.argv[2]), sys.argv[3]
HOST = os.path.join(BUILD, 'tests/integration/plugin_host')
FILES = {'ladspa': os.path.join(BUILD, 'plugins/voicestand.so'),
         'lv2': os.path.join(BUILD, 'plugins/voicestand.lv2/voicestand.so')}
NAMES = {'ladspa': 'voicestand_%s', 'lv2': 'urn:voicestand:%s'}
RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)
BLOCKS = ('1024', '1', '64,1,0,480,7', '8192', '441', '255,257', '256', '33', '2048,2')


def floats(data):
    return array.array('f', data)


def speech(rate, channels):
    """The first recording at any rate, by leaving out and repeating: what it sounds like does not
    matter here. Half a second of silence at both ends; the right channel is softer and later."""
    with open(recordings()[0], 'rb') as f:
        data = f.read()
    pcm = array.array('h', data[44:len(data) - len(data) % 2])
    mono = [0.0] * (rate // 2)
    mono += [pcm[i * 48000 // rate] / 32768 for i in range(len(pcm) * rate // 48000)]
    mono += [0.0] * (rate // 2)
    if channels == 1:
        return array.array('f', mono)
    out = array.array('f')
    for i, x in enumerate(mono):
        out.extend((x, mono[i - 20] * 0.5 if i >= 20 else 0.0))
    return out


def enhance(audio, rate, channels, *options):
    p = subprocess.run([COMMAND, 'enhance', '-q', '--raw', '--rate', str(rate), '--channels', str(channels),
                        '--sample-format', 'f32', '--output-raw', '--output-format', 'f32', *options,
                        '-', '-'], input=audio.tobytes(), stdout=subprocess.PIPE, check=True)
    return floats(p.stdout)


class Run:
    """What a plugin made of `audio`."""

    def __init__(self, kind, name, audio, rate, channels, blocks='512', memory='apart',
                 controls='1,100,0,250,0', *then):
        p = subprocess.run([HOST, kind, FILES[kind], NAMES[kind] % name, str(rate), str(channels), blocks,
                            memory, controls, *then], input=audio.tobytes(), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        check(p.returncode == 0, p.stderr.decode())
        words = p.stderr.split()
        self.out, self.latency = floats(p.stdout), int(words[0])
        self.voice, self.asked = float(words[1]), int(words[2])
        equal(len(self.out), len(audio), 'samples')


def first_difference(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def same_later(run, wanted, channels, what):
    """run.out is `wanted`, later by run.latency; silence before."""
    late = run.latency * channels
    check(not any(run.out[:late]), what, ': sound before the latency')
    got = run.out[late:]
    check(got == wanted[:len(got)], what, ': differs from sample', first_difference(got, wanted))


def side_of(channels):
    return 'mono' if channels == 1 else 'stereo'


@case
def equals_enhance_at_all_rates(folder):
    turn = 0
    for rate in RATES:
        for channels in (1, 2):
            audio = speech(rate, channels)
            for name, options in (('enhance', []), ('denoise', ['--no-level'])):
                kind = ('ladspa', 'lv2')[turn % 2]
                blocks = BLOCKS[turn % len(BLOCKS)]
                memory = ('apart', 'shared')[turn // 2 % 2]
                turn += 1
                run = Run(kind, '%s_%s' % (name, side_of(channels)), audio, rate, channels, blocks, memory)
                what = '%s %s, %d Hz, blocks of %s, memory %s' % (kind, name, rate, blocks, memory)
                same_later(run, enhance(audio, rate, channels, *options), channels, what)
                equal(run.asked, 0, what + ': allocations')


@case
def latency_is_what_enhance_says_rounded_up(folder):
    for rate in RATES:
        audio = array.array('f', bytes(4 * rate))
        report = os.path.join(folder, 'report.json')
        enhance(audio, rate, 1, '--report', report)
        with open(report) as f:
            delay_ms = json.load(f)['delay_ms']
        latency = Run('ladspa', 'enhance_mono', audio, rate, 1).latency
        check(abs(latency - delay_ms * rate / 1000) < 1.001, rate, 'Hz:', latency, 'frames for', delay_ms, 'ms')


@case
def both_kinds_give_the_same_in_any_blocks(folder):
    audio = speech(48000, 2)
    for controls in ('1,100,0,250,0', '1,70,50,100,80'):
        first = Run('ladspa', 'enhance_stereo', audio, 48000, 2, '512', 'apart', controls)
        for number, blocks in enumerate(BLOCKS):
            kind = ('lv2', 'ladspa')[number % 2]
            other = Run(kind, 'enhance_stereo', audio, 48000, 2, blocks, 'shared', controls)
            check(other.out == first.out, kind, blocks, 'differs from', first_difference(other.out, first.out))
            equal((other.latency, other.asked), (first.latency, 0))


@case
def bypass_and_amount_0_give_the_sound_as_it_came(folder):
    audio = speech(44100, 2)
    for controls in ('0,100,0,250,0', '0,100,90,0,0', '1,0,0,250,0', '0,100,50,250,250'):
        run = Run('lv2', 'enhance_stereo', audio, 44100, 2, '100', 'shared', controls)
        same_later(run, audio, 2, controls)


@case
def values_out_of_range_count_as_the_nearest(folder):
    audio = speech(48000, 1)
    wanted = Run('ladspa', 'enhance_mono', audio, 48000, 1, '512', 'apart', '1,100,0,1000,500')
    got = Run('ladspa', 'enhance_mono', audio, 48000, 1, '512', 'apart', '7,1e30,nan,1e9,inf')
    check(got.out == wanted.out and got.latency == wanted.latency)


def probabilities(audio, rate, folder):
    trace = os.path.join(folder, 'trace.csv')
    subprocess.run([COMMAND, 'segment', '-q', '--raw', '--rate', str(rate), '--sample-format', 'f32',
                    '--trace', trace, '-'], input=audio.tobytes(), stdout=subprocess.PIPE, check=True)
    return [float(line.split(',')[3]) for line in read_text(trace).splitlines()[1:]]


@case
def the_gate_opens_before_voice_and_closes_behind_it(folder):
    """By hops: where there is none within the graces, silence; else the enhanced sound, but for the
    hops in which it opens or closes."""
    rate, hop = 48000, 480
    audio = speech(rate, 1)
    audio = audio + array.array('f', [x * 0.01 for x in noise(1, rate, 3)]) + audio
    wanted = enhance(audio, rate, 1)
    voice = [p >= 0.5 for p in probabilities(audio, rate, folder)]
    for grace, retroactive in ((0, 0), (100, 0), (0, 60), (200, 120)):
        run = Run('lv2', 'enhance_mono', audio, rate, 1, '64,1,480', 'apart', '1,100,50,%d,%d' % (grace, retroactive))
        out = run.out[run.latency:]
        opened = [any(voice[max(0, k - grace // 10):k + retroactive // 10 + 1]) for k in range(len(voice))]
        counts = [0, 0]
        for k in range(1, len(out) // hop):
            if opened[k] != opened[k - 1]:
                continue
            counts[opened[k]] += 1
            got = out[k * hop:(k + 1) * hop]
            if opened[k]:
                check(got == wanted[k * hop:(k + 1) * hop], 'hop', k, 'is open and differs')
            else:
                check(not any(got), 'hop', k, 'is closed and sounds')
        check(min(counts) > 20, 'open and closed hops:', counts)


@case
def retroactive_grace_delays_by_itself_and_can_change_while_it_runs(folder):
    audio = speech(48000, 1)
    plain = Run('ladspa', 'denoise_mono', audio, 48000, 1)
    late = Run('ladspa', 'denoise_mono', audio, 48000, 1, '512', 'apart', '1,100,0,250,200')
    equal(late.latency, plain.latency + 9600)
    check(late.out[9600:] == plain.out[:-9600])
    # A steady tone goes on without a step larger than its own.
    tone_hz, n = 200, 96000
    steady = array.array('f', [0.3 * math.sin(2 * math.pi * tone_hz * i / 48000) for i in range(n)])
    moved = Run('ladspa', 'denoise_mono', steady, 48000, 1, '128', 'apart', '1,0,0,250,0', '48000', '1,0,0,250,230')
    equal(moved.latency, plain.latency + 230 * 48)
    steps = [abs(a - b) for a, b in zip(moved.out[plain.latency + 1:], moved.out[plain.latency:])]
    slope = 0.3 * 2 * math.pi * tone_hz / 48000
    check(max(steps) < 1.5 * slope, 'a step of', max(steps), 'where the tone has', slope)


@case
def voice_activity_is_that_of_what_comes_out(folder):
    audio = speech(48000, 1)
    wanted = probabilities(audio, 48000, folder)
    for frames in (48000, 60000, 72000):
        run = Run('ladspa', 'enhance_mono', audio[:frames], 48000, 1, '96')
        hop = (frames - 1 - run.latency) // 480
        check(abs(run.voice - wanted[hop]) < 1e-4, 'hop', hop, 'is', run.voice, 'not', wanted[hop])
    check(max(wanted) > 0.5, 'no voice at all')


@case
def rates_that_cannot_be_are_refused(folder):
    for kind in FILES:
        for rate in ('7999', '192001', '0'):
            p = subprocess.run([HOST, kind, FILES[kind], NAMES[kind] % 'enhance_mono', rate, '1', '64', 'apart',
                                '1,100,0,250,0'], input=b'', stderr=subprocess.PIPE)
            check(p.returncode == 1 and b'refuses' in p.stderr, kind, rate, p.stderr)


@case
def the_page_says_what_is(folder):
    p = subprocess.run([sys.executable, SOURCE + '/plugins/ports.py', '--document', BUILD], stdout=subprocess.PIPE,
                       check=True)
    check(p.stdout.decode() == read_text(SOURCE + '/docs/plugins.md'),
          'docs/plugins.md: its tables are old; write them with plugins/ports.py --document')


def tool(folder, *words, **more):
    """Run another program, which finds our bundle alone. Returns what it said; skips where it is missing."""
    if not shutil.which(words[0]):
        raise Skip('%s is missing' % words[0])
    bundles = os.path.join(folder, 'bundles')
    if not os.path.exists(bundles):
        os.mkdir(bundles)
        os.symlink(os.path.dirname(FILES['lv2']), bundles + '/voicestand.lv2')
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                       env=dict(os.environ, LV2_PATH=bundles), **more)
    text = p.stdout.decode(errors='replace')
    check(p.returncode == 0, ' '.join(words), 'ended with', p.returncode, text[-500:])
    return text


@case
def analyseplugin_finds_no_fault(folder):
    text = tool(folder, 'analyseplugin', FILES['ladspa'])
    equal(text.count('Plugin Label: "voicestand_'), 4)
    check('ERROR' not in text, text)


@case
def lv2_validate_finds_no_fault(folder):
    bundle = os.path.dirname(FILES['lv2'])
    if not shutil.which('sord_validate'):
        raise Skip('sord_validate is missing (package sordi)')
    text = tool(folder, 'lv2_validate', bundle + '/manifest.ttl', bundle + '/voicestand.ttl')
    check('Found 0 errors' in text, text)


@case
def lilv_knows_the_plugins_and_their_latency(folder):
    equal(sorted(line for line in tool(folder, 'lv2ls').split() if 'voicestand' in line),
          ['urn:voicestand:%s_%s' % (n, s) for n in ('denoise', 'enhance') for s in ('mono', 'stereo')])
    text = tool(folder, 'lv2info', 'urn:voicestand:enhance_stereo')
    check('reported by port 10' in text and 'hardRTCapable' in text, text)


@case
def other_hosts_give_the_same(folder):
    """lv2apply and applyplugin, from file to file; both round to 16 bits."""
    rate, source = 48000, os.path.join(folder, 'in.wav')
    audio = speech(rate, 1)
    write_file(source, wav_bytes([int(x * 32768) for x in audio], rate))
    for kind, words in (('lv2', ['lv2apply', '-i', source, '-o', folder + '/lv2.wav', '-c', 'amount', '100',
                                 'urn:voicestand:enhance_mono']),
                        ('ladspa', ['applyplugin', source, folder + '/ladspa.wav', FILES['ladspa'],
                                    'voicestand_enhance_mono', '1', '100', '0', '250', '0'])):
        tool(folder, *words)
        wanted = Run(kind, 'enhance_mono', audio, rate, 1).out
        with open('%s/%s.wav' % (folder, kind), 'rb') as f:
            data = f.read()
        at = data.index(b'data') + 8
        got = array.array('h', data[at:at + len(audio) * 2])
        equal(len(got), len(audio), words[0])
        most = max(abs(a / 32768 - b) for a, b in zip(got, wanted))
        check(most < 2.1 / 32768, words[0], 'differs by', most)


if __name__ == '__main__':
    if not os.path.exists(HOST):
        print('ok 1 - plugins # SKIP built without ladspa.h or lv2.h (packages ladspa-sdk, lv2-dev)\n1..1')
        sys.exit(0)
    main()
