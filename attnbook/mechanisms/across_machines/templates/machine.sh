#!/bin/sh
# Starts this machine's ranks of a training on [[machines]] machines.
#
# Start it on each, all within ten minutes: with the address of the first, and
# the number of this one, from 0 to [[last]].
#
#     sh machine.sh 10.0.0.1 0
#
# The folder is one that all see. The first machine listens on port [[port]],
# and the ranks connect on other ports, too. If a machine has several networks,
# set GLOO_SOCKET_IFNAME (or NCCL_SOCKET_IFNAME) to the name of the right one.
# After a failure start the same on all of them again: it goes on from the last
# checkpoint.
set -eu
if [ $# -ne 2 ]; then
  echo "expected the first machine's address and this one's number" >&2
  exit 2
fi
exec python -m torch.distributed.run \
  --nnodes [[machines]] --nproc-per-node [[ranks]] \
  --node-rank "$2" --master-addr "$1" --master-port [[port]] \
  -m attnbook.mechanisms.across_machines.run \
  --backend [[backend]] train "[[folder]]" --steps [[steps]]
