#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The picture of a recording, and presets, as the command makes them.

Usage: cli_plot.py COMMAND  (the built voicestand)"""
import xml.etree.ElementTree as xml

from cli import *

SVG = '{http://www.w3.org/2000/svg}'
# every loud hop is speech, so that the test knows the segments
LOUD = ['--vad', 'energy', '--min-speech-ms', '20', '--hangover-ms', '200', '--merge-ms', '0']


def draw(folder, *arguments, **more):
    """-> the picture's root, segments as the command tells them"""
    p = run('segment', '-q', '--plot', folder + '/a.svg', '-f', 'jsonl', *arguments, **more)
    return (xml.parse(folder + '/a.svg').getroot(),
            [e for e in events(p.out) if e['event'] == 'segment'])


def parts(root, kind, name=None):
    return [e for e in root.iter(SVG + kind) if name is None or e.get('class') == name]


def bursts(seconds, every=3.0):
    """Silence, and half a second of noise every so often."""
    out = [0] * int(16000 * seconds)
    at = 1.0
    while at + 0.5 < seconds:
        out[int(at * 16000):int(at * 16000) + 8000] = noise(0.5, level=9000, seed=int(at * 10))
        at += every
    return out


@case
def a_picture_shows_the_segments_where_they_are(folder):
    path = write_file(folder + '/a <b> & c.wav', wav_bytes(bursts(20)))
    root, segments = draw(folder, *LOUD, path)
    boxes = parts(root, 'rect', 'segment')
    equal(len(segments), 7)
    equal(len(boxes), len(segments))
    width = float(root.get('width'))
    for box, s in zip(boxes, segments):
        for share, at in ((float(box.get('x')), s['start_s']),
                          (float(box.get('x')) + float(box.get('width')), s['end_s'])):
            check(abs(share - (52 + 1100 * at / 20)) < 0.2, share, at)
        check('segment %d: %.2f to %.2f s' % (s['segment'], s['start_s'], s['end_s'])
              in box.find(SVG + 'title').text, box.find(SVG + 'title').text)
    texts = [e.text for e in parts(root, 'text')]
    equal(texts[0], path)
    check('20.0 s, 7 segments' in texts[1] and 'energy' in texts[1], texts[1])
    equal(len(parts(root, 'path', 'wave')), 1)
    check(width > 1100 and not parts(root, 'script'))


@case
def the_wave_and_the_probability_follow_the_sound(folder):
    path = write_file(folder + '/a.wav', wav_bytes([0] * 32000 + noise(1, level=16000) + [0] * 32000))
    root, _ = draw(folder, *LOUD, '--threshold', '0.7', path)
    # M x y H x V y H x Z for each hop
    bars = parts(root, 'path', 'wave')[0].get('d').split('M')[1:]
    equal(len(bars), 500)
    heights = []
    for bar in bars:
        x, rest = bar.split(' ', 1)
        top, bottom = float(rest.split('H')[0]), float(rest.split('V')[1].split('H')[0])
        heights.append(bottom - top)
    check(max(heights[:199]) < 1 and max(heights[301:]) < 1.1 and min(heights[202:298]) > 50,
          heights[195:305])
    points = parts(root, 'path', 'p')[0].get('d').replace('M', 'L').split('L')[1:]
    levels = [float(point.split()[1]) for point in points]
    limit = float(parts(root, 'line', 'limit')[0].get('y1'))
    base = max(levels)
    check(min(levels[:195]) > limit > max(levels[210:295]), limit, levels[190:215])
    check(abs((base - limit) / 44 - 0.7) < 0.05, base, limit)


@case
def long_recordings_have_rows(folder):
    for seconds, rows in ((29.9, 1), (30.1, 2), (95, 4)):
        path = write_file(folder + '/a.wav', wav_bytes(bursts(seconds)))
        root, segments = draw(folder, *LOUD, path)
        equal(len(parts(root, 'path', 'wave')), rows, seconds)
        check(len(parts(root, 'rect', 'segment')) >= len(segments) > 0)
    # more than ten minutes: rows of whole minutes, twenty at most
    path = write_file(folder + '/a.wav', wav_bytes([0] * (8000 * 1300), rate=8000))
    root, segments = draw(folder, '--vad', 'null', path)
    equal((len(parts(root, 'path', 'wave')), len(segments)), (11, 0))


@case
def odd_inputs_make_pictures_too(folder):
    for data in (wav_bytes([]), wav_bytes([1]), wav_bytes(noise(1, 48000), 48000, 1)):
        root, _ = draw(folder, write_file(folder + '/a.wav', data))
        check(len(parts(root, 'path', 'wave')) == 1)
    root, _ = draw(folder, '-', input=wav_bytes(noise(1)))
    equal(parts(root, 'text')[0].text, 'standard input')


@case
def what_cannot_be_drawn_is_said(folder):
    path = write_file(folder + '/a.wav', wav_bytes(noise(1)))
    before = open(path, 'rb').read()
    svg = folder + '/a.svg'
    one_line(run('segment', '--plot', svg, path, path, check_status=2), '--plot', 'one input')
    one_line(run('segment', '--plot', svg, '--audio', 'wav', path, check_status=2), '--plot', '--audio')
    one_line(run('segment', '--plot', path, path, check_status=2), 'would be overwritten')
    check(open(path, 'rb').read() == before, 'the input was changed')
    p = run('segment', '-q', '--plot', '/nowhere/a.svg', path, check_status=6)
    one_line(p, '/nowhere/a.svg')
    run('segment', '-q', '--plot', svg, folder + '/missing.wav', check_status=3)
    equal(sorted(os.listdir(folder)), ['a.wav'])


@case
def a_preset_is_the_options_it_stands_for(_):
    files = recordings()

    def segments(*options):
        return run('segment', '-q', '-f', 'csv', *options, *files).out

    agent = ['--threshold', '0.6', '--threshold-off', '0.55', '--min-speech-ms', '150', '--hangover-ms', '300', '--merge-ms', '0',
             '--pre-roll-ms', '120', '--pad-ms', '60']
    equal(segments('--preset', 'agent'), segments(*agent))
    check(segments('--preset', 'agent') != segments(), 'agent is as no preset')
    equal(segments('--preset', 'agent', '--pad-ms', '0'), segments(*agent[:-1], '0'))
    one_line(run('segment', '--preset', 'agnet', *files, check_status=2), "did you mean 'agent'?")


if __name__ == '__main__':
    main()
