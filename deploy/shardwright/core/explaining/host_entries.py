"""Codes of hosts: reaching them, looking at them, changing them, the guard that starts no server on the wrong data."""

from __future__ import annotations

from .entry import table

_REACHING = table(
    "reaching the hosts over ssh (exit code 3)",
    {
        "host-unreachable": (
            "No ssh connection to a host came about; nothing was changed on any host.",
            "It is down, its name does not resolve, or a firewall drops port 22.",
            "Try ssh by hand from here; then run the same command again.",
        ),
        "ssh-refused": (
            "The host refused the login.",
            "A wrong user or key, or the key is not in authorized_keys there.",
            "Check ssh.user and ssh.key in cluster.yml; try ssh -v by hand.",
        ),
        "host-key-changed": (
            "A host shows another ssh key than the one known.",
            "It was rebuilt, or somebody stands in between. It is never accepted silently.",
            "Find out which; only then replace its line in known_hosts.",
        ),
        "host-key-unknown": (
            "A host's ssh key is not in known_hosts.",
            "It was never connected to from here.",
            "Get its key from a trusted place, or use ssh-keyscan and compare fingerprints.",
        ),
        "sudo-refused": (
            "The ssh user may not act as root there.",
            "sudo wants a password or does not list the user, or cluster.yml says sudo: false.",
            "Put the rule from the message into /etc/sudoers.d/shardwright.",
        ),
        "connection-lost": (
            "The connection to a host broke while something was done there.",
            "Network, reboot, or an ended sshd. What was begun may or may not be done.",
            "Run again: what is done is recognised and not repeated.",
        ),
        "interrupted": (
            "The run was ended by a signal, Ctrl-C or the CI system's; it stopped where it stood.",
            "A person, a job's time limit, or a machine that shuts down.",
            "Run the same command again: what is done is recognised, and the rest is done.",
        ),
        "host-too-slow": (
            "A host did not end a step in its time.",
            "Load, a hanging disk or network mount, packet loss.",
            "Look at the host; then run again.",
        ),
        "host-failed": (
            "An operation failed on a host in a way that has no code of its own.",
            "Its own words stand above the message.",
            "Read them; then run again.",
        ),
        "several-failures": (
            "Several hosts or nodes failed, for different reasons.",
            "Each is listed with its own message.",
            "Mend them one by one; then run again.",
        ),
        "locked": (
            "Another deploy or apply of this cluster is at work.",
            "Two CI jobs at once. The message names who and since when.",
            "Wait until it has ended; a dead one's lock is free within a minute.",
        ),
        "lock-failed": (
            "The lock against a second deploy could not be taken.",
            "flock or sudo does not work on the first host.",
            "Log in there and try both.",
        ),
        "no-lock": (
            "There is no lock against a second deploy or apply (a warning).",
            "The first host has no flock; or apply does not get there by ssh (no key, no sudo, only TCP to the servers).",
            "Mend what the message names, or see that only one job at a time changes the cluster.",
        ),
    },
)

_LOOKING = table(
    "looking at the hosts before anything is changed (exit code 3 or 4), or changing them (5)",
    {
        "look-failed": (
            "A host could not be looked at.",
            "A disk or mount that hangs, or no working shell.",
            "Log in there and see whether df and ls answer.",
        ),
        "servers-unnamed": (
            "A host has servers of this cluster on ports that cluster.yml does not name any more (a warning).",
            "ports or instances was made smaller. Whoever was a spare there runs on, with its data and its password.",
            "Stop them and delete their files in the directory that the message names; or name the ports again "
            "and take them off with deploy/remove.py or another edit.",
        ),
        "look-incomplete": (
            "Some things on a host could not be seen (a warning).",
            "A tool is missing there, or a file system hangs.",
            "The message lists them; judge whether they matter.",
        ),
        "os-unsupported": (
            "The host's system is not one whose packages are known.",
            "Known are the families of Debian, Red Hat and Alpine.",
            "Use engine: bundled, which needs no packages.",
        ),
        "no-systemd": (
            "cluster.yml wants systemd, and it does not run there.",
            "A container, or another init.",
            "Write service_manager: auto or direct.",
        ),
        "port-taken": (
            "A port that a server needs is held by another program.",
            "The message names it.",
            "Stop that program, or give other ports.",
        ),
        "distribution-service-running": (
            "The distribution's own server service runs on the host and may hold data.",
            "It was installed by hand or by another tool. It is left alone.",
            "When nobody needs it, disable it with the command in the message.",
        ),
        "engine-version": (
            "The engine on the host is not the one wanted.",
            "The package source has another version, or another product is installed; the binary itself was asked.",
            "Ask for the version that is there, or use another suite or engine: bundled.",
        ),
        "upgrade-path": (
            "A running server can't become the engine or version that cluster.yml now wants.",
            "Servers of the new kind could not read the old one's files or follow it as replicas; the message says why.",
            "Put engine back, or go the way that the message names.",
        ),
        "downgrades": (
            "cluster.yml wants an older version than the one that runs.",
            "Versions read the files of older ones, never of newer ones.",
            "Ask for the version that runs or a newer one.",
        ),
        "restart-unsafe": (
            "A server was not restarted, since its file would make it come up empty or stale.",
            "Its file says another appendonly than it runs with; an earlier run ended before it settled that.",
            "Run the deploy: it settles the file.",
        ),
        "data-path-changed": (
            "A server runs with its data in another directory than cluster.yml now wants.",
            "paths.data was changed for a cluster that is there. At its next start the server would not find its data.",
            "Put it back; or stop that server, move the directory as the message says, and deploy.",
        ),
        "ports-moved": (
            "A host has servers of this cluster on other ports than cluster.yml now wants.",
            "port or ports was changed for a cluster that is there. A second, empty cluster would come up beside it.",
            "Put the ports back; or take the old servers off with the old cluster.yml and deploy/remove.py first.",
        ),
        "address-changed": (
            "A server runs on another address than cluster.yml now wants.",
            "The address of a host was changed while its servers run. They take another one at a start only, and nobody "
            "could reach them under the new one until then.",
            "Put the address back; or stop that host's servers, as the message says, and deploy: they start with the new.",
        ),
        "bus-port-changed": (
            "A server runs with another bus port than cluster.yml now wants.",
            "bus_offset was changed for a cluster that is there. Servers learn another's new bus port too late for a "
            "rolling restart, and not at all where all are stopped.",
            "Put bus_offset back; for another one, form a new cluster and move the data.",
        ),
        "user-changed": (
            "A server's data belongs to another user than cluster.yml now wants.",
            "user was changed for a cluster that is there. A running server would lose the right to its own directory.",
            "Put user back; or stop the server and give the directory to the new user, as the message says.",
        ),
        "mount-hides-data": (
            "A file system is to be mounted over a directory in which a server's data lies.",
            "mounts was written after the cluster was deployed, or the file system was not mounted when the data came.",
            "Take it out of mounts; or stop the server, move the data away, mount, and move it back.",
        ),
        "password-refused": (
            "A running server refuses every password that cluster.yml names.",
            "Another password is in the environment or the file, or somebody changed it on the server.",
            "Give the one that the servers have. To change it, name it as security.previous beside the new one.",
        ),
        "host-left-out": (
            "Hosts were left out of the run, so only their servers were looked at (a warning).",
            "--limit or --exclude was given.",
            "Run it again without.",
        ),
        "option-refused": (
            "An option was given with which a host that is not fit, or fails, would not stop the others.",
            "pyinfra's --no-wait, --serial or --retry; a play's serial, or its strategy free or host_pinned. A cluster "
            "could be called proved although a host failed, or be half formed and never go on.",
            "Run the same command without it. Ansible takes a strategy from ansible.cfg and ANSIBLE_STRATEGY, too.",
        ),
        "limit-matches-nothing": (
            "--limit or --exclude names no host, or both leave none.",
            "A typing error, or several names with commas: pyinfra takes one name, group or pattern an option. It would go "
            "on without it, and a run of no host ends with 0.",
            "Give names as in cluster.yml: --limit h1 --limit h2.",
        ),
        "address-not-there": (
            "A host does not have the address that cluster.yml gives it.",
            "Another host is entered under its name: connect, ansible_host or ~/.ssh/config lead elsewhere, or two lines of "
            "cluster.yml are mixed up. Or only a router knows the address (NAT), and servers can't listen on it.",
            "Find out which host answers there (ip -br address), and correct the line.",
        ),
        "drill-left": (
            "A drill has cut a host off, and has not mended it yet.",
            "The drill is at work, or was killed (kill -9, the machine that ran it died).",
            "Wait: a timer there mends it in a few minutes. Or run the command of the message there.",
        ),
        "removal-incomplete": (
            "A host has servers of this cluster on ports that cluster.yml does not name, so nothing is removed.",
            "ports or instances was made smaller, or the ports were moved. They use the same unit, guard and engine: they "
            "would run on without them, and be gone after the next boot, with their data left.",
            "Name their ports again and remove; or stop them by hand and delete their files, as the message says.",
        ),
        "disk-full": (
            "A file system has too little room.",
            "Logs, old packages, or data that has grown.",
            "Make room there (df -h); then run again.",
        ),
        "disk-small": (
            "A data disk is smaller than twice maxmemory (a warning).",
            "Saving writes a second copy beside the first.",
            "Use a larger disk or a smaller maxmemory.",
        ),
        "oom-killed": (
            "The kernel has killed a server for lack of memory, or probably has (a warning).",
            "More memory was used on the host than there is. Known by systemd's word; or a server has died, and the kernel "
            "there counts such kills. The unit makes it choose others first (OOMScoreAdjust), and a child that saves "
            "may be killed without its server (OOMPolicy).",
            "Lower maxmemory, have fewer servers on the host, or add memory; journalctl -k names who was killed. systemctl "
            "reset-failed makes systemd forget how often it started a server again.",
        ),
        "memory-small": (
            "maxmemory of all servers is more than the host has (a warning).",
            "The kernel would end a server when they fill up.",
            "Lower maxmemory or the number of instances.",
        ),
        "read-only": (
            "A file system is mounted read-only.",
            "By intent, or because the kernel saw errors on its disk.",
            "Look at dmesg; remount it when the cause is known.",
        ),
        "path-in-the-way": (
            "Something of another kind stands where a file or directory should go.",
            "Left by another tool.",
            "Move it away, or change paths in cluster.yml.",
        ),
        "kernel-setting-missing": (
            "This kernel does not have a setting (a warning).",
            "A container or a kernel built without it.",
            "Nothing, if the host is meant to be so.",
        ),
        "kernel-setting-refused": (
            "A kernel setting can't be changed from here (a warning).",
            "In a container the setting belongs to the machine below.",
            "Run the command from the message on the machine itself.",
        ),
        "clock-skew": (
            "The hosts' clocks are more than a second apart (a warning).",
            "No time synchronisation. The cluster itself does not need it; expiry of keys after a failover and logs do.",
            "Let chrony or systemd-timesyncd set the clocks.",
        ),
        "bus-not-probed": (
            "The bus ports could not be tried from a host (a warning).",
            "It has no bash, python3 or nc, or did not answer in time.",
            "If forming then waits in vain, look at the firewall between the hosts first.",
        ),
    },
)

_CHANGING = table(
    "changing the hosts (exit code 5)",
    {
        "apt-locked": (
            "Another process holds the package manager's lock.",
            "Often unattended upgrades. The lock is waited for, then left alone.",
            "Wait until that process has ended; then run again.",
        ),
        "apt-failed": (
            "The package manager failed.",
            "A mirror is away, a signature does not fit, or packages conflict.",
            "See what apt-get says on the host; or use engine: bundled.",
        ),
        "suite-missing": (
            "No package source of the host offers the suite wanted.",
            "engine.suite names one that is not in its sources.",
            "Add its line to the sources, or take engine.suite out.",
        ),
        "engine-not-offered": (
            "The host's package sources do not have a version that fits.",
            "Its release is older or newer than the wanted version.",
            "Another version or suite; or engine: bundled. apt-cache policy shows what there is.",
        ),
        "unit-of-another": (
            "A systemd unit of that name is there and not ours.",
            "Somebody wrote one by hand.",
            "Move it away; nothing was stopped.",
        ),
        "mount-failed": (
            "A file system could not be mounted, so no server was started.",
            "The server is away, does not export it, or an option is refused.",
            "Try mount on the host.",
        ),
        "not-permitted": (
            "A change was not permitted.",
            "An immutable file (chattr +i), a security module, or missing sudo.",
            "Look at the path with ls -ld and lsattr.",
        ),
        "change-failed": (
            "A change on a host failed in a way that has no code of its own.",
            "The message has the command's words.",
            "See what it says on the host; then run again: done changes are kept.",
        ),
        "start-failed": (
            "A server ended as soon as it was started.",
            "A setting it refuses, data it can't read, or the guard (see its message).",
            "Read its log as the message says.",
        ),
        "start-late": (
            "A server started but did not listen in time.",
            "It is loading much data, or the host is slow.",
            "Look at its log; then run again.",
        ),
    },
)

_GUARD = table(
    "the guard on the host, each time before a server starts",
    {
        "bad-port": (
            "The guard was called with something that is no port.",
            "Called by hand with a typing error.",
            "Give a port such as 7000.",
        ),
        "data-dir-missing": (
            "A server's data directory is not there.",
            "Its file system is not mounted.",
            "Mount it, or deploy again.",
        ),
        "data-dir-unmarked": (
            "A data directory has lost the mark of its node.",
            "Its file system is not mounted, and the empty mount point is seen. Started there, the server would be empty "
            "and its replicas would empty themselves.",
            "Mount the file system. Only if the data is given up, do what the message says.",
        ),
        "data-dir-of-another": (
            "A data directory is marked as another node's.",
            "A wrong file system is mounted, or two nodes share one.",
            "Mount the right one; every node needs a directory of its own.",
        ),
        "data-dir-unwritable": (
            "A data directory can't be written.",
            "Owner, mode, or a read-only or full file system.",
            "Look at its file system, owner and mode.",
        ),
        "aof-manifest-missing": (
            "There are append-only files without their manifest.",
            "A copy or restore that left it out. The server would start empty, without an error.",
            "Restore the manifest; if another member of the shard has the data, move all of the data directory but the mark "
            "away and deploy. Not the append-only files alone: a primary that came back empty would empty its replicas.",
        ),
        "aof-ignores-rdb": (
            "A snapshot holds data, and the configuration says appendonly yes.",
            "A server that starts so ignores the snapshot and comes up empty.",
            "Let shardwright switch it on live, as it does in a deploy, or do what the message says.",
        ),
        "rdb-older-than-aof": (
            "The append-only file is newer than the snapshot, and the configuration says appendonly no.",
            "A server that starts so ignores the newer data.",
            "Deploy with persistence.aof: true; or move the append-only file away to start from the snapshot.",
        ),
        "config-unreadable": (
            "A server's configuration is not there or can't be read.",
            "Removed, or its owner was changed.",
            "Deploy again.",
        ),
        "config-dir-unwritable": (
            "The configuration directory can't be written.",
            "A read-only file system, or another owner.",
            "Look at its file system, owner and mode.",
        ),
        "run-dir-unwritable": (
            "The run directory can't be written.",
            "Another owner, or it was removed while the host ran.",
            "Deploy again.",
        ),
        "data-unmarked": (
            "Data that should be removed has no mark of this cluster, and was left.",
            "It may be somebody else's.",
            "Look at what it is; if it is yours, remove it by hand.",
        ),
        "data-of-another": (
            "Data that should be removed is marked as another cluster's, and was left.",
            "Two clusters with one directory.",
            "Look at what it is.",
        ),
    },
)

HOST_ENTRIES = _REACHING | _LOOKING | _CHANGING | _GUARD
