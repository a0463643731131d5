//! Commands that change much ask first.

use crate::page::Page;
use crate::served::Served;
use crate::world::ONLINE;

#[tokio::test(flavor = "multi_thread")]
async fn finalizing_takes_the_right_word() {
    let mut served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.admin).await;
    page.command("migrate whole_org all").await;
    page.shows("#campaign-line", "Campaign 1: migrating whole_org, ended").await;

    page.command("finalize whole_org all").await;
    page.shows("#confirm-what", "8 orgs of whole_org").await;
    assert_eq!(page.focused().await, "confirm-word");
    page.fill("#confirm-word", "yes").await;
    let refused = "document.querySelector('#confirm-go').disabled";
    assert_eq!(page.value(refused).await, true);
    page.press("Enter").await;
    assert_eq!(page.count("#confirm").await, 1, "the wrong word does nothing");
    page.press("Escape").await;
    page.shows("#command-told", "Cancelled: nothing was done.").await;
    let finalized = async || served.world.states().await.get("finalized").copied();
    assert_eq!(finalized().await, None);

    page.command("finalize whole_org all").await;
    page.fill("#confirm-word", "whole_org").await;
    page.click_named("#confirm button", "Go on").await;
    page.hides("#confirm").await;
    page.shows("#campaign-line", "Campaign 2: finalizing whole_org, ended").await;
    page.shows("#campaign-facts", "100%, 8 of 8 orgs").await;
    assert_eq!(finalized().await, Some(8));
    // A command that has to be confirmed is answered with 409 first.
    page.was_quiet_but(&["status of 409"]);
    served.terminate().await.with_code(0);
    served.world.assert_all_finalized().await;
}
