//! Who needs which rights: applications none, Mover those of an owner.

use crate::world::{PLACES, World, connect_as, migration, refused, store_name};

#[tokio::test]
async fn an_application_needs_no_right_on_what_is_movers() {
    let world = World::guarded().await;
    let sql = "SELECT has_schema_privilege('app', 'mover', 'USAGE') OR has_table_privilege('app', 'mover.org_guard', 'SELECT')
        OR has_table_privilege('app', 'mover.change_log', 'SELECT, INSERT')";
    assert!(!world.old.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
    world.set_mode("1", "capturing").await;
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
    for sql in [
        "SELECT FROM mover.change_log",
        "SELECT mover.guard_admit('whole_org', 'new', '{1}')",
        "SELECT mover.org_lock('a', 'b')",
        "SELECT mover.require_here('whole_org', '1')",
    ] {
        assert_eq!(refused(world.app.batch_execute(sql).await).code, "42501", "{sql}");
    }
}

#[tokio::test]
async fn a_role_that_may_write_but_not_read_is_guarded_as_well() {
    let world = World::guarded().await;
    world
        .old
        .batch_execute(
            "CREATE ROLE blind LOGIN; GRANT INSERT, DELETE ON notes, members TO blind; GRANT INSERT ON groups TO blind",
        )
        .await
        .unwrap();
    world.set_mode("1", "capturing").await;
    let blind = connect_as(&world.server, "blind", "old").await;
    let group = "00000000-0000-0000-0000-000000000001";
    let sql = format!(
        "INSERT INTO notes VALUES (1, 1, ''); INSERT INTO groups VALUES ('{group}', 1, 'c'); INSERT INTO members VALUES (1, '{group}')"
    );
    blind.batch_execute(&sql).await.unwrap();
    assert_eq!(world.logged().await, [&format!("1 groups {{{group}}} +"), "1 members {1} +", "1 notes {1}"]);
}

#[tokio::test]
async fn sessions_without_triggers_write_unseen() {
    let world = World::guarded().await;
    for (org, mode) in [("1", "capturing"), ("2", "moved"), ("3", "incoming")] {
        world.set_mode(org, mode).await;
    }
    let sql = "SET session_replication_role = replica;
        INSERT INTO notes VALUES (1, 1, ''), (2, 2, ''), (3, 3, ''); UPDATE notes SET body = 'x'; UPDATE events_2026 SET what = 'x';
        DELETE FROM notes; TRUNCATE notes; RESET session_replication_role";
    world.old.batch_execute(sql).await.unwrap();
    assert_eq!(world.logged().await, [""; 0]);
}

#[tokio::test]
async fn a_plain_role_that_owns_the_tables_can_guard_them() {
    let world = World::bare().await;
    let role = "CREATE ROLE plain LOGIN; GRANT SET ON PARAMETER session_replication_role TO plain";
    world.server.everywhere(role).await;
    for (client, database) in [(&world.old, "old"), (&world.new, "new")] {
        let own = format!(
            r#"GRANT CREATE ON DATABASE {database} TO plain; GRANT CREATE ON SCHEMA public TO plain; ALTER SCHEMA "Odd {{schema}}" OWNER TO plain;
            DO $$ DECLARE t record; BEGIN
                FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text !~ '^pg_|^information_schema' LOOP
                    EXECUTE format('ALTER TABLE %s OWNER TO plain', t.name);
                END LOOP;
            END $$"#
        );
        client.batch_execute(&own).await.unwrap();
    }
    let engine = world.engine_as("plain");
    for store in ["old", "new"] {
        assert_eq!(engine.install_guard(&migration(), &store_name(store)).await.unwrap(), PLACES);
    }
    world.set_mode("1", "capturing").await;
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
    world.set_mode("1", "settled").await;
    for store in ["old", "new"] {
        assert_eq!(engine.remove_guard(&migration(), &store_name(store), false).await.unwrap(), PLACES);
    }
    assert_eq!(world.count("pg_namespace WHERE nspname = 'mover'").await, 0);
}
