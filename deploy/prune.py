"""Remove old versions of bundled engines from the hosts: pyinfra -y inventories/<env>/inventory.py deploy/prune.py

The newest one that is not in use stays, for the way back; --data keep=0 removes it, too, --data keep=2 leaves two.
"""

from shardwright.hosts.deploys import prune

prune()
