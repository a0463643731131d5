-- Every session with a store or the move log begins with this.
-- Operators and functions are those of Postgres: a user who may create one somewhere must not have it run with our rights.
SET search_path = pg_catalog, pg_temp;
-- No timer ends a statement: if it hits a commit, it ends its wait for a standby, and the commit may still be lost.
SET statement_timeout = 0;
-- A session that holds the lock of a node is idle most of the time.
SET idle_session_timeout = 0;
-- Commits survive a crash, whatever was set for the role or the database. The server's own setting may be stricter; the setting
-- for our role hides it, but its source file is visible to those who may read it.
DO $$
BEGIN
    PERFORM set_config(s.name, '0', false) FROM pg_settings s WHERE s.name = 'transaction_timeout';
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', false);
    END IF;
    BEGIN
        IF EXISTS (
            SELECT FROM pg_file_settings f
            WHERE f.name = 'synchronous_commit' AND f.applied AND lower(f.setting) = 'remote_apply'
        ) THEN
            PERFORM set_config('synchronous_commit', 'remote_apply', false);
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END
$$;
