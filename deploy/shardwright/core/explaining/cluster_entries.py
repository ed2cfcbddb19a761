"""Codes of observing, planning and forming a cluster, and the hazards that need a consent by name."""

from __future__ import annotations

from .entry import table

_OBSERVING = table(
    "observing the nodes (exit code 3)",
    {
        "nodes-silent": (
            "Some nodes gave no view, so the cluster was not changed.",
            "A server that does not run, a closed client port, a wrong password, or one that is still loading. "
            "Planning on a part of the picture could give a living node's slots away.",
            "Bring them back, as the message says for each; then run the same command again.",
        ),
        "engine-unrecognised": (
            "A server is neither Redis nor Valkey by its own words.",
            "Another product answers on that port.",
            "See what listens there.",
        ),
        "name-unresolved": (
            "A name does not resolve to exactly one address from here.",
            "DNS is away, or the name has several addresses.",
            "Use the address itself in cluster.yml.",
        ),
    },
)

_PLANNING = table(
    "planning (exit code 4), where nothing was changed; or a finding in a report",
    {
        "host-unknown": (
            "The host that was asked for is not one of cluster.yml.",
            "A typing error, or another environment.",
            "Name one of the hosts in the message.",
        ),
        "hazard-not-allowed": (
            "The plan has steps that could lose something, and there is no consent to them.",
            "Nothing that holds data is touched without a consent to just that.",
            "Read what would be lost; then allow it by name with --allow, or choose another way.",
        ),
        "duplicate-node-id": (
            "Two servers have one identity.",
            "A data directory or machine image was copied together with nodes.conf.",
            "Stop the clone, move its nodes.conf away, start it, and run again.",
        ),
        "belongs-to-another-cluster": (
            "One of our nodes knows a living node that cluster.yml does not name.",
            "It is in use elsewhere, or a host is missing in cluster.yml. One introduction would merge both clusters and "
            "delete keys.",
            "Add the host if it is yours; if not, take our nodes out of that cluster first.",
        ),
        "two-clusters": (
            "Our nodes form more than one cluster with data.",
            "Two earlier deploys, or a partition that was repaired by hand. Joining them would destroy one's data.",
            "Save and empty one of them; then run again.",
        ),
        "slot-owner-missing": (
            "Slots belong to a node that is dead and not in cluster.yml.",
            "A shard was lost with all its members, or its host was taken out of the file too early.",
            "Start that node again with its data. If it is lost, say so with CLUSTER FORGET; its keys are gone.",
        ),
        "stray-keys": (
            "Keys lie in slots that have no owner, where it is not clear who should get them.",
            "A move or a failover that was broken off.",
            "Look at the keys with CLUSTER GETKEYSINSLOT; move or delete them; then run again.",
        ),
        "target-lacks-memory": (
            "A node that is to get slots has no room for their keys: it would be more than 80 % full.",
            "Fewer shards, or a `maxmemory` that is too small for an even share. At the limit, a server refuses writes or "
            "evicts keys.",
            "Raise maxmemory in cluster.yml, or add shards; then run again.",
        ),
    },
)

_HAZARDS = table(
    "a hazard of a plan, which needs a consent by its name",
    {
        "resets-nonempty-node": (
            "A node that holds keys would be emptied to take part.",
            "It was used alone, or is left from another cluster.",
            "Export its keys or take another node; if they may go: --allow resets-nonempty-node.",
        ),
        "leaves-other-cluster": (
            "An empty node still lists the dead nodes of another cluster and would be reset.",
            "It was a member there.",
            "If that cluster is gone for good: --allow leaves-other-cluster.",
        ),
        "moves-most-slots": (
            "More than half of all slots would move between nodes, with their keys.",
            "Most hosts leave, or the number of shards more than doubles or halves.",
            "If that is meant, and the time is right: --allow moves-most-slots. If interrupted, run it again.",
        ),
        "loses-shard": (
            "All copies of a shard are gone: its owner is failed, and no node of cluster.yml replicates it.",
            "A whole shard's machines were lost or replaced, or are away for a while.",
            "If the data still exists anywhere, start that node with it. If it is lost: --allow loses-shard gives its "
            "slots, empty, to the living shards.",
        ),
        "sync-lacks-memory": (
            "A primary's host has too little memory left for sending a whole copy, which a restarted replica may need.",
            "While the copy is sent, memory that clients change is doubled; the message has the figures.",
            "Free memory on that host, then run again.",
        ),
        "restarts-without-replica": (
            "A server must be started anew that leads a shard without replicas.",
            "A setting or the engine was changed that only a restart changes. Its slots are not served meanwhile.",
            "When the time is right: --allow restarts-without-replica. To leave it as it runs: --data restart=no.",
        ),
        "restart-loses-keys": (
            "A server must be started anew that has no replica and keeps nothing on disk.",
            "persistence has neither aof nor save points, and the shard has one copy only: the one in memory.",
            "Add a replica first; or, if the keys may go: --allow restart-loses-keys.",
        ),
        "drops-last-replica": (
            "The only replica of a primary with data would be given to another primary.",
            "Hosts were regrouped in cluster.yml.",
            "Add a replica there first; if the risk is taken: --allow drops-last-replica.",
        ),
    },
)

_REMOVING = table(
    "removing a cluster (exit code 4); nothing was removed",
    {
        "confirmation-differs": (
            "Data should be removed, and the name given to confirm it is not this cluster's.",
            "The name must be typed, so that nobody deletes the wrong cluster's data.",
            "Check the environment; then give the name from the message.",
        ),
    },
)

_APPLYING = table(
    "changing the cluster (exit code 5), or a finding in a report",
    {
        "bus-port-closed": (
            "A node can't open a connection to another node's bus port.",
            "A firewall or security group lets the client port through and not the bus port, which is bus_offset higher. "
            "Nodes then see each other from one side only, and forming would never end.",
            "Open the ports in the message between all hosts, both ways; then run the same command again.",
        ),
        "address-differs": (
            "A node is known to its peers under another address than the one in cluster.yml.",
            "Several addresses on the host, NAT, or a changed address.",
            "Compare address in cluster.yml with cluster-announce-ip and the ports on the node.",
        ),
        "password-untold": (
            "Servers that may be running did not say which passwords they take.",
            "A server that hangs, or a network between. If the others went on to the new password, it would be cut off.",
            "Bring them back, or stop them; then run the same command again.",
        ),
        "password-not-admitted": (
            "Servers did not take a change of passwords, or did not take and use the new one when the old was to go.",
            "They answered too late, somebody else changes passwords as well, or a server started with an old file.",
            "Run the same command again. Nothing was left that other servers can't log in to.",
        ),
        "passwords-not-told": (
            "A server does not tell which passwords its default user takes.",
            "ACL LIST or CONFIG GET is forbidden to its default user, or what answers is no Redis or Valkey.",
            "Allow both to the default user.",
        ),
        "password-differs": (
            "A replica logs in at its primary with another password.",
            "The password was changed on some nodes only.",
            "Set the password for replication on that node, as the message says; then run again.",
        ),
        "nodes-disagree": (
            "The nodes' views of the cluster did not become the same in time.",
            "Lost packets, or something else changes the cluster.",
            "Compare CLUSTER NODES on the nodes that the message names; then run again.",
        ),
        "wait-timed-out": (
            "The nodes did not get where they should be in time, without a cause that could be seen.",
            "Load on the hosts, lost packets.",
            "Run the same command again; it goes on from there.",
        ),
        "step-refused": (
            "A server refused a command.",
            "Its own words stand in the message.",
            "Mend what it names; then run the same command again.",
        ),
        "replicas-unconfirmed": (
            "A primary did not change a slot, because its replicas did not confirm that they have the change.",
            "Valkey waits 2 s for every linked replica. One of them stands still, lags, or its host is overloaded.",
            "INFO replication of the primary shows who lags (slave0 and further); mend or stop it, then run again.",
        ),
        "restart-failed": (
            "A server was not restarted, or did not come up; the rolling restart ended there.",
            "Its service manager or the guard refused, or the connection broke; the message has their words.",
            "Mend what they name; then run the same command again: it goes on with the servers that are left.",
        ),
        "does-not-converge": (
            "After many phases there is still something to do.",
            "Something else changes this cluster at the same time: another deployer or an operator.",
            "Stop it; then run again.",
        ),
    },
)

CLUSTER_ENTRIES = _OBSERVING | _PLANNING | _HAZARDS | _REMOVING | _APPLYING
