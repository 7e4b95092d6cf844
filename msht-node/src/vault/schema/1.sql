-- Version 1 of a node's vault.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- Signed documents as they came, by digest or version.
CREATE TABLE programmes (
    digest BLOB PRIMARY KEY,
    id TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE rosters (
    version INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- Identity keys a person here has accepted.
CREATE TABLE accepted_keys (
    partner TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    accepted_by TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE rounds (
    round BLOB PRIMARY KEY,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    announcement BLOB NOT NULL,
    stage TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    own_table_seen INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL
) STRICT;

-- What a round's session is rebuilt from, sealed; one record a slot.
CREATE TABLE records (
    round BLOB NOT NULL REFERENCES rounds (round),
    slot INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (round, slot)
) STRICT;

-- The hash-chained ledger; append-only.
CREATE TABLE ledger (
    sequence INTEGER PRIMARY KEY,
    entry TEXT NOT NULL
) STRICT;

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE releases (
    sequence INTEGER PRIMARY KEY,
    round BLOB NOT NULL UNIQUE,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    digest BLOB NOT NULL,
    ours INTEGER NOT NULL,
    json BLOB NOT NULL,
    verified_at INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 1;
