//! A campaign from its beginning to its end, driven from the page.

use serde_json::json;

use crate::page::Page;
use crate::served::Served;
use crate::world::{ONLINE, in_flight};

/// Waits until the table next to the map shows this number of orgs in a state.
pub(crate) async fn legend_says(page: &Page, state: &str, orgs: u64) {
    let row = format!("find('#legend tr').find((row) => row.cells[0].innerText.endsWith({}))", json!(state));
    let says = format!("Number({row}?.cells[1].innerText) === {orgs}");
    page.until(&format!("the legend says {orgs} of {state}"), &says).await;
}

/// Waits until the table agrees with the API in every state.
pub(crate) async fn legend_agrees(page: &Page, served: &Served, migration: &str) {
    let told = served.get(&served.viewer, &format!("/api/v1/migrations/{migration}")).await.with(200);
    for state in ["holding", "ready", "started", "migrated", "failed", "rolled_back", "finalized"] {
        legend_says(page, &state.replace('_', " "), told[state].as_u64().unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_starts_steers_and_watches_a_campaign() {
    let mut served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    page.shows("#campaign-line", "No campaign yet. Next: migrate whole_org all").await;
    page.shows("#steering", "No campaign runs").await;
    legend_says(&page, "ready", 8).await;
    page.value("window.isTheSamePage = true").await;

    // Its two workers rest for an hour after their first orgs, which leaves time to look.
    page.command("migrate whole_org all workers=2 pace=3600000").await;
    page.shows("#command-told", "campaign 1").await;
    page.shows("#campaign-line", "Campaign 1: migrating whole_org, running").await;
    let progress = "Number(document.querySelector('#progress').getAttribute('aria-valuenow'))";
    page.until("there is some progress", &format!("{progress} === 25")).await;
    page.shows("#workers-table", "worker_2").await;

    page.click_named("#steering button", "Pause").await;
    page.shows("#campaign-line", "paused").await;
    assert_eq!(page.value("document.querySelector('[data-command=pause]').ariaDisabled").await, "true");
    assert_eq!(page.focused().await, "Pause", "whoever has pressed it goes on from there");
    served.world.until(|states| in_flight(states) == 0).await;
    let at_rest = served.world.states().await;
    legend_agrees(&page, &served, ONLINE).await;
    // If it were not paused, the two new workers would move all the others at once.
    page.fill("[data-set=concurrency] input", "4").await;
    page.press("Enter").await;
    page.shows("#steering-told", "moves 4 orgs at once").await;
    page.command("set pace 50").await;
    page.shows("#command-told", "rest 50 ms").await;
    assert_eq!(served.world.states().await, at_rest);

    page.click_named("#steering button", "Resume").await;
    page.until("all are done", &format!("{progress} === 100")).await;
    page.shows("#campaign-facts", "100%, 8 of 8 orgs").await;
    page.shows("#campaign-line", "ended").await;
    page.shows("#campaign-facts", "8 claimed, 8 done, 0 failed").await;
    legend_says(&page, "migrated", 8).await;
    legend_agrees(&page, &served, ONLINE).await;
    let campaign = served.get(&served.viewer, "/api/v1/campaigns/1").await.with(200);
    assert_eq!((&campaign["phase"], &campaign["concurrency"]), (&json!("ended"), &json!(4)));

    let latest = "document.querySelector('#throughput-chart svg').getAttribute('aria-label')";
    page.until("the chart has a text", &format!("/Latest: moved [\\d.,]+ orgs.min/.test({latest})")).await;
    let rows = "document.querySelectorAll('#throughput-chart tbody tr').length > 0";
    page.until("the chart has a table for those who cannot see it", rows).await;
    page.shows("#audit-table", "migrate whole_org all workers=2 pace=3600000").await;
    assert_eq!(page.value("window.isTheSamePage").await, true, "all of this was live");
    page.was_quiet();
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_back_is_measured_by_what_is_meant() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    page.command("migrate whole_org all").await;
    page.shows("#campaign-line", "Campaign 1: migrating whole_org, ended").await;
    page.command(&format!("rollback whole_org {}", served.world.orgs[1].name)).await;
    page.shows("#campaign-line", "Campaign 2: rolling back whole_org, ended").await;
    page.shows("#campaign-facts", "100%, 1 of 1 org").await;
    page.shows("#counts", "rolled back 1").await;
    page.was_quiet();
}
