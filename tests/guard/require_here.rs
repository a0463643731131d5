//! What applications call first in a transaction, to be sure that an org lives here.

use crate::world::{MIGRATION, World, refused};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn asked(org: &str) -> String {
    format!("SELECT mover.require_here('{MIGRATION}', '{org}')")
}

/// The application may call it.
async fn world() -> World {
    let world = World::guarded().await;
    let rights = "GRANT USAGE ON SCHEMA mover TO app; GRANT EXECUTE ON FUNCTION mover.require_here(text, text) TO app";
    world.old.batch_execute(rights).await.unwrap();
    world
}

#[tokio::test]
async fn it_refuses_where_a_statement_that_finds_no_row_does_not() {
    let world = world().await;
    for (mode, code) in [("moved", "MV001"), ("discarded", "MV001"), ("incoming", "MV002")] {
        world.set_mode("1", mode).await;
        for level in LEVELS {
            // The rows went along with the org: there is nothing that a trigger could see.
            world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
            world.app.batch_execute("UPDATE notes SET body = 'x' WHERE org = 1; COMMIT").await.unwrap();
            world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
            let refusal = refused(world.app.batch_execute(&asked("1")).await);
            assert_eq!(refusal.code, code, "{mode} {level}: {refusal:?}");
            let detail: serde_json::Value = serde_json::from_str(&refusal.detail).unwrap();
            assert_eq!(detail, serde_json::json!({ "migration": MIGRATION, "org_key": "1", "store": "new" }));
            world.app.batch_execute("ROLLBACK").await.unwrap();
        }
    }
    for (org, mode) in [("2", Some("settled")), ("3", Some("capturing")), ("88", None)] {
        if let Some(mode) = mode {
            world.set_mode(org, mode).await;
        }
        for level in LEVELS {
            let begun = format!("BEGIN ISOLATION LEVEL {level}; {}; COMMIT", asked(org));
            world.app.batch_execute(&begun).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_org_stays_until_the_transaction_ends() {
    let world = world().await;
    let free = format!("SELECT pg_try_advisory_lock(mover.org_lock('{MIGRATION}', '1'))");
    let is_free = async || world.old.query_one(&free, &[]).await.unwrap().get::<_, bool>(0);
    for mode in ["settled", "capturing"] {
        world.set_mode("1", mode).await;
        world.app.batch_execute(&format!("BEGIN; {}", asked("1"))).await.unwrap();
        assert!(!is_free().await, "{mode}");
        world.app.batch_execute("COMMIT").await.unwrap();
        assert!(is_free().await, "{mode}");
        world.old.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_from_before_the_switch_fails() {
    let world = world().await;
    for level in &LEVELS[1..] {
        world.set_mode("1", "capturing").await;
        world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM notes")).await.unwrap();
        world.set_mode("1", "moved").await;
        assert_eq!(refused(world.app.batch_execute(&asked("1")).await).code, "40001", "{level}");
        world.app.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_means_nothing_is_no_answer() {
    let world = world().await;
    for wrong in ["SELECT mover.require_here('whole_orgs', '1')", "SELECT mover.require_here('whole_org', NULL)"] {
        assert_eq!(refused(world.app.batch_execute(wrong).await).code, "42704", "{wrong}");
    }
    let stranger = world.another_app().await;
    world.old.batch_execute("REVOKE EXECUTE ON FUNCTION mover.require_here(text, text) FROM app").await.unwrap();
    assert_eq!(refused(stranger.batch_execute(&asked("1")).await).code, "42501");
}

#[tokio::test]
async fn an_install_replaces_that_of_another_version_and_keeps_who_may_call_it() {
    let world = world().await;
    let lax = "CREATE OR REPLACE FUNCTION mover.require_here(migration text, org_key text) RETURNS void LANGUAGE plpgsql \
               SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN END $$";
    world.old.batch_execute(lax).await.unwrap();
    assert!(!world.status().await.unguarded.is_empty());
    world.install().await;
    assert_eq!(world.status().await.unguarded, [""; 0]);
    world.set_mode("1", "moved").await;
    assert_eq!(refused(world.app.batch_execute(&asked("1")).await).code, "MV001");
}
