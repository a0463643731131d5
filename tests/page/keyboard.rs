//! Without a mouse.

use crate::page::Page;
use crate::served::Served;
use crate::world::ONLINE;

/// Continues with Tab to a control, and says which were on the way.
async fn tab_to(page: &Page, control: &str) -> Vec<String> {
    let mut passed = Vec::new();
    while passed.last().is_none_or(|last| last != control) {
        page.press("Tab").await;
        passed.push(page.focused().await);
        let outline = page.value("getComputedStyle(document.activeElement).outlineStyle").await;
        assert_ne!(outline, "none", "where the focus is must be seen: {passed:?}");
        assert!(passed.len() < 100, "Tab does not lead to {control}: {passed:?}");
    }
    passed
}

/// The focus is at the beginning again, and everything can be used.
async fn load_again(page: &Page, served: &Served) {
    page.go(&served.url).await;
    page.until("it can be paused", "find('[data-command=pause]:enabled:not([aria-disabled])').length === 1").await;
    page.until("orgs are in the list", "find('#orgs-table button').length > 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_leads_through_the_page_in_the_order_in_which_it_is_read() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    // Longer than any test waits, so that the campaign is still live.
    page.command("migrate whole_org all workers=1 pace=3600000").await;
    page.shows("#campaign-line", "running").await;
    load_again(&page, &served).await;
    let passed = tab_to(&page, "orgs-prefix").await;
    let order = [
        "Skip to the content",
        "sign-out",
        "Pause",
        "Halt",
        "command",
        "map-canvas",
        "drift-check",
        "orgs-state",
        "orgs-prefix",
    ];
    let places: Vec<_> = order.iter().map(|name| passed.iter().position(|passed| passed == name)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{order:?} in {passed:?}");
    page.press_shift("Tab").await;
    assert_eq!(page.focused().await, "orgs-state");

    load_again(&page, &served).await;
    tab_to(&page, "Halt").await;
    page.press("Enter").await;
    page.shows("#campaign-line", "ended").await;
    page.was_quiet();
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_keys_go_over_the_map_and_enter_opens_an_org() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.viewer).await;
    tab_to(&page, "map-canvas").await;
    let mut told = Vec::new();
    for key in ["ArrowRight", "ArrowRight", "ArrowRight"] {
        page.press(key).await;
        page.until("the org is told", "/^org_.*: ready$/.test(text('#map-org'))").await;
        told.push(page.text("#map-org").await);
    }
    let live = page.value("document.querySelector('#map-org').ariaLive").await;
    assert_eq!(live, "polite", "a screen reader says it");
    assert!(told[0] != told[1] && told[1] != told[2], "{told:?}");

    let width = "document.querySelector('#map-canvas').offsetWidth";
    let before = page.value(width).await;
    page.resize(1000, 900).await;
    page.until("the map is laid out anew", &format!("{width} !== {before}")).await;
    assert_eq!(page.text("#map-org").await, told[2], "nobody loses their place");
    page.press("ArrowLeft").await;
    page.shows("#map-org", &told[1]).await;
    page.press("Enter").await;
    page.shows("#org", "History").await;
    page.press("Escape").await;
    page.hides("#org").await;
    assert_eq!(page.focused().await, "map-canvas");
    page.was_quiet();
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_closes_a_dialog_where_it_may() {
    let served = Served::start(ONLINE).await;
    let page = Page::unsigned(&served).await;
    page.shows("#sign-in", "Sign in to Mover").await;
    for _ in 0..2 {
        page.press("Escape").await;
        page.until("without a token there is nothing else to do", "document.querySelector('#sign-in').open").await;
    }
    page.fill("#token", &served.admin).await;
    page.press("Enter").await;
    page.shows("#connection", "live").await;

    page.command("darklaunch default cell=new").await;
    page.shows("#confirm", "This changes much").await;
    page.press("Escape").await;
    page.hides("#confirm").await;
    page.shows("#command-told", "Cancelled").await;
    assert_eq!(page.focused().await, "command");
    page.was_quiet_but(&["status of 409"]);
}
