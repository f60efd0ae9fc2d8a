# SPDX-License-Identifier: MIT
"""The package finds what the command finds, on real speech."""
import json
import os
import subprocess

import numpy
import pytest

import voicestand


@pytest.fixture(scope="module")
def command():
    path = os.environ.get("VOICESTAND_TEST_COMMAND", "")
    if not os.path.exists(path):
        pytest.skip("this build has no command")
    return path


def found_by(command, files):
    """{file: [(start_frame, end_frame, probability, level_db, split)]}"""
    run = subprocess.run([command, "segment"] + [str(f) for f in files], check=True, text=True,
                         capture_output=True)
    found = {str(f): [] for f in files}
    for line in run.stdout.splitlines():
        e = json.loads(line)
        if e["event"] == "segment":
            found[e["file"]].append((e["start_frame"], e["end_frame"], e["probability"], e["level_db"],
                                     e["split"]))
    return found


def found_here(samples, rate):
    return [(s.start_frame, s.end_frame, s.probability, s.level_db, s.split)
            for s in voicestand.segment(samples, rate)]


def assert_equal(expected, found, name):
    """Positions exactly, figures as far as the command prints them."""
    assert [s[:2] + s[4:] for s in expected] == [s[:2] + s[4:] for s in found], name
    for theirs, ours in zip(expected, found):
        assert abs(theirs[2] - ours[2]) < 1e-4 and abs(theirs[3] - ours[3]) < 1e-2, name


def test_prompts_as_the_command_finds_them(command, prompt):
    files = sorted(prompt[0].parent.glob("*.wav"))
    expected = found_by(command, files)
    assert sum(map(len, expected.values())) >= 8
    for path in files:
        assert_equal(expected[str(path)], found_here(*voicestand.read_wav(path)), path.name)


def test_labelled_speech_as_the_command_finds_it(command, data):
    files = sorted((data / "speech-labelled").rglob("*.flac"))
    assert len(files) > 20
    expected = found_by(command, files)
    assert sum(map(len, expected.values())) > 100
    for path in files:
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-"], check=True,
                             capture_output=True).stdout
        assert_equal(expected[str(path)], found_here(numpy.frombuffer(raw, "<i2"), 16000), path.name)
