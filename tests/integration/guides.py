#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every command of docs/guides, a guide in a folder and a shell of its own.

Usage: guides.py COMMAND SOURCE_FOLDER BUILD_FOLDER

Commands are the blocks marked sh. What a test cannot do is replaced by the stand-in that a comment in front
of the block names: <!-- in the test: COMMAND -->."""
import re
import shlex

from cli import *

SOURCE, BUILD = sys.argv[2], sys.argv[3]
GUIDES = os.path.join(SOURCE, 'docs', 'guides')
BLOCK = re.compile(r'(?:^ *<!-- in the test: (.*?) -->\n)?^( *)```(\w*)\n(.*?)^ *```$', re.M | re.S)
STANDINS = {'dictate.md': 5, 'embed.md': 1, 'latency.md': 3, 'migrate.md': 1, 'npu.md': 2}


def blocks(name):
    """(what the page shows, the stand-in or None) of each block."""
    found = []
    for standin, indent, kind, body in BLOCK.findall(read_text(os.path.join(GUIDES, name))):
        check(kind in ('sh', 'diff'), name, 'has a block of', kind or 'no kind', 'that nothing runs')
        lines = [line[len(indent):] if line.startswith(indent) else line for line in body.splitlines()]
        if kind == 'sh':
            found.append(('\n'.join(lines), standin or None))
    return found


def environment(folder):
    """Where the command, the library and the package are found, as if they were installed."""
    env = dict(os.environ, HOME=folder, LC_ALL='C.UTF-8', PYTHONDONTWRITEBYTECODE='1',
               PYTHONPATH=os.path.join(SOURCE, 'python'),
               VOICESTAND_BRIDGE=os.path.join(BUILD, 'python', 'libvoicestand_bridge.so'),
               PKG_CONFIG_PATH=os.path.join(BUILD, 'meson-uninstalled'),
               CPATH=os.path.join(SOURCE, 'include') + os.pathsep + os.path.join(BUILD, 'include'),
               LD_LIBRARY_PATH=os.path.join(BUILD, 'src'))
    python = os.path.join(SOURCE, 'build', 'venv', 'bin')
    env['PATH'] = os.pathsep.join([os.path.dirname(COMMAND)] +
                                  ([python] if os.path.isdir(python) else []) + [env['PATH']])
    for name in ('XDG_STATE_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME'):
        env.pop(name, None)
    return env


def has_numpy(env):
    return subprocess.run(['python3', '-c', 'import numpy'], env=env, stderr=subprocess.DEVNULL,
                          timeout=60).returncode == 0


def run_guide(name, folder):
    recordings()
    env, left_out = environment(folder), 0
    os.makedirs(folder + '/talks/more')
    for i, path in enumerate(recordings()):
        shutil.copy(path, folder + ('/talks/more' if i % 2 else '/talks'))
    numpy = has_numpy(env)
    found = blocks(name)
    equal(sum(s is not None for _, s in found), STANDINS.get(name, 0), 'stand-ins of ' + name)
    for shown, standin in found:
        if 'python3' in (standin or shown) and not numpy:
            left_out += 1
            continue
        p = subprocess.run(['bash', '-e', '-u', '-c', standin or shown], cwd=folder, env=env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=100)
        check(p.returncode == 0, name + ':', standin or shown, 'ended with', p.returncode, 'and said:',
              p.stdout.decode(errors='replace'))
    print('# %s: %d blocks, %d by a stand-in' % (name, len(found), STANDINS.get(name, 0)))
    if left_out:
        raise Skip('%d blocks in Python: no numpy; run scripts/bootstrap test' % left_out)


def add(name):
    def guide(folder):
        run_guide(name, folder)
    guide.__name__ = name
    case(guide)


@case
def a_command_that_fails_is_found(folder):
    for bad in ('voicestand segment --frobnicate x', 'echo "$nothing"'):
        p = subprocess.run(['bash', '-e', '-u', '-c', bad], env=environment(folder),
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        check(p.returncode != 0, bad)


for page in sorted(os.listdir(GUIDES)):
    add(page)

if __name__ == '__main__':
    main()
