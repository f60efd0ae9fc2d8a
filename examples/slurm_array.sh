#!/bin/bash
# SPDX-License-Identifier: MIT
# Segment what a manifest lists as an array of Slurm jobs, each a share of it with a file of its own:
#   sbatch --array=1-8 examples/slurm_array.sh talks.jsonl segments/
# Submit it again after whatever happened, the whole array: each share goes on where it was, and one that is
# complete ends at once. A part of the array alone would have other shares, so it is refused.
#SBATCH --job-name=voicestand
#SBATCH --array=1-8
#SBATCH --cpus-per-task=1
#SBATCH --requeue
set -eu

manifest=$1 folder=$2 share=$SLURM_ARRAY_TASK_ID
if [ "$SLURM_ARRAY_TASK_MIN-$SLURM_ARRAY_TASK_MAX" != "1-$SLURM_ARRAY_TASK_COUNT" ]; then
    echo "slurm_array.sh: the array must be 1-N, all of it: sbatch --array=1-$SLURM_ARRAY_TASK_MAX" >&2
    exit 2
fi
mkdir -p "$folder"
exec voicestand segment --quiet --resume --jobs "${SLURM_CPUS_PER_TASK:-1}" \
    --manifest "$manifest" --shard "$share/$SLURM_ARRAY_TASK_COUNT" --output "$folder/$share.jsonl"
