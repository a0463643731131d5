//! Which migration is shown.

use serde_json::json;

use crate::page::Page;
use crate::program::eventually;
use crate::served::Served;
use crate::world::{OFFLINE, ONLINE};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_follows_the_campaign_until_a_migration_is_selected() {
    let served = Served::start(ONLINE).await;
    for command in ["orgs capture whole_org_offline", "orgs ready whole_org_offline all"] {
        served.carry_out(&served.operator, &json!(command)).await;
    }
    let page = Page::open(&served, &served.operator).await;
    let selected = |name: &str| format!("document.querySelector('#migration').value === '{name}'");
    page.until("one that has orgs is shown", &selected(ONLINE)).await;

    for name in [OFFLINE, ONLINE] {
        served.carry_out(&served.operator, &json!(format!("migrate {name} 1"))).await;
        page.until("the one of the campaign is shown", &selected(name)).await;
        page.shows("#campaign-facts", "1 claimed, 1 done").await;
    }

    let choose = "const choice = document.querySelector('#migration'); choice.value = 'org'; choice.dispatchEvent(new Event('change'))";
    page.value(&format!("(() => {{ {choose} }})()")).await;
    page.shows("#empty", "orgs capture org").await;
    page.until("nothing of it is done", "!text('#campaign-facts').includes('%')").await;
    served.carry_out(&served.operator, &json!("migrate whole_org 1")).await;
    let ended = async || served.get(&served.viewer, "/api/v1/campaigns/3").await.with(200)["phase"] == json!("ended");
    eventually("the campaign ends", ended).await;
    page.shows("#campaign-line", "Campaign 3: migrating whole_org, ended").await;
    page.until("what was selected is still shown", &selected("org")).await;
    page.was_quiet();
}
