#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The site builds, and no link in it is dead; a dead one is found.

Usage: site.py COMMAND SOURCE_FOLDER"""
import importlib.machinery
import importlib.util
import re

from cli import *

SCRIPT = os.path.join(sys.argv[2], 'scripts', 'site')


def load():
    loader = importlib.machinery.SourceFileLoader('site_script', SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('site_script', loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


@case
def dead_links_are_found(folder):
    write_file(folder + '/a.html', b'<a href="b.html#here"><a href="b.html#no"><img src="none.png">'
               b'<a href="https://example.org/x">')
    write_file(folder + '/b.html', b'<h1 id="here"><a href="a.html"><a href="#here"><a href="sub/">')
    equal(load().dead_links(folder), (2, [('a.html', 'b.html#no'), ('a.html', 'none.png'),
                                          ('b.html', 'sub/')]))


@case
def pages_of_a_source_archive_are_found(folder):
    """There is no git there, and what was built there is no page."""
    for name in ('README.md', 'docs/guides/a.md', 'docs/a.svg', 'src/b.c', 'build/venv/x.md', 'build-2/x.md', '.x/y.md'):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        write_file(os.path.join(folder, name), b'')
    site = load()
    site.ROOT = folder
    equal(sorted(site.sources()), ['README.md', 'docs/a.svg', 'docs/guides/a.md'])


@case
def the_site_has_no_dead_link(folder):
    for tool in ('mkdocs', 'doxygen'):
        if not shutil.which(tool):
            raise Skip('%s is not installed' % tool)
    out = folder + '/site'
    p = subprocess.run([SCRIPT, out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)
    if b'material' in p.stdout and p.returncode:
        raise Skip('mkdocs-material is not installed')
    equal(p.returncode, 0, p.stdout.decode())
    for page, words in (('index.html', 'VoiceStand'), ('docs/guides/embed.html', 'vs_stream_push'),
                        ('docs/guides/segment-1000-hours.html', '--shard 2/2'),
                        ('api/stream_8h.html', 'vs_stream_create'), ('docs/python.html', 'probabilities')):
        text = ''.join(read_text(os.path.join(out, page)).replace('</span>', '').split())
        text = re.sub('<span[^>]*>', '', text)
        check(words.replace(' ', '') in text, page, 'lacks', words)


if __name__ == '__main__':
    main()
