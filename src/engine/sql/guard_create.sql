-- One row for each org that came or is coming to this store. `incoming`: its rows are ours to replace. `settled`: they are
-- live. `discarded`: they were removed again; the row stays, so that whoever comes with an older epoch is still refused.
CREATE TABLE IF NOT EXISTS mover.org_guard (
    migration   text        NOT NULL,
    org_key     text        NOT NULL,
    mode        text        NOT NULL CHECK (mode IN ('incoming', 'settled', 'discarded')),
    mode_before text        CHECK (mode_before IN ('incoming', 'settled', 'discarded')),
    epoch       bigint      NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, org_key)
)
