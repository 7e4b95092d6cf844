//! The tables, as a list of migrations that only ever grows.

/// Statements that bring the database from version `k` to `k + 1`, `k` being the position.
pub(super) const MIGRATIONS: [&str; 7] = [
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7,
];

const VERSION_1: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE news (only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO news VALUES (1, 1);
CREATE TABLE invites (
    token_hash BLOB PRIMARY KEY,
    partner TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE TABLE partners (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    key BLOB NOT NULL UNIQUE,
    enrolled_at INTEGER NOT NULL
) STRICT;
CREATE TABLE rosters (version INTEGER PRIMARY KEY, signed BLOB NOT NULL) STRICT;
CREATE TABLE programmes (
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    title TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    signed BLOB NOT NULL,
    current INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT;
CREATE TABLE rounds (
    round BLOB PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    announcement BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'released', 'aborted')),
    phase INTEGER NOT NULL,
    abort BLOB,
    UNIQUE (programme, period, attempt)
) STRICT;
CREATE UNIQUE INDEX one_open_round ON rounds (programme) WHERE state = 'open';
CREATE TABLE invitations (
    round BLOB NOT NULL REFERENCES rounds (round),
    partner TEXT NOT NULL,
    PRIMARY KEY (partner, round)
) STRICT;
CREATE TABLE records (
    round BLOB NOT NULL REFERENCES rounds (round),
    sequence INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (round, sequence)
) STRICT;
CREATE TABLE refused (
    round BLOB NOT NULL,
    partner TEXT NOT NULL,
    digest BLOB NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (round, partner, digest)
) STRICT;
CREATE TABLE releases (
    round BLOB PRIMARY KEY REFERENCES rounds (round),
    number INTEGER NOT NULL UNIQUE,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    digest BLOB NOT NULL,
    json BLOB NOT NULL,
    UNIQUE (programme, period)
) STRICT;
CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    round BLOB NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('close', 'abort')),
    outcome TEXT
) STRICT;
PRAGMA user_version = 1;
";

/// Abort statements and certificates, and who has unmasked, which outlives the messages themselves.
const VERSION_2: &str = "
CREATE TABLE abort_statements (
    round BLOB NOT NULL REFERENCES rounds (round),
    partner INTEGER NOT NULL,
    statement BLOB NOT NULL,
    PRIMARY KEY (round, partner)
) STRICT;
CREATE TABLE abort_certificates (
    round BLOB PRIMARY KEY REFERENCES rounds (round),
    certificate BLOB NOT NULL
) STRICT;
CREATE TABLE unmasked (
    round BLOB NOT NULL REFERENCES rounds (round),
    partner INTEGER NOT NULL,
    PRIMARY KEY (round, partner)
) STRICT;
PRAGMA user_version = 2;
";

/// Proof of misbehaviour; it outlives the records of its round.
const VERSION_3: &str = "
CREATE TABLE evidence (
    round BLOB NOT NULL,
    digest BLOB NOT NULL,
    partner TEXT NOT NULL,
    offence TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    file BLOB NOT NULL,
    PRIMARY KEY (round, digest)
) STRICT;
PRAGMA user_version = 3;
";

/// Keys over time: those nothing is taken from any more, changes signed by both keys, who vouches for whom, and the
/// handovers of the coordinator's own key.
const VERSION_4: &str = "
CREATE TABLE retired_keys (
    key BLOB PRIMARY KEY,
    partner TEXT NOT NULL,
    reason TEXT NOT NULL,
    retired_at INTEGER NOT NULL
) STRICT;
CREATE TABLE key_changes (
    number INTEGER PRIMARY KEY,
    old_key BLOB NOT NULL UNIQUE,
    signed BLOB NOT NULL
) STRICT;
CREATE TABLE endorsements (
    endorser TEXT NOT NULL,
    partner TEXT NOT NULL,
    key BLOB NOT NULL,
    signed BLOB NOT NULL,
    PRIMARY KEY (endorser, partner, key)
) STRICT;
CREATE TABLE handovers (number INTEGER PRIMARY KEY, signed BLOB NOT NULL) STRICT;
PRAGMA user_version = 4;
";

/// What partners signed about their ledgers, and what was noticed about copies of their nodes.
const VERSION_5: &str = "
CREATE TABLE heads (
    partner TEXT PRIMARY KEY,
    length INTEGER NOT NULL,
    head BLOB NOT NULL,
    proof BLOB NOT NULL,
    told_at INTEGER NOT NULL
) STRICT;
CREATE TABLE noticed (
    partner TEXT NOT NULL,
    what TEXT NOT NULL,
    round BLOB,
    first BLOB,
    second BLOB,
    noticed_at INTEGER NOT NULL,
    PRIMARY KEY (partner, what)
) STRICT;
PRAGMA user_version = 5;
";

/// Counts that others publish, each as the file it was imported from.
const VERSION_6: &str = "
CREATE TABLE baselines (
    title TEXT PRIMARY KEY,
    programme TEXT NOT NULL,
    source TEXT NOT NULL,
    licence TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    file BLOB NOT NULL
) STRICT;
PRAGMA user_version = 6;
";

/// Who works on an open round: see `leases`.
const VERSION_7: &str = "
CREATE TABLE leases (
    round BLOB PRIMARY KEY REFERENCES rounds (round),
    token INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    free INTEGER NOT NULL CHECK (free IN (0, 1))
) STRICT;
INSERT INTO leases SELECT round, 0, 0, 1 FROM rounds WHERE state = 'open';
PRAGMA user_version = 7;
";
