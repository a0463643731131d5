//! Flags that do not lead to where orgs live, seen by a Mover that serves: it mends them, and refuses operators who would make them so.

use mover::demo::route::{Route, Store};
use serde_json::json;

use crate::program::eventually;
use crate::served::Served;
use crate::world::ONLINE;

/// A served Mover whose orgs have all moved.
async fn moved() -> Served {
    let served = Served::start(ONLINE).await;
    let done = served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    let path = format!("/api/v1/campaigns/{}", done["campaign"]);
    eventually("the campaign ends", async || served.get(&served.viewer, &path).await.with(200)["phase"] == "ended")
        .await;
    served
}

fn redis(served: &Served) -> redis::Connection {
    redis::Client::open(served.world.servers.redis_url()).unwrap().get_connection().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_was_lost_or_changed_is_written_again_by_a_mover_that_serves() {
    let mut served = moved().await;
    let (lost, changed) = (served.world.orgs[0].clone(), served.world.orgs[1].clone());
    let (lost_key, changed_key) = (format!("dl_org_{}", lost.name), format!("dl_org_{}", changed.name));
    let _: i64 = redis::cmd("DEL").arg(&lost_key).query(&mut redis(&served)).unwrap();
    let _: i64 = redis::cmd("HSET").arg(&changed_key).arg("cell").arg("old").query(&mut redis(&served)).unwrap();
    for org in [&lost, &changed] {
        let back = async || served.world.route(org).await == Route::To(Store::New);
        eventually("the org is routed to where it lives", back).await;
    }
    let lines = served.program().says("flags were changed in Redis; writing them again").await;
    assert!(lines.contains("flags were lost in Redis; writing them again") && lines.contains(&lost_key), "{lines}");
    let metrics = served.get(&served.viewer, "/metrics").await.text;
    for cause in ["lost", "changed"] {
        let line = format!("mover_flags_mended_total{{cause=\"{cause}\"}} 1");
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
    assert!(metrics.contains("mover_orgs_misrouted{migration=\"whole_org\"} "), "{metrics}");
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_that_someone_set_in_redis_is_left_to_them() {
    let mut served = moved().await;
    let (shut, changed) = (served.world.orgs[0].clone(), served.world.orgs[1].clone());
    let set = |served: &Served, org: &str, field: &str, value: &str| {
        let key = format!("dl_org_{org}");
        let _: i64 = redis::cmd("HSET").arg(key).arg(field).arg(value).query(&mut redis(served)).unwrap();
    };
    // A decision about the field, so that Mover would know better.
    served.carry_out(&served.operator, &json!(format!("darklaunch org {} 503 off", shut.name))).await;
    set(&served, shut.name.as_str(), "503_mode", "true");
    // The other one shows that a comparison has been made since.
    set(&served, changed.name.as_str(), "cell", "old");
    served.program().says("flags were changed in Redis; writing them again").await;
    eventually("a whole sweep was made", async || {
        served.get(&served.viewer, "/metrics").await.text.contains("mover_flags_differing 1")
    })
    .await;
    assert_eq!(served.world.route(&shut).await, Route::Blocked { store: Some(Store::New) });
    let health = served.get(&served.viewer, "/api/v1/health").await.with(200);
    assert_eq!(health["level"], "warning", "{health}");
    assert!(health.to_string().contains("503_mode is \\\"true\\\", should be \\\"false\\\""), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_routes_an_org_away_from_its_rows_and_must_confirm_it() {
    let served = moved().await;
    let org = served.world.orgs[0].name.clone();
    for command in [format!("darklaunch org {org} cell=old"), format!("redis-cli HSET dl_org_{org} cell old")] {
        let problem = served.command(&served.operator, &command).await.refused(403, "forbidden");
        assert_eq!(problem["role"], "admin", "{problem}");
        let problem = served.command(&served.admin, &command).await.refused(409, "confirmation-needed");
        assert!(problem["what"].as_str().unwrap().contains("1 org would be routed away from its rows"), "{problem}");
        assert_eq!(problem["word"], org.as_str());
    }
    served.carry_out(&served.operator, &json!(format!("darklaunch org {org} 503 on"))).await;
    served.carry_out(&served.operator, &json!(format!("darklaunch org {org} 503 off"))).await;

    let give = json!({ "command": format!("darklaunch org {org} cell=old"), "confirm": org.as_str() });
    let taken = served.post(&served.admin, "/api/v1/commands", &give).await.taken();
    served.done(&taken).await;
    let critical = async || {
        let health = served.get(&served.viewer, "/api/v1/health").await.with(200);
        health["level"] == "critical" && health.to_string().contains("lives in new, and its flags route it to old")
    };
    eventually("health names the org", critical).await;
    let drift = served.get(&served.viewer, "/api/v1/flags/drift").await.with(200);
    assert_eq!(
        (&drift["misrouted_total"], &drift["misrouted"][0]["org"]),
        (&json!(1), &json!(org.as_str())),
        "{drift}"
    );
    let status = async || {
        let status = served.get(&served.viewer, "/api/v1/status").await.with(200);
        status["migrations"].as_array().unwrap().iter().any(|migration| migration["misrouted"] == json!(1))
    };
    eventually("the status counts the org", status).await;
}
