//! Orgs that fail, and how to continue.

use crate::campaign::{legend_agrees, legend_says};
use crate::page::Page;
use crate::served::Served;
use crate::world::OFFLINE;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_org_tells_why_and_is_tried_again() {
    let mut served = Served::start(OFFLINE).await;
    let (uncopied, unverified) = (served.world.orgs[1].clone(), served.world.orgs[2].clone());
    served.world.spoil(&uncopied, &unverified).await;
    let page = Page::open(&served, &served.operator).await;
    page.shows("#failures", "No org has failed.").await;

    page.command("migrate whole_org_offline all").await;
    page.shows("#campaign-line", "ended").await;
    page.until("both are told", "find('#failures-list > li').length === 2").await;
    legend_says(&page, "failed", 2).await;
    page.shows("#health-level", "Needs attention").await;
    let failures = page.text("#failures-list").await;
    for part in [
        uncopied.name.as_str(),
        "At copy:",
        "no_poison",
        "Table cookbooks",
        "poison",
        unverified.name.as_str(),
        "At verify:",
    ] {
        assert!(failures.contains(part), "{part:?} is missing:\n{failures}");
    }

    // The same in the dialog of the org.
    page.click_named("#failures-list button", uncopied.name.as_str()).await;
    page.shows("#org", "table cookbooks").await;
    page.shows("#org .failure", "no_poison").await;
    page.click("#org-close").await;
    page.hides("#org").await;

    served.world.mend().await;
    page.click_named("#failures-list button", "Retry").await;
    page.until("one is left", "find('#failures-list > li').length === 1").await;
    page.shows("#failures-told", "1 orgs are ready again").await;
    assert_eq!(page.focused().await, "failures-title", "the button has gone, and the focus is near");
    page.click_named("#steering button", "Retry 1 failed of whole_org_offline").await;
    page.shows("#failures", "No org has failed.").await;
    page.command("migrate whole_org_offline all").await;
    page.shows("#campaign-facts", "100%, 8 of 8 orgs").await;
    legend_agrees(&page, &served, OFFLINE).await;
    page.was_quiet();
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}
