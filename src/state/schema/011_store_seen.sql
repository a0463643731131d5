-- What was last found behind the stores of a migration, or accepted there by an operator: a failover, a restored store and a restored
-- move log are noticed by it.
CREATE TABLE mover.store_seen (
    migration    text COLLATE "C" NOT NULL CHECK (migration <> ''),
    store        text COLLATE "C" NOT NULL CHECK (store <> ''),
    system       text COLLATE "C" NOT NULL,
    timeline     bigint NOT NULL,
    database_oid bigint NOT NULL,
    newest_epoch bigint NOT NULL CHECK (newest_epoch >= 0),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, store)
);
