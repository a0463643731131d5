//! The org directory, read without holding it in memory.

use crate::one_org::OneOrg;
use futures_util::{StreamExt, TryStreamExt};
use mover::engine::names_no_org;
use mover_actors::domain::ids::OrgName;

use crate::world::{World, keyed, lease, migration};

#[tokio::test]
async fn orgs_are_listed_in_order_and_found_by_name() {
    let world = World::with_schema("CREATE TABLE orgs (id uuid DEFAULT gen_random_uuid(), name varchar(600))").await;
    world
        .old
        .batch_execute(
            "INSERT INTO orgs (name) SELECT 'org ' || to_char(i, '0000000') FROM generate_series(1, 30000) i",
        )
        .await
        .unwrap();
    let engine = world.engine(vec![]);
    let orgs: Vec<_> = engine.orgs(&migration()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(orgs.len(), 30_000);
    assert!(orgs.is_sorted_by(|a, b| a.0 < b.0));
    let (name, key) = &orgs[4711];
    assert_eq!(engine.find_org(&migration(), name).await.unwrap().as_ref(), Some(key));
    let nobody = OrgName::new("no'body").unwrap();
    assert_eq!(engine.find_org(&migration(), &nobody).await.unwrap(), None);
}

#[tokio::test]
async fn a_line_that_names_no_org_does_not_end_the_list() {
    let world = World::with_schema("CREATE TABLE orgs (id int, name text)").await;
    world.old.batch_execute("INSERT INTO orgs VALUES (1, 'a'), (2, NULL), (NULL, 'b'), (3, ''), (4, repeat('x', 10000)), (5, 'c'), (6, 'c')").await.unwrap();
    let engine = world.engine(vec![]);
    let listed: Vec<_> = engine.orgs(&migration()).await.unwrap().collect().await;
    let (good, bad): (Vec<_>, Vec<_>) = listed.into_iter().partition(Result::is_ok);
    // Two orgs of one name are ambiguous.
    assert_eq!((good.len(), bad.len()), (1, 6));
    assert!(bad.iter().all(|line| line.as_ref().is_err_and(names_no_org)), "{bad:?}");
    let error = engine.find_org(&migration(), &OrgName::new("c").unwrap()).await.unwrap_err();
    assert!(error.reason.contains("more than once"), "{error}");
}

#[tokio::test]
async fn a_listing_may_be_left_early() {
    let world = World::with_schema(
        "CREATE TABLE orgs (id int, name text); INSERT INTO orgs SELECT i, i FROM generate_series(1, 100000) i",
    )
    .await;
    let engine = world.engine(vec![]);
    for _ in 0..20 {
        let some: Vec<_> = engine.orgs(&migration()).await.unwrap().take(3).try_collect().await.unwrap();
        assert_eq!(some.len(), 3);
    }
}

/// Keys of the directory, each with what the tables make of it: their own text, or nothing.
async fn keys_become(directory: &str, tables: &[&str], keys: &[(&str, Option<&str>)]) {
    let world = World::with_schema(&format!("CREATE TABLE orgs (id {directory}, name text)")).await;
    let mut rules = Vec::new();
    for (number, written) in tables.iter().enumerate() {
        for client in [&world.old, &world.new] {
            let create = format!("CREATE TABLE t{number} (org {written}, id int PRIMARY KEY)");
            client.batch_execute(&create).await.unwrap();
        }
        rules.push(keyed(&format!("t{number}"), "org"));
    }
    let name = |number: usize| format!("org {number:02}");
    for (number, (key, _)) in keys.iter().enumerate() {
        let insert = format!("INSERT INTO orgs VALUES ('{key}', '{}')", name(number));
        world.old.batch_execute(&insert).await.unwrap();
    }
    let engine = world.engine(rules);
    let listed: Vec<_> = engine.orgs(&migration()).await.unwrap().collect().await;
    assert_eq!(listed.len(), keys.len());
    for (number, (listed, (key, expected))) in listed.iter().zip(keys).enumerate() {
        match (listed, expected) {
            (Ok((org, canonical)), Some(expected)) => {
                assert_eq!((org.as_str(), canonical.as_str()), (name(number).as_str(), *expected));
            }
            (Err(error), None) => assert!(error.reason.contains(&name(number)), "{error}"),
            other => panic!("{key}: {other:?}"),
        }
        let found = engine.find_org(&migration(), &OrgName::new(name(number)).unwrap()).await;
        assert_eq!(found.ok().flatten().map(|key| key.to_string()).as_deref(), *expected, "{key}");
    }
}

#[tokio::test]
async fn a_key_is_written_as_the_tables_write_it() {
    const ID: &str = "0a0b0c0d-0000-4000-8000-00000000abcd";
    let braces = format!("{{{ID}}}");
    let uuids =
        [("0A0B0C0D-0000-4000-8000-00000000ABCE", Some("0a0b0c0d-0000-4000-8000-00000000abce")), ("no id", None)];
    keys_become("text", &["uuid"], &[&[(braces.as_str(), Some(ID))][..], &uuids].concat()).await;
    let numbers = [("007", Some("7")), ("+8", Some("8")), (" 9", Some("9")), ("7.5", None), ("99999999999", None)];
    keys_become("text", &["int"], &numbers).await;
    keys_become("numeric", &["int", "bigint"], &[("7", Some("7")), ("8.5", None)]).await;
    keys_become("text", &["numeric"], &[("7.0", Some("7")), ("8.50", Some("8.5")), ("x", None)]).await;
    keys_become("varchar(9)", &["char(9)"], &[("acme  ", Some("acme")), ("beta", Some("beta"))]).await;
    keys_become("text", &["date"], &[("2026-1-5", Some("2026-01-05")), ("Jan 6, 2026", Some("2026-01-06"))]).await;
    keys_become("text", &["float8"], &[("-0", Some("0")), ("1.50", Some("1.5"))]).await;
}

#[tokio::test]
async fn a_key_that_two_tables_would_write_differently_names_no_org() {
    keys_become("text", &["int", "text"], &[("7", Some("7")), ("008", None)]).await;
    keys_become("text", &["uuid", "varchar(40)"], &[("0A0B0C0D-0000-4000-8000-00000000ABCD", None)]).await;
    keys_become("int", &["numeric", "text", "bigint"], &[("7", Some("7"))]).await;
}

#[tokio::test]
async fn orgs_whose_keys_are_one_to_the_tables_are_refused_by_name() {
    keys_become("text", &["int"], &[("7", None), ("8", Some("8")), ("007", None), (" 7 ", None)]).await;
    keys_become("text", &["text"], &[("a", None), ("a", None), ("b", Some("b"))]).await;
}

#[tokio::test]
async fn many_bad_lines_cost_no_more_than_the_rest() {
    let world = World::with_schema(
        "CREATE TABLE orgs (id text, name text); CREATE TABLE t (org int, id int PRIMARY KEY);
         INSERT INTO orgs SELECT CASE i % 100 WHEN 0 THEN 'x' ELSE '0' END || i, i FROM generate_series(1, 20000) i",
    )
    .await;
    let listed: Vec<_> = world.engine(vec![keyed("t", "org")]).orgs(&migration()).await.unwrap().collect().await;
    let (good, bad): (Vec<_>, Vec<_>) = listed.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (19_800, 200));
}

#[tokio::test]
async fn an_org_that_two_tables_would_write_differently_is_not_copied() {
    let world = World::with_schema(
        "CREATE TABLE orgs (id text, name text);
         CREATE TABLE a (org int, id int PRIMARY KEY); CREATE TABLE b (org text, id int PRIMARY KEY)",
    )
    .await;
    let engine = world.engine(vec![keyed("a", "org"), keyed("b", "org")]);
    let error = engine.copy(&lease("007", 1)).await.unwrap_err();
    assert!(!error.transient && error.reason.contains("\"7\" in a.org and \"007\" in b.org"), "{error}");
}
