"""Codes of adopting a running cluster, and of drift."""

from __future__ import annotations

from .entry import table

_ADOPTING = table(
    "shardwright adopt: nothing was written (exit code 3 or 4)",
    {
        "adopt-no-view": (
            "The node that was named gave no view.",
            "It is not reached, wants a password, is no cluster node, or speaks TLS on that port.",
            "Name a client port of a member, with the cluster's password.",
        ),
        "adopt-member-silent": (
            "Members that the others list gave no view.",
            "They are down or gone for good, or announce addresses that this machine does not reach.",
            "Bring them back, adopt from a machine that reaches them, or have the others forget them.",
        ),
        "adopt-not-whole": (
            "The cluster has slots without an owner, with two, or open ones, or its nodes differ in their pictures.",
            "A spec of a broken cluster would make its first plan repair it, and that is not for adopting to decide.",
            "Mend it with the tool that made it; then adopt again.",
        ),
        "adopt-engine": (
            "The servers are of several products, or of one that is not known.",
            "A spec names one product and a range of its versions.",
            "Finish the migration that was begun, or upgrade.",
        ),
        "adopt-too-few-shards": (
            "Fewer than three primaries own slots.",
            "Of two, no majority is left when one fails, so a spec has at least three shards.",
            "Add primaries and rebalance; then adopt again.",
        ),
        "adopt-idle-node": (
            "A member owns no slots and replicates nobody who does.",
            "A spec knows primaries with slots and their replicas; what a spare node is for can't be seen.",
            "Make it a replica, or take it out.",
        ),
        "adopt-replicas-uneven": (
            "Shards have different numbers of replicas.",
            "A spec has one number for all. To round it would mean to take out or to copy.",
            "Move, add or take out replicas until all shards have as many.",
        ),
        "adopt-bus-offset": (
            "The distance from client to bus port differs between nodes.",
            "A spec has one bus_offset for all.",
            "Set cluster-port on the odd ones and restart them.",
        ),
        "adopt-tls": (
            "The cluster uses TLS.",
            "This version of shardwright does not write TLS configuration, so it could not keep it.",
            "It can't be adopted yet.",
        ),
        "adopt-port-mapped": (
            "A node announces another port than it listens on.",
            "It stands behind an address translation, and a spec has one port for both.",
            "It can't be adopted behind such a mapping.",
        ),
        "adopt-nothing-persisted": (
            "No node writes an append-only file or snapshots, and there are replicas.",
            "A primary that restarts empty makes its replicas empty, so a spec refuses it.",
            "Switch save points or the append-only file on; then adopt again.",
        ),
        "adopt-not-sayable": (
            "A cluster.yml may not say something that this cluster has.",
            "The message lists each with what is wanted, in the words of the spec's own check.",
            "Change it on the running cluster, then adopt again.",
        ),
        "adopt-address": (
            "The address to adopt from is not HOST:PORT.",
            "The port is missing, or is no number.",
            "Write it as 10.0.0.1:6379; an IPv6 address stands in brackets.",
        ),
    },
)

_ADOPTED = table(
    "shardwright adopt: said beside what was written",
    {
        "adopt-slots-uneven": (
            "A shard owns clearly more or fewer slots than the others.",
            "A spec gives every shard the same number; weights can't be said.",
            "Read what plan would move before an apply.",
        ),
        "adopt-members-together": (
            "Members of a shard stand on one host, so spread: none was written.",
            "With spread: host the first plan would move copies, which must not come unasked.",
            "Write spread: host when it suits, and read the plan.",
        ),
        "adopt-setting-differs": (
            "A setting differs between the nodes.",
            "It was set on some of them only.",
            "Decide which value is meant, and write it under settings.",
        ),
        "adopt-open": (
            "The servers take commands without a password, on addresses beyond loopback.",
            "It was found so; security: {open: true} says it.",
            "Give it a password, or close the network.",
        ),
        "adopt-replication-password": (
            "Nodes have another password for replication than the cluster's.",
            "masterauth was not changed with requirepass, or another user replicates.",
            "CONFIG SET masterauth on them, or a failover will cut them off.",
        ),
        "adopt-users": (
            "The servers have users of their own.",
            "A spec holds none; they stay on the running servers.",
            "Keep the ACL file for hosts that are made anew.",
        ),
        "adopt-hosts-not-managed": (
            "The cluster is managed from now on, files and services of its hosts are not.",
            "They belong to whoever made them; a deploy refuses ports that another service holds.",
            "Replace hosts one at a time by hosts that deploy/cluster.py has made.",
        ),
    },
)

_DRIFT = table(
    "a difference that drift found (exit code 1)",
    {
        "drift-setting": (
            "A server runs with another value than the declared one.",
            "CONFIG SET behind our back, a run that was broken off, or a file that is newer than the process.",
            "Mended live: apply sets it back. By restart: restart it when it suits.",
        ),
        "drift-setting-undeclared": (
            "A setting was changed that cluster.yml does not name.",
            "CONFIG SET, or a line added to the file. The next start of a deployed server loses it.",
            "Write it under settings to keep it, or set it back.",
        ),
        "drift-password": (
            "A node takes other passwords than cluster.yml says; named by their fields, nothing being no password.",
            "A rotation that is not finished, or somebody changed them on the server.",
            "Deploy.",
        ),
        "drift-replication-password": (
            "A node would log in to its primary with another password than the cluster's.",
            "masterauth was changed, or a rotation broken off. A link that is up stays up until the next failover.",
            "CONFIG SET masterauth there.",
        ),
        "drift-file-line": (
            "A line of a server's configuration file differs.",
            "The file was edited, or the server wrote it (CONFIG REWRITE) after CONFIG SET.",
            "A deploy writes it again; what was meant to stay belongs into cluster.yml.",
        ),
        "drift-file-rewritten": (
            "A server has rewritten its configuration file.",
            "CONFIG REWRITE. Lines that it adds or reorders are no difference; those that differ are listed beside.",
            "A deploy writes it again.",
        ),
        "drift-file": (
            "A file or directory is missing, has another text, owner or mode.",
            "It was edited or taken away by hand, or by another tool.",
            "A deploy puts it right.",
        ),
        "drift-kernel": (
            "A kernel setting differs.",
            "sysctl by hand or by another tool; in a container, the machine's own.",
            "A deploy sets it; where it can't be written, the machine's owner must.",
        ),
        "drift-service": (
            "A server does not run.",
            "It was stopped by hand, or ended; its log says why.",
            "A deploy starts it.",
        ),
        "drift-service-boot": (
            "A server runs, but would not after a boot.",
            "Its unit was disabled.",
            "A deploy enables it.",
        ),
        "drift-service-other": (
            "The distribution's own service is not masked.",
            "It was unmasked, or the package was installed again. It would take the port after a boot.",
            "A deploy masks it.",
        ),
        "drift-service-stale": (
            "systemd has not read the unit files as they are.",
            "A unit file was edited without daemon-reload.",
            "A deploy lets it read them again.",
        ),
        "drift-restart": (
            "A server runs otherwise than a start with what lies there now would make it.",
            "Its program or file was changed after the start, in something that is not set live.",
            "Restart it when it suits: a replica at once, a primary after a failover.",
        ),
        "drift-engine": (
            "The engine on the host is absent or of another version.",
            "Its package was removed or upgraded by other means.",
            "A deploy installs the wanted one.",
        ),
        "drift-mount": (
            "A file system is not mounted as declared.",
            "fstab was edited, or it was unmounted.",
            "A deploy mounts it.",
        ),
        "drift-user": (
            "The servers' system user is missing.",
            "It was removed by hand.",
            "A deploy creates it.",
        ),
    },
)

_COMPARED = table(
    "what drift says beside differences",
    {
        "no-drift": (
            "A truth that was looked at is as declared.",
            "Cluster and servers are asked; files, kernel, services and engine are looked at on the hosts.",
            "Nothing.",
        ),
        "drift-hosts-not-compared": (
            "Only the cluster and its servers were compared.",
            "The command line reaches servers; files, kernel and services need the hosts.",
            "Run deploy/drift.py with pyinfra for the rest.",
        ),
    },
)

_DRILL = table(
    "deploy/drill.py, which breaks something on purpose",
    {
        "drill-unconfirmed": (
            "A drill was asked for without a consent by the cluster's name.",
            "It stops servers or cuts hosts off, which clients feel.",
            "In staging: --data confirm_drill=NAME, with the name from cluster.yml.",
        ),
        "drill-kind-unknown": (
            "There is no such kind of drill.",
            "A drill kills a primary's process, stops a host, or cuts a zone off.",
            "Write --data drill=process, host or zone.",
        ),
        "drill-target-unknown": (
            "The cluster has no such node, host or zone.",
            "drill_target is a node (h1:6379) or shard for process, a host's or a zone's name for the others.",
            "Take one of the names that the message lists, or none to have it chosen.",
        ),
        "drill-not-survivable": (
            "The cluster would not survive what was to be broken.",
            "A shard has no copy elsewhere that is in step, or a majority of the primaries would be gone.",
            "Break something smaller, or spread members over more hosts and zones.",
        ),
        "drill-host-left-out": (
            "A host that is to be broken takes no part in this run.",
            "--limit left it out, so it could be neither broken nor mended.",
            "Run the drill without --limit.",
        ),
        "drill-not-whole": (
            "The cluster was not proved before the drill, so nothing was broken.",
            "What a drill shows of a cluster that is broken already means nothing, and it may break it for good.",
            "Run the deploy until it is proved.",
        ),
        "drill-not-broken": (
            "A host did not let itself be broken; what was broken elsewhere is mended.",
            "Cutting off needs root and nft or iptables; killing needs the server that the pidfile names.",
            "The message has the host's words. Another kind of drill may be possible.",
        ),
        "drill-not-mended": (
            "A host could not be mended after the drill.",
            "It is not reached, or its server does not start.",
            "It mends itself after the time that the message names; if not, deploy/cluster.py starts the servers.",
        ),
        "drill-served-again": (
            "All shards took writes again while the fault lasted, after the time that is said.",
            "A replica leads once the others have missed the primary for a node timeout; a server that its service "
            "manager starts again may be quicker.",
            "Nothing. A shorter cluster-node-timeout makes it shorter, and false alarms likelier.",
        ),
        "drill-not-served": (
            "A shard did not take writes again within twice the node timeout and 30 s.",
            "Its replica did not take over: not in step, no majority, cluster-replica-no-failover.",
            "Look at the replica's log; the fault is mended.",
        ),
        "drill-whole-again": (
            "After the fault was mended, every node was back in a place, linked and in step.",
            "The old primary comes back as a replica of the new one.",
            "Nothing. Who leads may be another than before: --rebalance-primaries spreads them again.",
        ),
        "drill-not-whole-again": (
            "The cluster did not become whole in time after the fault was mended.",
            "A server does not start, has no link, or copies a large data set.",
            "Run the deploy; it says what is in its way.",
        ),
        "drill-nothing-lost": (
            "Every write that was acknowledged is there.",
            "It was read back from the primary when the cluster was whole again.",
            "Nothing. It is one drill: asynchronous replication may lose writes in another.",
        ),
        "drill-writes-lost": (
            "Writes that a primary had acknowledged are gone.",
            "They had not reached the replica that took over. That is how the engine's replication works; a drill shows it.",
            "Writes that matter: WAIT 1 after them, or min-replicas-to-write.",
        ),
        "drill-not-read-back": (
            "What was written could not be read back.",
            "The shard had no primary, or gave no answer.",
            "Run verify, then the deploy.",
        ),
        "drill-shows-nothing": (
            "The drill proves nothing: too few writes, or none was disturbed.",
            "The fault did not take hold, or the control machine is too slow to write.",
            "Look at the hosts' logs of that time; drill again.",
        ),
        "drill-keys-left": (
            "Some of the drill's keys could not be removed.",
            "A primary gave no answer when they were to go.",
            "Nothing: they have the prefix shardwright:drill: and expire within an hour.",
        ),
    },
)

DAY2_ENTRIES = _DRILL | _ADOPTING | _ADOPTED | _DRIFT | _COMPARED
