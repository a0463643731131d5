//! `check`: tables that no migration moves.

use mover::config::{Definition, TableRule};
use mover::engine::{Level, PgEngine, Store, TableName};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Strategy;

use crate::checking::{GOOD, found, has};
use crate::world::{World, definition, keyed, store};

fn tables() -> Vec<TableRule> {
    vec![keyed("orgs", "id"), keyed("notes", "org_id")]
}

fn names(names: &[&str]) -> Vec<TableName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// An engine for the definition of the tests, changed, and for other definitions.
fn engine(world: &World, change: impl FnOnce(&mut Definition), others: Vec<Definition>) -> PgEngine {
    let mut own = Definition { strategy: Strategy::Online, ..definition(tables()) };
    change(&mut own);
    let open = |name: &str| Store::open(store(name), &world.server.url(name), 4).unwrap();
    PgEngine::new([open("old"), open("new")], others.into_iter().chain([own]))
}

async fn world(schema: &str) -> World {
    let world = World::with_schema(GOOD).await;
    for client in [&world.old, &world.new] {
        client.batch_execute(schema).await.unwrap();
    }
    world
}

#[tokio::test]
async fn every_table_is_moved_or_named() {
    let world = world("CREATE TABLE countries (id int PRIMARY KEY); CREATE TABLE \"Odd\" (id int PRIMARY KEY)").await;
    world.new.batch_execute("CREATE SCHEMA app; CREATE TABLE app.colours (id int PRIMARY KEY)").await.unwrap();
    world.old.batch_execute("INSERT INTO countries SELECT generate_series(1, 7); ANALYZE countries").await.unwrap();
    let silent = engine(&world, |_| (), vec![]);
    assert_eq!(found(&silent, Level::Problem).await, [""; 0]);
    let warnings = found(&silent, Level::Warning).await;
    let line = "shared_tables = [\"app.colours\", 'public.\"Odd\"', \"public.countries\"]";
    has(&warnings, &["3 tables", "app.colours (in new)", "public.countries (in old and new, about 7 rows)", line]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    // The line says all that is left to say.
    let named = engine(
        &world,
        |own| {
            own.shared_tables = names(&["app.colours", "public.\"Odd\""]);
            own.ignored_tables = names(&["countries"]);
        },
        vec![],
    );
    assert_eq!(named.check(&own().name).await.worst(), Level::Ok);
}

fn own() -> Definition {
    definition(tables())
}

#[tokio::test]
async fn names_of_tables_that_no_store_has_are_told() {
    let world = world("").await;
    let engine = engine(&world, |own| own.shared_tables = names(&["contries"]), vec![]);
    has(&found(&engine, Level::Warning).await, &["table contries", "no store has it"]);
}

#[tokio::test]
async fn a_table_with_the_key_column_of_another_is_told_with_the_lines_that_move_it() {
    let world = world("CREATE TABLE extra (org_id int, id int)").await;
    let engine = engine(&world, |_| (), vec![]);
    assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    let lines = "[[table]]\nname = \"public.extra\"\nkey = \"org_id\"";
    has(&found(&engine, Level::Warning).await, &["table public.extra: ", "it has a column org_id", lines]);
}

#[tokio::test]
async fn tables_that_point_to_moved_rows_are_refused_until_the_definition_names_them() {
    for (schema, line) in [
        ("CREATE TABLE extra (id int, note int REFERENCES notes ON DELETE CASCADE)", "via = \"note -> notes.id\""),
        (
            "CREATE TABLE extra (id int, \"Note\" int REFERENCES notes) PARTITION BY LIST (id)",
            "via = '\"Note\" -> notes.id'",
        ),
    ] {
        let world = world(schema).await;
        let problems = found(&engine(&world, |_| (), vec![]), Level::Problem).await;
        let names_it = "ignored_tables = [\"public.extra\"]";
        has(
            &problems,
            &["table public.extra: ", "it points to notes", "[[table]]\nname = \"public.extra\"", line, names_it],
        );
        assert_eq!(problems.len(), 1, "{problems:#?}");
        let named = engine(&world, |own| own.ignored_tables = names(&["extra"]), vec![]);
        assert_eq!(found(&named, Level::Problem).await, [""; 0]);
        // Naming it does not mend its foreign keys.
        let warnings = found(&named, Level::Warning).await;
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        has(&warnings, &["table notes: ", "public.extra", "`finalize` in old", "foreign keys are broken"]);
    }
}

#[tokio::test]
async fn a_table_that_only_the_target_lets_point_to_moved_rows_is_refused() {
    let world = world("").await;
    world.new.batch_execute("CREATE TABLE extra (id int, note int REFERENCES notes)").await.unwrap();
    has(
        &found(&engine(&world, |_| (), vec![]), Level::Problem).await,
        &["public.extra", "(in new)", "points to notes"],
    );
}

#[tokio::test]
async fn heirs_of_moved_tables_are_refused_offline_too() {
    let world = world("CREATE TABLE heir () INHERITS (notes)").await;
    let offline = engine(&world, |own| own.strategy = Strategy::Offline, vec![]);
    has(&found(&offline, Level::Problem).await, &["public.heir", "it inherits from notes"]);
}

#[tokio::test]
async fn tables_of_another_migration_are_told_and_not_refused() {
    let world = world("CREATE TABLE extra (org_id int, id int PRIMARY KEY)").await;
    let other = Definition { name: MigrationName::new("other").unwrap(), ..definition(vec![keyed("extra", "org_id")]) };
    let both = engine(&world, |_| (), vec![other]);
    assert_eq!(found(&both, Level::Problem).await, [""; 0]);
    has(&found(&both, Level::Warning).await, &["public.extra", "only migration other moves it"]);
}

#[tokio::test]
async fn tables_of_extensions_are_not_asked_about() {
    let world = world("").await;
    let extension = "CREATE EXTENSION citext; CREATE TABLE refs (id int); ALTER EXTENSION citext ADD TABLE refs";
    world.old.batch_execute(extension).await.unwrap();
    world.new.batch_execute(extension).await.unwrap();
    assert_eq!(found(&engine(&world, |_| (), vec![]), Level::Warning).await, [""; 0]);
}
