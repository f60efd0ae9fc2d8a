#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many files: order, jobs, errors among them, formats, resumption."""
import csv
import io
import threading

from cli import *


def few(count):
    """How many ways a sanitizer, which takes its time, leaves to the other builds."""
    return count if os.environ.get('VOICESTAND_TEST_SANITIZED') else 0


@case
def any_number_of_jobs_gives_the_same_bytes(folder):
    paths = make_files(folder, 60)
    paths.insert(0, write_file(folder + '/long.wav', wav_bytes(noise(20))))
    for more in (['-f', 'jsonl'], ['-f', 'csv'], ['-f', 'text'], ['-f', 'rttm'])[few(3):]:
        one = run('segment', '-q', *ALL, '--jobs', '1', *more, *paths).out
        for jobs in ('2', '3', '16', '200')[few(2):]:
            equal(run('segment', '-q', *ALL, '--jobs', jobs, *more, *paths).out, one,
                  ' '.join(more) + ' with ' + jobs)
    equal(one.count('\n'), len(paths), 'lines of RTTM')


@case
def output_is_in_the_order_asked_for(folder):
    paths = make_files(folder, 40)[::-1]
    p = run('segment', *ALL, *paths)
    equal([e['file'] for e in events(p.out) if e['event'] == 'ledger'], paths)
    equal(sum(e['residual'] for e in events(p.out) if e['event'] == 'ledger'), 0)
    check('residual 0' in p.err and '40 files' in p.err, p.err)


@case
def a_bad_file_does_not_stop_the_others(folder):
    paths = make_files(folder, 10)
    paths[3] = write_file(folder + '/bad.wav', b'this is not audio' * 100)
    paths[7] = folder + '/missing.wav'
    p = run('segment', '-q', *ALL, *paths, check_status=1)
    equal(len(p.err.splitlines()), 2, p.err)
    check('bad.wav' in p.err and 'missing.wav' in p.err, p.err)
    equal(finished(p.out), [n for i, n in enumerate(paths) if i not in (3, 7)])
    equal([e['file'] for e in events(p.out) if e['event'] == 'error'], [paths[3], paths[7]])
    # When all fail alike, the status says how.
    run('segment', '-q', folder + '/no1', folder + '/no2', check_status=3)
    run('segment', '-q', folder + '/no1', paths[3], check_status=1)


@case
def csv_has_one_header_also_if_the_first_file_is_bad(folder):
    paths = [folder + '/missing.wav'] + make_files(folder, 5)
    p = run('segment', '-q', *ALL, '-f', 'csv', *paths, check_status=1)
    rows = list(csv.DictReader(io.StringIO(p.out)))
    equal([r['file'] for r in rows], paths[1:])


@case
def every_format_can_be_written(folder):
    paths = make_files(folder, 2)
    for name in ('text', 'jsonl', 'rttm', 'audacity', 'textgrid', 'srt', 'vtt', 'csv'):
        check(run('segment', '-q', *ALL, '--format', name, paths[0]).out, name, 'is empty')
        out = os.path.join(folder, name)
        run('segment', '-q', *ALL, '-f', name, '--output-dir', out, *paths)
        equal(len(os.listdir(out)), 2, name)
        check(not [n for n in os.listdir(out) if 'partial' in n], os.listdir(out))


@case
def trace_has_a_row_for_each_hop(folder):
    paths = make_files(folder, 9)
    trace = folder + '/trace.csv'
    run('segment', '-q', '--trace', trace, '--jobs', '4', *paths)
    with open(trace) as f:
        rows = list(csv.DictReader(f))
    equal(list(rows[0]), ['file', 'start_ms', 'end_ms', 'prob'])
    names = []
    for r in rows:
        if r['file'] not in names:
            names.append(r['file'])
    equal(names, paths)
    first = [r for r in rows if r['file'] == paths[0]]
    equal(len(first), 30, 'hops of 0.3 s')
    equal(float(first[2]['start_ms']), 20.0)
    check(all(0 <= float(r['prob']) <= 1 for r in rows), 'a probability is none')
    # Played back it gives the same segments.
    direct = run('segment', '-q', '-f', 'rttm', paths[0]).out
    own = folder + '/own.csv'
    run('segment', '-q', '--trace', own, paths[0])
    equal(run('segment', '-q', '-f', 'rttm', '--vad', 'replay:' + own, paths[0]).out, direct)


@case
def segment_audio_is_written(folder):
    paths = make_files(folder, 3)
    out = folder + '/audio'
    run('segment', '-q', *ALL, '--audio', 'wav', '--audio-dir', out, *paths)
    equal(len(os.listdir(out)), 3)
    run('segment', '-q', '--vad', 'null:1', '--audio', 'flac', '--audio-dir', out, *paths)
    equal(len([n for n in os.listdir(out) if n.endswith('.flac')]), 3)


@case
def standard_input_gives_what_the_file_gives(folder):
    data = wav_bytes(noise(2, rate=44100), rate=44100)
    path = write_file(folder + '/a.wav', data)
    wanted = run('segment', '-q', *ALL, '-f', 'rttm', path).out.split()[2:]
    equal(run('segment', '-q', *ALL, '-f', 'rttm', '-', input=data).out.split()[2:], wanted)
    raw = run('segment', '-q', *ALL, '-f', 'rttm', '--raw', '--rate', '44100', '-', input=data[44:])
    equal(raw.out.split()[2:], wanted)
    raw = run('segment', '-q', *ALL, '--raw', '--rate=22050', '--channels=2',
              '--sample-format=s16', '-', input=data[44:])
    equal(events(raw.out)[-1]['captured'], 44100)
    equal(events(raw.out)[-1]['channels'], 2)


@case
def a_pipe_is_answered_while_it_runs(folder):
    p = start('segment', '-q', *ALL, '--max-ms', '1000', '-', stdin=subprocess.PIPE,
              stdout=subprocess.PIPE)
    p.stdin.write(wav_bytes(noise(3)).replace(b'data', b'data', 1))
    p.stdin.flush()
    line = []
    reader = threading.Thread(target=lambda: line.append(p.stdout.readline()))
    reader.start()
    reader.join(5)
    check(line and json.loads(line[0])['event'] == 'start', 'no line came before the end', line)
    p.stdin.close()
    p.stdout.read()
    equal(p.wait(10), 0)
    p.stdout.close()
    p.stderr.close()


@case
def resume_gives_what_an_uninterrupted_run_gives(folder):
    paths = make_files(folder, 30)
    whole = folder + '/whole.jsonl'
    run('segment', '-q', *ALL, '-o', whole, *paths)
    text = read_text(whole)
    for cut in (0, 1, len(text) // 3, len(text), 100, len(text) // 2, len(text) - 1)[few(4):]:
        out = write_file(folder + '/cut.jsonl', text[:cut].encode())
        p = run('segment', *ALL, '--resume', '-o', out, *paths)
        equal(read_text(out), text, 'cut at %d' % cut)
        done = len(finished(text[:cut]))
        check('%d of 30 files were finished' % done in p.err, cut, done, p.err)
    # Also where finished files stand out of order, as after an interruption.
    some = lines_of(text, [paths[20]]) + lines_of(text, [paths[4]])
    out = write_file(folder + '/mixed.jsonl', ('\n'.join(some) + '\n').encode())
    run('segment', '-q', *ALL, '--resume', '-o', out, *paths)
    equal(read_text(out), text, 'out of order')
    equal(sorted(n for n in os.listdir(folder) if 'partial' in n), [])


@case
def resume_does_failed_files_again(folder):
    paths = make_files(folder, 6)
    missing = paths[2]
    os.rename(missing, folder + '/away')
    out = folder + '/out.jsonl'
    run('segment', '-q', *ALL, '-o', out, *paths, check_status=1)
    os.rename(folder + '/away', missing)
    run('segment', '-q', *ALL, '--resume', '-o', out, *paths)
    equal(finished(read_text(out)), paths)
    check('error' not in read_text(out), 'the old error is still there')


@case
def resume_leaves_what_is_not_ours_alone(folder):
    paths = make_files(folder, 2)
    out = write_file(folder + '/letter.txt', b'Dear reader,\n')
    one_line(run('segment', '-q', '--resume', '-o', out, *paths, check_status=6), 'letter.txt')
    equal(read_text(out), 'Dear reader,\n')


@case
def resume_in_a_folder_does_only_what_is_missing(folder):
    paths = make_files(folder, 12)
    out = folder + '/out'
    run('segment', '-q', *ALL, '--output-dir', out, *paths)
    before = {n: os.stat(os.path.join(out, n)).st_mtime_ns for n in os.listdir(out)}
    os.remove(out + '/in0005.jsonl')
    write_file(out + '/in0007.jsonl.partial', b'half a li')
    p = run('segment', *ALL, '--resume', '--output-dir', out, *paths)
    check('11 of 12 files were finished' in p.err, p.err)
    for name, time_ns in before.items():
        now = os.stat(os.path.join(out, name)).st_mtime_ns
        check((now == time_ns) == (name != 'in0005.jsonl'), name)


@case
def the_spoken_prompts_of_alsa_give_a_ledger_each(folder):
    paths = recordings()
    p = run('segment', *paths)
    equal(len([e for e in events(p.out) if e['event'] == 'ledger']), len(paths))
    out = write_file(folder + '/out.jsonl', p.out.encode())
    check(': ok: %d runs' % len(paths) in run('verify-ledger', out).out)
    check(': ok: ' in run('verify-ledger', '-', input=p.out.encode()).out)


@case
def verify_ledger_finds_what_was_changed(folder):
    text = run('segment', '-q', *ALL, *make_files(folder, 4)).out
    lines = text.splitlines(True)
    ledger = [i for i, line in enumerate(lines) if '"ledger"' in line]
    changed = list(lines)
    changed[ledger[1]] = changed[ledger[1]].replace('"delivered":', '"delivered":1')
    missing = lines[:ledger[3]]
    for what in (''.join(changed), ''.join(missing)):
        p = run('verify-ledger', '-', input=what.encode(), check_status=1)
        check('finding' in p.out, p.out)
    run('verify-ledger', '-', input=b'', check_status=4)


if __name__ == '__main__':
    main()
