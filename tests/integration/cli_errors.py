#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input of every kind: one clear line, and the exit status that the manual gives."""
import os
import subprocess

from cli import *


@case
def usage_errors_are_one_line_with_status_2(_):
    for arguments, words in [
            ([], ['no command']),
            (['sgment', 'x.wav'], ["'voicestand segment'"]),
            (['frobnicate'], ['unknown command', 'voicestand help']),
            (['segment'], ['FILE', '--help']),
            (['segment', '--treshold', '0.5', 'x'], ['--threshold']),
            (['segment', '--no-such-thing-at-all', 'x'], ['unknown option', '--help']),
            (['segment', '-Z', 'x'], ['-Z']),
            (['segment', '--threshold', 'loud', 'x'], ['--threshold', "'loud'"]),
            (['segment', '--threshold=1.5', 'x'], ['1.5', '1']),
            (['segment', '--threshold=nan', 'x'], ['nan']),
            (['segment', '--hangover-ms=1.5', 'x'], ['whole']),
            (['segment', '--hangover-ms=-1', 'x'], ['-1']),
            (['segment', '--jobs', '0', 'x'], ['--jobs']),
            (['segment', '--jobs', '99999999999999999999', 'x'], ['--jobs']),
            (['segment', '--rate=7999', '-'], ['7999', '8000']),
            (['segment', '--output'], ['--output', 'FILE']),
            (['segment', '--output=', 'x'], ['--output', 'empty']),
            (['segment', '--quiet=yes', 'x'], ['takes no value']),
            (['segment', '--format', 'jsn', 'x'], ["'jsonl'"]),
            (['segment', '--format', 'xyzzy', 'x'], ['textgrid']),
            (['segment', '--vad', 'oracle', 'x'], ['oracle', 'energy']),
            (['segment', '--stt', 'oracle', 'x'], ['oracle', 'exec']),
            (['segment', '--cpu', 'mmx', 'x'], ['mmx', 'avx2']),
            (['segment', '--max-ms', '100', 'x'], ['--max-ms', 'or more']),
            (['segment', '--raw', '-'], ['--rate']),
            (['segment', '--raw', '--rate', '16000', 'x.wav'], ['-']),
            (['segment', '-', '-'], ['once']),
            (['segment', '--format', 'srt', 'a.wav', 'b.wav'], ['--output-dir']),
            (['segment', '--resume', 'a.wav'], ['--output']),
            (['segment', '--output', 'a', '--output-dir', 'b', 'c.wav'], ['--output-dir']),
            (['segment', '--output-dir', 'd', 'a/x.wav', 'b/x.wav'], ['a/x.wav', 'b/x.wav']),
            (['enhance', 'a.wav'], ['IN OUT']),
            (['enhance', 'a.wav', 'b.mp3'], ['.wav', '.flac']),
            (['enhance', 'a.wav', 'b.wav', 'c.wav'], ["'c.wav'"]),
            (['enhance', '--output-raw', 'a.wav', 'b.wav'], ['--output-raw', 'standard output']),
            (['enhance', '--output-format', 'f32', 'a.wav', 'b.flac'], ['FLAC', 's24']),
            (['enhance', '--output-rate', '7999', 'a.wav', 'b.flac'], ['--output-rate', '8000']),
            (['enhance', '--report', 'b.wav', 'a.wav', 'b.wav'], ['--report', 'overwritten']),
            (['listen', 'x'], ["'x'"]),
            (['completions', 'csh'], ['csh', 'fish']),
            (['help', 'segmnt'], ['segment'])]:
        one_line(run(*arguments, check_status=2), *words)


@case
def missing_files_have_status_3(folder):
    one_line(run('segment', '-q', folder + '/none.wav', check_status=3), 'none.wav')
    one_line(run('segment', '-q', folder, check_status=3), folder)
    one_line(run('enhance', folder + '/none.wav', folder + '/o.wav', check_status=3), 'none.wav')
    check(not os.path.exists(folder + '/o.wav'), 'an output was made of nothing')
    one_line(run('verify-ledger', folder + '/none', check_status=3), 'none')
    one_line(run('listen', '--capture', 'file:' + folder + '/none.wav', check_status=3), 'none.wav')


@case
def what_is_not_audio_has_status_4(folder):
    for name, data in [('empty.wav', b''), ('text.wav', b'Hello, this is a letter.\n' * 99),
                       ('head.wav', wav_bytes(tone(1))[:20]),
                       ('noise.flac', bytes(range(256)) * 64)]:
        path = write_file(os.path.join(folder, name), data)
        one_line(run('segment', '-q', path, check_status=4), name)
        p = run('segment', '-q', '-', input=data, check_status=4)
        one_line(p, 'standard input')
        equal(events(p.out)[0]['event'], 'error', name)


@case
def absurd_headers_are_refused(folder):
    good = wav_bytes(tone(0.5))
    absurd = {'rate0.wav': good[:24] + bytes(4) + good[28:],
              'rate1.wav': good[:24] + (1).to_bytes(4, 'little') + good[28:],
              'huge.wav': good[:24] + b'\xff\xff\xff\x7f' + good[28:],
              'channels.wav': good[:22] + b'\xff\x7f' + good[24:]}
    for name, data in absurd.items():
        path = write_file(os.path.join(folder, name), data)
        p = one_line(run('segment', '-q', path, check_status=None), name)
        check(p.returncode in (4, 7), name, 'ended with', p.returncode)


@case
def a_truncated_file_gives_what_is_there(folder):
    data = wav_bytes(noise(2))
    path = write_file(os.path.join(folder, 'cut.wav'), data[:len(data) // 2])
    p = run('segment', '--vad', 'null:1', path, check_status=None)
    check(p.returncode in (0, 4), 'it ended with', p.returncode)
    ledger = events(p.out)[-1]
    equal(ledger['event'], 'ledger')
    check(15000 <= ledger['captured'] <= 16000, ledger)
    equal(ledger['residual'], 0)


@case
def no_permission_has_status_5(folder):
    path = write_file(os.path.join(folder, 'secret.wav'), wav_bytes(tone(0.1)))
    os.chmod(path, 0)
    os.chmod(folder, 0o755)
    more = {'user': 65534} if os.geteuid() == 0 else {}
    try:
        p = subprocess.run([COMMAND, 'segment', '-q', path], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, **more)
    except PermissionError:
        raise Skip('the built command may not be run by another user')
    p.err = p.stderr.decode()
    if 'sndfile' in p.err:
        raise Skip('the built modules may not be read by another user')
    equal(p.returncode, 5, p.err)
    one_line(p, 'secret.wav')


@case
def an_output_that_cannot_be_written_has_status_6(folder):
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(noise(1)))
    with open('/dev/full', 'w') as full:
        for arguments in (['segment', path], ['help'], ['segment', '--help'], ['version'],
                          ['listen', '--capture', 'file:' + path, '-q']):
            one_line(run(*arguments, stdout=full, check_status=6), 'standard output', 'full')
    one_line(run('segment', path, '-o', '/dev/full', check_status=6), '/dev/full', 'full')
    one_line(run('segment', path, '-q', '--trace', '/dev/full', '--vad', 'null:1',
                 check_status=6), '/dev/full')
    one_line(run('segment', path, '-o', folder + '/none/x', check_status=6), 'none/x', 'folder')
    one_line(run('segment', path, '-o', folder, check_status=6), folder)
    one_line(run('segment', path, '--output-dir', path, check_status=6), path, 'folder')
    one_line(run('enhance', path, folder + '/none/x.wav', check_status=6), 'none/x.wav')


@case
def a_closed_standard_output_is_told(folder):
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(noise(1)))
    for command in ('segment ' + path, 'version', 'listen -q --capture null:1'):
        p = subprocess.run(['sh', '-c', 'exec "$0" %s >&-' % command, COMMAND],
                           stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=20)
        p.err = p.stderr.decode()
        equal(p.returncode, 6, command)
        one_line(p, 'standard output', 'closed')


@case
def closed_standard_input_and_error_do_no_harm(folder):
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(noise(1)))
    p = subprocess.run(['sh', '-c', 'exec "$0" segment "$1" -o "$2" <&- >&- 2>&-', COMMAND, path,
                        folder + '/out'], timeout=20)
    equal(p.returncode, 0)
    equal(events(read_text(folder + '/out'))[-1]['event'], 'ledger')
    p = subprocess.run(['sh', '-c', 'exec "$0" -q segment - <&-', COMMAND], stderr=subprocess.PIPE,
                       stdout=subprocess.DEVNULL, timeout=20)
    check(p.returncode != 0, 'reading a closed input went well')


@case
def a_reader_that_leaves_ends_it_quietly(folder):
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(noise(1)))
    read_end, write_end = os.pipe()
    os.close(read_end)
    p = run('segment', *[path] * 200, stdout=write_end, check_status=6)
    os.close(write_end)
    equal(p.err, '', 'standard error')


@case
def a_full_disk_keeps_what_was_finished(folder):
    disk = os.path.join(folder, 'disk')
    os.mkdir(disk)
    if os.geteuid() != 0 or subprocess.call(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', disk],
                                            stderr=subprocess.DEVNULL) != 0:
        raise Skip('a small file system cannot be mounted here')
    try:
        paths = [write_file(os.path.join(folder, '%03d.wav' % i), wav_bytes(noise(0.3, seed=i)))
                 for i in range(100)]
        one_line(run('segment', '--vad', 'null:1', '--output-dir', disk, *paths, check_status=6),
                 disk, 'full')
        names = os.listdir(disk)
        check(0 < len(names) < 100, len(names), 'files')
        for name in names:
            check(name.endswith('.jsonl'), name, 'is left')
            equal(events(read_text(os.path.join(disk, name)))[-1]['event'], 'ledger', name)
        one_line(run('segment', '-q', '--vad', 'null:1', '--audio', 'wav', '--audio-dir', disk,
                     *paths, check_status=6), 'disk')
        one_line(run('enhance', write_file(folder + '/long.wav', wav_bytes(noise(5))),
                     disk + '/long.wav', check_status=6), 'long.wav')
        check(not os.path.exists(disk + '/long.wav'), 'half a file has the name of a whole one')
    finally:
        subprocess.call(['umount', disk])


@case
def a_missing_backend_has_status_7(folder):
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(tone(0.2)))
    old = os.environ.get('VOICESTAND_MODULE_DIR')
    os.environ['VOICESTAND_MODULE_DIR'] = folder
    try:
        one_line(run('segment', '-q', path, check_status=7))
        one_line(run('transcribe', '-q', path, check_status=7), 'pocketsphinx')
    finally:
        if old is None:
            del os.environ['VOICESTAND_MODULE_DIR']
        else:
            os.environ['VOICESTAND_MODULE_DIR'] = old


@case
def a_segment_without_its_text_is_a_failure(folder):
    trace = write_file(os.path.join(folder, 't.csv'), b'file,start_ms,end_ms,prob\n' + b''.join(
        b'x,%d,%d,0.9\n' % (10 * i, 10 * i + 10) for i in range(100)))
    path = write_file(os.path.join(folder, 'a.wav'), wav_bytes(tone(1)))
    p = run('segment', '-q', '--vad', 'replay:' + trace, '--stt', 'exec:cat >/dev/null; exit 3', path,
            check_status=1)
    one_line(p, 'exit 3', 'segment 1')
    equal([e['event'] for e in events(p.out)], ['start', 'end', 'error', 'segment', 'ledger'])


@case
def no_device_is_told(_):
    one_line(run('listen', '--capture', 'alsa:there-is-no-such-card', '-q', check_status=3),
             'there-is-no-such-card')


@case
def an_input_is_never_overwritten(folder):
    data = wav_bytes(tone(0.5))
    path = write_file(os.path.join(folder, 'a.wav'), data)
    one_line(run('segment', path, '-o', path, check_status=2), 'overwritten')
    one_line(run('segment', path, '--trace', folder + '/../' + os.path.basename(folder) + '/a.wav',
                 check_status=2), 'overwritten')
    one_line(run('enhance', path, path, check_status=2), 'overwritten')
    with open(path, 'rb') as f:
        equal(f.read(), data)


@case
def strange_names_stay_one_line_and_valid_json(folder):
    path = write_file(os.path.join(folder, 'a\n"b"\\ \x01.wav'), wav_bytes(tone(0.2)))
    p = run('segment', '-q', path)
    equal(events(p.out)[-1]['file'], path)
    one_line(run('segment', '-q', path + 'x', check_status=3))
    dashed = write_file(os.path.join(folder, '--help'), wav_bytes(tone(0.2)))
    equal(events(run('segment', '-q', '--', '--help', cwd=folder).out)[-1]['file'], '--help')
    check(os.path.exists(dashed), dashed)


if __name__ == '__main__':
    main()
