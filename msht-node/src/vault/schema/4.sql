-- Version 4: what was accepted of who takes part, and keys over time.

-- The name a partner had when it was accepted; empty where that was before version 4.
ALTER TABLE accepted_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
-- Whether its removal from the roster was accepted since.
ALTER TABLE accepted_keys ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- Who was invited to the last accepted round of each programme, by key.
CREATE TABLE accepted_cohorts (
    programme TEXT NOT NULL,
    partner TEXT NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (programme, partner)
) STRICT;

CREATE TABLE rejected_changes (
    change BLOB PRIMARY KEY,
    rejected_by TEXT NOT NULL,
    rejected_at INTEGER NOT NULL
) STRICT;

-- How the coordinator's key came to be the one accepted here.
CREATE TABLE handovers (
    number INTEGER PRIMARY KEY,
    signed BLOB NOT NULL UNIQUE
) STRICT;

-- Releases of one coordinator form one chain; enrolling with another one begins another.
ALTER TABLE releases ADD COLUMN line INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 4;
