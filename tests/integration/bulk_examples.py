#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples for bulk work, run by GNU parallel and by a Slurm of this machine alone; workers are
killed.

Usage: bulk_examples.py COMMAND SOURCE_FOLDER"""
import socket

from cli import *

EXAMPLES = os.path.join(sys.argv[2], 'examples')
SLOW = '#!/bin/sh\nexec "%s" "$@" --vad null:1 --stt "exec:sleep 0.05; echo word"\n'


def make_work(folder, count=24):
    """A manifest, and a slow `voicestand` on the path, so that there is time to kill it."""
    paths = make_files(folder, count, seconds=0.1)
    lines = [{'path': p, 'id': 'n%d' % i} for i, p in enumerate(paths)]
    manifest = write_file(folder + '/m.jsonl', ''.join(json.dumps(o) + '\n' for o in lines).encode())
    os.mkdir(folder + '/bin')
    os.chmod(write_file(folder + '/bin/voicestand', (SLOW % COMMAND).encode()), 0o755)
    env = dict(os.environ, PATH=folder + '/bin:' + os.environ['PATH'])
    whole = run('segment', '-q', *ALL, '--stt', 'exec:echo word', '-m', manifest).out
    return manifest, env, whole


def shares_of(out):
    return ''.join(read_text(os.path.join(out, n)) for n in sorted(os.listdir(out))
                   if n.endswith('.jsonl'))


def check_same(out, whole):
    """All lines of the whole, in some order of inputs, and no other."""
    equal(sorted(shares_of(out).splitlines()), sorted(whole.splitlines()))


def kill_one(out):
    """SIGKILL to one worker that has begun to write. Only to ours: it writes into `out`."""
    def begun():
        return [n for n in os.listdir(out) if os.path.getsize(os.path.join(out, n)) > 0
                and n.endswith('.jsonl')] if os.path.isdir(out) else []
    wait_until(begun, 30, 'a share has lines')
    for pid in (n for n in os.listdir('/proc') if n.isdigit()):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                words = f.read().split(b'\0')
        except OSError:
            continue
        if words[0] == COMMAND.encode() and any(w.startswith(out.encode() + b'/') for w in words):
            os.kill(int(pid), signal.SIGKILL)
            return
    check(False, 'no worker runs that could be killed')


@case
def gnu_parallel_begins_a_killed_share_again(folder):
    if not shutil.which('parallel'):
        raise Skip('GNU parallel is not installed (package parallel)')
    manifest, env, whole = make_work(folder)
    out = folder + '/out'
    p = subprocess.Popen([EXAMPLES + '/parallel.sh', manifest, out, '3'], env=env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        kill_one(out)
        said, _ = p.communicate(timeout=60)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    equal(p.returncode, 0, said)
    check_same(out, whole)
    # and again: nothing is left to do
    before = shares_of(out)
    subprocess.run([EXAMPLES + '/parallel.sh', manifest, out, '3'], env=env, check=True, timeout=60,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    equal(shares_of(out), before)


@case
def the_array_script_does_the_share_that_slurm_names(folder):
    manifest, env, whole = make_work(folder, 9)
    out = folder + '/out'

    def share(i, first, last, count):
        return subprocess.run([EXAMPLES + '/slurm_array.sh', manifest, out], timeout=60, stderr=subprocess.PIPE,
                              env=dict(env, SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_MIN=str(first),
                                       SLURM_ARRAY_TASK_MAX=str(last), SLURM_ARRAY_TASK_COUNT=str(count)))

    for i in (1, 2, 3):
        equal(share(i, 1, 3, 3).returncode, 0)
    check_same(out, whole)
    # a part of the array, or one that begins with 0, would be shared out otherwise
    for first, last, count in ((2, 3, 2), (3, 3, 1), (0, 2, 3), (1, 3, 2)):
        p = share(last, first, last, count)
        check(p.returncode == 2 and b'must be 1-N' in p.stderr, first, last, count, p)
    check_same(out, whole)


CONF = '''ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1
MailProg=/bin/true
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
'''


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Slurm:
    """A cluster of this machine, on loopback, in a folder."""

    def __init__(self, folder, env):
        for tool in ('slurmctld', 'slurmd', 'sbatch', 'squeue'):
            if not shutil.which(tool, path=os.environ['PATH'] + ':/usr/sbin'):
                raise Skip('Slurm is not installed (packages slurmctld, slurmd, slurm-client)')
        if os.geteuid() != 0:
            raise Skip('slurmd runs jobs as root alone')
        os.mkdir(folder + '/state')
        os.mkdir(folder + '/spool')
        self.folder = folder
        conf = write_file(folder + '/slurm.conf', CONF.format(
            host=socket.gethostname().split('.')[0], ports=free_ports(2), user='root',
            folder=folder).encode())
        self.env = dict(env, SLURM_CONF=conf, PATH=env['PATH'] + ':/usr/sbin')
        self.parts = [subprocess.Popen([name, '-D', '-f', conf], env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                      for name in ('slurmctld', 'slurmd')]

    def ask(self, *command):
        p = subprocess.run(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=30)
        return p.returncode, p.stdout

    def __enter__(self):
        end = time.monotonic() + 30
        while 'idle' not in (answer := self.ask('sinfo', '-h', '-o', '%T')[1]):
            if time.monotonic() > end or any(part.poll() is not None for part in self.parts):
                self.stop()
                raise Skip('the daemons of Slurm make no node ready here: ' + ' '.join(answer.split()))
            time.sleep(0.1)
        return self

    def stop(self):
        for part in self.parts[::-1]:
            part.terminate()
        for part in self.parts:
            part.wait(20)

    def __exit__(self, *_):
        self.ask('scancel', '--state=RUNNING', '--user=root')
        self.stop()


@case
def slurm_does_an_array_and_a_killed_share_again(folder):
    manifest, env, whole = make_work(folder)
    out = folder + '/out'
    submit = ['sbatch', '--array=1-3', '--output=/dev/null', EXAMPLES + '/slurm_array.sh', manifest, out]
    with Slurm(folder, env) as slurm:
        status, said = slurm.ask(*submit)
        equal(status, 0, said)
        kill_one(out)
        wait_until(lambda: slurm.ask('squeue', '-h') == (0, ''), 60, 'the queue is empty')
        check(len(shares_of(out).splitlines()) < len(whole.splitlines()), 'nothing was lost by the kill')
        equal(slurm.ask(*submit)[0], 0)
        wait_until(lambda: slurm.ask('squeue', '-h') == (0, ''), 60, 'the queue is empty')
    check_same(out, whole)


if __name__ == '__main__':
    main()
