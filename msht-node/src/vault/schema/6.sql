-- Version 6: noise drawn ahead of the counts. One draw a round, ever; sealed until it is used or the round is over,
-- then forgotten for good.

CREATE TABLE noise (
    round BLOB PRIMARY KEY REFERENCES rounds (round),
    sealed BLOB
) STRICT;

CREATE TRIGGER noise_is_drawn_once BEFORE UPDATE ON noise WHEN OLD.sealed IS NULL OR NEW.sealed IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the noise of a round is drawn once and used once'); END;
CREATE TRIGGER noise_is_never_forgotten BEFORE DELETE ON noise
BEGIN SELECT RAISE(ABORT, 'the noise of a round is drawn once and used once'); END;

PRAGMA user_version = 6;
