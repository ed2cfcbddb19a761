"""One host: what is asked of it, what was found, what differs from its blueprint, and the scripts that change it.

All of it text and values. Who enters the host with the scripts is another's affair: pyinfra's connections (`hosts`) and
Ansible's (`ansible`) send the same ones, so what either leaves on a host can't differ.
"""
