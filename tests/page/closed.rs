//! Orgs that are blocked now.

use crate::page::Page;
use crate::served::Served;
use crate::world::ONLINE;

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_have_shut_is_told_flag_by_flag() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.admin).await;
    page.shows("#closed-none", "No org is in 503 mode.").await;

    page.command("darklaunch orgs-503 on").await;
    page.shows("#confirm-what", "dl_default").await;
    page.fill("#confirm-word", "dl_default").await;
    page.click_named("#confirm button", "Go on").await;
    page.hides("#confirm").await;
    page.shows("#closed-table", "all orgs").await;
    page.shows("#closed-table", "dl_default orgs_503_mode").await;

    page.command("darklaunch org org_0001 503_mode=true orgs_503_mode=true").await;
    page.until("each flag has a row", "find('#closed-table tbody tr').length === 3").await;
    page.shows("#closed-table", "dl_org_org_0001 503_mode").await;
    page.shows("#closed-table", "dl_org_org_0001 orgs_503_mode").await;
    // A command that has to be confirmed is answered with 409 first.
    page.was_quiet_but(&["status of 409"]);
}
