#!/bin/bash
# Evaluates in 50 tasks of a Slurm array, then merges:
#
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterok:$job --wrap 'node-ctc merge results'
#
# Slurm tells each task its number and how many there are, which node-ctc reads. A task that is
# preempted or runs out of time goes on from its journal when it is started again. To run some
# tasks again, submit the whole array: those that are complete end at once.
#SBATCH --job-name=ctc-eval
#SBATCH --array=0-49
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --output=ctc-eval-%a.log
set -euo pipefail

# The same digits on nodes with other processors.
export NODE_CTC_ISA=avx2

exec node-ctc eval logits \
  --manifest manifest.jsonl \
  --tokens tokens.txt \
  --out results \
  --shards "$SLURM_ARRAY_TASK_COUNT" \
  --threads "$SLURM_CPUS_PER_TASK" \
  --resume
