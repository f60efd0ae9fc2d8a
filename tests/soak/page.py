# SPDX-License-Identifier: MIT
"""docs/soak.md, of the records that the parts of a soak have left."""
import json
import os
import platform
import re

from rig import CAUSES, ROOT

PARTS = ('simulated', 'bulk', 'outputs', 'kills', 'freewheel', 'server', 'slope')
ASKED = ('real sound cards and their drivers, Bluetooth; suspend and resume; inference hardware; processors other '
         'than this one; PipeWire newer than the one named above')
LONG_S = 300 # of runs whose slope says something
# time: the most that the 99th percentile may be, in ms
BARS = {'microphone back to the first sample': 200,
        'server, manager and microphone back to the first sample': 500,
        'session manager and microphone back to the first sample': 500,
        'microphone back: we, later than it': 100,
        'server, manager and microphone back: we, later than it': 100,
        'session manager and microphone back: we, later than it': 100}


def load():
    records = []
    for part in PARTS:
        path = os.path.join(ROOT, 'build', 'soak', part + '.json')
        if os.path.exists(path):
            with open(path) as f:
                records.append(json.load(f))
    return records


def machine():
    with open('/proc/cpuinfo') as f:
        model = re.search(r'model name\s*: (.*)', f.read())
    version = os.popen('pipewire --version 2>/dev/null').read()
    found = re.search(r'linked with.*?(\d[\d.]+)', version) or re.search(r'(\d+\.\d+\.\d+)', version)
    return '%d processors (%s), Linux %s, PipeWire %s' % (
        os.cpu_count(), model.group(1).strip() if model else platform.machine(), platform.release(),
        found.group(1) if found else 'absent')


def table(head, rows, right):
    line = '|' + '|'.join('---:' if i in right else '---' for i in range(len(head))) + '|'
    return ['| ' + ' | '.join(head) + ' |', line] + ['| ' + ' | '.join(str(c) for c in row) + ' |' for row in rows] + ['']


def merged(records, key):
    total = {}
    for record in records:
        for name, value in record[key].items():
            total[name] = total.get(name, [] if isinstance(value, list) else 0) + value
    return total


def ranked(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def parts(records):
    rows = []
    for r in records:
        state = 'skipped: ' + r['skipped'] if r['skipped'] else 'BROKEN' if r['broken'] else 'all kept'
        rows.append((r['part'], r['seed'], '%.0f' % (r['seconds'] / 60), r.get('load', ''), r['runs'],
                     sum(r['faults'].values()), state))
    return table(('Part', 'Seed', 'Minutes', 'Load', 'Runs', 'Faults', 'Promises'), rows, (1, 2, 3, 4, 5))


def broken(records):
    """What was promised and not kept, if anything, in the words of the part."""
    said = ['- %s, seed %d: %s' % (r['part'], r['seed'], what.strip().splitlines()[-1]) for r in records
            for what in r['broken']]
    return ['Not kept:', '', *said, ''] if said else []


def audio(records):
    rows, hours, samples = [], 0, 0
    for record in records:
        for way, row in record['audio'].items():
            rows.append((way, row['runs'], '%.2f' % (row['seconds'] / 3600) if row['seconds'] else '', row['samples']))
            hours += row['seconds'] / 3600
            samples += row['samples']
    rows.append(('**in all**', sum(r[1] for r in rows), '%.2f' % hours, samples))
    return table(('Way', 'Runs', 'Hours of audio', 'Samples'), rows, (1, 2, 3))


def lost(records):
    total = merged(records, 'losses')
    rows = [(cause, total.get(cause, 0)) for cause in (*CAUSES, 'residual')]
    return table(('Cause', 'Frames'), rows, (1,))


def times(records):
    rows = []
    for name, values in merged(records, 'times').items():
        bar = BARS.get(name)
        rows.append((name, len(values), '%.0f' % ranked(values, 0.5), '%.0f' % ranked(values, 0.99),
                     '%.0f' % max(values), '%d' % bar if bar else ''))
    return table(('What took how long, ms where no other unit is named', 'Times', 'Median', '99th percentile', 'Worst',
                  'At most, 99th'), rows, (1, 2, 3, 4, 5))


def memory(records):
    held = [s for r in records for s in r['slopes'] if s['seconds'] >= LONG_S]
    longest = sorted(held, key=lambda s: -s['seconds'])[:8]
    rows = [(s['name'], '%.1f' % (s['seconds'] / 60), '%.2f' % (s['audio_s'] / 3600), '%d to %d' % tuple(s['kib']),
             '%+.1f' % s['kib_an_hour'], '%+.0f' % (24 * s['kib_an_hour']), '%d to %d' % tuple(s['fds']),
             '%d to %d' % tuple(s['threads'])) for s in longest]
    return table(('Run', 'Minutes', 'Hours of audio', 'Anonymous KiB', 'KiB an hour', 'KiB in 24 h', 'Descriptors',
                  'Threads'), rows, (1, 2, 3, 4, 5))


def notes(records):
    said = []
    for r in records:
        said += ['- ' + r['part'] + ': ' + note for note in r['notes']]
    missing = [p for p in PARTS if p not in [r['part'] for r in records]]
    said += ['- not run: ' + p for p in missing]
    return said


def write():
    records = load()
    if not records:
        print('voicestand: no part has left a record; run scripts/soak nightly')
        return 1
    faults = sorted(merged(records, 'faults').items())
    lines = ['# Soak', '', 'Written by `scripts/soak` of its last parts; do not edit. Run again with',
             '`scripts/soak release --seed N`, or one part with `--only PART`.', '', 'Machine: ' + machine() + ', shared with other work: the load is how',
             'many processors all wanted on average in the last quarter of an hour of the part.', '']
    lines += parts(records) + broken(records)
    lines += ['## Audio', '', 'In each run the account was read again from its lines, apart from the library, and by',
              '`voicestand verify-ledger`: captured = delivered + lost by cause, gaps told = gaps counted, each start',
              'of a segment with its end.', '']
    lines += audio(records)
    lines += ['Frames lost, by cause, and what is unaccounted:', ''] + lost(records)
    lines += ['## Faults', '', '%d faults of %d classes. Those in simulated time may be several in one run.' %
              (sum(n for _, n in faults), len(faults)), '']
    lines += table(('Fault', 'Times'), faults, (1,))
    lines += ['## Recovery', '', 'From the instant before the microphone is made again, by the clock of the machine, to',
              'the decision about the gap before the first sample that comes of it. What others need of that, server,',
              'session manager and graph, a bare client of PipeWire shows that waits in the same moment: it tries each',
              'millisecond to connect, and notes when its first samples come. Both hear whole cycles of 21 ms.', '']
    lines += times(records)
    lines += ['## Memory', '', 'The longest runs, without their first fifth; the slope is that of least squares, and',
              'goes on for a day by calculation.', '']
    lines += memory(records)
    lines += ['## Not tried', '', 'Not tried: ' + ASKED + '.', ''] + notes(records)
    with open(os.path.join(ROOT, 'docs', 'soak.md'), 'w') as f:
        f.write('\n'.join(lines).rstrip('\n') + '\n')
    print('docs/soak.md is written')
    return 0
