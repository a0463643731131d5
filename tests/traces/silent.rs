//! No collector accepts the traces.

use std::net::TcpListener;

use crate::world::{ONLINE, World, in_system};

/// Moves all orgs with traces sent to this address; returns the log.
async fn told_while_traces_go_to(address: &str) -> String {
    let world = World::start().await;
    for command in [format!("orgs capture {ONLINE}"), format!("orgs ready {ONLINE} all")] {
        assert!(world.program(&command).status().await.unwrap().success(), "{command}");
    }
    let mut program = world.program(&format!("migrate {ONLINE} all"));
    program.env("MOVER__TELEMETRY__OTLP_ENDPOINT", address);
    // Many tries to send within one campaign.
    program.env("OTEL_BSP_SCHEDULE_DELAY", "10");
    let ended = program.output().await.unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{told}");
    told
}

#[test]
fn a_collector_that_is_away_is_told_of_once() {
    in_system(async {
        // A port whose listener has just been closed.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let told = told_while_traces_go_to(&format!("http://{address}")).await;
        assert_eq!(told.matches("traces are not taken").count(), 1, "{told}");
    });
}

#[test]
fn a_collector_that_never_answers_delays_nothing() {
    in_system(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The kernel accepts connections, and no one reads from them.
        told_while_traces_go_to(&format!("http://{address}")).await;
        drop(listener);
    });
}
