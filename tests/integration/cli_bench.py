# SPDX-License-Identifier: MIT
"""voicestand bench: what it runs, tells and draws."""
import json
import os
import shutil
import subprocess

from cli import Skip, case, check, equal, main, one_line, read_text, run, write_file


def short_run(*arguments, **more):
    return run('bench', '--quick', '--only', 'pool', *arguments, **more)


@case
def a_program_is_run_and_told(_):
    p = short_run()
    d = json.loads(p.out)
    equal(d['benchmark'], 'pool')
    check(d['agree'] and d['machine']['processors'] >= 1 and d['compiler'], d)
    for group in d['groups']:
        check(all(r['ns']['median'] > 0 for r in group['rows']), group)
    p = short_run('--format', 'text')
    equal(len([line for line in p.out.splitlines() if ' pool: ' in line]), len(d['bars']), p.out)


@case
def a_browser_draws_the_page(folder):
    browser = shutil.which('chromium')
    if not browser:
        raise Skip('chromium is not installed')
    write_file(folder + '/gains.json', json.dumps({'benchmark': 'gains', 'rows': [
        {'name': name, 'frame': 160, **{k: {'median': x, 'p10': x, 'p90': x} for k, x in (
            ('median_ms', 64.25), ('p99_ms', 65), ('cpu_us', cpu), ('allocations', 0), ('wakeups', 31))}}
        for name, cpu in (('naive', 1300), ('all, </script>', 325))]}).encode())
    short_run('--output', folder + '/run.html')
    run('bench', '--from', folder, '--output', folder + '/gains.html')
    for page, wanted in (('run.html', ('1 KiB, one thread', 'malloc', 'at most 4 ns', '<rect')),
                         ('gains.html', ('64.3 ms', '325 µs  0.25x', 'all, &lt;/script&gt;'))):
        p = subprocess.run([browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
                            '--no-first-run', '--disable-background-networking',
                            '--user-data-dir=' + folder + '/profile', '--dump-dom',
                            'file://' + os.path.join(folder, page)], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, timeout=60)
        shown = p.stdout.decode()
        for text in wanted:
            check(text in shown, text, 'is not in', shown[-2000:])


@case
def what_cannot_be_is_said(folder):
    one_line(run('bench', '--from', folder, check_status=7), 'no results')
    one_line(run('bench', '--only', 'nothing', check_status=2), 'nothing')
    write_file(folder + '/broken.json', b'{')
    p = run('bench', '--from', folder, check_status=1)
    check('broken.json' in p.err, p.err)
    os.environ['VOICESTAND_BENCH_DIR'] = folder
    one_line(run('bench', check_status=7), folder)
    write_file(folder + '/bench_bad', b'#!/bin/sh\nexit 3\n')
    os.chmod(folder + '/bench_bad', 0o755)
    p = run('bench', check_status=1)
    check('bench_bad failed' in p.err, p.err)
    one_line(run('bench', '--quick', '--from', folder, '--format', 'srt', check_status=2), 'jsonl')


if __name__ == '__main__':
    main()
