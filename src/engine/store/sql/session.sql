-- Every connection to a store begins with src/session/begin.sql and this.
-- Text must look the same in both stores, because unusual types are hashed as text.
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET xmlbinary = 'base64';
SET lc_monetary = 'C';
-- A fragment is XML, too, as in pg_dump.
SET xmloption = 'content';
SET array_nulls = on;
SET quote_all_identifiers = off;
-- Nobody else's transactions are waited for or read differently because of a setting for the role or the database.
SET default_transaction_isolation = 'read committed';
SET default_transaction_deferrable = off;
-- Such a store has bytes of no known encoding: it must not refuse to send them, because Mover names the row.
SELECT set_config('client_encoding', 'SQL_ASCII', false) WHERE current_setting('server_encoding') = 'SQL_ASCII';
-- A row hidden by row-level security would be lost: fail instead.
SET row_security = off;
-- A statement ends when its client is gone, except a commit, which completes. Some systems cannot detect that.
DO $$
BEGIN
    PERFORM set_config('client_connection_check_interval', '500ms', false);
EXCEPTION WHEN invalid_parameter_value OR undefined_object THEN
    NULL;
END
$$;
-- Writers do not wait long for our locks, nor we for theirs; but a large org may take its time.
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '5min';
-- An org is a small part of a table. A plan made while a table was empty must stay good when it is full,
-- and planning a prepared statement anew for each org would cost more than running it.
SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
-- Rows are written as they are, without triggers, if we have the right to; foreign keys are verified afterwards. Set once and
-- not for each transaction, because every change of this setting discards all plans of the connection.
DO $$
BEGIN
    PERFORM set_config('session_replication_role', 'replica', false);
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END
$$;
-- This lock tells our own sessions apart from writers.
SELECT pg_advisory_lock_shared(1297045075, 0);
