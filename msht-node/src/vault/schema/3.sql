-- Version 3: proof of what the coordinator did; it outlives the records of its round.

CREATE TABLE evidence (
    digest BLOB PRIMARY KEY,
    offence TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    file BLOB NOT NULL
) STRICT;

PRAGMA user_version = 3;
