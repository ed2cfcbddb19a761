"""Codes of damage that a deploy meets: lists of nodes, disks that fail or hang, limits of processes, locks elsewhere."""

from __future__ import annotations

from .entry import table

FAULT_ENTRIES = table(
    "looking at hosts and servers, and starting them",
    {
        "nodes-conf-lost": (
            "A server has data and no list of nodes (nodes.conf); it was not started.",
            "The file was deleted or emptied. Started so, the server would be a stranger that claims the slots of its keys. "
            "A deploy puts the saved copy back by itself where the other nodes know its identity at that address.",
            "Start the other servers and deploy again; only if the copy is to be trusted: --data allow=restores-identity.",
        ),
        "nodes-conf-damaged": (
            "A server's list of nodes (nodes.conf) is cut short or garbled; it was not started.",
            "A full disk, a crash of the machine, or somebody's editor. The engines end or crash on such a file.",
            "Deploy again: a saved copy is put back. Without one, restore it from a backup, or give the node's data up.",
        ),
        "nodes-conf-of-another": (
            "A server's list of nodes (nodes.conf) is another node's; it was not started.",
            "A data directory, a file or the image of a machine was copied. Started so, the server would be that node a "
            "second time, and replace its own data by a copy of that node's.",
            "Move the file away, as the message says, and deploy again: the saved copy is put back where that is safe.",
        ),
        "nodes-conf-missing": (
            "A server runs without its list of nodes on disk (a warning): after a restart it would be a stranger.",
            "Somebody deleted nodes.conf beside the running server.",
            "Let the server write it again: CLUSTER SAVECONFIG there; then deploy again.",
        ),
        "nodes-conf-unlike": (
            "A list of nodes or its copy does not name the server that it should.",
            "It is damaged, or the identity has changed since the copy was saved.",
            "Deploy again; the message says which file it is.",
        ),
        "node-running": (
            "The guard was asked to put a list of nodes back under a server that runs.",
            "It would be overwritten, or mixed with what the server has in memory.",
            "Stop that server first.",
        ),
        "persistence-failing": (
            "A server can't write to its disk: its last snapshot, or its append-only file, failed.",
            "A full, read-only or broken disk, or too little memory to fork. It may refuse writes (MISCONF), and it ends "
            "itself if it can't save its list of nodes: so the cluster is not changed while it lasts.",
            "Make room or mend the disk; where its log says that it can't fork, set vm.overcommit_memory to 1. Then BGSAVE "
            "(and BGREWRITEAOF) there. Don't restart it before: it could not save.",
        ),
        "data-damaged": (
            "A server ended at its start because it can't read its own data; nothing of it was changed or deleted.",
            "A bad disk, a crash of the machine, or a copy that was cut short. The message has the file and the server's "
            "words. A tail that was cut off is no such case: the server drops the last, incomplete command and starts.",
            "Keep a copy. If another member of its shard lives, move all of its data directory but the mark "
            "(.shardwright-node) away and deploy: it joins as that one's replica. Else restore a backup. The engines' check "
            "tools throw away all that comes after the damage if they are told to fix it: never do that to the only copy.",
        ),
        "open-files-low": (
            "A server takes, or would take, fewer clients than maxclients says.",
            "Its process may open too few files; the engine lowers maxclients by itself then.",
            "Raise the limit (LimitNOFILE, ulimit -Hn) and restart the server, or lower maxclients in cluster.yml.",
        ),
        "storage-silent": (
            "A file system of a host does not answer, so what is on it is not known; nothing was changed.",
            "A dead NFS server, a hanging FUSE or a broken disk.",
            "Find it as the message says, bring its server back or unmount it (umount -l), then run again.",
        ),
        "cache-not-writable": (
            "The archive of the bundled engine can't be kept on this machine; nothing was changed.",
            "A full or read-only disk, or no home directory, as in some CI jobs.",
            "Make room, or point XDG_CACHE_HOME at a directory that can be written.",
        ),
        "lock-elsewhere": (
            "The lock against a second deploy is not on the first host of cluster.yml (a warning).",
            "That host can't be reached from here.",
            "See that no other run is at work; bring that host back.",
        ),
    },
)
