#!/bin/bash
# A sweep on 16 nodes: an array job measures the shards, a second job merges them.
# Run this script on a login node, in the folder to which paths are relative. Running it
# again resumes the shards that are not complete.
set -euo pipefail

out=sweep
mkdir -p -- "$out"

# One task a shard. A task that is requeued, preempted or out of time resumes its shard: SIGTERM
# reaches yocobench a minute before the time limit. A shard has its own node (--exclusive), because
# other jobs change the measured times.
array=$(sbatch --parsable --job-name=sweep-needle --array=1-16 --nodes=1 --ntasks=1 \
  --requeue --open-mode=append --signal=B:TERM@60 --output=sweep/log-%a.txt --exclusive --time=02:00:00 <<'END_OF_SHARD'
#!/bin/bash
shard=sweep/shard-$SLURM_ARRAY_TASK_ID
if [ -s "$shard/results.jsonl" ]; then
  exec yocobench run --resume "$shard"
fi
exec yocobench run --shard auto/16 --out "$shard" --budget 90m -- needle
END_OF_SHARD
)
array=${array%%;*}
echo "shards: job $array"

# afterany: also if a task failed. Then the existing records are merged into another folder.
merge=$(sbatch --parsable --job-name=sweep-needle-merge --dependency=afterany:"$array" \
  --nodes=1 --ntasks=1 --output=sweep/log-merge.txt <<'END_OF_MERGE'
#!/bin/bash
out=sweep
if [ -e "$out/merged/results.jsonl" ]; then
  echo "$out/merged exists already"
  exit 0
fi
yocobench merge --out "$out/merged" -- "$out"/shard-*/
code=$?
if [ ! -e "$out/merged/results.jsonl" ]; then
  yocobench merge --partial --out "$out/partial-$SLURM_JOB_ID" -- "$out"/shard-*/
fi
exit $code
END_OF_MERGE
)
echo "merge: job ${merge%%;*}, result in $out/merged"
