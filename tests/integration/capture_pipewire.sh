#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The pipewire source on a real server of its own: samples arrive unchanged, every lost one is
# counted, and it survives the loss of the microphone and of the server. Speaks TAP.
#   capture_pipewire.sh CAPTURE_DUMP PRIVATE_PIPEWIRE
set -u -o pipefail

dump=$1
if [ -z "${PRIVATE_PIPEWIRE:-}" ]; then
    timeout -k 5 110 "$2" "$0" "$dump"
    status=$?
    [ $status -ne 77 ] || echo '1..0 # SKIP PipeWire, WirePlumber or dbus is not installed'
    [ $status -ne 77 ] || status=0
    exit $status
fi

work=$(mktemp -d) || exit 1
children=()
failures=0
end_all()
{
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null
    done
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 143' INT TERM HUP

number=0
report() # STATUS NAME
{
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$work/log"
    fi
}

# Wait up to 10 s for a line in the log.
await()
{
    for ((i = 0; i < 200; i++)); do
        grep -q "$1" "$work/log" && return 0
        sleep .05
    done
    return 1
}

# Wait up to 10 s for sound.
await_sound()
{
    for ((i = 0; i < 200; i++)); do
        [ -s "$work/out" ] && return 0
        sleep .05
    done
    return 1
}

# The number of our node.
serial()
{
    timeout 5 pw-cli ls Node |
        awk '/object.serial/ { serial = $3 } /node.name = "voicestand"/ { print serial }'
}

# capture_dump in the background, its words in the log; back when it has opened.
listen() # ARGUMENTS
{
    : >"$work/log"
    rm -f "$work/out"
    "$dump" "$@" >"$work/log" 2>&1 &
    listener=$!
    children=("$listener")
    await '^open'
}

finish()
{
    kill -INT "$listener" 2>/dev/null
    leave
}

# Wait for the end of capture_dump by itself.
leave()
{
    wait "$listener" || failures=$((failures + 1))
    children=()
}

# Delivered and lost frames together are the time that passed; the clock of a virtual microphone
# slips by tens of milliseconds where the machine is busy, a loss that is forgotten is far longer.
is_accounted() # RATE
{
    awk -v rate="$1" '/^end / {
        for (i = 1; i <= NF; i++) { split($i, part, "="); value[part[1]] = part[2] }
        off = (value["frames"] + value["lost"]) / rate - value["seconds"]
        found = 1
    }
    END { exit !(found && off < 0.2 && off > -0.2) }' "$work/log"
}

"$dump" pipewire >"$work/log" 2>&1
if [ $? -eq 77 ]; then
    echo '1..0 # SKIP the pipewire module is not built'
    exit 0
fi
echo '1..13'
grep -q '^device pipewire:test-mic default=1' "$work/log"
report $? 'the microphone is listed as the default'

# A loaded machine makes servers and players lose time: only what is called whole must be equal.
python3 - "$work/a.wav" <<'END'
import random, sys, wave
random.seed(7)
frames = random.randbytes(2 * 48000) + bytes(2 * 24000) # what a player leaves unplayed is silent
with wave.open(sys.argv[1], "wb") as w:
    w.setparams((1, 2, 48000, 0, "NONE", ""))
    w.writeframes(frames)
END
status=1
for ((try = 0; try < 8 && status; try++)); do
    listen pipewire:test-mic "$work/out" 60 48000 1 100
    feed "$work/a.wav"
    finish
    python3 - "$work/a.wav" "$work/out" >>"$work/log" <<'END'
import array, sys, wave
sent = array.array("h", wave.open(sys.argv[1]).readframes(10**6))[:48000]
got = array.array("f", open(sys.argv[2], "rb").read())
first = next((i for i, x in enumerate(got) if x != 0), 0) - next(i for i, x in enumerate(sent) if x)
bad = [i for i, x in enumerate(sent) if first + i >= len(got) or got[first + i] * 32768 != x]
print("samples that differ:", len(bad), "first:", bad[:1])
sys.exit(len(bad) > 0)
END
    status=$?
done
report $status 'what is played into the microphone arrives unchanged'

listen pipewire:test-mic,node.group=pipewire.freewheel "$work/out" 600 16000 1 100
leave
# Cycles may pass while the stream is being linked, and a second of sound passes in a few
# milliseconds here; all of them are counted, and in the last eight minutes nothing is lost.
grep -q '^end status=0 frames=96' "$work/log" &&
    awk '/^jump at=/ { split($2, at, "="); if (at[2] > 1920000) bad = 1 } END { exit bad }' "$work/log"
report $? 'of ten minutes flat out the last eight lose nothing, the first what is counted'

listen pipewire "$work/out" 60 16000
await_sound
mic-remove
await 'microphone gone'
gone=$?
mic-add
await 'microphone back' && [ $gone -eq 0 ]
report $? 'a microphone may go and come back'
sleep .5
server-stop
await 'audio server gone'
gone=$?
server-start
await 'audio server back' && [ $gone -eq 0 ]
report $? 'the server may die and come back'
sleep .5
finish
grep -q '^jump .* estimated' "$work/log" && is_accounted 16000
report $? 'what was lost meanwhile is counted'

"$dump" pipewire:no-such-mic "$work/out" 1 >"$work/log" 2>&1
grep -q '^end status=-19 ' "$work/log" && grep -q 'no such microphone' "$work/log"
report $? 'an unknown target is refused'

# No session manager, so none that links; the stream that waits is made anew for a microphone that comes.
# A new session manager does not link a stream that its predecessor had linked: we make it anew.
listen pipewire "$work/out" 60 16000
await_sound
before=$(serial)
kill -KILL "$(cat "$PRIVATE_PIPEWIRE/wireplumber.pid")"
await 'microphone gone'
(
    # shellcheck source=/dev/null
    . "$PRIVATE_PIPEWIRE/lib.sh"
    launch wireplumber wireplumber
    wait_for 200 has_manager
)
for ((try = 0; try < 100; try++)); do
    after=$(serial)
    [ -z "$after" ] || [ "$before" = "$after" ] || break
    sleep .05
done
mic-remove # those of devices go and come with the manager
mic-add
echo "node $before, then $after" >>"$work/log"
await 'microphone back' && [ -n "$after" ] && [ "$before" != "$after" ]
report $? 'the session manager may die and come back'
finish

# Without a microphone the session manager tells the stream of an error, and links it all the same when one comes;
# it is made anew only after a second, and then after two.
mic-remove
listen pipewire "$work/out" 60 16000
for ((try = 0; try < 10; try++)); do
    serial
    sleep .05
done | sort -u >"$work/nodes"
mic-add
await_sound
heard=$?
sed 's/^/node /' "$work/nodes" >>"$work/log"
[ "$(wc -l <"$work/nodes")" -gt 0 ] && [ "$(wc -l <"$work/nodes")" -le 2 ] && [ $heard -eq 0 ]
report $? 'a stream that waits for a microphone is left alone, and hears it'
finish

listen pipewire "$work/out" 60 16000
await_sound
kill -KILL "$(cat "$PRIVATE_PIPEWIRE/wireplumber.pid")"
await 'microphone gone'
gone=$?
before=$(serial)
timeout 5 pw-cli create-node adapter '{ factory.name=support.null-audio-sink node.name=other-mic
    media.class=Audio/Source/Virtual object.linger=true audio.position=[MONO] }' >/dev/null
for ((try = 0; try < 10; try++)); do
    sleep .3
    after=$(serial)
    [ -z "$after" ] || [ "$before" = "$after" ] || break
done
echo "node $before, then $after" >>"$work/log"
[ $gone -eq 0 ] && [ -n "$before" ] && [ -n "$after" ] && [ "$before" != "$after" ]
report $? 'a stream that nobody links is made anew'
finish

# A server that comes back is met when its socket appears, not at the next of the tries at times, which are 200 ms
# apart by then.
listen pipewire "$work/out" 60 16000
server-stop
await 'audio server gone'
python3 - "$PRIVATE_PIPEWIRE/pipewire-0" >>"$work/log" 2>&1 <<'END'
import os, random, socket, statistics, sys, time
waits_ms = []
for i in range(7):
    time.sleep(random.uniform(0.45, 0.65))
    if os.path.exists(sys.argv[1]):
        os.remove(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(10)
        server.bind(sys.argv[1])
        server.listen()
        since = time.monotonic()
        server.accept()[0].close()
        waits_ms.append(1000 * (time.monotonic() - since))
print("met after", *["%.1f" % ms for ms in waits_ms], "ms")
sys.exit(statistics.median(waits_ms) > 50)
END
report $? 'a server that comes back is met at once'
finish

"$dump" pipewire "$work/out" 1 >"$work/log" 2>&1
grep -q '^end status=-112 ' "$work/log" && grep -q 'no PipeWire server' "$work/log"
report $? 'no server is told in a sentence'

test "$failures" -eq 0
report $? 'each run ended well'
