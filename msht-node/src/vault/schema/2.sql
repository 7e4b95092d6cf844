-- Version 2: rounds whose abort statement the coordinator has acknowledged. The statement itself is made again
-- whenever it is sent, and has the same bytes each time.

CREATE TABLE abort_statements (
    round BLOB PRIMARY KEY REFERENCES rounds (round),
    acknowledged_at INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 2;
