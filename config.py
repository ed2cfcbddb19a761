"""pyinfra reads this first: a run over a mistyped inventory is refused, and does not end as a success that did nothing."""

from shardwright.hosts.inventory import refuse_others

refuse_others()
