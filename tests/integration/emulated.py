#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""On processors that this machine is not: kernels, and a recording in segments, under qemu-user.
An instruction that the processor lacks ends a program there, as it would on the real one.
emulated.py FOLDER-OF-THE-BUILD FOLDER-OF-THE-SOURCE"""
import os
import platform
import shutil
import subprocess
import sys
import wave

BUILD, SOURCE = sys.argv[1:3]
RECORDING = '/usr/share/sounds/alsa/Front_Center.wav'
ARM_ROOT = '/usr/aarch64-linux-gnu'
LEVELS = ['c', 'avx2', 'avx2-vnni', 'avx512', 'avx512-vnni', 'neon', 'neon-dot']
# model of qemu: levels that must run there, each in full on the first that has it; all others must be refused
X86 = {
    'qemu64': ['c'],
    'Nehalem': ['c'],
    'SandyBridge': ['c'],
    'Haswell': ['c', 'avx2'],
    'Haswell,-fma': ['c'],
    'Haswell,-xsave': ['c'],
    'EPYC': ['c', 'avx2'],
}
ARM = {
    'cortex-a53': ['c', 'neon'],
    'max': ['c', 'neon', 'neon-dot'],
}
cases = failed = 0
done = set() # (emulator, level)


def report(name, reason=None, skip=None):
    """One case: good without a reason."""
    global cases, failed
    cases += 1
    failed += reason is not None
    tail = ' # SKIP ' + skip if skip else ''
    print('%sok %d - %s%s' % ('not ' if reason else '', cases, name, tail), flush=True)
    if reason:
        print('# ' + reason.strip().replace('\n', '\n# '), flush=True)


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


def last_line(process):
    return '%s ended with %d: %s' % (' '.join(process.args), process.returncode,
                                     process.stdout.decode(errors='replace')[-300:])


def check_kernels(emulator, build, levels):
    for level in LEVELS:
        if (emulator[0], level) in done and level in levels:
            continue
        p = run(emulator + [os.path.join(build, 'tests/dsp/checkdsp'), level])
        if p.returncode == 0:
            done.add((emulator[0], level))
        if p.returncode != (0 if level in levels else 77):
            return last_line(p)
    return None


def read_speech():
    """Every third frame: 16 kHz, more or less."""
    with wave.open(RECORDING) as f:
        data = memoryview(f.readframes(f.getnframes())).cast('h')
        return data[::3 * f.getnchannels()].tobytes() + bytes(32000)


def find_segments(emulator, build, speech):
    return run(emulator + [os.path.join(build, 'examples/stream')], input=speech)


def check_segments(emulator, build, speech, wanted):
    p = find_segments(emulator, build, speech)
    if p.returncode != 0:
        return last_line(p)
    got = [line for line in p.stdout.splitlines() if b'warning:' not in line]
    return None if got == wanted else 'segments are %r, not %r' % (got, wanted)


def check_models(emulator, models, build, speech, wanted):
    for model, levels in models.items():
        command = [emulator[0], '-cpu', model] + emulator[1:]
        report('kernels on %s: %s' % (model, ', '.join(levels)),
               check_kernels(command, build, levels))
        if speech is None:
            report('segments on %s' % model, skip='%s is absent (alsa-utils)' % RECORDING)
        else:
            report('segments on %s' % model, check_segments(command, build, speech, wanted))


def build_for_arm():
    """@return the folder, or what the build said."""
    folder = os.path.join(BUILD, 'arm64')
    setup = ['meson', 'setup', folder, SOURCE, '--cross-file', os.path.join(
        SOURCE, 'tests/integration/aarch64.ini'), '-Dauto_features=disabled', '-Dcommand=false',
        '-Dbuildtype=release']
    if not os.path.exists(os.path.join(folder, 'build.ninja')):
        p = run(setup)
        if p.returncode != 0:
            return None, last_line(p)
    p = run(['ninja', '-C', folder, 'tests/dsp/checkdsp', 'examples/stream'])
    return (folder, None) if p.returncode == 0 else (None, last_line(p))


def main():
    speech = read_speech() if os.path.exists(RECORDING) else None
    wanted = None
    if speech is not None:
        p = find_segments([], BUILD, speech)
        wanted = p.stdout.splitlines()
        good = p.returncode == 0 and any(line.startswith(b'speech') for line in wanted)
        report('segments here', None if good else last_line(p))

    if platform.machine() != 'x86_64':
        report('models of x86-64', skip='this build is for %s' % platform.machine())
    elif not shutil.which('qemu-x86_64'):
        report('models of x86-64', skip='qemu-x86_64 is absent (package qemu-user)')
    else:
        check_models(['qemu-x86_64'], X86, BUILD, speech, wanted)

    lacking = [name for name in ('qemu-aarch64', 'aarch64-linux-gnu-gcc', 'meson', 'ninja')
               if not shutil.which(name)]
    if lacking or not os.path.exists(os.path.join(ARM_ROOT, 'include/stdio.h')):
        report('models of arm64', skip='%s is absent (packages qemu-user, gcc-aarch64-linux-gnu, '
               'libc6-dev-arm64-cross)' % (', '.join(lacking) or ARM_ROOT))
    else:
        folder, reason = build_for_arm()
        report('cross build for arm64', reason)
        if folder:
            check_models(['qemu-aarch64', '-L', ARM_ROOT], ARM, folder, speech, wanted)
    print('1..%d' % cases)
    return failed > 0


sys.exit(main())
