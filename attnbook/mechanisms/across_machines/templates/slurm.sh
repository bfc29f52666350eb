#!/bin/bash
# A training on [[machines]] nodes of a cluster with Slurm: sbatch slurm.sh
#
# The folder is one that all nodes see. If a node fails, Slurm queues the job
# again, and it goes on from the last checkpoint.
#SBATCH --job-name=across-machines
#SBATCH --nodes=[[machines]]
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=[[cpus]]
[[slurm_gpus]]#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --output=across-machines-%j.log
set -euo pipefail
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export first
# One torchrun on each node; it starts the ranks. A shell of the node reads
# its number, which is not known here.
srun --kill-on-bad-exit=1 bash -c '
  exec python -m torch.distributed.run \
    --nnodes "$SLURM_NNODES" --nproc-per-node [[ranks]] \
    --node-rank "$SLURM_NODEID" --master-addr "$first" \
    --master-port [[port]] \
    -m attnbook.mechanisms.across_machines.run \
    --backend [[backend]] train "[[folder]]" --steps [[steps]]
'
