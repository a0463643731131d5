//! Stops, starts, and settings that change while Mover runs.

use mover::embedded::ServerKind;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::program::{Program, eventually};
use crate::served::{Served, configure};
use crate::world::{ONLINE, World};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_orgs_in_flight_come_to_their_end() {
    let mut served = Served::start(ONLINE).await;
    served.carry_out(&served.operator, &json!("migrate whole_org all workers=2 pace=100")).await;
    served.world.until(|states| states.contains_key("migrated")).await;
    let ended = served.terminate().await.with_code(0);
    assert!(ended.said.contains("halting: orgs in flight go on to their end"), "{ended}");
    let states = served.world.states().await;
    assert!(states.keys().all(|state| matches!(state.as_str(), "migrated" | "ready")), "{states:?}");
    served.serve().await;
    let campaign = served.get(&served.viewer, "/api/v1/status").await.with(200)["campaign"].clone();
    assert_eq!((&campaign["phase"], &campaign["reason"]), (&json!("ended"), &json!("mover serve was ended")));
    if states.contains_key("ready") {
        served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    }
    served.world.until(|states| states.get("migrated") == Some(&8)).await;
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_goes_on_when_mover_was_killed_and_serves_again() {
    let mut served = Served::start(ONLINE).await;
    served.carry_out(&served.operator, &json!("migrate whole_org all workers=2 pace=50")).await;
    served.world.until(|states| states.contains_key("migrated")).await;
    served.kill9().await.by_sigkill();
    served.serve().await;
    served.world.until(|states| states.get("migrated") == Some(&8)).await;
    eventually("the campaign ends", async || {
        served.get(&served.viewer, "/api/v1/status").await.with(200)["campaign"]["phase"] == "ended"
    })
    .await;
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

/// A script drove it, and was killed: the Mover that serves was there all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_another_process_left_is_taken_up_by_a_mover_that_serves() {
    let mut served = Served::start(ONLINE).await;
    served.world.start_to_die("migrate whole_org all workers=1 pace=1", "migrated.written").end().await.by_sigkill();
    served.world.until(|states| states.get("migrated") == Some(&8)).await;
    eventually("the campaign ends", async || {
        served.get(&served.viewer, "/api/v1/status").await.with(200)["campaign"]["phase"] == "ended"
    })
    .await;
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_changes_what_can_change_and_nothing_if_it_is_wrong() {
    let mut served = Served::start(ONLINE).await;
    let approvals =
        async |served: &Served| served.get(&served.viewer, "/api/v1/me").await.with(200)["approvals"] == true;
    assert!(!approvals(&served).await);
    configure(&served.world, "second_person = true\nrequests_per_second = 0");
    served.program().signal(Signal::SIGHUP);
    let said = served.program().says("the configuration was not read again").await;
    assert!(said.contains("requests_per_second is a whole number from 1"), "{said}");
    assert!(!approvals(&served).await);
    configure(&served.world, "second_person = true");
    served.program().signal(Signal::SIGHUP);
    served.program().says("the configuration was read again").await;
    assert!(approvals(&served).await);
    served.terminate().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_or_open_to_all_is_refused() {
    let served = Served::start(ONLINE).await;
    let taken = served.url.strip_prefix("http://").unwrap();
    let refused = served.world.mover(&["serve", "--listen", taken]).await.with_code(1);
    assert!(refused.said.contains("cannot be listened on") && refused.said.contains("--listen"), "{refused}");
    configure(&served.world, "listen = \"0.0.0.0:7070\"");
    let refused = served.world.mover(&["serve"]).await.with_code(2);
    assert!(refused.said.contains("mover.toml:") && refused.said.contains("tls_cert_file"), "{refused}");
    configure(&served.world, "");
    let refused = served.world.mover(&["serve", "--listen", "0.0.0.0:0"]).await.with_code(2);
    assert!(refused.said.contains("tls_cert_file"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_servers_health_is_critical_and_mover_lives() {
    let mut served = Served::start(ONLINE).await;
    served.get("", "/health").await.with(200);
    served.world.servers.kill9(ServerKind::Postgres).await.unwrap();
    eventually("it is critical", async || served.get("", "/health").await.status == 503).await;
    eventually("it is not ready", async || served.get("", "/health/ready").await.status == 503).await;
    served.get("", "/health/live").await.with(200);
    let refused = served.get(&served.viewer, "/api/v1/migrations").await;
    assert_eq!(refused.headers["retry-after"], "1");
    refused.refused(503, "unavailable");
    served.world.servers.start_again(ServerKind::Postgres).await.unwrap();
    eventually("it is well again", async || served.get("", "/health").await.status == 200).await;
    eventually("it is ready again", async || served.get("", "/health/ready").await.status == 200).await;
    served.terminate().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_token_is_told_how_to_get_one() {
    let world = World::ready(ONLINE).await;
    let mut program = Program::start(world.dir(), &["serve", "--listen", "127.0.0.1:0"], None);
    program.says("no token exists yet; next: mover token create NAME --role admin").await;
    program.signal(Signal::SIGTERM);
    let ended = program.end().await.with_code(0);
    assert!(!ended.to_string().contains("#token="), "a token is no matter for a log: {ended}");
}
