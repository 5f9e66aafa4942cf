#!/usr/bin/env bash
# Runs a sweep on a real Slurm cluster of one node: an array of four shards, one of which is killed in
# mid-run and requeued, and the merge job. It needs root and Debian's slurmctld, slurmd, slurm-client
# and munge, and installs them with INSTALL=1. The cluster has its own configuration and folders in a
# temporary folder, and ends with the script.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${INSTALL:-}" = 1 ]; then
  apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge
fi
for p in munged slurmctld slurmd sbatch; do
  PATH=$PATH:/usr/sbin command -v "$p" >/dev/null || { echo "$p is missing: INSTALL=1 make slurm-test installs it (Debian)" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "run it as root: slurmd starts jobs of users" >&2; exit 2; }
PATH=$PATH:/usr/sbin

dir=$(mktemp -d /tmp/slurm-test.XXXXXX)
pids=()
finish() {
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait
  rm -rf "$dir"
}
trap finish EXIT

mkdir -p "$dir"/{state,spool,munge,bin}
go build -o "$dir/bin/yocobench" ./cmd/yocobench

# munge: a key and a socket of our own.
chmod 755 "$dir"
chmod 700 "$dir/munge"
head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 400 "$dir/munge/key"
chown -R munge: "$dir/munge"
mkdir -p "$dir/munge-run"
chown munge: "$dir/munge-run"
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --key-file="$dir/munge/key" \
  --socket="$dir/munge-run/socket" --pid-file="$dir/munge-run/pid" --log-file="$dir/munge-run/log" --seed-file="$dir/munge-run/seed" &
pids+=($!)

host=$(hostname -s)
cat >"$dir/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=${PORT:-26817}
SlurmdPort=$((${PORT:-26817} + 1))
AuthType=auth/munge
AuthInfo=socket=$dir/munge-run/socket
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SchedulerParameters=requeue_delay=1,sched_interval=5,bf_interval=5
MinJobAge=3600
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$dir/slurm.conf
slurmctld -D &
pids+=($!)
sleep 1
slurmd -D -f "$dir/slurm.conf" &
pids+=($!)
for _ in $(seq 60); do
  sinfo -h -o %t 2>/dev/null | grep -q '^idle' && break
  sleep 1
done
sinfo
sinfo -h -o %t | grep -q '^idle' || { tail -50 "$dir"/*.log; exit 1; }

# The suite has a name that breaks a script without correct quoting.
suite="$dir/a suite's \$(name).yaml"
cat >"$suite" <<'END'
name: slurm-test
models: [tiny-yoco-gret, tiny-transformer]
gates:
  - tiny-yoco-gret.kv.total <= 1x tiny-transformer
tasks:
  - needle: {lengths: [256, 512, 1Ki, 2Ki], depths: {count: 5}, trials: 4}
  - kv: {lengths: [256, 512, 1Ki]}
  - prefill: {lengths: [256, 512], samples: 3}
END
out="$dir/the sweep"
cd "$dir"
PATH=$dir/bin:$PATH
yocobench launch slurm "$suite" --nodes 4 --out "$out" --program "$dir/bin/yocobench" --submit -- --reports md | tee launched
array=$(sed -n 's/^shards: job //p' launched)
merge=$(sed -n 's/^merge: job \([0-9]*\),.*/\1/p' launched)

# Task 1 is killed once it has measured something, and requeued.
cases() { { grep -c '"type":"case"' "$1" 2>/dev/null || true; } }
for _ in $(seq 600); do
  n=$(cases "$out/shard-1/results.jsonl")
  [ "${n:-0}" -ge 2 ] && break
  sleep 0.1
done
[ "${n:-0}" -ge 2 ] || { squeue; tail -n 50 "$dir"/*.log "$out"/log-*; exit 1; }
pid=$(pgrep -f "$dir/bin/yocobench run .*shard-1( |$)" | head -1)
kill -9 "$pid"
scontrol requeue "${array}_1" 2>/dev/null || { sleep 2; scontrol requeue "${array}_1"; }
echo "task 1 (process $pid) was killed after $n cases, and requeued"

for _ in $(seq 600); do
  state=$(squeue -h -j "$merge" -t all -o %T 2>/dev/null || true)
  case "$state" in COMPLETED | FAILED | CANCELLED | TIMEOUT | '') break ;; esac
  sleep 1
done
squeue -t all -o '%.12i %.20j %.12T %.10M %R'
cat "$out/log-merge.txt" | tail -n 20
[ "$state" = COMPLETED ] || { echo "the merge job is $state"; tail -n 30 "$out"/log-*.txt; exit 1; }
[ "$(grep -c '"type":"run"' "$out/shard-1/results.jsonl")" -ge 2 ] || { echo "shard 1 was not resumed"; exit 1; }
yocobench gate "$out/merged"
yocobench run "$suite" --out whole --quiet --reports md
for d in whole "$out/merged"; do
  yocobench report "$d" --format json --reports md |
    python3 -c 'import json,sys
for r in sorted(json.load(sys.stdin)["records"], key=lambda r: r["case"]):
    print(r["case"], r["status"], sorted((k, v["value"]) for k, v in (r.get("metrics") or {}).items() if v["unit"] in ("bytes", "fraction", "tokens") and not k.startswith("limit")))' >"$(basename "$d").txt"
done
cmp whole.txt merged.txt
echo "the merged run has the $(wc -l <whole.txt) results of the whole run"
