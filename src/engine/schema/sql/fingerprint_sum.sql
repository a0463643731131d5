-- One text for all parts of the schema, and one for the life of the server: it changes when the server was restarted, recovered
-- from a crash (which resets its statistics and empties UNLOGGED tables), or was replaced by a standby.
SELECT
    count(*) || ' ' || coalesce(sum(hash_record_extended(part, 5570192806147)), 0) AS schema,
    concat_ws(
        ' ', pg_postmaster_start_time(),
        -- Older servers would have to read statistics from a file.
        CASE WHEN current_setting('server_version_num')::int >= 150000 THEN pg_stat_get_bgwriter_stat_reset_time() END,
        CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
    ) AS life
FROM
