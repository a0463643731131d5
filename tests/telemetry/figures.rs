//! Two campaigns, one online with an org that cannot be copied, one offline; and the metrics afterwards.

use std::time::Duration;

use mover::telemetry::Metrics;
use mover_actors::tree::Tree;
use tokio_postgres::Client;

use crate::exposition::Exposition;
use crate::named;
use crate::world::{OFFLINE, ONLINE, World, in_system};

#[test]
fn the_figures_are_those_of_the_move_log() {
    in_system(async {
        let world = World::start().await;
        let metrics = Metrics::install().unwrap();
        let mut tree = world.tree().await;
        world.exec(&tree, "darklaunch default cell=old").await;
        let before = Exposition::read(
            &metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], Some(tree.registry())).await,
        );
        assert_eq!(before.value("mover_moves_total", &[("migration", ONLINE), ("outcome", "failed")]), 0.0);
        assert_eq!(before.value("mover_write_block_seconds_count", &[("strategy", "online")]), 0.0);
        assert_eq!(before.find("mover_campaign_concurrency", &[]), None);

        let names: Vec<_> = world.orgs.iter().map(|org| org.name.as_str()).collect();
        let (online, offline) = names.split_at(names.len() / 2);
        world.poison(&world.orgs[0]).await;
        for (migration, orgs) in [(ONLINE, online), (OFFLINE, offline)] {
            world.exec(&tree, &format!("orgs capture {migration}")).await;
            world.exec(&tree, &format!("orgs ready {migration} {}", orgs.join(","))).await;
            if migration == OFFLINE {
                while_orgs_are_shut(&world, &metrics, &tree, orgs.len()).await;
            } else {
                world.campaign(&tree, &format!("migrate {migration} all")).await;
            }
        }
        let text =
            metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], Some(tree.registry())).await;
        let told = Exposition::read(&text);
        let log = world.connect("mover").await;

        let of_log = Counted(&log);
        for migration in [ONLINE, OFFLINE] {
            for state in ["holding", "ready", "started", "migrated", "failed", "rolled_back", "finalized"] {
                let orgs = of_log.orgs(migration, state).await;
                assert_eq!(told.value("mover_orgs", &[("migration", migration), ("state", state)]), orgs, "{state}");
            }
            for outcome in ["migrated", "failed"] {
                let ended = told.value("mover_moves_total", &[("migration", migration), ("outcome", outcome)]);
                assert_eq!(ended, of_log.orgs(migration, outcome).await, "{migration} {outcome}");
            }
        }
        assert_eq!(of_log.orgs(ONLINE, "failed").await, 1.0);
        assert_eq!(told.sum("mover_moves_total"), names.len() as f64);
        let shut = [("online", ONLINE), ("offline", OFFLINE)];
        for (strategy, migration) in shut {
            let orgs = of_log.orgs(migration, "migrated").await;
            assert_eq!(told.value("mover_write_block_seconds_count", &[("strategy", strategy)]), orgs);
            let seconds = told.value("mover_write_block_seconds_sum", &[("strategy", strategy)]);
            let stored = of_log.shut_seconds(migration).await;
            assert!((seconds - stored).abs() < 0.001, "{strategy}: {seconds} s told, {stored} s stored");
            let copies = [("step", "copy"), ("strategy", strategy)];
            assert_eq!(told.value("mover_step_duration_seconds_count", &copies), orgs);
        }
        let aborts = [("step", "abort"), ("strategy", "online")];
        assert_eq!(told.value("mover_step_duration_seconds_count", &aborts), 1.0);
        assert_eq!(told.value("mover_step_failures_total", &[("step", "copy"), ("kind", "permanent")]), 1.0);
        assert_eq!(told.sum("mover_step_failures_total"), 1.0);
        assert_eq!((told.sum("mover_rows_copied_total"), told.sum("mover_bytes_copied_total")), of_log.copied().await);
        assert_eq!(told.value("mover_catch_up_backlog_rows", &[]), 0.0);
        assert!(told.value("mover_flag_writes_total", &[("result", "applied")]) > names.len() as f64);
        assert_eq!(told.value("mover_flag_writes_total", &[("result", "failed")]), 0.0);
        assert_eq!(told.value("mover_flags_up", &[]), 1.0);
        assert_eq!(told.sum("mover_actor_restarts_total"), 0.0);

        assert_eq!(told.value("mover_move_log_up", &[]), 1.0);
        assert_eq!(told.value("mover_nodes", &[("alive", "true")]), 1.0);
        assert_eq!(told.value("mover_nodes", &[("alive", "false")]), 0.0);
        assert_eq!(told.value("mover_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
        let workers =
            told.value("mover_workers", &[("state", "busy")]) + told.value("mover_workers", &[("state", "idle")]);
        assert_eq!(workers, offline.len() as f64);
        for actor in ["journal", "darklaunch", "desk", "node", "manager"] {
            assert!(told.find("mover_mailbox_messages", &[("actor", actor)]).is_some(), "{actor}");
        }
        for pool in ["move_log", "store:old", "store:new"] {
            assert_eq!(told.value("mover_pool_connections_max", &[("pool", pool)]), 16.0);
            assert!(told.value("mover_pool_connections", &[("pool", pool), ("state", "idle")]) > 0.0, "{pool}");
        }
        named::everything_is_documented(&told);
        for org in &names {
            assert!(!text.contains(org), "{org} is told of by name");
        }

        paused(&world, &metrics, &tree).await;
        tree.up().await.unwrap();
        tree.stop().await.unwrap();
        let stopped = Exposition::read(
            &metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], None).await,
        );
        assert_eq!(stopped.sum("mover_workers"), 0.0);
        assert!(stopped.0["mover_mailbox_messages"].samples.is_empty());
    });
}

/// A campaign whose orgs stay blocked until they were checked.
async fn while_orgs_are_shut(world: &World, metrics: &Metrics, tree: &Tree, orgs: usize) {
    let campaign = world.begin(tree, &format!("migrate {OFFLINE} all sleep=600000 workers={orgs}")).await;
    let drain = [("migration", OFFLINE), ("step", "drain")];
    let told = loop {
        let told = Exposition::read(
            &metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], Some(tree.registry())).await,
        );
        if told.find("mover_orgs_in_flight", &drain) == Some(orgs as f64) {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(told.value("mover_step_oldest_seconds", &drain) > 0.0);
    let shut = |migration| told.value("mover_org_shut_longest_seconds", &[("migration", migration)]);
    assert!(shut(OFFLINE) >= told.value("mover_step_oldest_seconds", &drain) && shut(ONLINE) == 0.0);
    assert_eq!(told.value("mover_workers", &[("state", "busy")]), orgs as f64);
    assert_eq!(told.value("mover_workers", &[("state", "idle")]), 0.0);
    assert_eq!(told.value("mover_campaign_sleep_seconds", &[]), 600.0);
    world.exec(tree, "set sleep_time 0").await;
    world.ended(tree, &campaign).await;
}

/// A live campaign, which goes back.
async fn paused(world: &World, metrics: &Metrics, tree: &Tree) {
    let back = world.campaign(tree, &format!("rollback {ONLINE} all")).await;
    let log = world.connect("mover").await;
    // As another process would leave it.
    let reopen = "UPDATE mover.campaign SET phase = 'paused', ended_at = NULL, concurrency = 7 WHERE id = $1";
    log.execute(reopen, &[&back.id.0]).await.unwrap();
    let told = Exposition::read(
        &metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], Some(tree.registry())).await,
    );
    let live = [("migration", ONLINE), ("phase", "paused"), ("aim", "roll_back")];
    assert_eq!(told.value("mover_campaign_active", &live), 1.0);
    assert_eq!(told.value("mover_campaign_driver_alive", &[]), 1.0);
    assert_eq!(told.value("mover_campaign_concurrency", &[]), 7.0);
    assert_eq!(told.value("mover_campaign_sleep_seconds", &[]), 0.02);
    assert_eq!(told.value("mover_campaign_pace_seconds", &[]), 0.0);
    let rolled_back = told.value("mover_moves_total", &[("migration", ONLINE), ("outcome", "rolled_back")]);
    assert_eq!(rolled_back, told.value("mover_orgs", &[("migration", ONLINE), ("state", "rolled_back")]));
    assert!(rolled_back > 0.0);
}

/// What the move log says, asked without Mover.
struct Counted<'c>(&'c Client);

impl Counted<'_> {
    async fn orgs(&self, migration: &str, state: &str) -> f64 {
        let sql = "SELECT count(*)::float8 FROM mover.org_migration_state WHERE migration = $1 AND state = $2";
        self.0.query_one(sql, &[&migration, &state]).await.unwrap().get(0)
    }

    async fn shut_seconds(&self, migration: &str) -> f64 {
        let sql = "SELECT extract(epoch FROM sum(opened_at - closed_at))::float8
                   FROM mover.org_migration_state WHERE migration = $1";
        self.0.query_one(sql, &[&migration]).await.unwrap().get(0)
    }

    async fn copied(&self) -> (f64, f64) {
        let sql = "SELECT sum(rows)::float8, sum(bytes)::float8 FROM mover.org_migration_state";
        let row = self.0.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    }
}
