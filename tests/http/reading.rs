//! Reading: lists, one org, its location, blocked orgs, and an org with priority.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::program::eventually;
use crate::served::Served;
use crate::world::{OFFLINE, ONLINE};

fn strings<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    items.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_org_once() {
    let served = Served::start(ONLINE).await;
    for order in ["", "&prefix=org_", "&state=ready"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/migrations/whole_org/orgs?limit=3{order}{after}");
            let page = served.get(&served.viewer, &path).await.with(200);
            seen.extend(strings(&page["items"], "org").into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let all: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), all.len()), (8, 8), "{order}: {seen:?}");
        assert!(order != "&prefix=org_" || seen.is_sorted(), "{seen:?}");
    }
    let none = served.get(&served.viewer, "/api/v1/migrations/whole_org/orgs?prefix=nobody").await.with(200);
    assert_eq!(none, json!({ "items": [], "next": null }));
    let map = served.get(&served.viewer, "/api/v1/migrations/whole_org/map").await.with(200);
    assert_eq!((map["states"].as_str().unwrap(), map["ids"].as_array().unwrap().len()), ("rrrrrrrr", 8));
    for query in ["limit=0", "limit=1001", "limit=x", "state=happy", "after=x"] {
        let path = format!("/api/v1/migrations/whole_org/orgs?{query}");
        served.get(&served.viewer, &path).await.refused(400, "malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_org_lives_follows_its_move() {
    let served = Served::start(ONLINE).await;
    let org = served.world.orgs[0].name.clone();
    let route = async || served.get(&served.viewer, &format!("/api/v1/orgs/{org}/route")).await.with(200);
    let before = route().await;
    assert_eq!(before["migrations"][0]["store"], "old");
    served.carry_out(&served.operator, &json!(["migrate", "whole_org", [org]])).await;
    eventually("the org is migrated", async || route().await["migrations"][0]["state"] == "migrated").await;
    let after = route().await;
    let expected =
        json!({ "migration": "whole_org", "state": "migrated", "step": null, "store": "new", "accepts_writes": true });
    assert_eq!(after["migrations"][0], expected);
    assert_eq!(after["flags"]["cell"], "new");

    let told = served.get(&served.viewer, &format!("/api/v1/orgs/{org}")).await.with(200);
    let history = strings(&told["moves"][0]["history"], "to");
    assert_eq!((history.first(), history.last()), (Some(&"ready"), Some(&"migrated")), "{history:?}");
    assert_eq!(told["moves"][0]["history"][0]["actor"], told["moves"][0]["history"][0]["actor"]);
    served.get(&served.viewer, "/api/v1/orgs/nobody").await.refused(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_tell_the_row_and_who_is_shut_out_is_told() {
    let served = Served::start(OFFLINE).await;
    let (uncopied, unverified) = (served.world.orgs[1].clone(), served.world.orgs[2].clone());
    served.world.spoil(&uncopied, &unverified).await;
    served.carry_out(&served.operator, &json!("darklaunch org org_0001 503 on")).await;
    let closed = served.get(&served.viewer, "/api/v1/closed").await.with(200);
    let expected = json!({ "org": "org_0001", "since": null, "by": "operator", "what": "dl_org_org_0001 503_mode" });
    assert_eq!(closed["items"], json!([expected]));

    served.carry_out(&served.operator, &json!(["migrate", "whole_org_offline", [uncopied.name]])).await;
    let failed = async || {
        let path = "/api/v1/migrations/whole_org_offline/orgs?state=failed";
        served.get(&served.viewer, path).await.with(200)["items"].as_array().unwrap().len() == 1
    };
    eventually("the org has failed", failed).await;
    let status = served.get(&served.operator, "/api/v1/status").await.with(200);
    let failures = &status["migrations"].as_array().unwrap().iter().find(|m| m["failed"] == 1).unwrap()["failures"];
    assert_eq!((&failures[0]["org"], &failures[0]["step"]), (&json!(uncopied.name), &json!("copy")));
    assert!(failures[0]["row"].as_str().unwrap().contains("poison"), "{failures}");
    let health = served.get(&served.viewer, "/api/v1/health").await.with(200);
    assert_eq!(health["level"], "warning", "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touched_org_is_moved_first() {
    let served = Served::start(ONLINE).await;
    let last = served.world.orgs.last().unwrap().name.clone();
    let path = format!("/api/v1/orgs/{last}/touch");
    let touched = served.post(&served.operator, &path, &json!({ "migration": "whole_org" })).await.with(200);
    assert_eq!(touched["state"], "ready");
    served.carry_out(&served.operator, &json!("migrate whole_org 1")).await;
    let wait = json!({ "migration": "whole_org", "wait_ms": 30000 });
    let moved = served.post(&served.operator, &path, &wait).await.with(200);
    assert_eq!((&moved["state"], &moved["org"]), (&json!("migrated"), &json!(last)));
    let nobody = served.post(&served.operator, "/api/v1/orgs/nobody/touch", &wait).await;
    nobody.refused(404, "not-found");
    let wrong = served.post(&served.operator, &path, &json!({ "migration": "whole_org", "wait_ms": 30001 })).await;
    wrong.refused(400, "malformed");
}

/// The row at which an org failed is a customer's: whoever only looks at progress does not get it.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_do_not_get_rows_of_customers() {
    let served = Served::start(ONLINE).await;
    let (uncopied, unverified) = (served.world.orgs[0].clone(), served.world.orgs[1].clone());
    served.world.spoil(&uncopied, &unverified).await;
    served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    served.world.until(|states| states.get("failed") == Some(&2) && states.get("migrated") == Some(&6)).await;
    let org = uncopied.name.as_str();
    let paths = [
        "/api/v1/status".to_owned(),
        "/api/v1/migrations/whole_org".to_owned(),
        "/api/v1/migrations/whole_org/orgs?state=failed".to_owned(),
        format!("/api/v1/orgs/{org}"),
    ];
    for path in &paths {
        let all = served.get(&served.operator, path).await.with(200).to_string();
        assert!(all.contains("poison"), "{path}: {all}");
        let hidden = served.get(&served.viewer, path).await.with(200).to_string();
        assert!(!hidden.contains("poison,") && hidden.contains("(hidden from viewers)"), "{path}: {hidden}");
        assert!(hidden.contains("no_poison") && hidden.contains("cookbooks"), "{path}: {hidden}");
    }
    for command in [format!("org {org}"), "status".to_owned(), "orgs list whole_org state=failed".to_owned()] {
        let told = served.carry_out(&served.viewer, &json!(command)).await.to_string();
        assert!(!told.contains("poison,"), "{command}: {told}");
    }
}
