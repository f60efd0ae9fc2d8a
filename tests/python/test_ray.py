# SPDX-License-Identifier: MIT
"""voicestand.ray with the real package: what it writes, and that no way to die costs or doubles a file."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import wave

import numpy
import pytest

import voicestand

ray = pytest.importorskip("ray", reason="ray is not installed: scripts/check-ray installs it")
parquet = pytest.importorskip("pyarrow.parquet")
import voicestand.ray as bulk  # noqa: E402  (needs what was asked for above)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20,
             _node_ip_address="127.0.0.1")
    yield
    ray.shutdown()


def write_wav(path, samples, rate=16000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


@pytest.fixture
def talks(tmp_path, speech):
    """A folder of twelve files with speech, in two folders, one of them silent."""
    samples = (speech * 2**15).astype(numpy.int16)
    (tmp_path / "talks" / "more").mkdir(parents=True)
    for i in range(12):
        part = samples[i * 8000:i * 8000 + 32000] if i != 5 else numpy.zeros(16000, numpy.int16)
        write_wav(tmp_path / "talks" / ("more" if i % 2 else ".") / f"t{i:02}.wav", part)
    return tmp_path / "talks"


def read_rows(folder):
    rows = []
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == ".parquet":
            rows += parquet.read_table(path).to_pylist()
        elif path.suffix == ".jsonl":
            rows += [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda r: (r["id"], r["segment"] or 0))


def wanted_rows(folder):
    """By the library, without Ray."""
    rows = []
    for path in sorted(folder.rglob("*.wav")):
        samples, rate = voicestand.read_wav(path)
        found = voicestand.segment(samples, rate)
        rows += [(str(path), s.segment, s.start_frame, s.end_frame) for s in found] or \
            [(str(path), None, None, None)]
    return sorted(rows, key=lambda r: (r[0], r[1] or 0))


def brief(rows):
    return [(r["id"], r["segment"], r["start_frame"], r["end_frame"]) for r in rows]


def test_dataset_is_what_the_library_gives(talks):
    rows = bulk.segments(str(talks), per_task=3).take_all()
    assert sorted(brief(rows), key=lambda r: (r[0], r[1] or 0)) == wanted_rows(talks)
    assert len(wanted_rows(talks)) > 12


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_write_then_again_then_with_more(talks, tmp_path, form):
    out = tmp_path / form
    done = bulk.write(talks, out, format=form, audio=True)
    rows = read_rows(out)
    assert brief(rows) == wanted_rows(talks)
    assert (done.files, done.errors, done.done_before) == (12, 0, 0)
    assert done.segments == sum(r["segment"] is not None for r in rows)
    for row in rows:
        if row["segment"]:
            samples, rate = voicestand.read_wav(out / row["audio"])
            assert (len(samples), rate) == (row["end_frame"] - row["start_frame"], row["rate_hz"])
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    assert bulk.write(talks, out, format=form, audio=True).done_before == done.parts
    assert before == {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    write_wav(talks / "new.wav", numpy.zeros(16000))
    assert bulk.write(talks, out, format=form, audio=True).files == 13
    assert brief(read_rows(out)) == wanted_rows(talks)
    with pytest.raises(ValueError, match="other settings"):
        bulk.write(talks, out, format=form)


def test_manifest_parts_fields_and_errors(talks, tmp_path):
    path = str(talks / "t00.wav")
    lines = [{"path": path, "id": 1, "speaker": "Ü"}, {"path": path, "start": 0.5, "duration": 1.0},
             {"path": path, "start": 99}, {"path": str(talks / "none.wav")}]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(o) + "\n" for o in lines))
    done = bulk.write(manifest, tmp_path / "out", format="jsonl")
    rows = read_rows(tmp_path / "out")
    assert (done.files, done.errors) == (4, 2)
    assert [json.loads(r["input"]) for r in rows if r["id"] == "1"][0] == lines[0]
    assert {r["duration_s"] for r in rows if r["id"] == path + "#0.5+1"} == {1.0}
    errors = {r["id"]: r["error"] for r in rows if r["error"]}
    assert "begins" in errors[path + "#99+0"] and "none.wav" in errors[str(talks / "none.wav")]
    # repaired, it is tried again
    write_wav(talks / "none.wav", numpy.zeros(16000))
    assert bulk.write(manifest, tmp_path / "out", format="jsonl").errors == 1


def test_bad_sources_are_refused_before_the_work(tmp_path):
    for lines, words in [("{\n", "line 1"), ("[1]\n", "line 1"), ('{"file": "x"}\n', "'path'"),
                         ('{"path": "a", "start": -1}', "'start'"),
                         ('{"path": "a"}\n{"path": "a"}\n', "'id'")]:
        (tmp_path / "m").write_text(lines)
        with pytest.raises(ValueError, match=words):
            bulk.inputs(tmp_path / "m")
    with pytest.raises(FileNotFoundError, match="nothing"):
        bulk.inputs(tmp_path / "nothing")
    with pytest.raises(ValueError, match="parquet"):
        bulk.write([], tmp_path / "x", format="csv")


def dying_reader(marker, name):
    """Kills its worker, as the system does when memory is short, the first time it is given `name`."""
    def read(path):
        if path.endswith(name) and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return voicestand.read_wav(path)
    return read


def test_a_killed_worker_costs_no_file_and_doubles_none(talks, tmp_path):
    marker = str(tmp_path / "killed")
    done = bulk.write(talks, tmp_path / "out", audio=True, read=dying_reader(marker, "t06.wav"))
    assert os.path.exists(marker)
    assert done.files == 12 and done.errors == 0
    assert brief(read_rows(tmp_path / "out")) == wanted_rows(talks)
    assert not [p for p in (tmp_path / "out").rglob("*.partial")]
    os.remove(marker)
    rows = bulk.segments(talks, per_task=2, read=dying_reader(marker, "t06.wav")).take_all()
    assert sorted(brief(rows), key=lambda r: (r[0], r[1] or 0)) == wanted_rows(talks)


SLOW = """
import sys, time
import ray, voicestand, voicestand.ray
def slow(path):
    time.sleep(0.3)
    return voicestand.read_wav(path)
if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    print(voicestand.ray.write(sys.argv[1], sys.argv[2], format="jsonl", read=slow), flush=True)
"""


def test_a_killed_run_is_completed_by_the_next(talks, tmp_path):
    out, script = tmp_path / "out", tmp_path / "slow.py"
    script.write_text(SLOW)
    for i in range(60):  # more than one part
        write_wav(talks / f"z{i:02}.wav", numpy.zeros(1600))
    run = subprocess.Popen([sys.executable, str(script), str(talks), str(out)], start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not list(out.glob("part-*.jsonl")) and run.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert run.poll() is None, "it ended too early to be killed"
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    left = len(list(out.glob("part-*.jsonl")))
    done = bulk.write(talks, out, format="jsonl")
    assert 1 <= left <= done.done_before + 1 and done.done_before < done.parts
    assert brief(read_rows(out)) == wanted_rows(talks)


def test_command(talks, tmp_path, capsys):
    assert bulk.main([str(talks), str(tmp_path / "out"), "--format", "jsonl", "--preset", "agent"]) == 0
    assert "12 files" in capsys.readouterr().err
    assert bulk.main([str(talks), str(tmp_path / "out"), "--format", "jsonl", "--preset", "agent"]) == 0
