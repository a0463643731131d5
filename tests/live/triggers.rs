//! Triggers that guard the test's tables.

use tokio_postgres::Client;

use crate::world::MIGRATION;

/// A table with what the triggers need to know of it.
struct Guarded {
    table: &'static str,
    /// The primary key of row `r`.
    key: &'static str,
    /// The key of the org of row `r`.
    org: &'static str,
    /// Whether rows of other tables are found through it.
    has_branches: bool,
}

const GUARDED: [Guarded; 6] = [
    Guarded { table: "accounts", key: "r.org::text, r.id::text", org: "r.org", has_branches: false },
    Guarded { table: "groups", key: "r.id::text", org: "r.org", has_branches: true },
    Guarded { table: "members", key: "r.since::text, r.group_id::text", org: IN_GROUP, has_branches: false },
    Guarded { table: "remarks", key: "r.id::text", org: IN_GROUP, has_branches: true },
    Guarded { table: "lines", key: "r.id::text", org: IN_REMARK, has_branches: false },
    Guarded { table: "events", key: "r.id::text", org: "r.org", has_branches: false },
];

const IN_GROUP: &str = "(SELECT g.org FROM groups g WHERE g.id = r.group_id)";
const IN_REMARK: &str = "(SELECT g.org FROM remarks m JOIN groups g ON g.id = m.group_id WHERE m.id = r.remark)";

const ADMIT: &str = "
    CREATE OR REPLACE FUNCTION mover.admit(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        found text;
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            PERFORM pg_advisory_xact_lock_shared(mover.org_lock('MIGRATION', wanted));
            INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('MIGRATION', wanted, 'settled', 0)
                ON CONFLICT DO NOTHING;
            SELECT mode INTO found FROM mover.org_guard WHERE migration = 'MIGRATION' AND org_key = wanted FOR SHARE;
        ELSE
            SELECT mode INTO found FROM mover.org_guard WHERE migration = 'MIGRATION' AND org_key = wanted;
            IF found = 'capturing' THEN
                PERFORM pg_advisory_xact_lock_shared(mover.org_lock('MIGRATION', wanted));
                SELECT mode INTO found FROM mover.org_guard WHERE migration = 'MIGRATION' AND org_key = wanted;
            END IF;
        END IF;
        IF found IN ('moved', 'discarded') THEN
            RAISE 'org % has moved', wanted USING ERRCODE = 'MV001';
        ELSIF found = 'incoming' THEN
            RAISE 'org % is being copied', wanted USING ERRCODE = 'MV002';
        END IF;
        RETURN found IS NOT DISTINCT FROM 'capturing';
    END
    $$";

/// Guards all tables of the test in one store.
pub(crate) async fn install(client: &Client) {
    client.batch_execute(&ADMIT.replace("MIGRATION", MIGRATION)).await.unwrap();
    for guarded in GUARDED {
        let Guarded { table, key, org, has_branches } = guarded;
        for (event, rows, referencing) in [
            ("insert", "SELECT * FROM new_rows", "NEW TABLE AS new_rows"),
            ("delete", "SELECT * FROM old_rows", "OLD TABLE AS old_rows"),
            (
                "update",
                "SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows",
                "OLD TABLE AS old_rows NEW TABLE AS new_rows",
            ),
        ] {
            let sql = format!(
                "CREATE FUNCTION mover.{table}_{event}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                 SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
                 DECLARE
                     the_org text;
                 BEGIN
                     FOR the_org IN SELECT DISTINCT ({org})::text FROM ({rows}) r WHERE ({org}) IS NOT NULL ORDER BY 1 LOOP
                         IF mover.admit(the_org) THEN
                             INSERT INTO mover.change_log (migration, org_key, table_name, row_key, subtree)
                             SELECT DISTINCT '{MIGRATION}', the_org, '{table}', ARRAY[{key}], {has_branches}
                             FROM ({rows}) r WHERE ({org})::text = the_org;
                         END IF;
                     END LOOP;
                     RETURN NULL;
                 END
                 $$;
                 CREATE TRIGGER guard_{event} AFTER {event} ON {table} REFERENCING {referencing}
                     FOR EACH STATEMENT EXECUTE FUNCTION mover.{table}_{event}();"
            );
            client.batch_execute(&sql).await.unwrap();
        }
    }
}
