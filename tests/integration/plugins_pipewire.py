#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plugins in a real PipeWire graph: the configurations of docs/plugins.md, loaded into a server of its
own as users do; real speech goes through, and what comes out is what the plugin makes of what went in.

Usage: plugins_pipewire.py COMMAND FOLDER-OF-THE-BUILD FOLDER-OF-THE-SOURCE"""
import array
import re

from cli import *

BUILD, SOURCE = os.path.abspath(sys.argv[2]), sys.argv[3]
SHARED = os.environ.get('VOICESTAND_TEST_SHARED', '')
HOST = os.path.join(BUILD, 'tests/integration/plugin_host')
FILES = {'ladspa': os.path.join(BUILD, 'plugins/voicestand.so'),
         'lv2': os.path.join(BUILD, 'plugins/voicestand.lv2/voicestand.so')}
NAMES = {'ladspa': 'voicestand_enhance_mono', 'lv2': 'urn:voicestand:enhance_mono'}
CONTROLS = '1,100,50,250,60'  # those of the configurations
RATE, QUANTUM = 48000, 480


def config_of(kind):
    text = read_text(os.path.join(SOURCE, 'docs/plugins.md'))
    return re.search(r'<!-- config: %s -->\n```\n(.*?)```' % kind, text, re.S).group(1)


def tool(*words, errors=subprocess.STDOUT):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=errors, timeout=30).stdout.decode()


def restart_with(kind):
    """The server anew, with the configuration where users put it."""
    folder = os.path.join(os.environ['PRIVATE_PIPEWIRE'], 'home', 'pipewire/pipewire.conf.d')
    os.makedirs(folder, exist_ok=True)
    write_file(folder + '/voicestand.conf', config_of(kind).encode())
    write_file(folder + '/quantum.conf', b'context.properties = { clock.power-of-two-quantum = false %s }' % b' '.join(
        b'default.clock.%squantum = %d' % (word, QUANTUM) for word in (b'', b'min-', b'max-')))
    tool('server-stop')
    equal(tool('server-start').strip(), '', 'server-start')
    wait_until(lambda: 'voicestand:capture_MONO' in tool('pw-link', '-o'), 10, 'the microphone is there')


def speech_file(folder):
    """A recording, of the shared data where that is, at 48 kHz between silences."""
    talk = os.path.join(SHARED, 'data/dictation/cards_001.wav')
    if not os.path.exists(talk):
        talk = recordings()[0]
    run('enhance', '-q', '--no-denoise', '--no-level', '--high-pass-hz', '0', '--output-rate', str(RATE), talk,
        folder + '/48k.wav')
    with open(folder + '/48k.wav', 'rb') as f:
        data = f.read()
    pcm = array.array('h', data[data.index(b'data') + 8:][:6 * RATE * 2])
    rest = [0] * RATE
    return write_file(folder + '/talk.wav', wav_bytes(rest + list(pcm) + rest, RATE))


def record(folder):
    """Left what went into the plugin, right what came out, by one recorder of the same graph."""
    path = folder + '/both.wav'
    recorder = subprocess.Popen(['pw-record', '--target', '0', '--rate', str(RATE), '--channels', '2', '--format',
                                 'f32', '-P', '{ node.name=rec }', path],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: 'rec:input_FR' in tool('pw-link', '-i'), 10, 'the recorder is there')
        for source, sink in (('test-mic:capture_MONO', 'rec:input_FL'),
                             ('voicestand:capture_MONO', 'rec:input_FR'),
                             ('test-mic:capture_MONO', 'capture.voicestand:input_MONO')):
            said = tool('pw-link', source, sink)
            check(said == '' or 'exists' in said, source, sink, said)
        said = tool('feed', folder + '/talk.wav')
        check(said == '', said)
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(10)
    with open(path, 'rb') as f:
        data = f.read()
    data = data[data.index(b'data') + 8:]
    both = array.array('f', data[:len(data) // 8 * 8])
    return both[::2], both[1::2]


def sounds(samples):
    return any(abs(x) > 1e-3 for x in samples)


def compare(kind, went, came):
    """Beside the plugin's own run over what went in. The graph adds no delay of its own."""
    p = subprocess.run([HOST, kind, FILES[kind], NAMES[kind], str(RATE), '1', str(QUANTUM), 'apart', CONTROLS],
                       input=went.tobytes(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       check=True)
    wanted = array.array('f', p.stdout)
    check(sounds(went), 'nothing went in')
    check(sounds(came), 'nothing came out')
    level = math.sqrt(sum(x * x for x in wanted) / len(wanted))
    error = math.sqrt(sum((a - b) ** 2 for a, b in zip(came, wanted)) / len(wanted))
    print('# %.1f s, level %.3g, error %.3g, %d samples of %d are not the same bits'
          % (len(wanted) / RATE, level, error, sum(a != b for a, b in zip(came, wanted)), len(wanted)))
    return error / level


def goes_through(kind, folder):
    """Hops begin where the plugin began, long before the recorder, so the graph goes by whole hops; what the
    silence before leaves behind is a rounding or two. A busy machine makes the graph skip a cycle, which
    moves one beside the other: so once more, twice at most."""
    speech_file(folder)
    restart_with(kind)
    for attempt in range(3):
        went, came = record(folder)
        ratio = compare(kind, went, came)
        if ratio < 1e-6:
            return
    raise AssertionError('the error is %g of the level' % ratio)


def node_number(name):
    nodes = json.loads(tool('pw-dump', errors=subprocess.DEVNULL))
    return next(str(n['id']) for n in nodes
                if n.get('info', {}).get('props', {}).get('node.name') == name)


def switch_off_while_it_runs(folder):
    """As the page says values are changed; then what went in comes out, later by the latency."""
    tool('pw-cli', 'set-param', node_number('capture.voicestand'), 'Props',
         '{ params = [ "voicestand:Enabled" 0 ] }')
    for attempt in range(3):
        went, came = record(folder)
        latency = int(1345 + 0.060 * RATE)
        if came[latency:] == went[:-latency]:
            check(sounds(went), 'nothing went in')
            return
    raise AssertionError('what was switched off still changes samples')


@case
def speech_goes_through_a_ladspa_filter_chain(folder):
    goes_through('ladspa', folder)
    switch_off_while_it_runs(folder)


@case
def speech_goes_through_an_lv2_filter_chain(folder):
    goes_through('lv2', folder)


if __name__ == '__main__':
    if not os.path.exists(HOST):
        print('ok 1 - plugins # SKIP built without ladspa.h or lv2.h (packages ladspa-sdk, lv2-dev)\n1..1')
    elif 'PRIVATE_PIPEWIRE' not in os.environ:
        # LV2_PATH must have the bundles of LV2 itself beside ours; a folder of builds is no bundle.
        with tempfile.TemporaryDirectory() as bundles:
            os.symlink(os.path.dirname(FILES['lv2']), bundles + '/voicestand.lv2')
            p = subprocess.run([SOURCE + '/scripts/private-pipewire', sys.executable, *sys.argv],
                               env=dict(os.environ, LADSPA_PATH=BUILD + '/plugins',
                                        LV2_PATH=bundles + ':/usr/lib/lv2'))
        if p.returncode == 77:
            print('1..0 # SKIP PipeWire, WirePlumber or dbus is not installed')
        sys.exit(p.returncode if p.returncode != 77 else 0)
    else:
        main()
