#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What doctor says of an NPU, step by step, on trees as kernels lay them out; what it measures of a
device and remembers; what --vad auto makes of that.

Usage: cli_npu.py COMMAND  (the built voicestand)"""
from cli import *

PCI = 'sys/devices/pci0000:00/0000:00:0b.0'
LIBRARIES = 'usr/lib/x86_64-linux-gnu'
OPENVINO = os.environ.get('VOICESTAND_TEST_OPENVINO', '')
NO_OPENVINO = os.environ.get('VOICESTAND_TEST_NO_OPENVINO', '')


def put(root, path, text=''):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_file(path, text.encode())


def link(root, path, target):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def device(root, id='0x643e', vendor='0x8086', klass='0x120000'):
    """The NPU of Lunar Lake, as far as the bus shows it."""
    put(root, PCI + '/vendor', vendor + '\n')
    put(root, PCI + '/device', id + '\n')
    put(root, PCI + '/class', klass + '\n')
    link(root, 'sys/bus/pci/devices/0000:00:0b.0', '../../../devices/pci0000:00/0000:00:0b.0')
    # a sound card beside it
    put(root, 'sys/bus/pci/devices/0000:00:1f.3/vendor', '0x8086\n')
    put(root, 'sys/bus/pci/devices/0000:00:1f.3/device', '0xa828\n')
    put(root, 'sys/bus/pci/devices/0000:00:1f.3/class', '0x040100\n')


def driver(root, name='intel_vpu'):
    put(root, 'sys/bus/pci/drivers/%s/module' % name)
    link(root, PCI + '/driver', '../../../bus/pci/drivers/' + name)


def accel(root):
    put(root, PCI + '/accel/accel0/dev', '261:0\n')


def node(root, mode=0o660):
    put(root, 'dev/accel/accel0')
    os.chmod(root + '/dev/accel/accel0', mode)


def library(root, name):
    put(root, os.path.join(LIBRARIES, name))


def doctor(root, status=7, as_nobody=False):
    """-> [(name, status, value, fix)] of the NPU's rows"""
    before = []
    if as_nobody:
        before = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
    p = subprocess.run([*before, COMMAND, 'doctor', '--root', root, '-f', 'jsonl'],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    equal((p.returncode, p.stderr), (status, b''), p.stdout)
    rows = events(p.stdout.decode())
    check({e['area'] for e in rows} <= {'Processor', 'Power', 'NPU'}, rows)
    return [(e['name'], e['status'], e['value'], e.get('fix', '')) for e in rows
            if e['area'] == 'NPU']


def fails(rows, name, *words):
    """All rows are good but the last, which is `name` and says `words`."""
    check(all(r[1] != 'missing' for r in rows[:-1]), rows)
    equal(rows[-1][:2], (name, 'missing'), rows)
    for word in words:
        check(word in rows[-1][2] + ' ' + rows[-1][3], repr(word), 'is not in', rows[-1])


@case
def the_step_that_fails_is_named_with_its_fix(root):
    fails(doctor(root), 'PCI device', 'no NPU', 'firmware')
    device(root)
    rows = doctor(root)
    check('Lunar Lake' in rows[0][2] and '8086:643e at 0000:00:0b.0' in rows[0][2], rows)
    fails(rows, 'driver', 'not loaded', 'modprobe intel_vpu')
    put(root, 'sys/module/intel_vpu/version', '1.0\n')
    fails(doctor(root), 'driver', 'did not take', 'dmesg')
    driver(root)
    fails(doctor(root), 'firmware', 'did not start', 'dmesg')
    accel(root)
    fails(doctor(root), 'node', '/dev/accel/accel0', '--device')
    node(root)
    fails(doctor(root), 'Level Zero', 'libze_loader.so.1', 'apt install')
    library(root, 'libze_loader.so.1')
    fails(doctor(root), 'Level Zero', 'libze_intel_npu.so.1', 'linux-npu-driver')
    library(root, 'libze_intel_npu.so.1')
    rows = doctor(root, 0)
    equal(rows[-1][:2], ('Level Zero', 'warn'))
    check('compiler' in rows[-1][3], rows)
    library(root, 'libnpu_driver_compiler.so')
    rows = doctor(root, 0)
    equal([r[1] for r in rows], ['ok'] * 5, rows)
    equal([r[0] for r in rows], ['PCI device', 'driver', 'node', 'permission', 'Level Zero'])


@case
def a_driver_of_before_2025_will_do(root):
    device(root, '0x7d1d'), driver(root), accel(root), node(root)
    for name in ('libze_loader.so.1', 'libze_intel_vpu.so.1', 'libnpu_driver_compiler.so'):
        library(root, name)
    rows = doctor(root, 0)
    check('Meteor Lake' in rows[0][2], rows)


@case
def a_device_of_another_driver_is_named(root):
    device(root), driver(root, 'vfio-pci')
    fails(doctor(root), 'driver', 'vfio-pci', 'not to intel_vpu')


@case
def a_newer_device_is_followed_too(root):
    device(root, '0xffff'), driver(root)
    rows = doctor(root)
    equal(rows[0][1], 'warn', rows)
    fails(rows[1:], 'firmware')


@case
def accelerators_of_others_are_not_ours(root):
    device(root, '0x1502', '0x1022')
    fails(doctor(root), 'PCI device')


@case
def a_node_that_may_not_be_opened_is_named(root):
    if os.geteuid() != 0 or not shutil.which('setpriv'):
        raise Skip('only root can become somebody who may not')
    os.chmod(root, 0o755)
    if subprocess.run(['setpriv', '--reuid', '65534', '--clear-groups', 'test', '-x',
                       COMMAND]).returncode:
        raise Skip('others may not run the built command here')
    device(root), driver(root), accel(root)
    node(root, 0o600)
    fails(doctor(root, as_nobody=True), 'permission', 'udev', 'render')
    os.chown(root + '/dev/accel/accel0', 0, 44)  # the group video of Debian
    os.chmod(root + '/dev/accel/accel0', 0o660)
    fails(doctor(root, as_nobody=True), 'permission', 'usermod -aG', 'video')


# OpenVINO's devices ---------------------------------------------------------------------------


def whole_doctor(folder):
    """-> rows of the area OpenVINO"""
    if NO_OPENVINO:
        raise Skip(NO_OPENVINO)
    os.environ['XDG_STATE_HOME'] = folder + '/state'
    os.environ['XDG_CACHE_HOME'] = folder + '/cache'
    os.environ['VOICESTAND_OPENVINO'] = OPENVINO
    p = run('doctor', '-f', 'jsonl', check_status=None)
    return [e for e in events(p.out) if e['area'] == 'OpenVINO']


def need_openvino(rows):
    if rows[0]['status'] == 'missing':
        raise Skip(rows[0]['value'])


@case
def doctor_measures_each_device_and_remembers(folder):
    rows = whole_doctor(folder)
    need_openvino(rows)
    equal([r['name'] for r in rows[:3]], ['library', 'devices', 'CPU'])
    check(any(r['name'] == 'CPU agreement' and 'same bounds of all' in r['value'] for r in rows),
          rows)
    lines = read_text(folder + '/state/voicestand/devices').splitlines()
    words = next(line for line in lines if line.startswith('device CPU ')).split()
    figures = dict(zip(words[::2], words[1::2]))
    check(0 < float(figures['p50_ms']) <= float(figures['p99_ms']), figures)
    # where a step is rounded the other way: MOST_DIFFERENCE of tests/contract/test_openvino.c
    check(float(figures['difference']) < .01 and float(figures['moved_ms']) == 0, figures)
    p = run('segment', '--vad', 'auto', *recordings()[:1])
    check('auto is native here' in p.err and 'it is the processor' in p.err, p.err)


def remember(folder, *lines, version=None):
    os.environ['XDG_STATE_HOME'] = folder
    version = version or run('version').out.split()[1]
    put(folder, 'voicestand/devices', '\n'.join(('version ' + version,) + lines) + '\n')


def chosen():
    """What --vad auto says that it is, and the segments then."""
    p = run('segment', '--vad', 'auto', *recordings()[:3])
    said = [line for line in p.err.splitlines() if '--vad auto' in line]
    equal(len(said), 1, p.err)
    return said[0], [e for e in events(p.out) if e['event'] == 'segment']


NPU = 'device NPU p50_ms 0.4000 p99_ms %s difference 0.002 moved_ms %s missed %d'


@case
def auto_takes_what_was_measured_as_good_and_says_why(folder):
    native = [e for e in events(run('segment', *recordings()[:3]).out) if e['event'] == 'segment']
    cases = [
        ([], 'doctor\' found no device'),
        ([NPU % ('0.9', '0', 0)], 'is openvino:NPU here'),
        ([NPU % ('0.9', '10', 0)], 'is openvino:NPU here'),
        ([NPU % ('0.9', '20', 0)], 'moves bounds'),
        ([NPU % ('0.9', '-1', 0)], 'other segments'),
        ([NPU % ('5.5', '0', 0)], 'more than 5 ms'),
        ([NPU % ('0.9', '0', 3)], 'late for 3 hops'),
        ([(NPU % ('0.9', '0', 0)).replace('NPU', 'CPU')], 'it is the processor'),
        ([(NPU % ('0.9', '0', 0)).replace('NPU', 'CPU'), (NPU % ('0.9', '0', 0)).replace('NPU', 'GPU'),
          NPU % ('0.9', '0', 0)], 'is openvino:NPU here'),
        ([(NPU % ('0.9', '0', 0)).replace('NPU', 'GPU'), NPU % ('9', '0', 0)], 'is openvino:GPU here'),
        (['device NPU p50_ms nonsense'], 'found no device'),
    ]
    for lines, wanted in cases:
        remember(folder, *lines)
        said, segments = chosen()
        check(wanted in said, repr(wanted), 'is not in', said)
        equal(segments, native, wanted)  # there is no NPU here, and native stands in for it
    remember(folder, NPU % ('0.9', '0', 0), version='0.0.1')
    check('no device was measured' in chosen()[0])
    os.remove(folder + '/voicestand/devices')
    check('no device was measured' in chosen()[0])
    os.environ['XDG_STATE_HOME'] = '/proc/nowhere'
    check('no device was measured' in chosen()[0])


if __name__ == '__main__':
    main()
