-- Which store the rows of an org live in: one row for each org that moves or may move, by migration.
--   settled    it lives here, or nothing is known of it: writes pass
--   capturing  it lives here; writes pass and are logged
--   moved      it lives in the other store: writes are refused
--   incoming   its rows are a copy under way, which only Mover may write: other writes are refused
--   discarded  a copy was removed: writes are refused, and so is every effect with an older epoch
CREATE TABLE IF NOT EXISTS mover.org_guard (
    migration   text        NOT NULL,
    org_key     text        NOT NULL,
    mode        text        NOT NULL CHECK (mode IN ('settled', 'capturing', 'moved', 'incoming', 'discarded')),
    mode_before text        CHECK (mode_before IN ('settled', 'capturing', 'moved', 'incoming', 'discarded')),
    epoch       bigint      NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),  -- the mode
    -- The org first: a generic plan made while the table is empty must look up each org of a cohort, not scan the migration.
    PRIMARY KEY (org_key, migration)
);

-- Tables of earlier versions lack `capturing` and `moved`.
DO $$
DECLARE
    narrow record;
BEGIN
    FOR narrow IN
        SELECT c.conname, a.attname
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.conrelid = 'mover.org_guard'::regclass AND c.contype = 'c' AND a.attname IN ('mode', 'mode_before')
          AND pg_get_constraintdef(c.oid) NOT LIKE '%capturing%'
    LOOP
        EXECUTE format(
            'ALTER TABLE mover.org_guard DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I '
            'CHECK (%2$I IN (''settled'', ''capturing'', ''moved'', ''incoming'', ''discarded''))',
            narrow.conname, narrow.attname
        );
    END LOOP;
END
$$;

-- The few orgs that are not settled: for TRUNCATE, and to compute which orgs the triggers watch.
CREATE INDEX IF NOT EXISTS org_guard_not_settled ON mover.org_guard (org_key, migration) WHERE mode <> 'settled';

-- The keys of rows that were written while their org was `capturing`. No primary key: writers append, Mover reads by org and
-- deletes what a snapshot saw.
CREATE TABLE IF NOT EXISTS mover.change_log (
    migration  text    NOT NULL,
    org_key    text    NOT NULL,
    table_name text    NOT NULL,  -- as the definition writes it
    row_key    text[]  NOT NULL,  -- the columns of the primary key, in its order
    subtree    boolean NOT NULL,  -- rows that are found through this one must be looked at again, too
    xid        xid8    NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX IF NOT EXISTS change_log_of_org ON mover.change_log (org_key, migration);
-- A publication FOR ALL TABLES has this one, too: without an identity nothing could be deleted.
DO $$
BEGIN
    IF (SELECT relreplident FROM pg_class WHERE oid = 'mover.change_log'::regclass) <> 'f' THEN
        ALTER TABLE mover.change_log REPLICA IDENTITY FULL;
    END IF;
END
$$;

-- The progress of the copy of a large org, range by range: above < key <= upto, where null is open.
CREATE TABLE IF NOT EXISTS mover.copy_range (
    migration  text    NOT NULL,
    org_key    text    NOT NULL,
    table_name text    NOT NULL,
    number     integer NOT NULL,
    above      text[],
    upto       text[],
    rows       bigint,            -- null until it is copied; set in the transaction that copies
    bytes      bigint,
    PRIMARY KEY (migration, org_key, table_name, number)
);

-- The other store of each migration that is guarded here: refusals name it.
CREATE TABLE IF NOT EXISTS mover.guard_side (
    migration   text PRIMARY KEY,
    other_store text NOT NULL
);

-- The key of the advisory lock that writers of a capturing org share, and that Mover takes alone to switch it. The names in the
-- body were resolved when it was created, in Mover's session. So it needs no search_path of its own, which would keep it from
-- being inlined.
CREATE OR REPLACE FUNCTION mover.org_lock(migration text, org_key text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(migration || '/' || org_key, 5570192806147);
REVOKE EXECUTE ON FUNCTION mover.org_lock(text, text) FROM PUBLIC;
