#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real-time priority for those who may not take it, on buses of the test's own.

Usage: cli_realtime.py COMMAND SERVICE  (the built voicestand and rtkit_service)"""
from cli import *

SERVICE = os.path.abspath(sys.argv[2])
CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
<type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy>
</busconfig>
'''
# Neither the right nor the capability to take a priority.
WITHOUT = ['setpriv', '--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice',
           'prlimit', '--rtprio=0:0']


class Buses:
    """A bus that stands for the session's and one for the system's, with services."""

    def __init__(self, folder, **services):
        for tool in ('dbus-daemon', 'setpriv', 'prlimit'):
            if not shutil.which(tool):
                raise Skip('%s is not installed' % tool)
        if os.geteuid() != 0:
            raise Skip('only root can grant priorities to others')
        self.running = []
        # ALSA's plugins would load an audio server's client, which asks the same services
        self.environment = dict(os.environ, ALSA_CONFIG_PATH='/dev/null')
        for variable, name in (('DBUS_SESSION_BUS_ADDRESS', 'portal'),
                               ('DBUS_SYSTEM_BUS_ADDRESS', 'rtkit')):
            path = '%s/%s' % (folder, name)
            write_file(path + '.conf', (CONFIG % path).encode())
            self.begin(['dbus-daemon', '--config-file', path + '.conf', '--nofork',
                        '--print-address'])
            self.environment[variable] = 'unix:path=' + path
        self.services = {name: self.begin([SERVICE, name, mode])
                         for name, mode in services.items()}

    def begin(self, command):
        p = subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environment)
        self.running.append(p)
        check(p.stdout.readline(), command[0], 'does not start')
        return p

    def doctor(self):
        """The row of doctor about real time."""
        p = subprocess.run([*WITHOUT, COMMAND, 'doctor', '--format', 'jsonl'],
                           stdout=subprocess.PIPE, env=self.environment, timeout=30)
        rows = [json.loads(line) for line in p.stdout.decode().splitlines()]
        return next(r for r in rows if r['name'] == 'real time')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.running):
            p.kill()
            p.wait()
            p.stdout.close()


@case
def the_portal_is_asked_first(folder):
    with Buses(folder, portal='', rtkit='') as b:
        row = b.doctor()
        equal(row['status'], 'ok', row)
        equal(row['value'], 'priority 15 is granted, by portal')
        equal(b.services['portal'].stdout.readline(), b'granted 15\n')


@case
def rtkit_is_asked_where_no_portal_grants(folder):
    with Buses(folder, portal='refuse', rtkit='') as b:
        equal(b.doctor()['value'], 'priority 15 is granted, by rtkit')
    os.mkdir(folder + '/b')
    with Buses(folder + '/b', rtkit='') as b:
        equal(b.doctor()['value'], 'priority 15 is granted, by rtkit')


@case
def a_refusal_is_said_with_its_remedy(folder):
    with Buses(folder, rtkit='refuse') as b:
        row = b.doctor()
        equal(row['status'], 'warn', row)
        check('rtprio' in row['fix'] and 'rtkit' in row['fix'], row)


@case
def services_that_hang_are_given_up(folder):
    with Buses(folder, portal='hang', rtkit='hang') as b:
        began = time.monotonic()
        equal(b.doctor()['status'], 'warn')
        check(time.monotonic() - began < 10, 'it waited', time.monotonic() - began)


@case
def without_any_bus_it_is_said_too(_):
    if not shutil.which('setpriv') or os.geteuid() != 0:
        raise Skip('only root can take rights away from the test')
    environment = dict(os.environ, DBUS_SESSION_BUS_ADDRESS='unix:path=/nonexistent',
                       DBUS_SYSTEM_BUS_ADDRESS='unix:path=/nonexistent')
    p = subprocess.run([*WITHOUT, COMMAND, 'doctor'], stdout=subprocess.PIPE, env=environment,
                       timeout=30)
    check(b'neither the limit of this user' in p.stdout, p.stdout)


if __name__ == '__main__':
    main()
