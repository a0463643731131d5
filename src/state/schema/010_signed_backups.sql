-- The key that backups are signed with: made once, by the first process that needs it. Whoever reads it can make a backup that Mover
-- takes for its own.
CREATE TABLE mover.backup_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret bytea NOT NULL CHECK (octet_length(secret) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON mover.backup_key FROM PUBLIC;

ALTER TABLE mover.org_migration_state
    -- What identifies the contents of the backup; NULL if an earlier version wrote it.
    ADD COLUMN backup_sum text,
    ADD CONSTRAINT a_sum_is_of_a_backup CHECK (backup_sum IS NULL OR backup IS NOT NULL);
