"""Codes of the engine that cluster.yml asks for, its version, and the settings for it."""

from __future__ import annotations

from .entry import table

ENGINE_ENTRIES = table(
    "checking cluster.yml, before anything is contacted (exit code 2)",
    {
        "engine-unknown": (
            "The engine is none that shardwright deploys.",
            "A typing error, or another product.",
            "Write redis, valkey or bundled.",
        ),
        "version-malformed": (
            "The version is neither a version nor a range.",
            "Such as 7.2.x, v7.0 or latest.",
            'Write "7.0", ">=8,<9" or any.',
        ),
        "version-not-text": (
            "The version is a number for YAML.",
            "7.10 without quotes is the number 7.1.",
            "Put the version in quotes.",
        ),
        "version-not-released": (
            "No such version of this engine is known.",
            "A typing error, or one newer than this shardwright.",
            "Take one of the versions in the message.",
        ),
        "version-range-empty": (
            "No version fits the range.",
            "Its bounds exclude each other.",
            "Turn the bounds round.",
        ),
        "bundle-missing": (
            "The bundle that the spec names is not there.",
            "It was not built yet, or lies elsewhere.",
            "Build it with shardwright bundle build.",
        ),
        "bundle-not-bundled": (
            "A bundle is named, but the engine is not bundled.",
            "Two wishes that exclude each other.",
            "Write product: bundled, or take the bundle out.",
        ),
        "suite-bundled": (
            "A package suite is named for the bundled engine.",
            "The bundled engine comes from no package source.",
            "Take suite out, or choose redis or valkey.",
        ),
        "setting-not-in-version": (
            "A directive that this engine has only in other versions, or that only the other engine has.",
            "The server would refuse to start.",
            "Take it out, or ask for a version that has it.",
        ),
        "setting-owned": (
            "A directive that shardwright writes itself.",
            "A second value could break the cluster or open it to strangers.",
            "Use the field of cluster.yml that the message names.",
        ),
        "setting-value": (
            "A directive's value is not one that the server takes.",
            "A wrong unit, word or range. For sizes, 1g is 10^9 bytes and 1gb is 2^30.",
            "Write it as the message shows.",
        ),
        "setting-control-character": (
            "A directive's value has a control character.",
            "A line break would become a second directive.",
            "Take it out.",
        ),
        "setting-refused-by-build": (
            "The bundled server was built without what this value asks for.",
            "The bundle has no TLS and uses the C library's allocator.",
            "Choose another value, or a bundle of shardwright bundle build.",
        ),
        "setting-list": (
            "A list stands where a directive's value is one line.",
            "A directive with several arguments is written as one text.",
            "Write the arguments in one text, separated by blanks.",
        ),
        "setting-type": (
            "A directive's value is a mapping or nothing.",
            "The server knows text and numbers only.",
            "Write a text or a number.",
        ),
        "setting-truth-value": (
            "A truth value stands where the server wants yes or no.",
            "YAML turns an unquoted yes into true, which the server does not know.",
            'Write "yes" or "no" in quotes.',
        ),
        "setting-twice": (
            "One directive is given twice, in different spellings.",
            "Servers ignore case, so that the last one would win.",
            "Keep one of them.",
        ),
        "node-timeout-short": (
            "cluster-node-timeout is so short that servers would be failed over for nothing.",
            "It is in milliseconds; seconds were meant.",
            "Write milliseconds: 15000 is usual; with less, failovers are quicker, and pauses are taken for deaths.",
        ),
        "never-writable": (
            "min-replicas-to-write is higher than the number of replicas.",
            "A primary would then never take a write.",
            "Lower it to the number of replicas or below.",
        ),
    },
)
