#!/bin/bash
#SBATCH --job-name=served-model
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
# Measures a model that vLLM serves: the server and yocobench share one node. Edit what follows, and
# submit it with sbatch; arguments go to yocobench run. A job that is requeued, preempted or out of
# time resumes when it runs again.
set -euo pipefail

model=${MODEL:-Qwen/Qwen3-8B}
tokenizer=${TOKENIZER:-} # its tokenizer.json: lengths are exact with it
out=${OUT:-served}       # on a file system that the node mounts
port=${PORT:-8000}

mkdir -p -- "$out"
# A key of this job, because other users may reach the port.
VLLM_API_KEY=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
export VLLM_API_KEY

if [ ! -e "$out/suite.yaml" ]; then
  cat >"$out/suite.yaml" <<END
name: served
models:
  - name: served
    url: http://127.0.0.1:$port/v1
    model: "$model"
    tokenizer: "$tokenizer"
    key_env: VLLM_API_KEY
    start_timeout: 1h
tasks:
  - needle: {lengths: [1Ki, 4Ki, 16Ki], depths: {count: 5}, trials: 4}
  - serving: {lengths: [4Ki], outputs: [128], concurrency: [1, 8], requests: 100}
END
fi

# Slurm sends SIGTERM two minutes before the time limit: yocobench writes its results and ends.
client='' stopped=''
stop() {
  stopped=1
  if [ -n "$client" ]; then kill -TERM "$client" 2>/dev/null || true; fi
}
trap stop TERM

vllm serve "$model" --host 127.0.0.1 --port "$port" --max-model-len 32768 --no-enable-prefix-caching >>"$out/server.log" 2>&1 &
server=$!
# If the server ends, the run ends as at the time limit.
{
  while kill -0 "$server" 2>/dev/null; do sleep 2; done
  echo "the server ended; see $out/server.log" >&2
  kill -TERM $$
} &
watch=$!
trap 'kill "$watch" "$server" 2>/dev/null' EXIT

if [ -s "$out/run/results.jsonl" ]; then
  yocobench run --resume "$out/run" &
else
  yocobench run --out "$out/run" --budget 3h "$@" -- "$out/suite.yaml" &
fi
client=$!
if [ -n "$stopped" ]; then stop; fi
code=0
wait "$client" || code=$?
while kill -0 "$client" 2>/dev/null; do # the signal interrupted wait
  code=0
  wait "$client" || code=$?
done
exit "$code"
