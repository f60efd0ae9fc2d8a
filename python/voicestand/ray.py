# SPDX-License-Identifier: MIT
"""Many recordings with Ray Data, on one machine or a cluster: pip install 'ray[data]'.

    import voicestand.ray
    print(voicestand.ray.write("talks/", "segments/"))          # Parquet, restartable
    dataset = voicestand.ray.segments("talks.jsonl")            # a ray.data.Dataset to go on with

    python -m voicestand.ray talks/ segments/ --format jsonl --audio

A source is a folder, a manifest (a file of JSON Lines, as `voicestand segment --manifest` takes it) or a
list of paths and of objects with `path`, `id`, `start`, `duration`. Paths and the output are what all
workers see: a shared folder, or an address that pyarrow knows, such as s3://bucket/talks.
"""
import argparse
import dataclasses
import hashlib
import io
import json
import os
import sys
import uuid
import wave
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy
import pyarrow
import pyarrow.fs
import pyarrow.parquet
import ray.data

from . import Rules, read_wav, segment

__all__ = ["Summary", "inputs", "segments", "write"]

ENDINGS = {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
Source = Union[str, "os.PathLike[str]", Iterable[Union[str, Dict[str, Any]]]]
Reader = Callable[[str], Tuple[Any, int]]
Row = Dict[str, Any]

SCHEMA = pyarrow.schema([
    ("id", pyarrow.string()), ("path", pyarrow.string()), ("segment", pyarrow.int64()),
    ("start_s", pyarrow.float64()), ("end_s", pyarrow.float64()), ("start_frame", pyarrow.int64()),
    ("end_frame", pyarrow.int64()), ("rate_hz", pyarrow.int64()), ("probability", pyarrow.float64()),
    ("level_db", pyarrow.float64()), ("split", pyarrow.bool_()), ("duration_s", pyarrow.float64()),
    ("audio", pyarrow.string()), ("error", pyarrow.string()), ("input", pyarrow.string())])
"""A row is a segment. A recording without speech, or that could not be read, has one row whose `segment`
is null; `error` then says why, and is null otherwise. `duration_s` is the recording's (or its part's),
`input` the object that named it, as JSON."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `write()` did; `done_before` parts of an earlier run were left as they were."""

    files: int
    segments: int
    errors: int
    audio_s: float
    parts: int
    done_before: int


# inputs -----------------------------------------------------------------------------------------


def _open(path: str) -> Tuple[Any, str]:
    """(file system, path in it) of a path or an address."""
    if "://" in path:
        found: Tuple[Any, str] = pyarrow.fs.FileSystem.from_uri(path)
        return found
    return pyarrow.fs.LocalFileSystem(), os.path.abspath(path)


def _place(path: str) -> str:
    """The same from wherever a worker looks."""
    return path if "://" in path else os.path.abspath(path)


def _folder(path: str) -> List[Row]:
    files, root = _open(path)
    below = files.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
    head = path.rstrip("/")
    names = sorted(os.path.relpath(f.path, root) for f in below if f.type == pyarrow.fs.FileType.File)
    return [{"path": head + "/" + n} for n in names
            if os.path.splitext(n)[1].lower() in ENDINGS and not any(p[0] == "." for p in n.split("/"))]


def _lines(path: str) -> Iterator[Row]:
    files, name = _open(path)
    with files.open_input_stream(name) as stream:
        for number, line in enumerate(stream.read().decode().splitlines(), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{path}: line {number}: it is not JSON: {error}") from None
                if not isinstance(row, dict):
                    raise ValueError(f"{path}: line {number}: it is no object")
                yield row


def _check(row: Union[str, Row], where: str) -> Row:
    given = {"path": row} if isinstance(row, str) else dict(row)
    path = given.get("path", given.get("audio_filepath"))
    start, length = given.get("start", given.get("offset")) or 0.0, given.get("duration") or 0.0
    if not isinstance(path, str) or not path:
        raise ValueError(f"{where}: it has no 'path', the name of an audio file")
    for name, value in (("start", start), ("duration", length)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9:
            raise ValueError(f"{where}: {name!r} is no number of seconds from 0 on")
    part = f"#{start:.15g}+{length:.15g}" if start or length else ""
    return {"id": str(given.get("id", path + part)), "path": path, "place": _place(path),
            "start": float(start), "duration": float(length),
            "input": json.dumps(given, ensure_ascii=False)}


def inputs(source: Source) -> List[Row]:
    """What a source names: rows of `id`, `path`, where that is, `start`, `duration`, `input`. A name that stands twice,
    or a line that names nothing, is a ValueError: better before the work than in it."""
    where = "source"
    if isinstance(source, (str, os.PathLike)):
        where = os.fspath(source)
        files, name = _open(where)
        kind = files.get_file_info(name).type
        if kind == pyarrow.fs.FileType.NotFound:
            raise FileNotFoundError(f"{where}: there is no such folder or manifest")
        given: Iterable[Any] = _folder(where) if kind == pyarrow.fs.FileType.Directory else _lines(where)
    else:
        given = source
    rows = [_check(row, f"{where}: input {i}") for i, row in enumerate(given, 1)]
    seen = set()
    for row in rows:
        if row["id"] in seen:
            raise ValueError(f"{where}: two inputs are called {row['id']!r}; give each an 'id' of its own")
        seen.add(row["id"])
    return rows


# one recording ------------------------------------------------------------------------------------


def read(path: str) -> Tuple[Any, int]:
    """(samples, rate) of a file: WAV by Python itself, all others by soundfile, where it is installed."""
    local = path
    if "://" in path:
        files, name = _open(path)
        with files.open_input_stream(name) as stream:
            data = io.BytesIO(stream.read())
        local = ""
    if os.path.splitext(path)[1].lower() in (".wav", ".wave") and local:
        try:
            return read_wav(local)
        except (ValueError, wave.Error):
            pass  # of a kind that `wave` does not know
    try:
        import soundfile
    except ImportError:
        raise OSError("this kind of file needs soundfile: pip install soundfile") from None
    samples, rate = soundfile.read(local or data, dtype="int16")
    return samples, rate


def _cut(samples: Any, rate: int, row: Row) -> Any:
    first = round(row["start"] * rate)
    last = first + max(round(row["duration"] * rate), 1) if row["duration"] else len(samples)
    if first and first >= len(samples):
        raise ValueError(f"it ends before {row['start']:.3f} s, where the part that was asked for begins")
    return samples[first:last]


def _wav(samples: Any, rate: int) -> bytes:
    """16 bits, all channels."""
    if samples.dtype == numpy.int32:
        samples = (samples >> 16).astype(numpy.int16)
    elif samples.dtype.kind == "f":
        samples = numpy.rint(numpy.clip(samples * 32768.0, -32768, 32767)).astype(numpy.int16)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1] if samples.ndim == 2 else 1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(numpy.ascontiguousarray(samples).tobytes())
    return out.getvalue()


def _audio_name(row: Row, number: int) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in row["id"])[-80:].lstrip(".")
    return f"{stem}-{hashlib.sha256(row['id'].encode()).hexdigest()[:8]}_{number:05d}.wav"


def _rows(row: Row, options: Row) -> Tuple[List[Row], Iterator[Tuple[str, bytes]]]:
    """The rows of one input, and the audio that they name. Never raises for what the file does."""
    empty = {**dict.fromkeys(SCHEMA.names), "id": row["id"], "path": row["path"], "input": row["input"]}
    try:
        samples, rate = (options["read"] or read)(row["place"])
        samples = _cut(samples, rate, row)
        found = segment(samples, rate, rules=options["rules"], vad=options["vad"])
    except Exception as error:  # whatever a reader finds in a file is that file's row
        return [{**empty, "error": f"{type(error).__name__}: {error}"}], iter(())
    empty.update(rate_hz=rate, duration_s=len(samples) / rate)
    rows = [{**empty, **{name: getattr(s, name) for name in s._fields},
             "audio": options["audio"] and options["audio"] + "/" + _audio_name(row, s.segment)}
            for s in found]
    audio = ((r["audio"], _wav(samples[r["start_frame"]:r["end_frame"]], rate))
             for r in rows if options["audio"])
    return rows or [empty], audio


def _table(rows: List[Row]) -> Any:
    return pyarrow.Table.from_pylist(rows, schema=SCHEMA)


def segments(source: Source, *, rules: Union[Rules, str, None] = None, vad: Optional[str] = None,
             read: Optional[Reader] = None, per_task: int = 16) -> "ray.data.Dataset":
    """A lazy dataset of rows as `SCHEMA` says, one for each segment; `rules` and `vad` as for `segment()`.

    Args:
        read: path -> (samples, rate), for files of your own kind; by default `read()` of this module.
        per_task: inputs that go to a worker at a time.
    """
    options = {"rules": rules, "vad": vad, "read": read, "audio": None}
    rows = inputs(source)

    def find(batch: Any) -> Any:
        return _table([r for row in batch.to_pylist() for r in _rows(row, options)[0]])

    return ray.data.from_items(rows, override_num_blocks=max(1, min(len(rows), 4096))).map_batches(
        find, batch_size=per_task, batch_format="pyarrow", zero_copy_batch=True)


# to files, exactly once ---------------------------------------------------------------------------


def _replace(files: Any, path: str, data: bytes) -> None:
    """A file has its name only once it is complete; who writes it twice writes the same."""
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    with files.open_output_stream(partial) as stream:
        stream.write(data)
    files.move(partial, path)


def _encode(rows: List[Row], form: str) -> bytes:
    if form == "jsonl":
        return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in rows)
    out = io.BytesIO()
    pyarrow.parquet.write_table(_table(rows), out, compression="zstd")
    return out.getvalue()


def _decode(data: bytes, form: str) -> List[Row]:
    if form == "jsonl":
        return [json.loads(line) for line in data.decode().splitlines()]
    rows: List[Row] = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    return rows


def _sum(rows: List[Row], done_before: int) -> Row:
    length = {r["id"]: r["duration_s"] or 0.0 for r in rows}
    return {"files": len(length), "segments": sum(r["segment"] is not None for r in rows),
            "errors": sum(r["error"] is not None for r in rows), "audio_s": sum(length.values()),
            "parts": 1, "done_before": done_before}


def _do_part(part: Row, output: str, options: Row) -> Row:
    """On a worker. Killed at any moment, it leaves the part as it was; done again, it gives the same."""
    files, root = _open(output)
    path = f"{root}/{part['name']}"
    if files.get_file_info(path).type == pyarrow.fs.FileType.File:
        with files.open_input_stream(path) as stream:
            rows = _decode(stream.read(), options["format"])
        if not any(r["error"] for r in rows):
            return _sum(rows, 1)
    rows = []
    for row in json.loads(part["inputs"]):
        found, audio = _rows(row, options)
        for name, data in audio:
            _replace(files, f"{root}/{name}", data)
        rows += found
    _replace(files, path, _encode(rows, options["format"]))
    return _sum(rows, 0)


def _plan(files: Any, root: str, plan: Row, count: int) -> Row:
    """The plan of an earlier run in this folder, or this one. Parts keep their number, so that what is
    added later changes few of them."""
    path = f"{root}/_plan.json"
    if files.get_file_info(path).type == pyarrow.fs.FileType.File:
        with files.open_input_stream(path) as stream:
            before: Row = json.loads(stream.read())
        if {k: v for k, v in before.items() if k != "parts"} != plan:
            raise ValueError(f"{root}: was written with other settings; choose another folder")
        return before
    plan = {**plan, "parts": max(1, min(4096, -(-count // 32)))}
    _replace(files, path, json.dumps(plan).encode())
    return plan


def _parts(rows: List[Row], plan: Row) -> List[Row]:
    """Which part an input belongs to depends on its id alone; what a part is called, on all it holds."""
    held: Dict[int, List[Row]] = {}
    for row in rows:
        number = int.from_bytes(hashlib.sha256(row["id"].encode()).digest()[:8], "big") % plan["parts"]
        held.setdefault(number, []).append(row)
    parts = []
    for number, members in sorted(held.items()):
        text = json.dumps(sorted(members, key=lambda r: str(r["id"])))
        digest = hashlib.sha256((text + json.dumps(plan)).encode()).hexdigest()[:12]
        parts.append({"name": f"part-{number:04d}-{digest}.{plan['format']}", "inputs": text})
    return parts


def write(source: Source, output: Union[str, "os.PathLike[str]"], *, format: str = "parquet",
          audio: bool = False, rules: Union[Rules, str, None] = None, vad: Optional[str] = None,
          read: Optional[Reader] = None) -> Summary:
    """Segment a source into a folder of files with rows as `SCHEMA` says.

    Run it again after whatever stopped it, or after files came: parts that are complete are left as they
    are, parts with errors are tried again, and each input stands in the output once. A part has its name
    only once it is complete, so a worker that is killed leaves nothing, and Ray gives its part to
    another.

    Args:
        output: a folder that all workers see; made if missing. One folder, one source and one set of
            settings: other settings are refused.
        format: "parquet" or "jsonl".
        audio: also write each segment as WAV (16 bits, all channels), into `output`/audio.
        rules, vad, read: as for `segments()`.
    """
    if format not in ("parquet", "jsonl"):
        raise ValueError(f'format must be "parquet" or "jsonl", not {format!r}')
    output = _place(os.fspath(output))
    rows = inputs(source)
    files, root = _open(output)
    files.create_dir(f"{root}/audio" if audio else root, recursive=True)
    settings = dataclasses.asdict(rules) if isinstance(rules, Rules) else rules
    plan = _plan(files, root, {"format": format, "audio": audio, "rules": settings, "vad": vad}, len(rows))
    parts = _parts(rows, plan)
    options = {"rules": rules, "vad": vad, "read": read, "audio": "audio" if audio else None, "format": format}
    done = ray.data.from_items(parts, override_num_blocks=len(parts)).map(
        lambda part: _do_part(part, output, options)).take_all() if parts else []
    _remove_old(files, root, {p["name"] for p in parts})
    return Summary(**{f.name: sum(d[f.name] for d in done) for f in dataclasses.fields(Summary)})


def _remove_old(files: Any, root: str, names: "set[str]") -> None:
    """Parts that hold what is elsewhere now, and what killed workers were writing."""
    for folder in (root, f"{root}/audio"):
        selector = pyarrow.fs.FileSelector(folder, allow_not_found=True)
        for file in files.get_file_info(selector):
            is_part = folder == root and file.base_name.startswith("part-")
            if file.base_name.endswith(".partial") or (is_part and file.base_name not in names):
                files.delete_file(file.path)


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m voicestand.ray", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a folder, or a manifest of JSON Lines")
    parser.add_argument("output", help="a folder that all workers see")
    parser.add_argument("--format", choices=("parquet", "jsonl"), default="parquet")
    parser.add_argument("--audio", action="store_true", help="also write the audio of segments")
    parser.add_argument("--preset", help="dictation, agent or archive")
    given = parser.parse_args(arguments)
    done = write(given.source, given.output, format=given.format, audio=given.audio, rules=given.preset)
    print(f"voicestand: {done.files} files, {done.audio_s:.1f} s of audio, {done.segments} segments, "
          f"{done.errors} errors, {done.parts} parts of which {done.done_before} were done before",
          file=sys.stderr)
    return 1 if done.errors else 0


if __name__ == "__main__":
    sys.exit(main())
