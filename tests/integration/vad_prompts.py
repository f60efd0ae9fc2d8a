#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The spoken prompts of alsa-utils: one segment each, where it is heard; noise and silence: none.

    vad_prompts.py COMMAND          test (TAP)
    vad_prompts.py --write FOLDER   write vad_prompts.csv from the recordings

What is heard is measured in the waveform alone: from the first to the last stretch of 10 ms whose
RMS is over -50 dB of full scale. The file says so too, and is part of the tree, so that a change of
the recordings shows.
"""
import array, csv, json, math, os, subprocess, sys, tempfile, wave

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, 'vad_prompts.csv')
RECORDINGS = '/usr/share/sounds/alsa'
HEARD_DB = -50
SHORT_S, LONG_S = 0.080, 0.150  # a stream that begins within a word is the hardest to judge
# The room of this one rings at -54 to -60 dB for 60 ms more; its segment goes on to the end of the recording.
LATE_S = {'Rear_Center.wav': 0.170}


def measure(path):
    """-> (start_s, end_s) of what is heard"""
    with wave.open(path) as w:
        assert w.getnchannels() == 1 and w.getsampwidth() == 2, path
        samples, rate = array.array('h', w.readframes(w.getnframes())), w.getframerate()
    n, heard = rate // 100, []
    for i in range(len(samples) // n):
        mean = sum(x * x for x in samples[i * n:(i + 1) * n]) / n / 32768 ** 2
        if mean > 0 and 10 * math.log10(mean) > HEARD_DB:
            heard.append(i)
    return heard[0] / 100, (heard[-1] + 1) / 100


def write(folder):
    with open(DATA, 'w') as f:
        f.write('file,start_s,end_s\n')
        for name in sorted(os.listdir(folder)):
            if name.endswith('.wav') and name != 'Noise.wav':
                f.write('%s,%.2f,%.2f\n' % ((name,) + measure(os.path.join(folder, name))))


def segments(command, path):
    out = subprocess.run([command, 'segment', '-q', '-f', 'jsonl', path], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    found = [json.loads(line) for line in out.splitlines()]
    return [(e['start_s'], e['end_s']) for e in found if e['event'] == 'segment']


def write_silence(path):
    with wave.open(path, 'wb') as w:
        w.setparams((1, 2, 16000, 0, 'NONE', ''))
        w.writeframes(bytes(2 * 16000 * 5))


def main():
    if sys.argv[1] == '--write':
        write(sys.argv[2])
        return 0
    if not os.path.isdir(RECORDINGS):
        print('1..0 # SKIP no recordings in %s (package alsa-utils)' % RECORDINGS)
        return 0
    with open(DATA, newline='') as f:
        prompts = list(csv.DictReader(f))
    failed = 0
    print('1..%d' % (len(prompts) + 2))

    def report(number, good, text):
        nonlocal failed
        failed += not good
        print('%s %d - %s' % ('ok' if good else 'not ok', number, text))

    for number, p in enumerate(prompts, 1):
        found = segments(sys.argv[1], os.path.join(RECORDINGS, p['file']))
        start, end = float(p['start_s']), float(p['end_s'])
        good = len(found) == 1 and -LONG_S <= found[0][0] - start <= SHORT_S + 1e-6 and \
            -SHORT_S <= found[0][1] - end <= LATE_S.get(p['file'], LONG_S) + 1e-6
        report(number, good, '%s is heard from %.2f to %.2f s, found: %s' % (
            p['file'], start, end, ', '.join('%.2f to %.2f' % s for s in found) or 'nothing'))
    found = segments(sys.argv[1], os.path.join(RECORDINGS, 'Noise.wav'))
    report(len(prompts) + 1, not found, 'noise is no speech')
    with tempfile.TemporaryDirectory() as folder:
        write_silence(os.path.join(folder, 'silence.wav'))
        found = segments(sys.argv[1], os.path.join(folder, 'silence.wav'))
    report(len(prompts) + 2, not found, 'silence is no speech')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
