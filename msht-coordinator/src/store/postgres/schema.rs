//! The tables on PostgreSQL, as a list of migrations that only ever grows.
//!
//! The same tables and columns, in the same order, as the SQLite ones. Nothing but what PostgreSQL-compatible distributed
//! databases have as well: no sequences, triggers, extensions, notifications or advisory locks.

/// Statements that bring the database from version `k` to `k + 1`, `k` being the position.
pub(super) const MIGRATIONS: [&str; 1] = [VERSION_1];

/// Where the version stands; made before anything else.
pub(super) const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (single BIGINT PRIMARY KEY CHECK (single = 1), version BIGINT NOT NULL)";

const VERSION_1: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
CREATE TABLE news (single BIGINT PRIMARY KEY CHECK (single = 1), number BIGINT NOT NULL);
INSERT INTO news VALUES (1, 1);
CREATE TABLE invites (
    token_hash BYTEA PRIMARY KEY,
    partner TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE TABLE partners (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    key BYTEA NOT NULL UNIQUE,
    enrolled_at BIGINT NOT NULL
);
CREATE TABLE rosters (version BIGINT PRIMARY KEY, signed BYTEA NOT NULL);
CREATE TABLE programmes (
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    title TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    signed BYTEA NOT NULL,
    current BIGINT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE TABLE rounds (
    round BYTEA PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    announcement BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'released', 'aborted')),
    phase BIGINT NOT NULL,
    abort BYTEA,
    UNIQUE (programme, period, attempt)
);
CREATE UNIQUE INDEX one_open_round ON rounds (programme) WHERE state = 'open';
CREATE TABLE invitations (
    round BYTEA NOT NULL REFERENCES rounds (round),
    partner TEXT NOT NULL,
    PRIMARY KEY (partner, round)
);
CREATE TABLE records (
    round BYTEA NOT NULL REFERENCES rounds (round),
    sequence BIGINT NOT NULL,
    record BYTEA NOT NULL,
    PRIMARY KEY (round, sequence)
);
CREATE TABLE refused (
    round BYTEA NOT NULL,
    partner TEXT NOT NULL,
    digest BYTEA NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (round, partner, digest)
);
CREATE TABLE releases (
    round BYTEA PRIMARY KEY REFERENCES rounds (round),
    number BIGINT NOT NULL UNIQUE,
    programme TEXT NOT NULL,
    period TEXT NOT NULL,
    digest BYTEA NOT NULL,
    json BYTEA NOT NULL,
    UNIQUE (programme, period)
);
CREATE TABLE commands (
    id BIGINT PRIMARY KEY,
    round BYTEA NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('close', 'abort')),
    outcome TEXT
);
CREATE TABLE abort_statements (
    round BYTEA NOT NULL REFERENCES rounds (round),
    partner BIGINT NOT NULL,
    statement BYTEA NOT NULL,
    PRIMARY KEY (round, partner)
);
CREATE TABLE abort_certificates (
    round BYTEA PRIMARY KEY REFERENCES rounds (round),
    certificate BYTEA NOT NULL
);
CREATE TABLE unmasked (
    round BYTEA NOT NULL REFERENCES rounds (round),
    partner BIGINT NOT NULL,
    PRIMARY KEY (round, partner)
);
CREATE TABLE evidence (
    round BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    partner TEXT NOT NULL,
    offence TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    file BYTEA NOT NULL,
    PRIMARY KEY (round, digest)
);
CREATE TABLE retired_keys (
    key BYTEA PRIMARY KEY,
    partner TEXT NOT NULL,
    reason TEXT NOT NULL,
    retired_at BIGINT NOT NULL
);
CREATE TABLE key_changes (
    number BIGINT PRIMARY KEY,
    old_key BYTEA NOT NULL UNIQUE,
    signed BYTEA NOT NULL
);
CREATE TABLE endorsements (
    endorser TEXT NOT NULL,
    partner TEXT NOT NULL,
    key BYTEA NOT NULL,
    signed BYTEA NOT NULL,
    PRIMARY KEY (endorser, partner, key)
);
CREATE TABLE handovers (number BIGINT PRIMARY KEY, signed BYTEA NOT NULL);
CREATE TABLE heads (
    partner TEXT PRIMARY KEY,
    length BIGINT NOT NULL,
    head BYTEA NOT NULL,
    proof BYTEA NOT NULL,
    told_at BIGINT NOT NULL
);
CREATE TABLE noticed (
    partner TEXT NOT NULL,
    what TEXT NOT NULL,
    round BYTEA,
    first BYTEA,
    second BYTEA,
    noticed_at BIGINT NOT NULL,
    PRIMARY KEY (partner, what)
);
CREATE TABLE baselines (
    title TEXT PRIMARY KEY,
    programme TEXT NOT NULL,
    source TEXT NOT NULL,
    licence TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    file BYTEA NOT NULL
);
CREATE TABLE leases (
    round BYTEA PRIMARY KEY REFERENCES rounds (round),
    token BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    free BIGINT NOT NULL CHECK (free IN (0, 1))
);
";
