//! The rows that an org left in the source are removed only while the copy in the target and the backup are there.

use std::path::Path;

use crate::one_org::OneOrg;
use mover_actors::ports::BackedUp;

use crate::world::{UNSEEN, World, keyed, lease, moved, refusal, restored, store};

/// A store as it was before the move, or nearly.
async fn restored_from_before(world: &World) {
    let rows = format!("{UNSEEN} DELETE FROM accounts WHERE org = 1; DELETE FROM events WHERE org = 1");
    world.new.batch_execute(&rows).await.unwrap();
    world.new.batch_execute("DELETE FROM mover.org_guard; DELETE FROM mover.change_log").await.unwrap();
}

#[tokio::test]
async fn a_target_from_before_the_move_is_not_backed_up_against() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let rows = world.rows(&world.old, "1").await;
    restored_from_before(&world).await;
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("nothing is known there of the move of org org 1: new was restored"), "{reason}");
    assert!(reason.contains("next: bring new to a state after the move"), "{reason}");
    // No row was made up that a later try could take for the move's.
    assert_eq!(world.mode(&world.new, "1").await, None);
    let earlier =
        "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('whole_org', '1', 'capturing', 0)";
    world.new.batch_execute(earlier).await.unwrap();
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("from a time before that move"), "{reason}");
    world.new.batch_execute("DROP SCHEMA mover CASCADE").await.unwrap();
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("or its guard was removed"), "{reason}");
    assert_eq!(world.rows(&world.old, "1").await, rows);
}

#[tokio::test]
async fn a_target_restored_after_the_backup_keeps_the_source_as_it_is() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let rows = world.rows(&world.old, "1").await;
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    restored_from_before(&world).await;
    for tried in [engine.close(&lease("1", 2), &backup).await, engine.purge(&lease("1", 2), &backup).await.map(drop)] {
        assert!(refusal(tried).contains("nothing is known there of the move"));
    }
    assert_eq!(world.mode(&world.new, "1").await, None);
    assert_eq!(world.rows(&world.old, "1").await, rows);
}

#[tokio::test]
async fn rows_that_are_gone_without_a_logged_write_stop_the_backup() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    // What clients do is logged, and may make any difference.
    let logged = "DELETE FROM accounts WHERE org = 1 AND id % 7 = 0; UPDATE accounts SET touched = 3 WHERE org = 1 AND id % 5 = 0; \
                  DELETE FROM groups WHERE org = 1 AND name = 'g1'; INSERT INTO accounts (org, email) VALUES (1, 'later')";
    world.new.batch_execute(logged).await.unwrap();
    engine.back_up(&lease("1", 2)).await.unwrap();
    let gone =
        format!("{UNSEEN} DELETE FROM accounts WHERE org = 1 AND email = 'a1@1'; RESET session_replication_role");
    world.new.batch_execute(&gone).await.unwrap();
    // Another process has not compared the org yet.
    let error = world.engine().back_up(&lease("1", 2)).await.unwrap_err();
    let key: i64 = world.old.query_one("SELECT id FROM accounts WHERE email = 'a1@1'", &[]).await.unwrap().get(0);
    assert!(!error.transient, "{error}");
    assert!(error.reason.contains("rows of org org 1 are gone there"), "{error}");
    assert!(
        error.reason.contains("next: bring the rows back there") && !error.reason.contains("roll the org"),
        "{error}"
    );
    assert!(error.reason.contains(&format!("(org, id)={{1,{key}}}; ")), "{error}");
    assert_eq!(error.place.table.as_deref(), Some("accounts"));
    let remedied =
        format!("{UNSEEN} INSERT INTO accounts SELECT 1, {key}, 'a1@1', 'ok'; RESET session_replication_role");
    world.new.batch_execute(&remedied).await.unwrap();
    world.engine().back_up(&lease("1", 2)).await.unwrap();
}

#[tokio::test]
async fn rows_that_differ_without_a_logged_write_stop_it_until_they_are_written_once() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let unlike = format!("{UNSEEN} UPDATE events SET what = 'older' WHERE id = 1007; RESET session_replication_role");
    world.new.batch_execute(&unlike).await.unwrap();
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("not as they were at the switch") && reason.contains("(id)={1007}"), "{reason}");
    let remedy = reason.split_once("logged: ").unwrap().1.replace('…', "id = 1007");
    assert_eq!(remedy, "UPDATE events SET id = id WHERE id = 1007");
    world.new.batch_execute(&remedy).await.unwrap();
    engine.back_up(&lease("1", 2)).await.unwrap();
}

/// Until the purge.
async fn closed(world: &World) -> BackedUp {
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    backup
}

#[tokio::test]
async fn a_process_that_was_started_again_purges_only_what_is_in_its_backup() {
    let world = World::start().await;
    let backup = closed(&world).await;
    let (path, rows) = (&backup.file.path, world.rows(&world.old, "1").await);
    let whole = std::fs::read(path).unwrap();
    let refused = async |said: &str| {
        let reason = refusal(world.engine().purge(&lease("1", 3), &backup).await);
        assert!(reason.contains(said), "{said}: {reason}");
        assert_eq!(world.rows(&world.old, "1").await, rows, "{said}");
    };
    std::fs::remove_file(path).unwrap();
    refused("it is not there any more, so no row is removed; next: put the file back").await;
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(path, &flipped).unwrap();
    refused("it is damaged or was changed").await;
    std::fs::write(path, &whole[..whole.len() - 9]).unwrap();
    refused("it is damaged or was changed").await;
    // A backup of the same org, signed, but not the one of this move.
    let elsewhere = path.with_extension("elsewhere");
    std::fs::write(&elsewhere, &whole).unwrap();
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, path).unwrap();
    refused("it is a symbolic link").await;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, &whole).unwrap();
    let other = BackedUp {
        file: mover_actors::domain::record::Backup { sum: Some("00".into()), ..backup.file.clone() },
        ..backup
    };
    assert!(refusal(world.engine().purge(&lease("1", 3), &other).await).contains("another backup than the one"));
    assert_eq!(world.engine().purge(&lease("1", 4), &backup_again(&other, path, &whole)).await.unwrap(), other.rows);
    assert!(world.rows(&world.old, "1").await.is_empty());
}

/// The backup with the sum that its file has.
fn backup_again(backup: &BackedUp, path: &Path, whole: &[u8]) -> BackedUp {
    let text = String::from_utf8_lossy(whole);
    let sum = text.rsplit_once("{\"sha256\":\"").unwrap().1.split('"').next().unwrap().to_owned();
    let file = mover_actors::domain::record::Backup { path: path.into(), sum: Some(sum) };
    BackedUp { file, ..backup.clone() }
}

#[tokio::test]
async fn an_empty_target_can_be_filled_from_the_backup_before_the_purge() {
    let world = World::start().await;
    let backup = closed(&world).await;
    let empty =
        "DELETE FROM accounts WHERE org = 1; DELETE FROM groups WHERE org = 1; DELETE FROM events WHERE org = 1";
    world.new.batch_execute(empty).await.unwrap();
    let reason = refusal(world.engine().purge(&lease("1", 3), &backup).await);
    assert!(reason.contains(&format!("mover restore {} --to new", backup.file.path.display())), "{reason}");
    assert_eq!(restored(&world.engine(), &backup.file.path, "new").await.unwrap(), backup.rows);
    assert_eq!(world.engine().purge(&lease("1", 3), &backup).await.unwrap(), backup.rows);
}

#[tokio::test]
async fn a_backup_that_was_written_again_is_still_that_of_the_move() {
    let world = World::start().await;
    let backup = closed(&world).await;
    for store in [&world.old, &world.new] {
        store.batch_execute("ALTER TABLE accounts ADD COLUMN late text DEFAULT 'x'").await.unwrap();
    }
    let lines = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                 CREATE TRIGGER no BEFORE DELETE ON lines FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE lines ENABLE ALWAYS TRIGGER no";
    world.old.batch_execute(lines).await.unwrap();
    // It is written again, and then the process dies.
    let reason = refusal(world.engine().purge(&lease("1", 3), &backup).await);
    assert!(reason.contains("no"), "{reason}");
    let text = std::fs::read(&backup.file.path).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("\"late\""));
    world.old.batch_execute("DROP TRIGGER no ON lines").await.unwrap();
    // Some rows are gone already, and the file has them.
    assert!(world.engine().purge(&lease("1", 4), &backup).await.unwrap() < backup.rows);
    assert!(world.rows(&world.old, "1").await.is_empty());
    assert_eq!(restored(&world.engine(), &backup.file.path, "old").await.unwrap(), backup.rows);
    assert_eq!(world.count(&world.old, "accounts WHERE org = 1 AND late = 'x'").await, 60);
}

/// Written to the source without the guard after the org had left: they are nowhere else.
#[tokio::test]
async fn rows_that_are_in_no_backup_are_not_removed() {
    let world = World::start().await;
    let backup = closed(&world).await;
    let late =
        "INSERT INTO events (id, org, what, at) SELECT 900000, org, 'late', at FROM events WHERE org = 1 LIMIT 1";
    world.old.batch_execute(&format!("{UNSEEN} {late}")).await.unwrap();
    let rows = world.rows(&world.old, "1").await;
    let reason = refusal(world.engine().purge(&lease("1", 3), &backup).await);
    assert!(reason.contains("table events") && reason.contains("these came after the org had left"), "{reason}");
    assert_eq!(world.rows(&world.old, "1").await, rows);
    // Nor if they come while rows are removed.
    let remove = "DELETE FROM events WHERE id = 900000";
    world.old.batch_execute(&format!("{UNSEEN} {remove}")).await.unwrap();
    let stop = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                CREATE TRIGGER no BEFORE DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE accounts ENABLE ALWAYS TRIGGER no";
    let copy = "CREATE TEMP TABLE kept AS SELECT * FROM events WHERE org = 1";
    world.old.batch_execute(&format!("{copy}; {stop}")).await.unwrap();
    refusal(world.engine().purge(&lease("1", 3), &backup).await);
    assert_eq!(world.count(&world.old, "events WHERE org = 1").await, 0);
    let late = "INSERT INTO events (id, org, what, at) SELECT 900000, org, 'late', at FROM kept LIMIT 1";
    world.old.batch_execute(&format!("{UNSEEN} {late}; DROP TRIGGER no ON accounts")).await.unwrap();
    let reason = refusal(world.engine().purge(&lease("1", 4), &backup).await);
    assert!(reason.contains("1 rows of org org 1 here are not in its backup") && reason.contains("900000"), "{reason}");
    assert_eq!(world.count(&world.old, "events WHERE id = 900000").await, 1);
    world.old.batch_execute(&format!("{UNSEEN} {remove}")).await.unwrap();
    world.engine().purge(&lease("1", 5), &backup).await.unwrap();
    assert!(world.rows(&world.old, "1").await.is_empty());
}

#[tokio::test]
async fn a_table_that_the_target_has_no_rows_of_stops_the_purge() {
    let world = World::start().await;
    let backup = closed(&world).await;
    world.new.batch_execute(&format!("{UNSEEN} DELETE FROM events WHERE org = 1")).await.unwrap();
    let (rows, events) = (world.rows(&world.old, "1").await, world.count(&world.old, "events WHERE org = 1").await);
    let error = world.engine().purge(&lease("1", 3), &backup).await.unwrap_err();
    assert_eq!(error.place.table.as_deref(), Some("events"));
    let said = format!("it holds no row of org org 1 there, and old has {events}, which may be the only ones");
    assert!(!error.transient && error.reason.contains(&said), "{error}");
    assert!(error.reason.contains("next: bring the rows back in new"), "{error}");
    assert_eq!(world.rows(&world.old, "1").await, rows);
    // As the message says, if the org has removed them itself.
    world.old.batch_execute(&format!("{UNSEEN} DELETE FROM events WHERE org = 1")).await.unwrap();
    assert_eq!(world.engine().purge(&lease("1", 4), &backup).await.unwrap(), backup.rows - events);
}

/// What the org itself removed before the backup is not missed.
#[tokio::test]
async fn a_table_that_the_org_has_emptied_does_not_stop_the_purge() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    world.new.batch_execute("DELETE FROM events WHERE org = 1").await.unwrap();
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    assert_eq!(world.engine().purge(&lease("1", 3), &backup).await.unwrap(), backup.rows);
    assert!(world.rows(&world.old, "1").await.is_empty());
}

#[tokio::test]
async fn a_table_that_was_added_after_the_backup_is_not_purged() {
    let world = World::start().await;
    let notes = "CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text); CREATE INDEX ON notes (org)";
    for client in [&world.old, &world.new] {
        client.batch_execute(notes).await.unwrap();
    }
    world.old.batch_execute("INSERT INTO notes VALUES (4, 1, 'a'), (5, 1, 'b')").await.unwrap();
    let backup = closed(&world).await;
    let whole = std::fs::read(&backup.file.path).unwrap();
    let engine = world.engine_with(keyed("notes"));
    for name in ["old", "new"] {
        engine.install_guard(&lease("1", 2).migration, &store(name)).await.unwrap();
    }
    let rows = world.rows(&world.old, "1").await;
    let error = engine.purge(&lease("1", 3), &backup).await.unwrap_err();
    assert_eq!(error.place.table.as_deref(), Some("notes"));
    assert!(!error.transient && error.reason.contains("its rows may never have moved to new"), "{error}");
    assert!(error.reason.contains("next: take the table out of the definition"), "{error}");
    assert_eq!((world.rows(&world.old, "1").await, world.count(&world.old, "notes").await), (rows, 2));
    assert_eq!(std::fs::read(&backup.file.path).unwrap(), whole);
    assert_eq!(world.engine().purge(&lease("1", 4), &backup).await.unwrap(), backup.rows);
    assert_eq!(world.count(&world.old, "notes").await, 2);
}

#[tokio::test]
async fn a_backup_keeps_the_rows_of_a_table_that_was_taken_out_of_the_definition() {
    let world = World::start().await;
    let backup = closed(&world).await;
    let whole = std::fs::read(&backup.file.path).unwrap();
    let rows = world.rows(&world.old, "1").await;
    let error = world.engine_without("events").purge(&lease("1", 3), &backup).await.unwrap_err();
    assert_eq!(error.place.table.as_deref(), Some("events"));
    assert!(!error.transient && error.reason.contains("next: add the table to the definition again"), "{error}");
    assert_eq!(world.rows(&world.old, "1").await, rows);
    assert_eq!(std::fs::read(&backup.file.path).unwrap(), whole);
    assert_eq!(world.engine().purge(&lease("1", 4), &backup).await.unwrap(), backup.rows);
}
