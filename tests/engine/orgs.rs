//! The org directory, read without holding it in memory.

use futures_util::{StreamExt, TryStreamExt};
use mover_actors::domain::ids::OrgName;

use crate::world::{World, migration};

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
    assert_eq!((good.len(), bad.len()), (3, 4));
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
