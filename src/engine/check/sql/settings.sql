-- Settings of roles and databases that would keep rows from being written, or their writes from being seen: one row each, with the
-- statement that removes it. What is set for another database or for a role of another name than ours matters only where all
-- clients are concerned.
WITH entry AS (
    SELECT s.setrole, s.setdatabase, split_part(setting, '=', 1) AS name, split_part(setting, '=', 2) AS value
    FROM pg_db_role_setting s
    CROSS JOIN LATERAL unnest(s.setconfig) AS setting
    WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
)
SELECT
    e.name,
    e.value,
    CASE WHEN e.setrole = 0 THEN 'database ' || current_database() ELSE 'role ' || r.rolname END AS place,
    -- Where sessions are read only, this one must not be.
    format(CASE e.name WHEN 'default_transaction_read_only' THEN 'BEGIN READ WRITE; %s; COMMIT' ELSE '%s' END, CASE
        WHEN e.setrole = 0 THEN format('ALTER DATABASE %I RESET %I', current_database(), e.name)
        WHEN e.setdatabase = 0 THEN format('ALTER ROLE %I RESET %I', r.rolname, e.name)
        ELSE format('ALTER ROLE %I IN DATABASE %I RESET %I', r.rolname, current_database(), e.name)
    END) AS sql
FROM entry e
LEFT JOIN pg_roles r ON r.oid = e.setrole
WHERE e.name = 'default_transaction_read_only' AND e.value IN ('on', 'true', 'yes', '1') AND (e.setrole = 0 OR r.rolname = current_user)
   OR e.name = 'session_replication_role' AND e.value = 'replica' AND (e.setrole = 0 OR r.rolname <> current_user)
UNION ALL
SELECT g.name, g.setting, 'the server', format('ALTER SYSTEM RESET %I; SELECT pg_reload_conf()', g.name)
FROM pg_settings g
WHERE g.name = 'default_transaction_read_only' AND g.setting = 'on' AND g.source NOT IN ('database', 'user', 'database user', 'client')
UNION ALL
SELECT g.name, g.setting, 'sessions by the address', NULL
FROM pg_settings g
WHERE g.name = 'default_transaction_read_only' AND g.setting = 'on' AND g.source = 'client'
ORDER BY 1, 3
