# SPDX-License-Identifier: MIT
"""What users get: source archive, wheel, a fresh environment without a compiler, types, examples."""
import ast
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile

import pytest

FIRST = """
import sys, voicestand
samples, rate = voicestand.read_wav(sys.argv[1])
print([(s.start_frame, s.end_frame) for s in voicestand.segment(samples, rate)])
"""


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    pytest.importorskip("mesonpy", reason="meson-python is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", folder, root])
    made = list(folder.glob("*.whl"))
    assert len(made) == 1
    return made[0]


@pytest.fixture(scope="module")
def numpy_wheel(tmp_path_factory):
    """NumPy as a wheel, from the package index."""
    folder = tmp_path_factory.mktemp("numpy")
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                           "--only-binary=:all:", "--disable-pip-version-check", "--timeout=15",
                           "--retries=1", "-d", folder, "numpy"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("the package index gives no NumPy")
    return folder


def test_wheel_is_one_for_every_python(wheel):
    assert re.fullmatch(r"voicestand-[\d.]+-py3-none-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert len([n for n in names if ".so" in n]) == 1 and any(n.endswith("py.typed") for n in names)
    assert re.findall(r"^Requires-Dist: (\w+)", metadata, re.M) == ["numpy"]


def test_wheel_holds_every_module(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = {n.split("/purelib/")[-1] for n in archive.namelist()}
    modules = {str(p.relative_to(root / "python")) for p in (root / "python").rglob("*.py")}
    assert len(modules) > 8 and modules <= names


def test_library_needs_the_c_library_alone(wheel, tmp_path):
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed")
    with zipfile.ZipFile(wheel) as archive:
        path = archive.extract(next(n for n in archive.namelist() if ".so" in n), tmp_path)
    needed = re.findall(r"NEEDED.*\[(.*)\]", run(["readelf", "-d", path]))
    assert set(needed) <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2",
                           "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_fresh_environment_to_first_segments(wheel, numpy_wheel, prompt, tmp_path):
    """Without a compiler, and in less than ten seconds, not counting what others do meanwhile."""
    bare = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    assert not shutil.which("cc", path=bare["PATH"])
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    began, before = time.monotonic(), children_seconds()
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
         "--find-links", numpy_wheel, wheel], env=bare)
    found = ast.literal_eval(run([python, "-c", FIRST, prompt[0]], env=bare, cwd=tmp_path))
    busy = children_seconds() - before
    print(f"wheel to first segments {time.monotonic() - began:.1f} s, {busy:.1f} s of them CPU time")
    assert len(found) == 1 and busy < 10


def test_source_archive_is_complete(root, tmp_path):
    pytest.importorskip("mesonpy", reason="meson-python is not installed")
    if not shutil.which("git") or subprocess.run(["git", "-C", root, "rev-parse", "HEAD"],
                                                 capture_output=True).returncode:
        pytest.skip("this is no checkout of git")
    run([sys.executable, "-c", "import mesonpy, sys; print(mesonpy.build_sdist(sys.argv[1]))",
         tmp_path], cwd=root)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {n.split("/", 1)[-1] for n in archive.getnames()}
    for needed in ("pyproject.toml", "meson.build", "python/bridge.c", "python/voicestand/__init__.py",
                   "src/vad/native.bin", "include/voicestand/stream.h", "LICENSE", "PKG-INFO"):
        assert needed in names


def test_types_are_strict(root):
    pytest.importorskip("mypy", reason="mypy is not installed")
    run([sys.executable, "-m", "mypy", "--config-file", root / "pyproject.toml",
         "--cache-dir", os.devnull, "--no-incremental", root / "python" / "voicestand"])


def test_everything_public_is_documented():
    import voicestand
    from voicestand.compat import silero, webrtcvad
    missing = []
    for module in (voicestand, silero, webrtcvad):
        for name, thing in vars(module).items():
            if name.startswith("_") or not callable(thing) or \
                    not getattr(thing, "__module__", "").startswith("voicestand"):
                continue
            if not thing.__doc__ or thing.__doc__.startswith(f"{name}("):
                missing.append(name)
            for part, method in vars(thing).items() if isinstance(thing, type) else ():
                if not part.startswith("_") and callable(method) and not method.__doc__:
                    missing.append(f"{name}.{part}")
    assert missing == []


def test_reference_names_everything_public(root):
    import voicestand
    page = (root / "docs" / "python.md").read_text()
    missing = [name for name in voicestand.__all__ if f"`{name}" not in page]
    assert missing == []


@pytest.mark.parametrize("name", ["segment_file.py", "stream_events.py", "async_events.py",
                                  "enhance_file.py"])
def test_examples_run(root, prompt, tmp_path, name):
    out = tmp_path / "out.wav"
    text = run([sys.executable, root / "examples" / name, prompt[0]] +
               ([out] if name.startswith("enhance") else []))
    if name.startswith("enhance"):
        assert out.stat().st_size > 1000
    else:
        assert len(re.findall(r"speech from \d+\.\d\d s to \d+\.\d\d s", text)) == 1
