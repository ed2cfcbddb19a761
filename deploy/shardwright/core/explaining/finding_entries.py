"""Codes of findings: what `verify` checks. Where a finding is OK, its entry says what was proved."""

from __future__ import annotations

from .entry import table

_WHERE = "a finding in the report of a run (exit code 1 where it is an error)"
_HOLDS = "a finding that is OK: a check that held"
_NOTHING = "Nothing."

_HELD = table(
    _HOLDS,
    {
        "all-nodes-know-all": (
            "Every node knows every other at its right address and has a link to it.",
            "Asked of each node by itself, not of one for all.",
            _NOTHING,
        ),
        "views-agree": (
            "All nodes have the same picture of members, primaries and owners of slots.",
            "A split cluster can look whole from each of its sides.",
            _NOTHING,
        ),
        "slots-served": (
            "Each of the 16,384 slots has exactly one owner, by every view, and every node serves.",
            "One missing slot makes all its keys unusable.",
            _NOTHING,
        ),
        "replicas-in-sync": (
            "Every shard has its replicas; their links are up and they are not behind.",
            "A cluster says ok even if none of its replicas works.",
            _NOTHING,
        ),
        "*-loss-survived": (
            "Any one failure domain of this level may die, and the cluster goes on.",
            "Each was taken away on paper: every shard keeps a member, and a majority of primaries stays to vote.",
            _NOTHING,
        ),
        "versions-wanted": (
            "Every server runs the wanted product and version.",
            "Asked of the running servers, not of packages.",
            _NOTHING,
        ),
        "settings-wanted": (
            "Every server runs with the wanted settings.",
            "Read back from the running servers; a file may say otherwise than the process that read it long ago.",
            _NOTHING,
        ),
        "canary-read-back": (
            "In every shard a key was written, read back from its replicas, and removed.",
            "The only check that sees what a client sees.",
            _NOTHING,
        ),
    },
)

_MEMBERS = table(
    _WHERE,
    {
        "node-silent": (
            "A node gave no view.",
            "It does not run, its port is closed from here, or it refuses the password.",
            "Bring it back; then verify again.",
        ),
        "majority-lost": (
            "Half of the primaries or more are gone, so that no replica can be elected in their place.",
            "Hosts or zones with most primaries are down or cut off. Their slots are not served until enough are back; as "
            "long as their disks are there, nothing is lost. A deploy refuses (nodes-silent) and never takes over by force.",
            "Bring enough of them back. If they are lost for good, a person may promote replicas without a vote, at the "
            "price of what these had not received: docs/growing.md, When most primaries are gone.",
        ),
        "node-unknown": (
            "A node does not know another one.",
            "It was reset, or forming was broken off.",
            "Run the deploy again: it introduces them.",
        ),
        "link-down": (
            "A node has no bus link to another one.",
            "A firewall on the bus port, one way or both, or a node that hangs.",
            "Open the bus port both ways; then verify again.",
        ),
        "dead-member": (
            "Our nodes still list a dead node that cluster.yml does not name.",
            "A host was replaced without telling the others to forget it.",
            "CLUSTER FORGET it on every node within a minute, or gossip brings it back.",
        ),
        "stay-forgotten": (
            "Identities that the run took out of the cluster are listed by no node, 70 seconds later.",
            "The servers refuse a forgotten identity for 60 seconds only; after that one that still runs can come back.",
            "Nothing.",
        ),
        "forgotten-came-back": (
            "An identity that the run took out of the cluster is listed again.",
            "Its server still runs, knows the others, and was not reset: some servers bring themselves back.",
            "Stop what runs there or CLUSTER RESET HARD it; then run the deploy again.",
        ),
        "spare-in-cluster": (
            "An instance to which cluster.yml gives no place is a member of the cluster (a warning).",
            "Shards, replicas or hosts were taken away in cluster.yml, and the deploy has not run since.",
            "Run the deploy: it drains it, empties it, and makes all others forget it.",
        ),
        "unknown-member": (
            "A living node that cluster.yml does not name is in the cluster.",
            "A host is missing in the file, or a stranger joined through an open bus port.",
            "Add its host, or take it out of the cluster.",
        ),
        "replication-password": (
            "A node would log in to a new primary with another password than the cluster's.",
            "masterauth was changed behind the tool's back, or a rotation broken off. The links of now stay up until then.",
            "CONFIG SET masterauth on that node to the cluster's password, then verify again.",
        ),
        "password-open": (
            "A server takes commands without a password, and cluster.yml has one.",
            "It was open before, or somebody took the password away (ACL SETUSER default nopass).",
            "Run the deploy: open servers are closed once the cluster is whole.",
        ),
        "password-unnamed": (
            "A server takes more passwords than cluster.yml names (a warning).",
            "A rotation whose old password was taken out of cluster.yml before it was retired, or somebody added one.",
            "If it is an old one, name it as security.retired and deploy. Passwords that nobody named are left alone.",
        ),
        "password-previous": (
            "Whether the servers take security.previous, too (an error where one does not).",
            "Clients that have only the old password would be refused by that server.",
            "Deploy. When every client has the new one, rename previous to retired and deploy again.",
        ),
        "password-retired": (
            "Whether security.retired is refused by every server; where OK, tried by a new login on each.",
            "An error where a server takes it, or did not answer. It is retired only in a cluster that is whole.",
            "Mend what else the report names, then deploy.",
        ),
        "password-files": (
            "The running servers were changed, their files were not (a warning).",
            "shardwright apply works on the cluster alone. A server that restarts reads the old password from its file.",
            "Run deploy/cluster.py.",
        ),
        "views-differ": (
            "The nodes have different pictures of the cluster.",
            "A change just happened, or the network is split.",
            "Verify again after a node timeout; if it stays, compare CLUSTER NODES on the nodes.",
        ),
    },
)

_SLOTS = table(
    _WHERE,
    {
        "slots-uncovered": (
            "Slots have no owner.",
            "A shard was lost, or forming was broken off. Keys of these slots can't be read or written.",
            "Run the deploy again: it gives them to the shards that lack slots.",
        ),
        "node-not-serving": (
            "A node says that the cluster is not ok and refuses commands.",
            "It sees slots without an owner, or too few primaries.",
            "Look at CLUSTER INFO there; the report's other findings name the cause.",
        ),
        "slot-open": (
            "A slot is marked as moving.",
            "A move was broken off. It is served, but slower, and the next failover may lose the mark.",
            "Run the deploy: it closes it.",
        ),
        "slots-uneven": (
            "A shard owns clearly more or fewer slots than its quota (a warning).",
            "Slots were moved by hand, or the cluster grew.",
            "Reshard when the load asks for it.",
        ),
        "epoch-shared": (
            "Primaries share a configuration epoch (a warning).",
            "Two failovers at once; the nodes settle it themselves.",
            "Verify again a little later.",
        ),
        "slots-claimed-twice": (
            "More than one node says that it owns the same slots.",
            "A primary that came back after its replica was made primary by force, or a merged cluster. Planning refuses "
            "such a picture too (exit code 4).",
            "Compare both; take the slots from the one without their keys. Never guess.",
        ),
    },
)

_COPIES = table(
    _WHERE,
    {
        "shard-without-primary": (
            "No member of a shard owns slots.",
            "The shard was lost, or its owner is a node that is silent now.",
            "Bring silent nodes back first; then run the deploy again.",
        ),
        "replica-missing": (
            "A member of a shard is silent.",
            "Its host or server is down.",
            "Bring it back; until then the shard has one copy less.",
        ),
        "replica-misplaced": (
            "A member does not replicate its shard's primary.",
            "It was given to another primary by hand, or was reset.",
            "Run the deploy again.",
        ),
        "replica-link-down": (
            "A replica has lost the link to its primary.",
            "Another password (masterauth), network, or a first copy that never ends. The cluster says ok all the same.",
            "Look at the replica's log.",
        ),
        "replica-out-of-sync": (
            "A replica is far behind its primary or still copying.",
            "It has just started, or the network is slower than the writes.",
            "Verify again; if it stays, look at the replica's log and the network.",
        ),
        "replica-lacks-keys": (
            "A replica says to be in step and holds less than half of its primary's keys.",
            "It dropped keys that its primary did not, and went on in the same history: Redis does that where a primary "
            "loses its slots to two others at once. No failover to it is made: it would make the loss real.",
            "Let it take a full copy: CLUSTER RESET HARD on the replica, and deploy.",
        ),
        "copies-repeat": (
            "A primary begins whole copies for a replica again and again, and none ends (a warning).",
            "While a copy is sent, what clients write waits in the replica's output buffer. When that is full, the primary "
            "cuts the replica off, and it asks for another whole copy.",
            "Raise client-output-buffer-limit for replicas and repl-backlog-size; deploying sets both live.",
        ),
        "*-loss-fatal": (
            "The cluster would not survive the loss of the failure domains named.",
            "One holds all members of a shard, or half of the primaries, so that no majority is left to vote. After "
            "failovers that happens by itself.",
            "shardwright apply --rebalance-primaries spreads primaries again; else add hosts in other domains.",
        ),
        "domain-shared": (
            "A shard has more than one member in one failure domain.",
            "cluster.yml wants them apart, and the hosts do not allow it any more.",
            "Add hosts, or choose a smaller domain for spread.",
        ),
    },
)

_RUNNING = table(
    _WHERE,
    {
        "product-differs": (
            "A server is another product than the one wanted.",
            "Redis where Valkey is wanted, or the other way round.",
            "Changing the engine of a cluster with data is a migration; ask for the one that runs.",
        ),
        "version-differs": (
            "A server runs a version outside the wanted range.",
            "It was upgraded by other means, or not restarted after an upgrade.",
            "Upgrade it, or widen the range.",
        ),
        "versions-mixed": (
            "The servers run different versions (a warning).",
            "An upgrade was broken off.",
            "Upgrade the older ones.",
        ),
        "setting-differs": (
            "A server runs with another value of a setting than the one wanted.",
            "It was changed on the running server.",
            "Run the deploy again: it sets it live.",
        ),
        "restart-needed": (
            "A server would run otherwise after a new start (a warning).",
            "A setting that is only read at the start was changed, or its binary was replaced, and nobody restarted it.",
            "Run the deploy without restart=no: it restarts servers one host at a time, primaries after a failover.",
        ),
        "canary-refused": (
            "A primary refused to write the canary key.",
            "No memory, no disk, or too few replicas. Clients are refused too.",
            "Mend what the server names; then verify again.",
        ),
        "canary-not-replicated": (
            "A replica did not show the canary key in time.",
            "Its link is slow or down.",
            "Look at the replica's link and load.",
        ),
        "canary-left": (
            "The canary key could not be removed (a warning).",
            "The node went away in that moment. The key has a time to live.",
            "Nothing: it goes by itself.",
        ),
    },
)

_MEMORY = table(
    _WHERE,
    {
        "memory-full": (
            "A primary has used up its maxmemory and deletes nothing: it refuses writes (a warning where it is nearly so).",
            "More data than planned, or one shard with more of it than the others. Slots are not moved to a server that "
            "would be more than 80 % full (target-lacks-memory).",
            "Raise maxmemory, add shards, or delete keys. A restart frees nothing.",
        ),
        "eviction-on": (
            "Servers delete keys when their memory is full (a warning where cluster.yml does not say so).",
            "maxmemory-policy is not noeviction. A deleted key is deleted on all replicas, too: only a cache can bear that.",
            "Nothing, if it is a cache and cluster.yml says so; else set noeviction.",
        ),
    },
)

_BOTH = table(
    "checking cluster.yml, or a finding about a running server",
    {
        "version-insecure": (
            "The version has a known security flaw (a warning).",
            "It is older than the release that fixed it. A distribution's package may carry the fix under its own suffix.",
            "Ask for the release in the message or a newer one.",
        ),
        "setting-unknown": (
            "A directive that this engine does not have, or that a running server does not tell.",
            "A typing error, or a directive of another version. A server would not start with it.",
            "Take the nearest name that the message offers.",
        ),
    },
)

FINDING_ENTRIES = _HELD | _MEMBERS | _SLOTS | _COPIES | _RUNNING | _MEMORY | _BOTH
