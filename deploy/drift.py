"""Say what differs from cluster.yml, changing nothing: pyinfra -y inventories/<env>/inventory.py deploy/drift.py"""

from shardwright.hosts.drifting import drift

drift()
