//! Which requests are admitted, and which rights they have.

use serde_json::json;
use ureq::http::Method;

use crate::program::eventually;
use crate::served::{Served, token};
use crate::world::ONLINE;

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_valid_token_are_refused() {
    let served = Served::start(ONLINE).await;
    for path in ["status", "me", "events", "orgs/org_0001", "commands/1", "no-such-path"] {
        let path = format!("/api/v1/{path}");
        let refused = served.get("", &path).await;
        assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"mover\"");
        refused.refused(401, "unauthorized");
        served.get("mover_0000", &path).await.refused(401, "unauthorized");
    }
    served.post("", "/api/v1/commands", &json!({ "command": "pause" })).await.refused(401, "unauthorized");
    // Paths without a token.
    assert_eq!(served.get("", "/health").await.with(200), json!({ "level": "ok" }));
    assert_eq!(served.get("", "/health/live").await.with(200), json!({ "level": "ok" }));
    assert_eq!(served.get("", "/health/ready").await.with(200), json!({ "level": "ok" }));
    assert!(served.get("", "/").await.text.contains("<!doctype html>"));
    let head = served.ask(Method::HEAD, "/health", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));

    let carol = token(&served.world, "carol", "viewer").await;
    eventually("a new token is known", async || served.get(&carol, "/api/v1/me").await.status == 200).await;
    served.world.mover(&["token", "revoke", "carol"]).await.with_code(0);
    eventually("a revoked token opens nothing", async || served.get(&carol, "/api/v1/me").await.status == 401).await;
    let again = served.world.mover(&["token", "create", "carol", "--role", "admin"]).await.with_code(1);
    assert!(again.said.contains("the audit tells people by these names"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_what_it_may() {
    let served = Served::start(ONLINE).await;
    let me = served.get(&served.viewer, "/api/v1/me").await.with(200);
    assert_eq!((&me["name"], &me["role"]), (&json!("viewer"), &json!("viewer")));
    for command in ["status", "orgs list whole_org", "org org_0001", "flags check", "nodes", "help migrate", "history"]
    {
        served.carry_out(&served.viewer, &json!(command)).await;
    }
    for command in [
        "pause",
        "halt",
        "set concurrency 2",
        "migrate whole_org all",
        "retry whole_org failed",
        "orgs capture whole_org",
    ] {
        let problem = served.command(&served.viewer, command).await.refused(403, "forbidden");
        assert_eq!(problem["role"], "operator", "{command}");
    }
    for command in [
        "finalize whole_org all",
        "darklaunch default cell=new",
        "darklaunch orgs-503 on",
        "darklaunch org-creation off",
        // The hash of requests that belong to no org, by the name of an org.
        "darklaunch org _OC_INTERNAL_NO_ORG disable_new_orgs=true",
        "darklaunch org _OC_INTERNAL_NO_ORG 503 on",
    ] {
        for who in [&served.viewer, &served.operator] {
            let problem = served.command(who, command).await.refused(403, "forbidden");
            assert_eq!(problem["role"], "admin", "{command}");
        }
    }
    served.carry_out(&served.operator, &json!("darklaunch org org_0001 503 on")).await;
    served.carry_out(&served.admin, &json!("darklaunch org-creation off")).await;
    let touch = json!({ "migration": "whole_org" });
    served.post(&served.viewer, "/api/v1/orgs/org_0002/touch", &touch).await.refused(403, "forbidden");
    // Nothing that was refused is in the audit as if it had been given.
    let audit = served.get(&served.viewer, "/api/v1/audit?limit=100").await.with(200).to_string();
    assert!(!audit.contains("finalize") && !audit.contains("\"pause\""), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_or_guesses_has_to_wait() {
    let served = Served::with(ONLINE, "requests_per_second = 5").await;
    let mut refused = None;
    for _ in 0..200 {
        let answer = served.get(&served.viewer, "/api/v1/me").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a limit");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    refused.refused(429, "too-many");
    // It is the limit of one token.
    served.get(&served.admin, "/api/v1/me").await.with(200);

    let mut guesses = 0;
    while served.get(&format!("mover_{guesses:064}"), "/api/v1/me").await.status == 401 {
        guesses += 1;
        assert!(guesses < 500, "guessing has no end");
    }
    served.get(&served.admin, "/api/v1/me").await.with(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_told_once_and_kept_nowhere() {
    let mut served = Served::start(ONLINE).await;
    served.get(&served.admin, "/api/v1/status").await.with(200);
    served.carry_out(&served.admin, &json!("status")).await;
    let list = served.world.mover(&["token", "list", "--json"]).await.with_code(0).answer;
    assert!(list.contains("\"admin\"") && list.contains("\"viewer\""), "{list}");
    let database = everything_in_the_move_log(&served).await;
    let openapi = served.get("", "/api/v1/openapi.json").await.text;
    let audit = served.get(&served.admin, "/api/v1/audit").await.text;
    let said = served.terminate().await.with_code(0).to_string();
    for token in [&served.admin, &served.operator, &served.viewer] {
        let secret = token.strip_prefix("mover_").unwrap();
        for (place, text) in
            [("list", &list), ("database", &database), ("openapi", &openapi), ("audit", &audit), ("log", &said)]
        {
            assert!(!text.contains(secret), "a token is in the {place}");
        }
    }
}

/// Every value in every table.
async fn everything_in_the_move_log(served: &Served) -> String {
    let log = served.move_log().await;
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'mover'";
    let mut everything = String::new();
    for table in log.query(tables, &[]).await.unwrap() {
        let rows = format!("SELECT t::text FROM mover.{} t", table.get::<_, &str>(0));
        everything.extend(log.query(&rows, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
    }
    everything
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_only_its_address_counts() {
    let served = Served::with(ONLINE, "behind_proxy = true").await;
    let bearer = ("authorization", format!("Bearer {}", served.operator));
    let json_type = ("content-type", "application/json".to_owned());
    let told = |address: &str| ("x-forwarded-for", address.to_owned());
    // The first line is what the client wrote, the second is the proxy's.
    for lines in [&[told("6.6.6.6"), told("192.0.2.7")][..], &[told("6.6.6.6, 192.0.2.7")]] {
        let headers = [&[bearer.clone(), json_type.clone()], lines].concat();
        let body = json!({ "command": "nodes" }).to_string();
        let entry = served.ask(Method::POST, "/api/v1/commands", &headers, Some(body)).await.with(200);
        assert_eq!(entry["origin"], "192.0.2.7");
    }
}
