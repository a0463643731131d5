//! `mover health`: the exit code is 0, 1 or 2. And every answer requested as JSON is JSON.

use mover::embedded::ServerKind::{Postgres, Redis};

use super::workspace::Served;

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_then_is_not() {
    let served = Served::new().await;
    served.mover(&["health"]).with_code(0).answering(&["ok"]);
    served.make_ready();
    served.sql("new", "ALTER TABLE items ADD CONSTRAINT not_six CHECK (amount <> 6)").await;
    served.exec("migrate small all").with_code(1);

    let warning = served.mover(&["health"]).with_code(1);
    warning.answering(&["warning", "orgs of small that failed: 1", "next: orgs list small state=failed"]);

    served.servers.stop(Redis).await.unwrap();
    served.mover(&["health"]).with_code(2).answering(&["critical", "Redis", "orgs of small that failed: 1"]);
    served.servers.start_again(Redis).await.unwrap();
    served.exec("flags repair").with_code(0);
    served.mover(&["health"]).with_code(1);

    served.servers.stop(Postgres).await.unwrap();
    let critical = served.mover(&["health", "--json"]).with_code(2);
    assert_eq!(critical.json()["level"], "critical", "{critical}");
    served.servers.start_again(Postgres).await.unwrap();

    served.sql("new", "ALTER TABLE items DROP CONSTRAINT not_six").await;
    served.exec("retry small failed").with_code(0);
    served.exec("migrate small all").with_code(0);
    let ok = served.mover(&["health", "--json"]).with_code(0);
    assert_eq!(ok.json(), serde_json::json!({ "level": "ok", "causes": [] }));
}

/// A read does not migrate a database without the schema `mover`.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_critical_until_the_schema_is_there_and_makes_none() {
    let served = Served::new().await;
    served.sql("mover", "DROP SCHEMA mover CASCADE").await;
    served.mover(&["health"]).with_code(2).answering(&["schema"]);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'mover'";
    assert_eq!(served.number("mover", schemas).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_json() {
    let served = Served::ready().await;
    let campaign = served.mover(&["exec", "migrate small 2", "--json"]).with_code(0).json();
    assert_eq!((&campaign["migrated"], &campaign["failed"]), (&2.into(), &0.into()), "{campaign}");
    for command in [
        "status",
        "orgs list small",
        "org acme_1",
        "flags show default",
        "flags check",
        "verify small all",
        "check",
        "health",
        "nodes",
        "help",
        "orgs capture small",
        "report small",
        "darklaunch default cell=old",
    ] {
        let said = served.mover(&["exec", "--yes", command, "--json"]);
        assert!(said.json().is_object(), "{command}: {said}");
    }
    assert_eq!(served.mover(&["status", "--json"]).with_code(0).json()["migrations"][0]["migrated"], 2);
    let talkative = ["--log-format", "json", "--log", "mover_actors=debug", "exec", "migrate small all"];
    let log = served.mover(&talkative).with_code(0);
    let lines = log.err.lines().filter(|line| line.starts_with('{'));
    let orgs = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["org"].is_string());
    assert!(orgs.count() >= 2, "{log}");
}
