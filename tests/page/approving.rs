//! The point of no return takes a second person.

use crate::page::Page;
use crate::program::eventually;
use crate::served::{Served, token};
use crate::world::OFFLINE;

const COMMAND: &str = "migrate whole_org_offline all";

#[tokio::test(flavor = "multi_thread")]
async fn another_user_refuses_or_approves_on_the_page() {
    let mut served = Served::with(OFFLINE, "second_person = true").await;
    let dave = token(&served.world, "dave", "operator").await;
    eventually("the new token is known", async || served.get(&dave, "/api/v1/me").await.status == 200).await;
    let (giver, decider) = (Page::open(&served, &served.operator).await, Page::open(&served, &dave).await);
    giver.shows("#controls-why", "The point of no return needs a second person.").await;
    giver.command(COMMAND).await;
    giver.shows("#command-told", "waits: another user must approve it").await;
    giver.shows("#approvals", COMMAND).await;
    giver.shows("#approvals", "You gave it").await;
    assert_eq!(giver.count("#approvals button").await, 1, "it can be taken back, and not approved");

    decider.shows("#approvals", COMMAND).await;
    decider.shows("#approvals", "of operator").await;
    decider.click_named("#approvals button", "Refuse").await;
    decider.hides("#approvals").await;
    decider.shows("#approvals-told", "Refused").await;
    assert_eq!(decider.focused().await, "controls-title", "the button has gone, and the focus is near");
    giver.hides("#approvals").await;
    giver.shows("#command-told", "Refused").await;
    giver.shows("#campaign-line", "No campaign yet").await;

    giver.command(COMMAND).await;
    giver.click_named("#approvals button", "Take back").await;
    decider.hides("#approvals").await;

    giver.command(COMMAND).await;
    // It is also there for clients that connect later.
    decider.go(&served.url).await;
    decider.click_named("#approvals button", "Approve").await;
    decider.shows("#audit-table", "decided by dave").await;
    giver.shows("#campaign-facts", "100%, 8 of 8 orgs").await;
    giver.hides("#approvals").await;
    for page in [giver, decider] {
        page.was_quiet();
    }
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}
