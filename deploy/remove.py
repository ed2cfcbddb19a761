"""Take off what was deployed: pyinfra -y inventories/<env>/inventory.py deploy/remove.py

Data stays unless it is asked for by the cluster's name: --data confirm_data=<name>
"""

from shardwright.hosts.deploys import remove

remove()
