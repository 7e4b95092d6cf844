-- Version 5: rounds of which this node may have forgotten what it did, because somebody resolved a doubt while they
-- were open. It never signs anything about them. They need not be known here.

CREATE TABLE forgotten (
    round BLOB PRIMARY KEY
) STRICT;

PRAGMA user_version = 5;
