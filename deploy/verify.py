"""Prove the cluster again, changing nothing: pyinfra -y inventories/<env>/inventory.py deploy/verify.py"""

from shardwright.hosts.deploys import verify

verify()
