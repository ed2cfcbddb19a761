"""Bare hosts to a proved cluster: pyinfra -y inventories/<env>/inventory.py deploy/cluster.py"""

from shardwright.hosts.deploys import cluster

cluster()
