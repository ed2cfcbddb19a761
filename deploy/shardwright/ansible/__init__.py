"""What Ansible does: the inventory, one look a host, the changes, and the call that forms and verifies.

Functions over a host that scripts can be sent to; imports no Ansible. What Ansible needs of plugins is in the collection
(`ansible_collections/shardwright/deploy`), as thin as it can be. The scripts are those that pyinfra sends, the decisions
those of `core`: what either would do differently is a bug.
"""
