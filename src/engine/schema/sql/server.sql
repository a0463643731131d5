-- Properties of the server and our rights there.
SELECT
    current_setting('server_version_num')::int AS version_number,
    current_setting('server_version') AS version,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS is_standby,
    quote_ident(current_user) AS role,
    current_setting('session_replication_role') = 'replica' AS skips_triggers,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_make_temporary,
    quote_ident(current_database()) AS database,
    to_regclass('mover.org_guard') IS NOT NULL AS has_guard,
    to_regnamespace('mover') IS NOT NULL AS has_schema,
    CASE WHEN to_regnamespace('mover') IS NULL THEN false ELSE has_schema_privilege('mover', 'CREATE, USAGE') END AS may_use_schema
