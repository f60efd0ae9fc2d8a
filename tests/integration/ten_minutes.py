#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ten minutes of spoken prompts through a real audio server, through ALSA and through a pipe: the
segments must be those of the file and every frame accounted for.
ten_minutes.py pipewire|alsa|pipe FOLDER-OF-THE-BUILD"""
import glob, json, os, random, subprocess, sys, tempfile, time, wave

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 48000
SECONDS = 600
SPEEDS = [25, 25, 12, 12, 6, 6]  # times real time; a try that loses something ends at once


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def make_audio(folder):
    """Prompts in random order with pauses of 0.2 to 2 s; returns the paths of raw and WAV."""
    prompts = sorted(glob.glob("/usr/share/sounds/alsa/*.wav"))
    if len(prompts) < 9:
        skip("the recordings of alsa-utils are not installed")
    draw = random.Random(3)
    audio = bytearray(2 * RATE * 2)
    while len(audio) < SECONDS * RATE * 2:
        with wave.open(draw.choice(prompts)) as w:
            audio += w.readframes(w.getnframes())
        audio += bytes(2 * int(RATE * draw.uniform(0.2, 2)))
    audio = bytes(audio[: (SECONDS * RATE - RATE) * 2]) + bytes(RATE * 2)
    raw = os.path.join(folder, "ten.raw")
    with open(raw, "wb") as f:
        f.write(audio)
    name = os.path.join(folder, "ten.wav")
    with wave.open(name, "wb") as w:
        w.setparams((1, 2, RATE, 0, "NONE", ""))
        w.writeframes(audio)
    return raw, name


def relay(command, env=None):
    """Run a program that speaks TAP and pass on what it says, unless it asks for another try."""
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, timeout=280)
    if result.returncode == 3:
        print("# " + result.stdout.replace("\n", "\n# "), file=sys.stderr)
        return False
    sys.stdout.write(result.stdout)
    sys.exit(result.returncode)


def try_alsa(build, folder, raw):
    config = os.path.join(folder, "asoundrc")
    with open(config, "w") as f:
        f.write("pcm.tape { type file file \"/dev/null\" infile \"%s\" format raw\n"
                "  slave.pcm { type null } }\n" % raw)
    env = dict(os.environ, ALSA_CONFIG_PATH="/usr/share/alsa/alsa.conf:" + config)
    relay([os.path.join(build, "tests/integration/live_equals_file"), "alsa:tape", raw], env)
    print("Bail out! ALSA lost frames of a file")
    sys.exit(1)


def try_pipewire(build, raw):
    private = os.path.join(HERE, "../../scripts/private-pipewire")
    for speed in SPEEDS:
        inner = [private, sys.executable, os.path.abspath(__file__), "inner", build, raw, str(speed)]
        result = subprocess.run(inner, stdout=subprocess.PIPE, text=True, timeout=280)
        if result.returncode == 77:
            skip("PipeWire is not installed")
        if result.returncode != 3:
            sys.stdout.write(result.stdout)
            sys.exit(result.returncode)
        print("# the graph lost frames at %d times real time: another try" % speed,
              file=sys.stderr)
    sys.stdout.write(result.stdout)
    sys.exit(1)


def run_inner(build, raw, speed):
    """Inside a private session: the feeder is the microphone."""
    feeder = subprocess.Popen([os.path.join(build, "tests/integration/feeder"), "tape", raw, speed],
                              stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            listing = subprocess.run(["pw-cli", "ls", "Node"], stdout=subprocess.PIPE, text=True)
            if '"tape"' in listing.stdout:
                break
            time.sleep(0.05)
        source = "pipewire:tape,node.group=pipewire.freewheel,node.latency=4096/48000"
        result = subprocess.run([os.path.join(build, "tests/integration/live_equals_file"), source,
                                 raw, str(feeder.pid)], timeout=240)
        sys.exit(result.returncode)
    finally:
        feeder.terminate()
        feeder.wait()


def read_events(text):
    events = [json.loads(line) for line in text.splitlines()]
    segments = [(e["start_frame"], e["end_frame"]) for e in events if e["event"] == "segment"]
    return segments, [e for e in events if e["event"] == "ledger"][-1]


def try_pipe(build, raw, name):
    """The command itself: a file, the same as WAV and as raw audio on standard input, live."""
    command = os.path.join(build, "tools/voicestand")
    cases = [
        ("WAV by segment", ["segment", "-"], name),
        ("WAV by listen", ["listen", "--capture", "pipe"], name),
        ("raw by listen", ["listen", "--capture", "pipe", "--raw", "--rate", "48000", "--channels",
                           "1", "--sample-format", "s16"], raw),
    ]
    want, ledger = read_events(subprocess.run([command, "segment", "--format", "jsonl", name],
                                              stdout=subprocess.PIPE, text=True, check=True).stdout)
    print("1..%d" % len(cases))
    failed = 0
    for number, (title, arguments, path) in enumerate(cases, 1):
        with open(path, "rb") as f:
            output = subprocess.run([command] + arguments + ["--format", "jsonl", "-q"], stdin=f,
                                    stdout=subprocess.PIPE, text=True, check=True).stdout
        got, ledger = read_events(output)
        good = got == want and len(got) > 100 and ledger["residual"] == 0 \
            and ledger["captured"] == ledger["delivered"] == SECONDS * RATE
        failed += not good
        print("%sok %d - %s: %d segments, residual %d" % ("" if good else "not ", number, title,
                                                        len(got), ledger["residual"]))
    sys.exit(failed > 0)


def main():
    what, build = sys.argv[1:3]
    os.environ["VOICESTAND_MODULE_DIR"] = os.path.join(build, "src/modules")
    if what == "inner":
        run_inner(build, *sys.argv[3:5])
    with tempfile.TemporaryDirectory() as folder:
        raw, name = make_audio(folder)
        if what == "pipewire":
            try_pipewire(build, raw)
        elif what == "alsa":
            try_alsa(build, folder, raw)
        else:
            try_pipe(build, raw, name)


main()
