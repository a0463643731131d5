//! Stores that do not fit together: `check` says so, and `migrate` refuses before anything runs.

use super::workspace::Served;

/// Breaks something, and expects both commands to report it.
async fn refused(store: &str, sql: &str, told: &[&str]) {
    let served = Served::ready().await;
    served.sql(store, sql).await;
    served.mover(&["check"]).with_code(1).answering(told).answering(&["problem: "]);
    let json = served.mover(&["check", "--json"]).with_code(1).json();
    assert!(json["migrations"][0]["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{json}");
    served.exec("migrate small all").with_code(1).complaining(told).complaining(&["Nothing was changed"]);
    let begun = "SELECT count(*) FROM mover.org_migration_state WHERE state <> 'ready'";
    assert_eq!(served.number("mover", begun).await, 0);
    assert_eq!(served.number("mover", "SELECT count(*) FROM mover.campaign").await, 0);
    assert_eq!(served.flag("dl_org_acme_1", "503_mode").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_missing_in_the_target() {
    refused("new", "DROP TABLE items", &["table items: store new does not have it", "create it there"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_missing_in_the_source() {
    refused("old", "DROP TABLE items", &["table items: store old does not have it"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_missing_in_the_target() {
    let told = [
        "table items, column amount: the target lacks it",
        "run in new: ALTER TABLE \"public\".\"items\" ADD COLUMN \"amount\" integer",
    ];
    refused("new", "ALTER TABLE items DROP COLUMN amount", &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_has_another_type_in_the_target() {
    let told = ["table items, column amount: integer in the source, uuid in the target", "make the types alike"];
    refused("new", "ALTER TABLE items DROP COLUMN amount; ALTER TABLE items ADD COLUMN amount uuid", &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_wants_a_column_that_the_source_lacks() {
    let told = ["table items, column colour: the source lacks it, and the target wants a value", "give it a default"];
    refused("new", "ALTER TABLE items ADD COLUMN colour text NOT NULL", &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_org_directory_is_missing() {
    refused(
        "old",
        "ALTER TABLE orgs RENAME TO organisations",
        &["org directory orgs: ", "correct [org] in the definition"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_stores_would_hand_out_the_same_numbers() {
    refused("new", "SELECT setval('items_id_seq', 1)", &["items_id_seq", "run in new: SELECT setval("]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_has_rows_of_a_moved_one_is_not_moved() {
    let told = ["table public.archive: ", "it inherits from items", "ignored_tables = [\"public.archive\"]"];
    refused("old", "CREATE TABLE archive () INHERITS (items)", &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_the_target_would_fire_for_mover() {
    let sql = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER t AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE items ENABLE ALWAYS TRIGGER t";
    refused("new", sql, &["table items in new", "run in new: ALTER TABLE public.items ENABLE TRIGGER t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_remedies_of_check_are_a_script() {
    let served = Served::ready().await;
    served.sql("new", "SELECT setval('items_id_seq', 1); ALTER TABLE items SET UNLOGGED, DROP COLUMN amount").await;
    let script = served.mover(&["check", "--sql"]).with_code(1).out;
    assert!(script.starts_with("-- Store new\n"), "{script}");
    assert!(script.lines().all(|line| line.starts_with("-- ") || line.ends_with(';')), "{script}");
    served.sql("new", &script).await;
    let script = served.mover(&["check", "--sql"]).with_code(0).out;
    assert!(!script.contains("setval") && !script.contains("SET LOGGED"), "{script}");
    served.exec("migrate small all").with_code(0);
}
