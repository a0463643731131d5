//! The move log is unreachable.

use mover::embedded::ServerKind;
use mover::telemetry::Metrics;

use crate::exposition::Exposition;
use crate::world::{World, in_system};

#[test]
fn a_move_log_that_is_away_is_a_figure_and_no_error() {
    in_system(async {
        let world = World::start().await;
        let metrics = Metrics::install().unwrap();
        let told = async || {
            Exposition::read(&metrics.render(&world.app.world, &[("move_log", world.app.world.log.pool())], None).await)
        };
        assert_eq!(told().await.value("mover_move_log_up", &[]), 1.0);

        world.servers.kill9(ServerKind::Postgres).await.unwrap();
        for _ in 0..2 {
            let away = told().await;
            assert_eq!(away.value("mover_move_log_up", &[]), 0.0);
            assert!(!away.0.contains_key("mover_orgs"), "figures that nobody could read");
            assert!(away.0.contains_key("mover_moves_total"));
            assert_eq!(away.value("mover_pool_connections_max", &[("pool", "move_log")]), 16.0);
        }
        world.servers.start_again(ServerKind::Postgres).await.unwrap();
        assert_eq!(told().await.value("mover_move_log_up", &[]), 1.0);
    });
}
