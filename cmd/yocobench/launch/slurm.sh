#!/bin/bash
# A sweep on {{.Nodes}} nodes: an array job measures the shards, a second job merges them.
# Run this script on a login node, in the folder to which paths are relative. Running it
# again resumes the shards that are not complete.
set -euo pipefail

out={{.Out}}
mkdir -p -- "$out"

# One task a shard. A task that is requeued, preempted or out of time resumes its shard: SIGTERM
# reaches yocobench a minute before the time limit. A shard has its own node (--exclusive), because
# other jobs change the measured times.
array=$(sbatch --parsable --job-name={{.Name}} --array=1-{{.Nodes}} --nodes=1 --ntasks=1 \
  --requeue --open-mode=append --signal=B:TERM@60 --output={{.Log}}
  {{- if not .ShareNodes}} --exclusive{{end}}{{range .Options}} {{.}}{{end}} <<'END_OF_SHARD'
#!/bin/bash
shard={{.Out}}/shard-$SLURM_ARRAY_TASK_ID
if [ -s "$shard/results.jsonl" ]; then
  exec {{.Program}} run --resume "$shard"
fi
exec {{.Program}} run --shard auto/{{.Nodes}} --out "$shard"{{range .Args}} {{.}}{{end}} -- {{.Suite}}
END_OF_SHARD
)
array=${array%%;*}
echo "shards: job $array"

# afterany: also if a task failed. Then the existing records are merged into another folder.
merge=$(sbatch --parsable --job-name={{.Name}}-merge --dependency=afterany:"$array" \
  --nodes=1 --ntasks=1 --output={{.MergeLog}}{{range .MergeOptions}} {{.}}{{end}} <<'END_OF_MERGE'
#!/bin/bash
out={{.Out}}
if [ -e "$out/merged/results.jsonl" ]; then
  echo "$out/merged exists already"
  exit 0
fi
{{.Program}} merge --out "$out/merged" -- "$out"/shard-*/
code=$?
if [ ! -e "$out/merged/results.jsonl" ]; then
  {{.Program}} merge --partial --out "$out/partial-$SLURM_JOB_ID" -- "$out"/shard-*/
fi
exit $code
END_OF_MERGE
)
echo "merge: job ${merge%%;*}, result in $out/merged"
