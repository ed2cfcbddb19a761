"""Codes of what cluster.yml says: names, addresses, ports, layout, storage, security."""

from __future__ import annotations

from .entry import table

_WHERE = "checking cluster.yml, before anything is contacted (exit code 2)"

_NAMES = table(
    _WHERE,
    {
        "name-malformed": (
            "The cluster's name is not 1 to 63 of a-z, 0-9 and '-', not beginning with '-'.",
            "The name becomes part of paths, units and users; other characters would be read as orders there.",
            "Take the name that the message offers.",
        ),
        "host-name-malformed": (
            "A host's name is not one that DNS and file systems take.",
            "Underscores, blanks, capitals or look-alike characters.",
            "Use a-z, 0-9, '-' and '.'.",
        ),
        "domain-name-malformed": (
            "The name of a zone or rack has a character that is not allowed.",
            "Look-alike characters would make two domains of one.",
            "Use letters, digits, '-', '_' and '.'.",
        ),
        "user-malformed": (
            "The user's name is not one that Linux takes.",
            "It begins with a digit, or has capitals or blanks.",
            "Use a-z, 0-9, '_' and '-', a letter first.",
        ),
        "user-needed": (
            "The service manager needs a user to run the servers as, and none is named.",
            "Servers that run as root could do anything on the host.",
            "Write user: shardwright.",
        ),
        "variable-malformed": (
            "What should be an environment variable's name is not one.",
            "Often the password itself was written there. If so, it is in the file: change it.",
            "Write the variable's name, and set its value in the environment.",
        ),
        "path-malformed": (
            "A path has characters that a shell or unit file would read as orders, or begins with '-'.",
            "Blanks, quotes, or an unresolved variable.",
            "Use letters, digits and . _ / @ + ~ - only.",
        ),
        "connect-malformed": (
            "The place where ssh should connect is not a name, an address or @local.",
            "A user or port was written into it.",
            "Put user and port under ssh.",
        ),
        "address-malformed": (
            "An address is not a plain IPv4 or IPv6 address.",
            "A port, brackets or leading zeros are in it.",
            "Write the address alone; ports go to ports.",
        ),
        "address-not-ip": (
            "A name stands where an IP address is needed.",
            "Nodes announce addresses to each other; a name could resolve differently on each.",
            "Put the name under connect, and the IP under address.",
        ),
        "address-mapped": (
            "An IPv4 address is written as IPv6 (::ffff:10.0.0.1).",
            "Nodes would not recognise each other by it.",
            "Write the IPv4 address.",
        ),
        "address-link-local": (
            "A link-local address.",
            "It is valid only on one link and needs a zone id; peers elsewhere can't reach it.",
            "Use an address that is routed between all hosts.",
        ),
        "address-unreachable": (
            "An address that no peer can connect to, such as 0.0.0.0 or a multicast address.",
            "It was meant as 'listen everywhere'.",
            "Write the address under which peers and clients reach this host.",
        ),
        "address-loopback": (
            "A loopback address in a cluster of several hosts.",
            "Other hosts would reach themselves under it.",
            "Write the host's address on the network.",
        ),
        "address-family-mixed": (
            "Some hosts have IPv4 addresses and some IPv6.",
            "A node announces one address to all; a peer of the other family can't use it.",
            "Give all hosts addresses of one family.",
        ),
    },
)

_LAYOUT = table(
    _WHERE,
    {
        "port-out-of-range": (
            "A port is not between 1 and 65535.",
            "A typing error, or counting up from a high first port.",
            "Choose a lower port.",
        ),
        "port-privileged": (
            "A port below 1024.",
            "Only root may listen there, and servers do not run as root.",
            "Choose a port from 1024 up.",
        ),
        "duplicate-port": (
            "One host would have two servers on one port.",
            "A copied line.",
            "Give each server of a host its own port.",
        ),
        "bus-offset-out-of-range": (
            "The distance between client and bus port is out of range.",
            "Client port plus offset must be a valid port.",
            "The usual offset is 10000.",
        ),
        "bus-port-out-of-range": (
            "Client port plus bus_offset is above 65535.",
            "Each server needs a second port for its peers.",
            "Use client ports up to 55535, or a smaller bus_offset.",
        ),
        "bus-port-taken": (
            "A server's bus port is another server's port on the same host.",
            "Client ports that are exactly bus_offset apart.",
            "Choose other ports or another bus_offset.",
        ),
        "instances-and-ports": (
            "A host gives both a list of ports and a number of instances.",
            "They may contradict each other.",
            "Keep one: ports for a list, or instances with a first port.",
        ),
        "instances-out-of-range": (
            "The number of servers on a host is out of range.",
            "Below 1, or more than a host can sensibly run.",
            "Write a number in the range of the message.",
        ),
        "shards-out-of-range": (
            "The number of shards is out of range.",
            "Each shard needs at least one of the 16,384 slots.",
            "Write a number in the range of the message.",
        ),
        "replicas-out-of-range": (
            "The number of replicas of a shard is out of range.",
            "Below 0, or more than would ever help.",
            "1 or 2 are usual.",
        ),
        "too-few-shards": (
            "Fewer than three shards.",
            "A failover needs the votes of most primaries; with two, the loss of one leaves no majority.",
            "Write shards: 3 or more.",
        ),
        "too-many-nodes": (
            "More servers than a cluster of this engine carries.",
            "Every node gossips about every other; beyond the limit that traffic alone makes a cluster unstable.",
            "Use fewer, larger shards, or several clusters.",
        ),
        "not-enough-instances": (
            "The hosts run fewer servers than shards x (1 + replicas).",
            "Hosts are missing, or instances is too low.",
            "Add hosts or instances, or lower shards or replicas; the message does the sum.",
        ),
        "spread-infeasible": (
            "The members of a shard can't be kept in different failure domains.",
            "Too few zones, racks or hosts, or one of them holds too many of the servers.",
            "Add hosts in other domains, or choose a smaller domain for spread.",
        ),
        "no-replicas": (
            "There are no replicas (a warning).",
            "Any host that fails takes its slots with it.",
            "Write replicas: 1, unless the data may be lost.",
        ),
    },
)

_STORAGE = table(
    _WHERE,
    {
        "save-malformed": (
            "A snapshot point is not a pair of seconds and changes.",
            "Written as text or with one number.",
            "Write save: [[3600, 1], [300, 100]].",
        ),
        "nothing-persisted": (
            "Neither the append-only file nor snapshots are on.",
            "A primary that restarts comes back empty, and its replicas then empty themselves too.",
            "Switch one of them on; only a cache that may be lost can go without.",
        ),
        "path-not-absolute": (
            "A path is relative or begins with '~'.",
            "On a host it would mean another place for each user.",
            "Write the whole path.",
        ),
        "path-system": (
            "A directory of the system was named as one of ours.",
            "Its owner and mode would be changed.",
            "Write a directory of its own below it.",
        ),
        "path-shared": (
            "Two of our directories are the same.",
            "They have different owners and modes.",
            "Give each its own.",
        ),
        "path-nested": (
            "The run directory lies in another of ours, or the other way round.",
            "It is emptied when the machine starts.",
            "Keep it apart, such as /run/shardwright.",
        ),
        "mount-target": (
            "A mount's target is not an absolute path without '..'.",
            "Such a place is ambiguous.",
            "Write the whole path.",
        ),
        "mount-over-system": (
            "A mount would hide a directory of the system.",
            "What is there would be out of reach while it is mounted.",
            "Mount on a directory of its own.",
        ),
        "mount-nested": (
            "A mount lies in another one, or both have one target.",
            "Which is seen would depend on their order.",
            "Give them targets apart from each other.",
        ),
        "mount-placeholder": (
            "A mount's source has a placeholder other than {host}.",
            "It would be taken literally.",
            "Use {host}, or write the source out.",
        ),
        "mount-source": (
            "A mount's source is not one that its file system takes.",
            "NFS wants SERVER:/PATH; others a device or label.",
            "Write it as the message shows.",
        ),
        "mount-option-malformed": (
            "A mount option has a blank or comma.",
            "It would shift the fields of /etc/fstab.",
            "Write each option as an item of its own.",
        ),
        "mount-option-unknown": (
            "An option that nfs(5) does not know.",
            "A typing error; the mount would fail.",
            "Take the nearest that the message offers.",
        ),
        "mount-option-value": (
            "An option's value is not one that NFS takes.",
            "Such as vers=5.",
            "Take one of the values in the message.",
        ),
        "mount-soft": (
            "A soft mount under data.",
            "When the server is slow, writes fail as if they were done, and data is lost.",
            "Use hard, which waits.",
        ),
        "mount-shared": (
            "All hosts would mount one directory under their data.",
            "Two servers would write the same files.",
            "Put {host} into the source.",
        ),
    },
)

_SECURITY = table(
    _WHERE,
    {
        "password-missing": (
            "No password, and addresses that others can reach.",
            "Whoever reaches the ports could read and delete everything.",
            "Give a password through the environment or a file; on a closed network say open: true.",
        ),
        "password-same": (
            "Two fields under security give the same password.",
            "Both variables hold the same value: often the secret of the pipeline was not changed yet.",
            "password is the new one; previous or retired is the one that servers had before.",
        ),
        "password-previous-alone": (
            "security.previous or security.retired, and no security.password.",
            "An old password only means something beside the one that is to be taken.",
            "Give security.password, or take the line out. Going back to no password is not offered.",
        ),
        "password-and-open": (
            "A password and open: true at once.",
            "They contradict each other.",
            "Keep one.",
        ),
        "password-literal": (
            "The password itself stands in cluster.yml.",
            "The file goes to version control. If it is there already, change the password.",
            "Write password: {env: NAME} or {file: PATH}.",
        ),
        "password-source": (
            "The password's source is neither env nor file, or is both.",
            "It must be clear where it comes from.",
            "Write password: {env: NAME} or {file: PATH}.",
        ),
        "password-env-missing": (
            "The variable that should hold the password is not set.",
            "Often a CI job without access to its secret.",
            "Set it in the environment that runs the command.",
        ),
        "password-file": (
            "The password's file can't be read.",
            "It is missing, or has not exactly one line.",
            "Write the password into it, on one line.",
        ),
        "password-file-tracked": (
            "The file with the password is tracked by git (a warning).",
            "It was added with everything else. Whoever can read the repository, or its history, has the password.",
            "Take it out of the index, ignore it, and change the password.",
        ),
        "password-file-mode": (
            "Others can read the password's file.",
            "Its mode allows the group or all.",
            "chmod 600 on it; if others could have read it, change the password.",
        ),
        "password-empty": (
            "The password is empty.",
            "A server with an empty password is open to all.",
            "Make one: openssl rand -base64 32.",
        ),
        "password-placeholder": (
            "The password is a place for one, such as changeme or ${PW}.",
            "A template was not filled in.",
            "Put the real one into the variable or file.",
        ),
        "password-short": (
            "The password is short (a warning).",
            "A server answers millions of tries a minute.",
            "Make one: openssl rand -base64 32.",
        ),
        "password-long": (
            "The password is longer than servers take.",
            "Beyond the limit it would be cut or refused.",
            "Use one of 32 random bytes.",
        ),
        "password-control-character": (
            "The password has a control character.",
            "A line break would become a second directive in the configuration.",
            "Take it out; a file may end in one newline, which is not counted.",
        ),
        "password-not-utf8": (
            "The password is not UTF-8.",
            "It was saved in another encoding, and clients would send other bytes.",
            "Save it as UTF-8.",
        ),
        "security-open": (
            "The cluster has no password on a network (a warning).",
            "The spec says open: true.",
            "See that a firewall lets only your clients in, bus ports too.",
        ),
        "ssh-key-missing": (
            "The file of the ssh key is not there: a mistake for pyinfra, which needs it; else a warning.",
            "The path is wrong, CI did not write the key, or an agent has it.",
            "Check ssh.key; relative paths start at cluster.yml's directory. With an agent take the line out.",
        ),
        "ssh-known-hosts-missing": (
            "The file of known host keys is not there (a warning).",
            "The path is wrong, or no host was connected to yet.",
            "Check ssh.known_hosts, or make the file from keys that you trust.",
        ),
        "ssh-host-key-not-checked": (
            "Hosts' ssh keys are not checked (a warning).",
            "Somebody in between could take the password and the hosts.",
            "Write strict_host_key: true and keep a known_hosts file.",
        ),
    },
)

SPEC_ENTRIES = _NAMES | _LAYOUT | _STORAGE | _SECURITY
