"""Lose a primary, a host or a zone on purpose, in staging, and tell what clients saw:

    pyinfra -y inventories/<env>/inventory.py deploy/drill.py --data drill=process --data confirm_drill=<name>

drill: process, host or zone; drill_target: which one (chosen where it is not given).
"""

from shardwright.hosts.drilling import drill

drill()
