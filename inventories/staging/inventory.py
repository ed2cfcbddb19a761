"""pyinfra's hosts, derived from the cluster.yml beside this file."""

from shardwright.hosts.inventory import load_inventory

globals().update(load_inventory(__file__))
