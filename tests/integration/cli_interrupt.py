#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ctrl-C at any moment: what is finished is kept, and --resume does the rest."""
import signal

from cli import *


def interrupt(arguments, is_time, number=signal.SIGINT, wanted=130):
    p = start(*arguments)
    try:
        wait_until(lambda: is_time() or p.poll() is not None, 20, 'some files are done')
        check(p.poll() is None, 'it ended before it could be interrupted; make it last longer')
        p.send_signal(number)
        equal(p.wait(15), wanted, 'status')
        return p.stderr.read().decode()
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
        p.stderr.close()


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


@case
def ctrl_c_keeps_finished_files_and_resume_does_the_rest(folder):
    # One long file in front, so that others wait for their turn.
    paths = [write_file(folder + '/long.wav', wav_bytes(noise(1) * 200))] + make_files(folder, 120)
    more = ['-q', '--jobs', '3', '--stt', 'exec:sleep 0.02; echo word']
    whole = folder + '/whole.jsonl'
    run('segment', *ALL, *more, '-o', whole, *paths)
    for number, wanted in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = folder + '/out.jsonl'
        if os.path.exists(out):
            os.remove(out)
        interrupt(['segment', *ALL, *more, '-o', out, *paths[1:]], lambda: size(out) > 5000,
                  number, wanted)
        text = read_text(out)
        done = finished(text)
        check(0 < len(done) < 120, len(done), 'are finished')
        equal(lines_of(text, done), lines_of(read_text(whole), done), 'finished files')
        run('segment', '-q', *ALL, *more, '--resume', '-o', out, *paths)
        equal(read_text(out), read_text(whole), 'after resumption')
        run('verify-ledger', out)


@case
def ctrl_c_leaves_no_half_files_in_a_folder(folder):
    paths = make_files(folder, 100)
    out = folder + '/out'
    interrupt(['segment', *ALL, '-q', '--stt', 'exec:sleep 0.02; echo word', '--output-dir', out,
               *paths], lambda: os.path.isdir(out) and len(os.listdir(out)) > 15)
    names = os.listdir(out)
    check(0 < len(names) < 100, len(names))
    for name in names:
        check(name.endswith(('.jsonl', '.jsonl.texts')), name, 'is left') # texts: for --resume
        if name.endswith('.jsonl'):
            equal(events(read_text(os.path.join(out, name)))[-1]['event'], 'ledger', name)


@case
def ctrl_c_ends_a_pipe_that_waits(folder):
    for prefix in (b'', wav_bytes(noise(1))[:20000]):
        p = start('segment', '-q', '-', stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        p.stdin.write(prefix)
        p.stdin.flush()
        wait_until_caught(p, signal.SIGINT)
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        equal(p.wait(10), 130)
        p.stdin.close()
        p.stderr.close()


if __name__ == '__main__':
    main()
