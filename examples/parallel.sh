#!/bin/bash
# SPDX-License-Identifier: MIT
# Segment what a manifest lists with GNU parallel, each share by a process of its own:
#   examples/parallel.sh talks.jsonl segments/ [SHARES]
# A share that fails, or is killed, is begun again up to three times and goes on where it was. On several
# machines with a shared folder, add --sshloginfile to parallel's options.
set -eu

manifest=$1 folder=$2 shares=${3:-$(nproc)}
mkdir -p "$folder"
# single quotes: parallel, not this shell, fills in {1}
seq "$shares" | parallel --will-cite --retries 3 --joblog "$folder/parallel.log" \
    voicestand segment --quiet --resume --jobs 1 --manifest "$manifest" \
    --shard "{1}/$shares" --output "$folder/{1}.jsonl" :::: -
