//! Mover is killed and restarted while the page is open.

use crate::campaign::legend_agrees;
use crate::page::Page;
use crate::served::Served;
use crate::world::{OFFLINE, ONLINE};

/// The error page of the browser without a server.
const NOBODY_THERE: &str = "net::ERR_";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_that_mover_is_gone_and_comes_back_by_itself() {
    let mut served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    page.value("window.isTheSamePage = true").await;
    page.command("migrate whole_org all workers=2 pace=500").await;
    served.world.until(|states| states.contains_key("migrated")).await;
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    served.kill9().await.by_sigkill();
    page.shows("#connection", "lost connection, trying again").await;
    page.command("pause").await;
    page.shows("#command-told", "Mover cannot be reached").await;

    served.serve_on(&address).await;
    page.shows("#connection", "live").await;
    page.shows("#campaign-facts", "100%, 8 of 8 orgs").await;
    page.shows("#campaign-line", "ended").await;
    legend_agrees(&page, &served, ONLINE).await;
    assert_eq!(page.value("window.isTheSamePage").await, true, "nobody loaded it again");
    page.was_quiet_but(&[NOBODY_THERE]);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialog_of_an_org_is_read_again_and_the_focus_stays_where_it_is() {
    let mut served = Served::start(OFFLINE).await;
    let (uncopied, unverified) = (served.world.orgs[1].clone(), served.world.orgs[2].clone());
    served.world.spoil(&uncopied, &unverified).await;
    let page = Page::open(&served, &served.operator).await;
    page.command("migrate whole_org_offline all").await;
    page.click_named("#failures-list button", uncopied.name.as_str()).await;
    page.shows("#org", "table cookbooks").await;
    page.value("document.querySelector('#org .failure button').focus()").await;
    page.value("Boolean(window.isTheSameButton = document.activeElement)").await;
    let read = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/v1/orgs/')).length";
    let before = page.value(read).await;

    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    served.kill9().await.by_sigkill();
    page.shows("#connection", "lost").await;
    served.serve_on(&address).await;
    page.until("it is read again", &format!("{read} > {before}")).await;
    page.until("it is shown", "text('#org').includes('table cookbooks')").await;
    assert_eq!(page.focused().await, "Retry");
    assert_eq!(page.value("window.isTheSameButton === document.activeElement").await, true);
    page.was_quiet_but(&[NOBODY_THERE]);
}
