//! A refusal by the target is reported with its table, columns and row.

use crate::one_org::OneOrg;
use mover_actors::domain::record::Place;

use crate::world::{World, keyed, lease, refused_copy, verify};

const SOURCE: &str = "
    CREATE TABLE users (id int PRIMARY KEY, email text);
    CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text, pages int, user_id int);
    INSERT INTO users VALUES (1, 'a@example.com');
    INSERT INTO notes VALUES (1, 1, 'good', 1, 1), (2, 2, repeat('long ', 1000), -5, 1), (3, 3, NULL, 1, 1),
        (4, 4, 'good', 1, 1), (5, 5, 'good', 1, 77), (6, 6, 'too long', 1, 1);
";

const TARGET: &str = "
    CREATE TABLE users (id int PRIMARY KEY, email text);
    CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text NOT NULL, pages int CHECK (pages > 0), user_id int REFERENCES users);
    INSERT INTO users VALUES (1, 'a@example.com');
    INSERT INTO notes VALUES (4, 99, 'another org has this id', 1, 1);
";

async fn world() -> World {
    let world = World::empty().await;
    world.old.batch_execute(SOURCE).await.unwrap();
    world.new.batch_execute(TARGET).await.unwrap();
    world
}

fn at(place: &Place) -> (Option<&str>, Option<&str>, Vec<&str>) {
    (place.store.as_deref(), place.table.as_deref(), place.columns.iter().map(String::as_str).collect())
}

#[tokio::test]
async fn rows_that_the_target_refuses_are_named() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();

    let (reason, place) = refused_copy(&engine, &lease("2", 2)).await;
    assert!(reason.contains("notes_pages_check"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec![]));
    let row = place.row.unwrap();
    assert!(row.starts_with("(2, 2, long long") && row.len() < 700, "{row}");

    let (_, place) = refused_copy(&engine, &lease("3", 3)).await;
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec!["body"]));
    assert_eq!(place.row.as_deref(), Some("(3, 3, null, 1, 1)"));

    let (reason, place) = refused_copy(&engine, &lease("4", 4)).await;
    assert!(reason.contains("already exists"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec!["id"]));
    assert_eq!(place.row.as_deref(), Some("(id)=(4)"));

    let (reason, place) = refused_copy(&engine, &lease("5", 5)).await;
    assert!(reason.contains("foreign key notes_user_id_fkey"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec!["user_id"]));
    assert_eq!(place.row.as_deref(), Some("(5)"));

    // Nothing of them is left, and the copied org is untouched.
    assert_eq!(world.count(&world.new, "notes").await, 2);
    verify(&engine, &lease("1", 1)).await.unwrap();
}

#[tokio::test]
async fn a_value_that_does_not_fit_names_its_column() {
    let world = world().await;
    world.old.batch_execute("ALTER TABLE notes ALTER body TYPE varchar").await.unwrap();
    world.new.batch_execute("DELETE FROM notes; ALTER TABLE notes ALTER body TYPE varchar(5)").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    let (reason, place) = refused_copy(&engine, &lease("6", 6)).await;
    assert!(reason.contains("value too long"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec!["body"]));
}

#[tokio::test]
async fn without_the_right_to_skip_triggers_the_keys_are_checked_by_postgres() {
    let world = world().await;
    world.server.everywhere("CREATE ROLE lesser LOGIN").await;
    for (client, database) in [(&world.old, "old"), (&world.new, "new")] {
        client
            .batch_execute(&format!(
                "GRANT CREATE ON DATABASE {database} TO lesser; GRANT ALL ON notes, users TO lesser"
            ))
            .await
            .unwrap();
    }
    let engine = world.engine_as("lesser", vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    let (reason, place) = refused_copy(&engine, &lease("5", 5)).await;
    assert!(reason.contains("notes_user_id_fkey"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("notes"), vec!["user_id"]));
    assert_eq!(place.row.as_deref(), Some("(user_id)=(77)"));

    world.new.batch_execute("GRANT SET ON PARAMETER session_replication_role TO lesser").await.unwrap();
    let engine = world.engine_as("lesser", vec![keyed("notes", "org")]);
    let (reason, place) = refused_copy(&engine, &lease("5", 6)).await;
    assert!(reason.contains("has no such row"), "{reason}");
    assert_eq!(place.row.as_deref(), Some("(5)"));
}

#[tokio::test]
async fn a_schema_that_was_mended_is_seen() {
    let world = world().await;
    world.new.batch_execute("ALTER TABLE notes RENAME COLUMN pages TO pages_2").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    let (reason, place) = refused_copy(&engine, &lease("1", 1)).await;
    assert!(reason.contains("lacks column pages"), "{reason}");
    assert_eq!(place.table.as_deref(), Some("notes"));
    world.new.batch_execute("ALTER TABLE notes RENAME COLUMN pages_2 TO pages").await.unwrap();
    engine.copy(&lease("1", 1)).await.unwrap();
    world.new.batch_execute("DROP TABLE notes").await.unwrap();
    refused_copy(&engine, &lease("4", 1)).await;
    let (reason, _) = refused_copy(&engine, &lease("4", 1)).await;
    assert!(reason.contains("does not exist"), "{reason}");
}

#[tokio::test]
async fn rows_that_break_a_deferred_unique_constraint_are_named() {
    let world = World::with_schema(
        "CREATE TABLE lists (id int PRIMARY KEY, org int NOT NULL, place int, UNIQUE (place) DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    world
        .old
        .batch_execute("INSERT INTO lists VALUES (1, 1, 10), (2, 2, 20), (3, 2, NULL), (4, 2, NULL)")
        .await
        .unwrap();
    world.new.batch_execute("INSERT INTO lists VALUES (9, 9, 10)").await.unwrap();
    let engine = world.engine(vec![keyed("lists", "org")]);
    let (reason, place) = refused_copy(&engine, &lease("1", 1)).await;
    assert!(reason.contains("another row in this store has, too (unique constraint lists_place_key)"), "{reason}");
    assert_eq!(at(&place), (Some("new"), Some("lists"), vec!["place"]));
    assert_eq!(place.row.as_deref(), Some("(1)"));
    assert_eq!(world.count(&world.new, "lists WHERE org = 1").await, 0);
    engine.copy(&lease("2", 2)).await.unwrap();
    verify(&engine, &lease("2", 2)).await.unwrap();
}
