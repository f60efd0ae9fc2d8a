#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Folders, manifests, shards; and that a run which was killed, or which filled the disk, or which met
a damaged file, leaves nothing behind that a rerun does not make whole."""
import argparse
import random
import resource
import signal

from cli import *


def write_lines(path, objects):
    return write_file(path, ''.join(json.dumps(o) + '\n' for o in objects).encode())


def make_tree(folder, count=12):
    for sub in ('', 'x', 'x/y', '.hidden'):
        os.makedirs(os.path.join(folder, 'talks', sub), exist_ok=True)
    names = [os.path.join(folder, 'talks', ('', 'x/', 'x/y/')[i % 3] + 't%02d.wav' % i)
             for i in range(count)]
    for i, name in enumerate(names):
        write_file(name, wav_bytes(noise(0.2 + 0.01 * i, seed=i)))
    write_file(folder + '/talks/.hidden/no.wav', b'')
    write_file(folder + '/talks/letter.txt', b'Dear reader')
    return sorted(names, key=lambda n: os.path.relpath(n, folder).split('/'))


def by_folder(names):
    """Files of a folder and its folders in one alphabetical order, as the walk gives them."""
    return sorted(names, key=lambda n: n.split('/'))


@case
def a_folder_gives_all_audio_below_it(folder):
    names = make_tree(folder)
    os.symlink(names[0], folder + '/talks/zlink.wav')
    os.symlink(folder + '/talks', folder + '/talks/loop')
    p = run('segment', '-q', *ALL, folder + '/talks')
    equal(finished(p.out), by_folder(names + [folder + '/talks/zlink.wav']))
    # beside files, and the same as naming them
    p = run('segment', '-q', *ALL, names[3], folder + '/talks/x')
    equal(finished(p.out), [names[3]] + by_folder([n for n in names if '/talks/x/' in n]))
    os.mkdir(folder + '/empty')
    one_line(run('segment', '-q', folder + '/empty', check_status=3), 'empty', 'no audio file')


@case
def outputs_of_a_folder_lie_as_it_does(folder):
    names = make_tree(folder)
    out = folder + '/out'
    run('segment', '-q', *ALL, '--output-dir', out, '--audio', 'wav', '--audio-dir',
        folder + '/cut', folder + '/talks')
    for n in names:
        below = os.path.relpath(n, folder + '/talks')[:-4]
        check(os.path.exists('%s/%s.jsonl' % (out, below)), below)
        check(os.path.exists('%s/cut/%s_00001_0.wav' % (folder, below)), below)
    p = run('segment', *ALL, '--resume', '--output-dir', out, folder + '/talks')
    check('%d of %d files were finished' % (len(names), len(names)) in p.err, p.err)


@case
def a_manifest_carries_its_fields_through(folder):
    a, b = make_files(folder, 2, seconds=1)
    lines = [{'path': a, 'id': 'first', 'speaker': 'Ü', 'tags': [1, {'x': None}]},
             {'path': b, 'id': 7}, {'path': b, 'start': 0.25, 'duration': 0.5},
             {'audio_filepath': a, 'offset': 0.5, 'text': 'as NeMo writes it'}]
    manifest = write_file(folder + '/m.jsonl', ('\n' + json.dumps(lines[0], ensure_ascii=False) +
                          '  \r\n').encode() + b''.join(json.dumps(o).encode() + b'\n'
                                                      for o in lines[1:]))
    p = run('segment', '-q', *ALL, '--manifest', manifest)
    found = events(p.out)
    equal([e['id'] for e in found if e['event'] == 'ledger'],
          ['first', '7', b + '#0.25+0.5', a + '#0.5+0'])
    for kind in ('segment', 'ledger'):
        equal([e['input'] for e in found if e['event'] == kind], lines, kind)
    check(all('id' in e and 'file' in e for e in found), found)
    with open(manifest, 'rb') as f:
        equal(run('segment', '-q', *ALL, '-m', '-', stdin=f).out, p.out, 'from standard input')
    check(': ok: 4 runs' in run('verify-ledger', '-', input=p.out.encode()).out)


@case
def a_part_is_what_a_file_of_that_part_would_be(folder):
    samples = noise(3, rate=22050)
    path = write_file(folder + '/long.wav', wav_bytes(samples, rate=22050))
    cut = write_file(folder + '/cut.wav', wav_bytes(samples[11025:11025 + 22051], rate=22050))
    keys = ('event', 'start_frame', 'end_frame', 'captured', 'probability', 'level_db')
    for more in (ALL, []):
        wanted = events(run('segment', '-q', *more, cut).out)
        manifest = write_lines(folder + '/m', [{'path': path, 'start': 0.5, 'duration': 22051 / 22050}])
        got = events(run('segment', '-q', *more, '-m', manifest).out)
        equal([[e.get(k) for k in keys] for e in got], [[e.get(k) for k in keys] for e in wanted])
    # more than there is ends with the file; what begins behind it is that input's error alone
    manifest = write_lines(folder + '/m', [{'path': path, 'start': 2.5, 'duration': 99},
                                           {'path': path, 'start': 3}, {'path': path, 'start': 1e6},
                                           {'path': path}])
    p = run('segment', '-q', *ALL, '-m', manifest, check_status=1)
    equal([e['captured'] for e in events(p.out) if e['event'] == 'ledger'], [11025, 66150])
    equal(len([e for e in events(p.out) if e['event'] == 'error']), 2)
    equal(len(p.err.splitlines()), 2, p.err)


@case
def parts_of_compressed_files_are_exact(folder):
    samples = noise(2)
    wav = write_file(folder + '/a.wav', wav_bytes(samples))
    run('enhance', '-q', '--no-denoise', '--no-level', wav, folder + '/a.flac')
    parts = [{'start': 0.731, 'duration': 0.5}, {'start': 1.2}, {'start': 0, 'duration': 0.01}]
    outs = []
    for name in ('a.wav', 'a.flac'):
        manifest = write_lines(folder + '/m', [dict(p, path=folder + '/' + name) for p in parts])
        outs.append([(e['event'], e.get('captured'), e.get('end_frame'))
                     for e in events(run('segment', '-q', *ALL, '-m', manifest).out)])
    equal(outs[0], outs[1])


@case
def bad_manifests_are_one_line_that_names_the_line(folder):
    for data, status, words in [
            (b'', 3, ['lists nothing']), (b'\n\n', 3, ['lists nothing']),
            (b'{"path": "a"}\n{"path"\n', 2, ['line 2', 'JSON']),
            (b'[1]\n', 2, ['line 1', 'object']), (b'{"file": "a"}\n', 2, ['line 1', "'path'"]),
            (b'{"path": ""}\n', 2, ['line 1', "'path'"]), (b'{"path": "-"}', 2, ['line 1']),
            (b'{"path": "a", "start": "1"}\n', 2, ["'start'"]),
            (b'{"path": "a", "start": -1}\n', 2, ["'start'"]),
            (b'{"path": "a", "duration": -1}\n', 2, ["'duration'"]),
            (b'{"path": "a", "id": {}}\n', 2, ["'id'"]), (b'{"path": "a", "id": ""}\n', 2, ["'id'"]),
            (b'{"path": "a", "path": "b"}\n', 2, ['line 1']),
            (b'{"path": "a\xff"}\n', 2, ['line 1']), (b'{"path": "a"}\0\n', 2, ['line 1', 'zero']),
            (b'{"path": "a"}\n{"path": "a"}\n', 2, ["'a'", "'id'"]),
            (b'{"path": "a", "id": "q"}\n{"path": "b", "id": "q"}\n', 2, ["'q'"])]:
        manifest = write_file(folder + '/m.jsonl', data)
        one_line(run('segment', '-m', manifest, check_status=status), 'm.jsonl', *words)
    one_line(run('segment', '-m', folder + '/none', check_status=3), 'none')
    one_line(run('segment', '-m', manifest, 'a.wav', check_status=2), 'a.wav', '--manifest')
    one_line(run('segment', '-m', manifest, '-o', manifest, check_status=2), 'm.jsonl')
    for shard in ('0/2', '3/2', '1', '1/0', 'a/b', '-1/2', '1/2x', '1/', '/2'):
        one_line(run('segment', '--shard', shard, 'a', check_status=2), '--shard', shard)
    one_line(run('segment', '--shard', '1/1', '-', check_status=2), 'standard input')


@case
def shards_are_disjoint_complete_and_stable(folder):
    paths = make_files(folder, 60, seconds=0.05)
    parts = []
    for i in range(1, 5):
        p = run('segment', *ALL, '--shard', '%d/4' % i, *paths)
        parts.append(finished(p.out))
        check('shard %d/4: %d of 60 files' % (i, len(parts[-1])) in p.err, p.err)
    equal(sorted(sum(parts, [])), sorted(paths))
    # what is added moves nothing, and the order is nothing to it
    fewer = paths[::-1][10:]
    for i in range(1, 5):
        got = finished(run('segment', '-q', *ALL, '--shard', '%d/4' % i, *fewer).out)
        equal(sorted(got), sorted(n for n in parts[i - 1] if n in fewer))
    # of a manifest the id counts, so that a share is the same wherever the files lie
    ids = [[], []]
    for k, where in enumerate((folder, '/elsewhere')):
        manifest = write_lines(folder + '/m%d' % k, [{'path': '%s/in%04d.wav' % (where, n), 'id': n}
                                                     for n in range(60)])
        p = run('segment', '-q', *ALL, '-m', manifest, '--shard', '2/3', check_status=None)
        ids[k] = [e['id'] for e in events(p.out) if e['event'] in ('ledger', 'error')]
    equal(ids[0], ids[1])
    # shares are of about one size: asked of ids, as these paths are others in every run
    sizes = []
    for i in range(1, 5):
        p = run('segment', '-q', *ALL, '-m', manifest, '--shard', '%d/4' % i, check_status=None)
        sizes.append(len([e for e in events(p.out) if e['event'] == 'error']))
    check(sum(sizes) == 60 and all(5 <= n <= 27 for n in sizes), sizes)
    # a share may be empty
    p = run('segment', '-q', *ALL, '--shard', '%d/4' % ([paths[0] in q for q in parts].index(False) + 1),
            '-o', folder + '/none', paths[0])
    equal((p.err, read_text(folder + '/none')), ('', ''))


def processors_of(process):
    """{thread: the processors that it may use} of a process; nothing of one that has ended."""
    found = {}
    try:
        for thread in os.listdir('/proc/%d/task' % process.pid):
            with open('/proc/%d/task/%s/status' % (process.pid, thread), encoding='utf-8') as f:
                found[thread] = next(line.split()[1] for line in f if line.startswith('Cpus_allowed_list:'))
    except OSError:
        pass
    return found


def bound(processes):
    """{how many threads had it: their processors} over the lives of all processes together."""
    threads = {}
    while any(p.poll() is None for p in processes):
        for i, p in enumerate(processes):
            threads.update(((i, t), cpus) for t, cpus in processors_of(p).items())
        time.sleep(0.005)
    return threads


@case
def shares_at_once_are_bound_to_no_processor(folder):
    """Two processes that both chose one processor would be as slow as one."""
    paths = make_files(folder, 8)
    shares = [start('segment', '-q', *ALL, '--jobs', '2', '--stt', 'exec:sleep 0.1; echo word', '--shard',
                    '%d/2' % i, '-o', '%s/out%d' % (folder, i), *paths) for i in (1, 2)]
    threads = bound(shares)
    check([p.stderr.close() or p.returncode for p in shares] == [0, 0], 'they ended')
    check(all(sum(i == k for i, _ in threads) >= 3 for k in (0, 1)), 'threads of both were seen', threads)
    ours = processors_of(argparse.Namespace(pid=os.getpid()))
    equal(set(threads.values()), set(ours.values()))
    # what is told to be bound is seen to be
    one = subprocess.Popen([COMMAND, 'listen', '--capture', 'pipe', '--raw', '--rate', '16000', '--place',
                            'worker=%d' % min(os.sched_getaffinity(0)), '--output', '/dev/null'],
                           stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_until(lambda: str(min(os.sched_getaffinity(0))) in processors_of(one).values(), 20, 'the test sees binding')
    one.stdin.close()
    equal(one.wait(), 0)


@case
def a_failed_part_does_not_take_its_neighbours_along(folder):
    path = write_file(folder + '/a.wav', wav_bytes(noise(1)))
    lines = [{'path': path, 'start': s} for s in (0.25, 5, 0.5, 7, 0.75)]
    manifest, out = write_lines(folder + '/m', lines), folder + '/out.jsonl'
    run('segment', '-q', *ALL, '-m', manifest, '-o', out, check_status=1)
    p = run('segment', *ALL, '-m', manifest, '-o', out, '--resume', check_status=None)
    check('3 of 5 files were finished' in p.err and '2 of 5 files failed' in p.err, p.err)
    good = [e for e in events(read_text(out)) if e['event'] == 'ledger']
    equal([e['captured'] for e in good], [12000, 8000, 4000])


def killed_and_resumed(folder, manifest, out, ids, kills):
    """Kill runs with SIGKILL at times drawn by chance until one comes to its end."""
    generator = random.Random(3)
    cut = 0
    for _ in range(kills):
        size = os.path.getsize(out) if os.path.exists(out) else 0
        more = generator.randint(1, 8000)
        p = start('segment', '-q', *ALL, '--jobs', '3', '--stt', 'exec:sleep 0.01; echo word', '-m',
                  manifest, '-o', out, '--resume')
        wait_until(lambda: p.poll() is not None or os.path.getsize(out) >= size + more
                   if os.path.exists(out) else p.poll() is not None, 20, 'it grows')
        if p.poll() is None:
            p.kill()
            cut += 1
        p.wait()
        p.stderr.close()
    return cut


@case
def sigkill_costs_no_file_and_duplicates_none(folder):
    paths = make_files(folder, 80, seconds=0.1)
    lines = [{'path': p, 'id': 'n%d' % i} for i, p in enumerate(paths)]
    manifest, out, whole = write_lines(folder + '/m', lines), folder + '/out', folder + '/whole'
    more = ['-q', *ALL, '--stt', 'exec:sleep 0.01; echo word', '-m', manifest]
    run('segment', *more, '-o', whole)
    cut = killed_and_resumed(folder, manifest, out, lines, 4)
    check(cut >= 2, 'it was killed', cut, 'times only')
    run('segment', *more, '-o', out, '--resume')
    equal(read_text(out), read_text(whole))
    equal([e['id'] for e in events(read_text(out)) if e['event'] == 'ledger'],
          [o['id'] for o in lines])


def limited(folder, arguments, limit):
    """Run with a limit on the size of files, which acts as a full disk does."""
    def limit_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    p = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=60, preexec_fn=limit_files)
    p.err = p.stderr.decode()
    return p


@case
def a_full_disk_leaves_what_a_rerun_completes(folder):
    paths = make_files(folder, 40)
    whole, out = folder + '/whole', folder + '/out'
    run('segment', '-q', *ALL, '-o', whole, *paths)
    for limit in (1, 5000, 20001):
        if os.path.exists(out):
            os.remove(out)
        p = limited(folder, ['segment', '-q', *ALL, '--jobs', '2', '-o', out, *paths], limit)
        equal(p.returncode, 6, p.err)
        one_line(p, out)
        # again while it is still full, then with room
        p = limited(folder, ['segment', '-q', *ALL, '--resume', '-o', out, *paths], limit)
        equal(p.returncode, 6, p.err)
        run('segment', '-q', *ALL, '--resume', '-o', out, *paths)
        equal(read_text(out), read_text(whole), 'limit %d' % limit)


@case
def a_disk_that_is_really_full(folder):
    paths = make_files(folder, 40)
    whole, disk = folder + '/whole', folder + '/disk'
    os.mkdir(disk)
    run('segment', '-q', *ALL, '-o', whole, *paths)
    script = write_file(folder + '/run', b'''
mount -t tmpfs -o size=16k none "$1" || exit 99
"$2" segment -q --vad null:1 -o "$1/out" "${@:4}"; [ $? -eq 6 ] || exit 1
"$2" segment -q --vad null:1 --resume -o "$1/out" "${@:4}"; [ $? -eq 6 ] || exit 2
mount -o remount,size=4m "$1" || exit 99
"$2" segment -q --vad null:1 --resume -o "$1/out" "${@:4}" || exit 3
cmp "$1/out" "$3" || exit 4
''')
    unshare = ['unshare', '-m'] if os.geteuid() == 0 else ['unshare', '-rm']
    p = subprocess.run([*unshare, 'bash', script, disk, COMMAND, whole, *paths],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if p.returncode == 99 or b'unshare:' in p.stderr:
        raise Skip('this user may not mount a small disk: ' + p.stderr.decode().strip())
    equal(p.returncode, 0, p.stderr.decode())


@case
def a_damaged_file_is_a_line_and_whole_when_it_is_repaired(folder):
    paths = make_files(folder, 10, seconds=1)
    whole, out = folder + '/whole', folder + '/out'
    run('segment', '-q', *ALL, '-o', whole, *paths)
    with open(paths[4], 'rb') as f:
        data = f.read()
    with open(paths[8], 'rb') as f:
        other = f.read()
    write_file(paths[4], data[:9000])
    write_file(paths[8], b'RIFF nothing of the kind')
    for more in ([], ['--resume'], ['--resume']):
        p = run('segment', *ALL, *more, '-o', out, *paths, check_status=1 if not more else 4)
        check('2 of 10 files failed' in p.err, p.err)
        bad = [e['file'] for e in events(read_text(out)) if e['event'] == 'error']
        equal(sorted(set(bad)), sorted([paths[4], paths[8]]))
        equal(len(finished(read_text(out))), 8)
    write_file(paths[4], data)
    write_file(paths[8], other)
    run('segment', '-q', *ALL, '--resume', '-o', out, *paths)
    equal(read_text(out), read_text(whole))


@case
def many_files_are_resumed_quickly(folder):
    path = write_file(folder + '/a.wav', wav_bytes(noise(0.02)))
    manifest = write_lines(folder + '/m', [{'path': path, 'id': 'n%d' % i} for i in range(20000)])
    line = '{"event":"ledger","file":%s,"id":"n%%d"}\n' % json.dumps(path)
    out = write_file(folder + '/out', ''.join(line % i for i in range(19990)).encode())
    start_s = time.monotonic()
    p = run('segment', *ALL, '-m', manifest, '-o', out, '--resume')
    check('19990 of 20000 files were finished' in p.err, p.err)
    check(time.monotonic() - start_s < 10, 'it took %.1f s' % (time.monotonic() - start_s))


if __name__ == '__main__':
    main()
