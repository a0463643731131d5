//! The parts of the demo on real servers: whether clients that obey the flags lose nothing when an org is moved as the protocol
//! requires, and whether the audit finds it when something is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, TryStreamExt, pin_mut};
use mover::demo::WHOLE_ORG;
use mover::demo::audit::{Audit, audit};
use mover::demo::clients::{ClientOptions, Clients, Ledger, Touch};
use mover::demo::report::{CampaignFigures, DemoReport};
use mover::demo::route::RouteBy;
use mover::demo::sample::{MOVED_TABLES, Sample, SampleError, SampleOrg, Shape};
use mover::embedded::{Options, Private, ServerKind};
use redis::AsyncCommands;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

struct World {
    servers: Private,
    sample: Sample,
    orgs: Vec<SampleOrg>,
}

impl World {
    async fn with_orgs(orgs: u32) -> Self {
        let world = Self::empty().await;
        let shape = Shape::demo().orgs(orgs).rows(u64::from(orgs) * 100);
        world.sample.reset(&shape, |_| ()).await.unwrap();
        let orgs = world.sample.orgs().await.unwrap();
        world.set("dl_default", &[("cell", "old"), ("503_mode", "false")]).await;
        Self { orgs, ..world }
    }

    async fn empty() -> Self {
        let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        let servers = Private::start(Options::throwaway().template(templates)).await.unwrap();
        servers.ensure_database("old").await.unwrap();
        servers.ensure_database("new").await.unwrap();
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        Self { servers, sample, orgs: Vec::new() }
    }

    async fn in_old(&self) -> Client {
        connect(&self.sample.old_url).await
    }

    async fn in_new(&self) -> Client {
        connect(&self.sample.new_url).await
    }

    async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.servers.redis_url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn set(&self, hash: &str, fields: &[(&str, &str)]) {
        let _: () = self.redis().await.hset_multiple(hash, fields).await.unwrap();
    }

    async fn block(&self, org: &SampleOrg) {
        self.set(&format!("dl_org_{}", org.name), &[("503_mode", "true")]).await;
    }

    async fn switch(&self, org: &SampleOrg) {
        self.set(&format!("dl_org_{}", org.name), &[("cell", "new"), ("503_mode", "false")]).await;
    }

    async fn start_clients(&self, options: &ClientOptions) -> Clients {
        let redis_url = self.servers.redis_url();
        Clients::start(&self.sample, &redis_url, self.orgs.clone(), options.clone()).await.unwrap()
    }

    async fn audit(&self, ledger: &Ledger) -> Audit {
        audit(&self.sample, &self.servers.redis_url(), &RouteBy::cell(), ledger).await.unwrap()
    }

    /// Moves an org as the protocol requires.
    async fn move_by_the_book(&self, org: &SampleOrg, sleep_time_ms: u64) {
        self.block(org).await;
        sleep(Duration::from_millis(sleep_time_ms)).await;
        wait_for_lock_holders(&self.in_old().await).await;
        self.copy(org).await;
        self.switch(org).await;
    }

    /// Copies all rows of an org, ignoring writers.
    async fn copy(&self, org: &SampleOrg) {
        let (mut old, mut new) = (self.in_old().await, self.in_new().await);
        let old = old.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
        let (old, new) = (old.start().await.unwrap(), new.transaction().await.unwrap());
        for table in MOVED_TABLES {
            let columns: String = old.query_one(COLUMNS, &[&table]).await.unwrap().get(0);
            let of_org = match table {
                "organizations" => format!("id = '{}'", org.id),
                "group_members" => format!("group_id IN (SELECT id FROM groups WHERE org_id = '{}')", org.id),
                _ => format!("org_id = '{}'", org.id),
            };
            let rows = old.copy_out(&format!("COPY (SELECT {columns} FROM {table} WHERE {of_org}) TO STDOUT")).await;
            let sink = new.copy_in(&format!("COPY {table} ({columns}) FROM STDIN")).await.unwrap();
            let rows = rows.unwrap();
            pin_mut!(rows, sink);
            while let Some(chunk) = rows.try_next().await.unwrap() {
                sink.send(chunk).await.unwrap();
            }
            sink.finish().await.unwrap();
        }
        new.commit().await.unwrap();
    }
}

const COLUMNS: &str = "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";

const LOCK_HOLDERS: &str = "SELECT DISTINCT l.virtualtransaction FROM pg_locks l \
    JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace \
    WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND l.mode = 'RowExclusiveLock' AND l.granted";

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn lock_holders(client: &Client) -> Vec<String> {
    client.query(LOCK_HOLDERS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Waits for the transactions that hold locks now, not for those that come later.
async fn wait_for_lock_holders(client: &Client) {
    let mut holders = lock_holders(client).await;
    until(async || {
        let still = lock_holders(client).await;
        holders.retain(|holder| still.contains(holder));
        holders.is_empty()
    })
    .await;
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    while !reached().await {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn until_acknowledged(clients: &Clients, more: u64) {
    let before = clients.figures().acknowledged();
    until(async || clients.figures().acknowledged() >= before + more).await;
}

/// Many writes, and many that stay open for longer than it takes to copy an org.
fn busy() -> ClientOptions {
    ClientOptions { writes_per_second: 400, slow_one_in: 4, slow_ms: 300, ..ClientOptions::default() }
}

/// Writes for a while to orgs that stay where they are.
async fn some_writes(world: &World) -> Ledger {
    let clients = world.start_clients(&ClientOptions { slow_one_in: 0, ..busy() }).await;
    until_acknowledged(&clients, 40).await;
    clients.stop().await.unwrap().0
}

#[tokio::test]
async fn the_sample_is_the_same_every_time_and_its_stores_never_hand_out_the_same_id() {
    let world = World::with_orgs(20).await;
    let fingerprint = "SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM nodes n";
    let first: String = world.in_old().await.query_one(fingerprint, &[]).await.unwrap().get(0);
    let mut tables = Vec::new();
    let shape = Shape::demo().orgs(20).rows(2_000);
    world.sample.reset(&shape, |seeded| tables.push(seeded)).await.unwrap();
    let second: String = world.in_old().await.query_one(fingerprint, &[]).await.unwrap().get(0);
    assert_eq!(first, second);

    let rows: u64 = tables.iter().filter(|seeded| seeded.table != "users").map(|seeded| seeded.rows).sum();
    assert!((1_900..=2_200).contains(&rows), "{rows}");
    let users = "SELECT count(*), md5(string_agg(u::text, '' ORDER BY id)) FROM users u";
    let shared: (i64, String) = {
        let row = world.in_old().await.query_one(users, &[]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let row = world.in_new().await.query_one(users, &[]).await.unwrap();
    assert_eq!(shared, (row.get(0), row.get(1)));
    assert!(shared.0 > 0);
    for sequence in ["containers_id_seq", "org_user_invites_id_seq", "cookbooks_id_seq"] {
        let next = format!("SELECT nextval('{sequence}')");
        let (old, new) =
            (world.in_old().await.query_one(&next, &[]).await, world.in_new().await.query_one(&next, &[]).await);
        assert!(old.unwrap().get::<_, i64>(0) < 1_000_000);
        assert_eq!(new.unwrap().get::<_, i64>(0), 1_000_000_000_000);
    }
}

#[tokio::test]
async fn a_database_that_is_not_the_samples_is_never_dropped() {
    let world = World::empty().await;
    world.in_new().await.batch_execute("CREATE TABLE payroll (id int); INSERT INTO payroll VALUES (1)").await.unwrap();
    let refused = world.sample.reset(&Shape::demo(), |_| ()).await;
    assert!(matches!(refused, Err(SampleError::NotOurs { store: "new" })), "{refused:?}");
    let left: i64 = world.in_new().await.query_one("SELECT count(*) FROM payroll", &[]).await.unwrap().get(0);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn nothing_is_lost_when_orgs_move_by_the_book() {
    let world = World::with_orgs(10).await;
    let options = busy();
    let clients = world.start_clients(&options).await;
    until_acknowledged(&clients, 20).await;
    for org in &world.orgs {
        world.move_by_the_book(org, options.deadline_ms + 20).await;
    }
    until_acknowledged(&clients, 20).await;
    let (ledger, figures) = clients.stop().await.unwrap();

    assert!(figures.acknowledged_old > 0 && figures.acknowledged_new > 0, "{figures:?}");
    assert!(figures.refused_503 > 0, "{figures:?}");
    assert_eq!(ledger.acknowledged.len() as u64, figures.acknowledged());
    let found = world.audit(&ledger).await;
    assert!(found.is_clean(), "{found:#?}\n{figures:#?}");
    assert_eq!(found.writes_checked, figures.acknowledged());
    assert_eq!(found.orgs_on_new, 10);
    let campaign = CampaignFigures { orgs: 10, orgs_moved: 10, ..CampaignFigures::default() };
    let report = DemoReport::new(campaign, figures, found);
    assert_eq!(report.exit_code(), 0, "{}", report.to_text(false));
}

#[tokio::test]
async fn a_write_that_was_not_drained_is_found_lost() {
    let world = World::with_orgs(1).await;
    let org = &world.orgs[0];
    let mut old = world.in_old().await;
    let clients = world.start_clients(&ClientOptions { slow_one_in: 0, ..busy() }).await;
    // Keeps a client in the middle of its transaction, admitted and not yet committed.
    let rows = old.transaction().await.unwrap();
    rows.execute("SELECT FROM nodes WHERE org_id = $1 FOR UPDATE", &[&org.id]).await.unwrap();
    let watcher = world.in_old().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'old'";
    until(async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0).await;

    world.block(org).await;
    world.copy(org).await;
    world.switch(org).await;
    rows.commit().await.unwrap();
    until(async || clients.figures().acknowledged_new > 0).await;
    let (ledger, figures) = clients.stop().await.unwrap();

    let found = world.audit(&ledger).await;
    assert!(found.lost.count > 0, "{found:#?}");
    assert!(found.lost.examples[0].contains("acknowledged in old, looked for in new"), "{found:#?}");
    let campaign = CampaignFigures { orgs: 1, orgs_moved: 1, ..CampaignFigures::default() };
    assert_eq!(DemoReport::new(campaign, figures, found).exit_code(), 1);
}

#[tokio::test]
async fn what_is_spoilt_by_hand_is_found() {
    let world = World::with_orgs(5).await;
    let ledger = some_writes(&world).await;
    let found = world.audit(&ledger).await;
    assert!(found.is_clean() && found.orgs_on_old == 5 && found.in_other_store == 0, "{found:#?}");

    let old = world.in_old().await;
    let with_container = ledger.acknowledged.iter().find(|write| write.touch() == Touch::AddContainer).unwrap();
    let without = ledger.acknowledged.iter().find(|write| write.touch() == Touch::UpdateNode).unwrap();
    let again = "INSERT INTO containers (org_id, name, acl) SELECT org_id, name, acl FROM containers WHERE name = $1";
    assert_eq!(old.execute(again, &[&with_container.container()]).await.unwrap(), 1);
    let delete = "DELETE FROM client_writes WHERE client = $1 AND seq = $2";
    assert_eq!(old.execute(delete, &[&without.client, &without.seq]).await.unwrap(), 1);
    world.block(&world.orgs[0]).await;
    world.copy(&world.orgs[1]).await;
    world.set(&format!("dl_org_{}", world.orgs[2].name), &[("cell", "nowhere")]).await;

    let moved = &world.orgs[3];
    world.copy(moved).await;
    world.switch(moved).await;
    let shrink = "DELETE FROM cookbooks WHERE id = (SELECT min(id) FROM cookbooks WHERE org_id = $1)";
    assert_eq!(world.in_new().await.execute(shrink, &[&moved.id]).await.unwrap(), 1);

    let found = world.audit(&ledger).await;
    assert!(!found.is_clean());
    assert_eq!(found.shrunken.count, 1, "{found:#?}");
    assert!(found.shrunken.examples[0].contains("cookbooks"), "{found:#?}");
    // A write of an org without a route cannot be checked.
    let astray = |org| u64::from(org == 2);
    assert_eq!(found.lost.count, 1 - astray(without.org), "{found:#?}");
    assert_eq!(found.doubled.count, 1 - astray(with_container.org), "{found:#?}");
    assert_eq!(found.blocked.examples, [world.orgs[0].name.as_str()]);
    assert!(found.left_in_new.examples[0].contains(world.orgs[1].name.as_str()), "{found:#?}");
    assert_eq!(found.unrouted.count, 1, "{found:#?}");
}

#[tokio::test]
async fn a_second_fleet_takes_numbers_of_its_own() {
    let world = World::with_orgs(2).await;
    let first = some_writes(&world).await;
    let second = some_writes(&world).await;
    let highest = first.acknowledged.iter().map(|write| write.client).max().unwrap();
    assert!(second.acknowledged.iter().all(|write| write.client > highest));
    assert!(world.audit(&first).await.is_clean() && world.audit(&second).await.is_clean());
}

#[tokio::test]
async fn without_flags_clients_refuse_rather_than_guess() {
    let world = World::with_orgs(2).await;
    let _: () = world.redis().await.del("dl_default").await.unwrap();
    let clients = world.start_clients(&busy()).await;
    until(async || clients.figures().refused_no_route >= 20).await;
    assert_eq!(clients.figures().acknowledged(), 0);
    world.set("dl_default", &[("cell", "old")]).await;
    until_acknowledged(&clients, 20).await;
    let (ledger, _) = clients.stop().await.unwrap();
    assert!(world.audit(&ledger).await.is_clean());
}

#[tokio::test]
async fn a_write_past_its_deadline_writes_nothing() {
    let world = World::with_orgs(2).await;
    let clients = world.start_clients(&ClientOptions { deadline_ms: 0, ..busy() }).await;
    until(async || clients.figures().too_late >= 20).await;
    let (ledger, figures) = clients.stop().await.unwrap();
    assert_eq!((figures.acknowledged(), ledger.maybe.len()), (0, 0));
    let written: i64 = world.in_old().await.query_one("SELECT count(*) FROM client_writes", &[]).await.unwrap().get(0);
    assert_eq!(written, 0);
}

#[tokio::test]
async fn clients_live_through_the_death_of_every_server() {
    let world = World::with_orgs(5).await;
    let clients = world.start_clients(&busy()).await;
    for server in [ServerKind::Postgres, ServerKind::Redis, ServerKind::Postgres] {
        until_acknowledged(&clients, 50).await;
        world.servers.kill9(server).await.unwrap();
        world.servers.start_again(server).await.unwrap();
    }
    until_acknowledged(&clients, 50).await;
    let (ledger, figures) = clients.stop().await.unwrap();
    let found = world.audit(&ledger).await;
    assert!(found.is_clean(), "{found:#?}\n{figures:#?}");
    assert_eq!(found.writes_checked, figures.acknowledged());
    assert!(figures.failed + figures.uncertain > 0, "{figures:?}");

    // Every row belongs to an acknowledged write: no write was reported as failed and done all the same.
    let written: i64 = world.in_old().await.query_one("SELECT count(*) FROM client_writes", &[]).await.unwrap().get(0);
    assert_eq!(written.cast_unsigned(), found.writes_checked + found.maybe_there);
}

#[test]
fn the_migration_moves_what_the_audit_compares() {
    let definition: toml::Table = WHOLE_ORG.parse().unwrap();
    let tables = definition["table"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table["name"].as_str().unwrap()).collect();
    assert_eq!(names, MOVED_TABLES);
}
