//! `check`: what would change Mover's own writes, or write unseen.

use mover::engine::Level;
use mover_actors::domain::state::Strategy;

use crate::one_org::OneOrg;

use crate::checking::{differing, found, has, online};
use crate::world::{World, definition, keyed};

const TRIGGER: &str = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION note();
    CREATE RULE r AS ON DELETE TO notes DO ALSO NOTIFY gone;";

const EVENTS: &str = "
    CREATE TABLE orgs (id int PRIMARY KEY, name text); INSERT INTO orgs VALUES (1, 'one');
    CREATE TABLE notes (org_id int, id int, PRIMARY KEY (org_id, id)) PARTITION BY RANGE (id);
    CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (10)";

/// What is refused once each store differs by this, after its remedy nothing.
async fn refused_until_run(schema: &str, change: &str, parts: &[&str]) {
    for (number, name) in ["old", "new"].into_iter().enumerate() {
        let world = World::with_schema(schema).await;
        let client = [&world.old, &world.new][number];
        client.batch_execute(change).await.unwrap();
        let engine = online(&world, "mover", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
        let report = engine.check(&crate::world::migration()).await;
        let problems: Vec<_> = report.of_level(Level::Problem).collect();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        has(&[problems[0].to_string()], &[&[&format!("table notes in {name}") as &str], parts].concat());
        let remedy = problems[0].remedy.as_deref().unwrap();
        client.batch_execute(remedy.strip_prefix(&format!("run in {name}: ")).unwrap()).await.unwrap();
        assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    }
}

fn good() -> String {
    format!("{}{TRIGGER}", crate::checking::GOOD)
}

#[tokio::test]
async fn triggers_that_fire_for_mover_are_refused() {
    let always = "ALTER TABLE notes ENABLE ALWAYS TRIGGER t";
    refused_until_run(&good(), always, &["trigger t", "ENABLE ALWAYS", "ENABLE TRIGGER t"]).await;
    let replica = "ALTER TABLE notes ENABLE REPLICA TRIGGER t";
    refused_until_run(&good(), replica, &["trigger t", "ENABLE REPLICA", "DISABLE TRIGGER t"]).await;
}

#[tokio::test]
async fn triggers_of_partitions_that_fire_for_mover_are_refused() {
    let change =
        format!("{}; ALTER TABLE ONLY notes_1 ENABLE ALWAYS TRIGGER t", TRIGGER.lines().take(2).collect::<String>());
    refused_until_run(EVENTS, &change, &["trigger t on public.notes_1", "ALTER TABLE public.notes_1 ENABLE TRIGGER t"])
        .await;
}

#[tokio::test]
async fn rules_that_apply_to_mover_are_refused() {
    let always = "ALTER TABLE notes ENABLE ALWAYS RULE r";
    refused_until_run(&good(), always, &["rule r", "ENABLE RULE r"]).await;
    let replica = "ALTER TABLE notes ENABLE REPLICA RULE r";
    refused_until_run(&good(), replica, &["rule r", "DISABLE RULE r"]).await;
}

#[tokio::test]
async fn rules_of_one_store_are_told() {
    let rule = "CREATE RULE r AS ON DELETE TO notes DO ALSO NOTIFY gone";
    let (problems, warnings) = differing(rule, "", vec![]).await;
    assert_eq!(problems, [""; 0]);
    has(&warnings, &["table notes in new", "rule r", "run in new: CREATE RULE r AS"]);
}

#[tokio::test]
async fn subscriptions_that_write_to_moved_tables_are_refused() {
    let subscribe = "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
        INSERT INTO pg_subscription_rel SELECT s.oid, 'notes'::regclass, 'r' FROM pg_subscription s WHERE s.subname = 'feed' AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database());
        UPDATE pg_subscription SET subenabled = true WHERE subname = 'feed'";
    let world = World::with_schema(crate::checking::GOOD).await;
    world.old.batch_execute("SET allow_system_table_mods = on").await.unwrap();
    world.old.batch_execute(subscribe).await.unwrap();
    let engine = online(&world, "mover", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    let problems = found(&engine, Level::Problem).await;
    has(
        &problems,
        &[
            "table notes in old",
            "subscription feed writes to public.notes",
            "run in old: ALTER SUBSCRIPTION feed DISABLE",
        ],
    );
    world.old.batch_execute("ALTER SUBSCRIPTION feed DISABLE").await.unwrap();
    assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
}

#[tokio::test]
async fn sessions_that_write_as_replicas_are_refused_online() {
    let world = World::with_schema(crate::checking::GOOD).await;
    world
        .old
        .batch_execute("CREATE ROLE feeder; ALTER ROLE feeder IN DATABASE old SET session_replication_role = replica")
        .await
        .unwrap();
    let tables = || vec![keyed("orgs", "id"), keyed("notes", "org_id")];
    let remedy = "run in old: ALTER ROLE feeder IN DATABASE old RESET session_replication_role";
    has(&found(&online(&world, "mover", tables()), Level::Problem).await, &["store old", "role feeder", remedy]);
    assert_eq!(found(&world.engine(tables()), Level::Problem).await, [""; 0]);
}

#[tokio::test]
async fn unlogged_tables_are_refused_in_the_target_and_told_in_the_source() {
    let unlogged = "ALTER TABLE notes SET UNLOGGED";
    let (problems, _) = differing("", unlogged, vec![]).await;
    has(&problems, &["table notes in new", "UNLOGGED", "run in new: ALTER TABLE public.notes SET LOGGED"]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let (problems, warnings) = differing(unlogged, "", vec![]).await;
    assert_eq!(problems, [""; 0]);
    has(&warnings, &["table notes in old", "UNLOGGED", "run in old: ALTER TABLE public.notes SET LOGGED"]);
}

#[tokio::test]
async fn unlogged_partitions_are_refused_in_the_target() {
    let world = World::with_schema(EVENTS).await;
    world.new.batch_execute("ALTER TABLE notes_1 SET UNLOGGED").await.unwrap();
    let engine = online(&world, "mover", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    has(&found(&engine, Level::Problem).await, &["table notes in new", "ALTER TABLE public.notes_1 SET LOGGED"]);
}

#[tokio::test]
async fn exclusion_constraints_that_a_trigger_enforces_are_refused() {
    let schema = format!(
        "{} ALTER TABLE notes ADD COLUMN span int4range, ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&)",
        crate::checking::GOOD
    );
    let change = "ALTER TABLE notes DROP CONSTRAINT apart, ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&) DEFERRABLE INITIALLY DEFERRED";
    refused_until_run(&schema, change, &["exclusion constraint apart", "DEFERRABLE"]).await;
}

#[tokio::test]
async fn published_tables_whose_rows_could_not_be_deleted_are_refused() {
    let schema = format!("{} CREATE PUBLICATION p FOR ALL TABLES", crate::checking::GOOD);
    let change = "ALTER TABLE notes REPLICA IDENTITY NOTHING";
    refused_until_run(&schema, change, &["public.notes", "replica identity", "REPLICA IDENTITY FULL"]).await;
}

#[tokio::test]
async fn subscribers_that_get_the_deletes_of_mover_are_told() {
    let (problems, warnings) =
        differing("CREATE PUBLICATION p FOR ALL TABLES", "CREATE PUBLICATION p FOR TABLE notes", vec![]).await;
    assert_eq!(problems, [""; 0]);
    let without = "ALTER PUBLICATION p SET (publish = 'insert, update, truncate')";
    has(&warnings, &["publication p in old", "2 of the moved tables", "`finalize`", &format!("run in old: {without}")]);
    has(&warnings, &["publication p in new", "1 of the moved tables", "rollback", &format!("run in new: {without}")]);
    let silent = "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert')";
    assert_eq!(differing(silent, "", vec![]).await.1, [""; 0]);
}

#[tokio::test]
async fn a_store_that_is_read_only_by_default_is_refused() {
    for (sql, remedy) in [
        (
            "ALTER DATABASE new SET default_transaction_read_only = on",
            "BEGIN READ WRITE; ALTER DATABASE new RESET default_transaction_read_only; COMMIT",
        ),
        (
            "ALTER ROLE lesser SET default_transaction_read_only = on",
            "BEGIN READ WRITE; ALTER ROLE lesser RESET default_transaction_read_only; COMMIT",
        ),
    ] {
        let world = World::with_schema(crate::checking::GOOD).await;
        world.new.batch_execute("CREATE ROLE lesser SUPERUSER LOGIN").await.unwrap();
        world.new.batch_execute(sql).await.unwrap();
        let engine = world.engine_as("lesser", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
        has(
            &found(&engine, Level::Problem).await,
            &["store new", "nothing can be written", &format!("run in new: {remedy}")],
        );
        world.server.connect("new").await.batch_execute(remedy).await.unwrap();
        assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    }
}

#[tokio::test]
async fn views_and_functions_of_one_store_are_told() {
    let view = "CREATE VIEW seen AS SELECT id FROM notes; CREATE FUNCTION twice(n int, m text) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'";
    let (problems, warnings) = differing(view, "", vec![]).await;
    assert_eq!(problems, [""; 0]);
    has(&warnings, &["view public.seen", "old has it and new does not", "pg_get_viewdef('public.seen')"]);
    has(
        &warnings,
        &[
            "function public.twice(n integer, m text)",
            "pg_get_functiondef('public.twice(integer, text)'::regprocedure)",
        ],
    );
    assert_eq!(differing("", view, vec![]).await.1.len(), 2);
    assert_eq!(differing(view, view, vec![]).await.1, [""; 0]);
}

#[tokio::test]
async fn stores_that_are_too_far_away_for_a_switch_are_refused() {
    let world = World::with_schema(crate::checking::GOOD).await;
    let tables = vec![keyed("orgs", "id"), keyed("notes", "org_id")];
    let mut far = mover::config::Definition { strategy: Strategy::Online, ..definition(tables) };
    let engine = |definition| {
        let open =
            |name: &str| mover::engine::Store::open(crate::world::store(name), &world.server.url(name), 4).unwrap();
        mover::engine::PgEngine::new([open("old"), open("new")], [definition])
    };
    has(&found(&engine(far.clone()), Level::Ok).await, &["max_block", "a round trip takes", "of 500ms"]);
    // A definition allows no less than 20 ms; nothing on one machine takes that long.
    far.limits.max_block_ms = 0;
    let problems = found(&engine(far), Level::Problem).await;
    has(
        &problems,
        &["max_block", "a round trip takes", "2 and 1 of them", "no org could be switched", "[limits]\nmax_block = "],
    );
}

#[tokio::test]
async fn what_fires_for_mover_since_the_check_is_refused_before_a_row_is_copied() {
    let world = World::with_schema(&good()).await;
    world.old.batch_execute("INSERT INTO notes VALUES (1, 1, 'a'), (2, 2, 'b')").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org_id")]);
    crate::world::carry(&engine, &crate::world::lease("1", 1)).await;
    for (change, remedy) in [
        ("ALTER TABLE notes ENABLE ALWAYS TRIGGER t", "ALTER TABLE public.notes ENABLE TRIGGER t"),
        ("ALTER TABLE notes SET UNLOGGED", "ALTER TABLE public.notes SET LOGGED"),
    ] {
        world.new.batch_execute(change).await.unwrap();
        engine.refresh(&crate::world::migration()).await.unwrap();
        let (reason, place) = crate::world::refused_copy(&engine, &crate::world::lease("2", 2)).await;
        assert_eq!(place.table.as_deref(), Some("notes"), "{reason}");
        world.new.batch_execute(reason.split_once("next: run there: ").unwrap().1).await.unwrap();
        assert!(reason.ends_with(remedy), "{reason}");
        assert_eq!(world.count(&world.new, "notes WHERE org_id = 2").await, 0);
    }
    engine.refresh(&crate::world::migration()).await.unwrap();
    crate::world::carry(&engine, &crate::world::lease("2", 3)).await;
}

#[tokio::test]
async fn a_copy_is_removed_although_a_trigger_fires_for_mover_by_now() {
    let world = World::with_schema(&good()).await;
    world.old.batch_execute("INSERT INTO notes VALUES (1, 1, 'a')").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org_id")]);
    engine.copy(&crate::world::lease("1", 1)).await.unwrap();
    world.new.batch_execute("ALTER TABLE notes ENABLE ALWAYS TRIGGER t").await.unwrap();
    engine.discard(&crate::world::lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes").await, 0);
}
