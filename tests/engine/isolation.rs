//! Moving one org never changes another (P5).

use crate::one_org::OneOrg;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::world::{World, keyed, lease, verify, via};

const SCHEMA: &str = "
    CREATE TABLE groups (id int PRIMARY KEY, org text NOT NULL, name text);
    CREATE INDEX ON groups (org);
    CREATE TABLE members (id int PRIMARY KEY, group_id int NOT NULL REFERENCES groups, name text);
";

const ORGS: [&str; 5] = ["a", "A", "a ", "b'", "_"];

#[tokio::test]
async fn random_steps_on_one_org_leave_the_others_alone() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let world = World::with_schema(SCHEMA).await;
    for (index, org) in ORGS.iter().enumerate() {
        let index = i32::try_from(index).unwrap();
        let groups = "INSERT INTO groups SELECT $2 * 100 + i, $1, 'g' || i FROM generate_series(1, 9) i";
        world.old.execute(groups, &[org, &index]).await.unwrap();
    }
    world
        .old
        .batch_execute("INSERT INTO members SELECT id * 10 + i, id, 'm' FROM groups, generate_series(1, 5) i")
        .await
        .unwrap();
    let engine = world.engine(vec![keyed("groups", "org"), via("members", &[("group_id", "groups", "id")])]);
    for epoch in 1..60 {
        let org = *ORGS.choose(&mut random).unwrap();
        let before = others(&world, org).await;
        let lease = lease(org, epoch);
        if random.random_bool(0.6) {
            engine.copy(&lease).await.unwrap();
            verify(&engine, &lease).await.unwrap();
        } else {
            engine.discard(&lease).await.unwrap();
        }
        assert_eq!(before, others(&world, org).await, "moving {org:?} changed another org");
    }
}

/// Everything in both databases that is not the org's.
async fn others(world: &World, org: &str) -> Vec<String> {
    let sql = "SELECT g::text || coalesce(m::text, '') FROM groups g LEFT JOIN members m ON m.group_id = g.id WHERE g.org <> $1 ORDER BY 1";
    let old = world.old.query(sql, &[&org]).await.unwrap();
    let new = world.new.query(sql, &[&org]).await.unwrap();
    old.iter().chain(&new).map(|row| row.get(0)).collect()
}
