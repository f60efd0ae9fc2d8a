#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""voicestand enhance: any rate and channels, files and pipes, as it comes, and what it reports.

Usage: cli_enhance.py COMMAND"""
import select
import threading

from cli import *


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


def samples_of(data):
    """Samples of a WAV file of 16 bits, or of the beginning of one without a length."""
    at = data.index(b'data') + 8
    n = (len(data) - at) // 2
    return list(struct.unpack('<%dh' % n, data[at:at + 2 * n]))


def stereo(left, factor=0.5):
    return [x for l in left for x in (l, int(l * factor))]


def ledger_of(path):
    return events(run('segment', '-q', path).out)[-1]


def report_of(*arguments, folder):
    run('enhance', '-q', '--report', folder + '/report.json', *arguments)
    return json.loads(read_text(folder + '/report.json'))


@case
def rate_and_channels_stay_or_are_what_is_asked_for(folder):
    for rate, channels in ((8000, 1), (11025, 2), (16000, 1), (44100, 2), (48000, 3), (192000, 1)):
        path = write_file(folder + '/in.wav', wav_bytes(noise(0.5 * channels, rate=rate), rate, channels))
        run('enhance', '-q', path, folder + '/out.wav')
        ledger = ledger_of(folder + '/out.wav')
        equal((ledger['rate_hz'], ledger['channels'], ledger['captured']), (rate, channels, rate // 2))
        run('enhance', '-q', '--output-rate', '16000', '--mono', path, folder + '/out.flac')
        ledger = ledger_of(folder + '/out.flac')
        equal((ledger['rate_hz'], ledger['channels'], ledger['captured']), (16000, 1, 8000))
    equal([n for n in os.listdir(folder) if 'partial' in n], [])


@case
def what_is_not_asked_for_is_left_as_it_is(folder):
    """Bit by bit, at the rate and with the bits of the input; one channel alone too."""
    left = noise(1, rate=44100)
    path = write_file(folder + '/in.wav', wav_bytes(stereo(left), 44100, 2))
    plain = ['-q', '--no-denoise', '--no-level', '--high-pass-hz', '0']
    run('enhance', *plain, path, folder + '/out.wav')
    equal(samples_of(read_bytes(folder + '/out.wav')), stereo(left))
    run('enhance', *plain, '--channel', '2', path, folder + '/two.wav')
    equal(samples_of(read_bytes(folder + '/two.wav')), stereo(left)[1::2])


@case
def a_pipe_gives_what_a_file_gives(folder):
    path = write_file(folder + '/in.wav', wav_bytes(stereo(noise(1) + tone(1)), 16000, 2))
    run('enhance', path, folder + '/out.wav')
    wanted = samples_of(read_bytes(folder + '/out.wav'))
    with open(folder + '/out', 'wb') as out:
        run('enhance', '-', '-', input=read_bytes(path), stdout=out)
    equal(samples_of(read_bytes(folder + '/out')), wanted)
    equal(ledger_of(folder + '/out.wav')['captured'], 32000)
    with open(folder + '/raw', 'wb') as out:
        run('enhance', '--raw', '--rate', '16000', '--channels', '2', '--output-raw', '-', '-',
            input=read_bytes(path)[44:], stdout=out)
    equal(read_bytes(folder + '/raw'), struct.pack('<%dh' % len(wanted), *wanted))
    # and what it writes into a pipe is read by itself
    again = run('segment', '-q', '-', input=read_bytes(folder + '/out'))
    equal(events(again.out)[-1]['captured'], 32000)


@case
def it_comes_while_the_input_is_open_and_as_late_as_reported(folder):
    rate, seconds = 48000, 2
    data = wav_bytes(noise(2 * seconds, rate=rate), rate, 2)
    data = data[:4] + b'\xff' * 4 + data[8:40] + b'\xff' * 4 + data[44:]
    p = start('enhance', '--report', folder + '/report.json', '-', '-', stdin=subprocess.PIPE,
              stdout=subprocess.PIPE, bufsize=0)
    feeder = threading.Thread(target=p.stdin.write, args=(data,))  # pipes hold less than all of it
    feeder.start()
    # With the input still open, all must come but what the delay holds back.
    known_ms = report_of(write_file(folder + '/in.wav', data), folder + '/x.wav', folder=folder)['delay_ms']
    wanted = 44 + 4 * (rate * seconds - int(known_ms * rate / 1000) - 1)
    got = b''
    while len(got) < wanted:
        check(select.select([p.stdout], [], [], 30)[0], 'only', len(got), 'of', wanted, 'bytes came')
        got += os.read(p.stdout.fileno(), 65536)
    feeder.join()
    held = rate * seconds - (len(got) - 44) // 4
    check(held > 0.9 * known_ms * rate / 1000 - 0.003 * rate, held, 'frames held back;', known_ms, 'ms said')
    p.stdin.close()
    rest = p.stdout.read()
    equal(len(got) + len(rest), len(data))
    equal(p.wait(), 0)
    equal(json.loads(read_text(folder + '/report.json'))['delay_ms'], known_ms)
    for stream in (p.stdout, p.stderr):
        stream.close()


@case
def the_report_says_what_changed(folder):
    quiet = [int(x * 0.02) for x in tone(3, rate=48000, hz=300)]
    path = write_file(folder + '/in.wav', wav_bytes(quiet, 48000))
    r = report_of('--no-denoise', path, folder + '/out.wav', folder=folder)
    equal((r['rate_hz'], r['channels'], r['frames'], r['poisoned'], r['residual']), (48000, 1, 144000, 0, 0))
    equal((r['denoise'], r['level']), (False, True))
    equal(r['before']['peak_db'], round(20 * math.log10(160 / 32768), 2))
    check(-51 < r['before']['loudness_lufs'] < -47, r)
    # The peak after is that of the file.
    peak = max(abs(x) for x in samples_of(read_bytes(folder + '/out.wav'))) / 32768
    check(abs(20 * math.log10(peak) - r['after']['peak_db']) < 0.1, r)
    check(r['speed'] > 0 and r['delay_ms'] > 0, r)
    p = run('enhance', path, folder + '/out.wav')
    for word in ('before: loudness', 'after: loudness', 'delay: ', 'x real time', 'residual 0'):
        check(word in p.err, repr(word), 'is not in', p.err)


@case
def poison_is_replaced_and_reported(folder):
    values = [0.1 * math.sin(i / 9) for i in range(48000)]
    for i, bad in ((100, float('nan')), (20000, float('inf')), (20001, float('-inf')), (30000, 3e38)):
        values[i] = bad
    data = struct.pack('<%df' % len(values), *values)
    with open(folder + '/out', 'wb') as out:
        run('enhance', '-q', '--report', folder + '/report.json', '--raw', '--rate', '48000',
            '--sample-format', 'f32', '--output-format', 'f32', '--output-raw', '-', '-', input=data,
            stdout=out)
    made = struct.unpack('<48000f', read_bytes(folder + '/out'))
    check(all(math.isfinite(x) and abs(x) <= 0.8913 for x in made), 'something came through')
    equal(json.loads(read_text(folder + '/report.json'))['poisoned'], 4)


@case
def poison_in_a_file_is_counted_too(folder):
    values = [0.1 * math.sin(i / 9) for i in range(16000)]
    values[5000:5003] = [float('nan'), float('inf'), 1e20]
    data = struct.pack('<16000f', *values)
    path = write_file(folder + '/in.wav', b'RIFF' + struct.pack('<I', 36 + len(data)) + b'WAVEfmt ' +
                      struct.pack('<IHHIIHH', 16, 3, 1, 16000, 64000, 4, 32) + b'data' +
                      struct.pack('<I', len(data)) + data)
    equal(ledger_of(path)['poisoned'], 3)
    equal(report_of(path, folder + '/out.wav', folder=folder)['poisoned'], 3)


@case
def float_and_24_bits_are_kept(folder):
    path = write_file(folder + '/in.wav', wav_bytes(noise(0.3)))
    for name, wanted, size in (('s24', 3, 'out.wav'), ('f32', 4, 'out.wav'), ('s16', 2, 'out.wav')):
        run('enhance', '-q', '--output-format', name, path, folder + '/' + size)
        data = read_bytes(folder + '/' + size)
        at = data.index(b'fmt ')
        equal(struct.unpack('<H', data[at + 22:at + 24])[0], 8 * wanted, name)
    run('enhance', '-q', '--output-format', 's24', path, folder + '/deep.wav')
    run('enhance', '-q', folder + '/deep.wav', folder + '/again.wav')
    data = read_bytes(folder + '/again.wav')
    at = data.index(b'fmt ')
    equal(struct.unpack('<H', data[at + 22:at + 24])[0], 24)


@case
def a_reader_that_goes_away_ends_it_quietly(folder):
    path = write_file(folder + '/in.wav', wav_bytes(noise(5, rate=48000), 48000))
    p = subprocess.run(['sh', '-c', '"$0" enhance -q "$1" - | head -c 1000 | wc -c', COMMAND, path],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    equal((p.stdout.strip(), p.stderr), (b'1000', b''))
    with open('/dev/full', 'w') as full:
        one_line(run('enhance', '-q', path, '-', stdout=full, check_status=6), 'standard output', 'full')


@case
def enhancing_moves_no_segment(folder):
    path = write_file(folder + '/in.wav', wav_bytes(tone(2, hz=300) + noise(1)))
    plain = run('segment', '-q', '--vad', 'energy', path).out
    equal(run('segment', '-q', '--vad', 'energy', '--enhance', '--audio', 'wav', '--audio-dir',
              folder + '/a', path).out, plain)


@case
def engines_hear_raw_audio_unless_asked(folder):
    path = write_file(folder + '/in.wav', wav_bytes(tone(2, hz=300, level=1000) + noise(1)))
    heard = {}
    for name, options in {'plain': [], 'enhanced': ['--enhance'],
                          'asked': ['--enhance', '--stt-audio', 'enhanced']}.items():
        out = run('transcribe', '-q', '-f', 'jsonl', '--vad', 'energy', '--stt', 'exec:cksum', *options,
                  '--audio', 'wav', '--audio-dir', folder + '/' + name, path).out
        heard[name] = [e['text'] for e in events(out) if e['event'] == 'text']
    check(heard['plain'], heard)
    equal(heard['enhanced'], heard['plain'])
    check(heard['asked'] != heard['plain'], heard)
    for name, same in (('plain', 'enhanced'), ('enhanced', 'asked')):
        files = [sorted(os.listdir(folder + '/' + n)) for n in (name, same)]
        equal(files[0], files[1])
        data = [read_bytes(folder + '/%s/%s' % (n, files[0][0])) for n in (name, same)]
        equal(data[0] == data[1], name == 'enhanced', 'what --audio wrote')
    one_line(run('transcribe', '--stt-audio', 'enhanced', path, check_status=2), '--enhance')


if __name__ == '__main__':
    main()
