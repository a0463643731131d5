//! Wide and narrow, light and dark. The pictures are for people.

use crate::page::Page;
use crate::served::Served;
use crate::world::OFFLINE;

const WIDE: u32 = 1440;
const NARROW: u32 = 360;

#[tokio::test(flavor = "multi_thread")]
async fn it_fits_wide_and_narrow_in_light_and_dark() {
    let served = Served::start(OFFLINE).await;
    let (uncopied, unverified) = (served.world.orgs[1].clone(), served.world.orgs[2].clone());
    served.world.spoil(&uncopied, &unverified).await;
    // No line break is anywhere in it.
    let long = "w".repeat(500);
    let add = "INSERT INTO organizations VALUES (gen_random_uuid(), $1, 'long', date_trunc('second', now()), '{}')";
    served.world.old_store().await.execute(add, &[&long]).await.unwrap();
    let page = Page::open(&served, &served.operator).await;
    page.command("orgs capture whole_org_offline").await;
    page.until("what is new is on the map", "find('#legend tr')[0].cells[1].innerText === '1'").await;
    page.command(&format!("orgs ready whole_org_offline {long}")).await;
    page.command("darklaunch org org_0001 503 on").await;
    // When an operator did it is written nowhere.
    page.shows("#closed-table", "org_0001").await;
    page.shows("#closed-table", "not known").await;
    page.command("migrate whole_org_offline all").await;
    page.shows("#campaign-line", "ended").await;
    page.until("both failed", "find('#failures-list > li').length === 2").await;
    page.until("the chart is drawn", "find('#throughput-chart [role=img] rect').length > 0").await;

    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.prefer(scheme).await;
        for width in [WIDE, NARROW] {
            page.resize(width, 800).await;
            fits(&page, width, "the page").await;
            page.picture(&format!("{scheme}-{width}")).await;
        }
        page.click_named("#failures-list button", uncopied.name.as_str()).await;
        page.shows("#org", "History").await;
        fits(&page, NARROW, "with the dialog of an org").await;
        page.picture(&format!("{scheme}-{NARROW}-org")).await;
        page.click("#org-close").await;
        grounds.push(page.value("getComputedStyle(document.body).backgroundColor").await);
    }
    assert_ne!(grounds[0], grounds[1], "dark is not light");
    page.was_quiet();
}

/// No horizontal scrolling.
async fn fits(page: &Page, width: u32, what: &str) {
    let laid_out = format!("innerWidth === {width} && document.querySelector('#map-canvas').offsetWidth < {width}");
    page.until("it is laid out", &laid_out).await;
    let beyond = format!(
        "find('body *').filter((node) => node.getBoundingClientRect().right > {width} && !node.closest('.unseen, .skip')).map((node) => node.outerHTML.slice(0, 80))"
    );
    let beyond = page.value(&beyond).await;
    let scrolls = page.value("document.documentElement.scrollWidth").await;
    assert!(scrolls.as_u64().unwrap() <= u64::from(width), "{what} is {scrolls} wide, at {width}: {beyond}");
}
