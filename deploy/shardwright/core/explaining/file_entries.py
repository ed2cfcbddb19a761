"""Codes of reading files: cluster.yml as YAML, environments, templates, values that go into files."""

from __future__ import annotations

from .entry import table

_YAML = table(
    "reading cluster.yml, before anything is contacted (exit code 2)",
    {
        "spec-invalid": (
            "The file has more than one mistake; each is listed with its line, its own code and what was wanted.",
            "All mistakes are collected before anything is contacted, so that one run shows them all.",
            "Mend each line that is listed; explain takes their codes too.",
        ),
        "spec-missing": (
            "There is no cluster.yml at that place.",
            "The path is wrong, or the environment was not made yet.",
            "Check the path, or make an environment with shardwright init.",
        ),
        "inventory-not-ours": (
            "pyinfra was given an inventory that names no hosts of a cluster.yml.",
            "The path is mistyped, or is not that of the inventory.py beside a cluster.yml; pyinfra itself would do nothing "
            "and end as if all were well.",
            "pyinfra -y inventories/NAME/inventory.py deploy/cluster.py, from the top of the checkout.",
        ),
        "spec-unreadable": (
            "The file is there but could not be read.",
            "It belongs to another user, or is a directory or a device.",
            "Look at its owner and mode with ls -l.",
        ),
        "spec-not-text": (
            "The file is not UTF-8 text.",
            "It was saved in another encoding, or is a binary file.",
            "Save it as UTF-8.",
        ),
        "spec-empty": (
            "The file holds no fields.",
            "It is empty, or has only comments.",
            "Start from inventories/staging/cluster.yml, or run shardwright init.",
        ),
        "field-missing": (
            "A field that has no default is not given.",
            "Name, engine, shards and hosts describe what only you can know.",
            "Write the field; the message names it.",
        ),
        "unknown-key": (
            "A key is not one that cluster.yml knows.",
            "A typing error, or a key at the wrong depth. An ignored key would be a wish that silently does nothing.",
            "Take the nearest name that the message offers, or move the key to where it belongs.",
        ),
        "unknown-word": (
            "A value is not one of the words that this field allows.",
            "A typing error, or a word of another tool.",
            "Choose one of the words in the message.",
        ),
        "wrong-type": (
            "A value is of another kind than the field wants, such as text where a list belongs.",
            "A missing dash, missing quotes, or a value on the wrong level.",
            "Write it as the message shows.",
        ),
        "yaml-syntax": (
            "The file is not valid YAML.",
            "Brackets, quotes or indentation do not fit; the message has line and column.",
            "Mend that line; the mistake is often at the end of the line before.",
        ),
        "yaml-tab": (
            "A line is indented with a tab.",
            "YAML allows blanks only, since a tab's width differs by editor.",
            "Replace the tab by blanks.",
        ),
        "yaml-character": (
            "The file has a character that is no printable text.",
            "Usually pasted from elsewhere; some such characters are invisible.",
            "Delete and retype the place that the message names.",
        ),
        "yaml-duplicate-key": (
            "A key stands twice in one mapping.",
            "Most readers silently take the last one, so one of two values would be lost.",
            "Keep one of them; the message has both lines.",
        ),
        "yaml-ambiguous": (
            "A plain word that YAML 1.1 and 1.2 read differently, such as yes, 0640, 22:30 or 7.10.",
            "Other tools would read another value from the same file.",
            "Put it in quotes if text is meant, or write true, false or a plain number.",
        ),
        "yaml-key-not-text": (
            "A key is a number, a truth value or a collection.",
            "Keys of cluster.yml are words.",
            "Put the key in quotes, or take it out.",
        ),
        "yaml-merge-key": (
            "A merge key (<<) is used.",
            "YAML 1.2 has none, and readers differ in what wins.",
            "Write the fields out; what all hosts share goes to the top level.",
        ),
        "yaml-several-documents": (
            "The file holds more than one document.",
            "A line of three dashes begins another one, which would be ignored.",
            "Keep one document in a file.",
        ),
        "yaml-tag": (
            "A value has a YAML tag, such as !!python/object.",
            "Tags can make readers run code; cluster.yml needs none.",
            "Take the tag out.",
        ),
        "yaml-too-deep": (
            "Values are nested deeper than cluster.yml ever is.",
            "A broken or hostile file; depth is bounded so that it can't exhaust memory.",
            "Write the file anew from an example.",
        ),
        "yaml-too-large": (
            "The document has more values than any real cluster.yml, aliases counted out.",
            "A few anchors can unfold to billions of values.",
            "Write values out instead of nesting anchors.",
        ),
        "yaml-unknown-alias": (
            "An alias (*name) names an anchor that does not exist.",
            "The anchor was renamed or stands further down.",
            "Define the anchor before its first use.",
        ),
        "yaml-version": (
            "The file asks for a YAML version other than 1.2.",
            "Values would be read by other rules.",
            "Take the %YAML line out.",
        ),
    },
)

_OTHERS = table(
    "reading or writing files on the control machine (exit code 2)",
    {
        "environment-exists": (
            "The environment that should be made is there already.",
            "init never writes over a cluster.yml.",
            "Give another name, or edit the one that is there.",
        ),
        "host-malformed": (
            "A host given on the command line is not of the form NAME=ADDRESS@ZONE.",
            "Name and zone may be left out, the address may not.",
            "Write it as cache-1=10.0.0.1@a.",
        ),
        "ansible-missing": (
            "There is no ansible-inventory here, which reads an inventory of Ansible's.",
            "ansible-core is not installed, or in another environment.",
            "Install it, or name the hosts by --host.",
        ),
        "ansible-inventory-failed": (
            "ansible-inventory gave no list of hosts within two minutes.",
            "The inventory has a mistake, or asks something that does not answer.",
            "Run ansible-inventory -i INVENTORY --list by hand and see what it says.",
        ),
        "ansible-group-unknown": (
            "The Ansible inventory has no host in the group that was named.",
            "A name with a mistake, or a group that is made elsewhere.",
            "Name a group with hosts by --group; the message lists them.",
        ),
        "ansible-address-missing": (
            "A host of the Ansible inventory has no IP address.",
            "ansible_host is a name, and servers announce addresses to one another.",
            "Set shardwright_address on the host in the inventory.",
        ),
        "several-local-hosts": (
            "More than one host is this machine (@local).",
            "pyinfra can run on its own machine once; several nodes there are instances of one host.",
            "Write one host with instances: N.",
        ),
        "bandwidth-unreadable": (
            "The limit that was given for slot moves is not a size.",
            "It is taken in the servers' own words: whole numbers with kb, mb or gb (powers of 1,024), or k, m, g.",
            "Write it as 50mb; it is the most that all moves together send in a second.",
        ),
        "consent-unknown": (
            "A consent was given by a name that no run asks for.",
            "It is misspelt, or it is the code of an error that no consent can allow.",
            "Give the name as the refusal has it: --allow NAME, --data allow=NAME,NAME, cluster_allow: [NAME].",
        ),
        "data-unknown": (
            "--data has a name that is nearly one of shardwright's.",
            "A typing error. pyinfra takes any name, and the run would go on as if nothing had been asked.",
            "Write the name as the message has it; docs/deploying.md lists all.",
        ),
        "switch-unreadable": (
            "An option of --data that is switched on or off has another value.",
            "A typing error. What is neither must not become one of the two by chance.",
            "Write yes or no.",
        ),
        "seconds-unreadable": (
            "A number of seconds in --data is no whole number.",
            "A unit was written with it, or a typing error.",
            "Write the digits alone: --data apt_lock_wait=300.",
        ),
        "code-unknown": (
            "The code that should be explained is not one of shardwright's.",
            "A typing error, or a code of another version.",
            "Copy it from the brackets in the message.",
        ),
        "template-missing": (
            "A template is not there.",
            "The installation is incomplete, or the file was moved.",
            "Install shardwright again, or restore templates/ in the checkout.",
        ),
        "template-not-utf8": (
            "A template is not UTF-8 text.",
            "It was saved in another encoding.",
            "Save it as UTF-8.",
        ),
        "template-outside-root": (
            "A template's path leads out of the templates' directory.",
            "A path with .. or a symbolic link; what lies outside must not land on a host.",
            "Put the file below templates/.",
        ),
        "template-syntax": (
            "A template is not valid Jinja.",
            "An edit broke it; the message has its line.",
            "Mend that line.",
        ),
        "template-undefined": (
            "A template uses a value that it is not given.",
            "A misspelt name; an empty text in its place could switch a protection off.",
            "Use a name that the template's first lines list.",
        ),
        "value-has-newline": (
            "A value has a line break and would become a second directive in the server's configuration.",
            "A password file with two lines, or pasted text.",
            "Take the line break out.",
        ),
        "value-has-control-character": (
            "A value has a control character.",
            "Pasted text, or an escape sequence in quotes.",
            "Take the character out.",
        ),
        "value-has-nul": (
            "A value has a NUL character, which no configuration file can hold.",
            "Binary data where text belongs.",
            "Give text.",
        ),
        "value-not-utf8": (
            "A value can't be written as UTF-8.",
            "It was read from a source in another encoding.",
            "Give the value in UTF-8.",
        ),
        "value-is-secret": (
            "A template would have written a secret in place of which only asterisks are shown.",
            "The template is not one whose file is marked secret.",
            "Use the secret only in templates of secret files.",
        ),
    },
)

_REPORTS = table(
    "writing reports on the control machine (exit code 5)",
    {
        "reports-not-writable": (
            "The directory for reports can't be written, so nothing was deployed, or the report of a run is missing.",
            "The disk is full or read-only, or the directory belongs to another user. It is tried first, because a "
            "deploy that leaves no record can't be told from one that never ran.",
            "Free space there, or give another directory with --reports.",
        ),
        "ledger-locked": (
            "Another process has held the ledger's lock for longer than an append ever takes.",
            "A stopped process, or a file system whose locks do not work (some NFS).",
            "See who holds it with fuser -v on the file, and end that process.",
        ),
    },
)

FILE_ENTRIES = _YAML | _OTHERS | _REPORTS
