//! The page for a viewer.

use serde_json::json;

use crate::page::Page;
use crate::served::Served;
use crate::world::{OFFLINE, ONLINE};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_looks_and_changes_nothing() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.viewer).await;
    page.shows("#controls-why", "You are a viewer").await;
    let usable = "find('#steering button, #steering input').filter((control) => !control.matches(':disabled')).length";
    assert_eq!(page.value(usable).await, 0);
    page.hides(".changes").await;

    page.command("status").await;
    page.shows("#command-told", "whole_org").await;
    page.command("migrate whole_org all").await;
    page.shows("#command-told", "your role may not").await;
    page.shows("#command-told", "takes a token with the role operator").await;

    // The page only hides what Mover refuses anyway.
    let options = json!({
        "method": "POST",
        "headers": { "Authorization": format!("Bearer {}", served.viewer), "Content-Type": "application/json" },
        "body": json!({ "command": "migrate whole_org all" }).to_string(),
    });
    let forced =
        page.value(&format!("await fetch('/api/v1/commands', {options}).then(({{ status }}) => status)")).await;
    assert_eq!(forced, 403);
    assert_eq!(served.get(&served.viewer, "/api/v1/status").await.with(200)["campaign"], json!(null));
    page.was_quiet_but(&["status of 403"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_what_failed_and_has_no_button_for_it() {
    let served = Served::start(OFFLINE).await;
    let (uncopied, unverified) = (served.world.orgs[1].clone(), served.world.orgs[2].clone());
    served.world.spoil(&uncopied, &unverified).await;
    let page = Page::open(&served, &served.viewer).await;
    served.carry_out(&served.operator, &json!("migrate whole_org_offline all")).await;
    page.shows("#failures-list", uncopied.name.as_str()).await;
    page.shows("#health", "warning").await;
    assert_eq!(page.count("#failures-list .changes").await, 0);
    page.was_quiet();
}
