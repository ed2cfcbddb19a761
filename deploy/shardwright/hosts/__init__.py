"""What pyinfra does: the inventory, one look a host, the changes, and the one call that forms and verifies.

The only package that imports pyinfra. It decides nothing about clusters: what a host needs is a `Blueprint`, what the
cluster needs is `control`'s business.
"""

import sys

# pyinfra forbids bytecode, so as to leave no deploy.pyc; in a checkout all of ours would be compiled again by every run.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
