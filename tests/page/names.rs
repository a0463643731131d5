//! Names and reasons that are written like parts of a page.

use serde_json::json;

use crate::page::Page;
use crate::program::eventually;
use crate::served::Served;
use crate::world::OFFLINE;

const NAMES: [&str; 5] = [
    r#"<img src=x onerror="document.title='owned'">"#,
    r#""><script>document.title='owned'</script>"#,
    "javascript:document.title='owned'//",
    r#"acme, "inc" \ & sons"#,
    "\u{202e}drawkcab",
];
const REASON: &str = "<svg onload=document.title=`owned`>";

/// These orgs exist, and the new store refuses them with a reason that is written like a part of a page, too.
async fn add_orgs(served: &Served) {
    let sql =
        "INSERT INTO organizations SELECT gen_random_uuid(), name, name, now(), '{}' FROM unnest($1::text[]) name";
    let old = served.world.old_store().await;
    old.execute(sql, &[&NAMES.as_slice()]).await.unwrap();
    let refuse = format!(
        "CREATE FUNCTION refuse(name text) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN IF name NOT LIKE 'org%' THEN RAISE '{REASON}'; END IF; RETURN true; END $$;
         ALTER TABLE organizations ADD CHECK (refuse(name))"
    );
    served.world.new_store().await.batch_execute(&refuse).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_only_ever_shown() {
    let served = Served::start(OFFLINE).await;
    add_orgs(&served).await;
    let page = Page::open(&served, &served.operator).await;
    page.command("orgs capture whole_org_offline").await;
    page.shows("#command-told", "5").await;
    for command in
        [json!(["orgs", "ready", "whole_org_offline", NAMES]), json!(["migrate", "whole_org_offline", NAMES])]
    {
        served.carry_out(&served.operator, &command).await;
    }
    page.until("all of them have failed", "find('#failures-list > li').length === 5").await;

    page.click_named("#legend button", "failed").await;
    page.until("they are in the list", "find('#orgs-table tbody tr').length === 5").await;
    for name in NAMES {
        for place in ["#failures-list", "#orgs-table"] {
            page.shows(place, name).await;
        }
        page.click_named("#orgs-table button", name).await;
        page.shows("#org-title", name).await;
        page.shows("#org .failure", REASON).await;
        page.press("Escape").await;
        page.hides("#org").await;
    }

    // Captured last, they are the last cells of the map.
    page.value("document.querySelector('#map-canvas').focus()").await;
    // The map hears of new orgs a moment later.
    eventually("the last cell is one of them", async || {
        page.press("End").await;
        page.text("#map-org").await.contains(REASON)
    })
    .await;
    for _ in NAMES {
        page.shows("#map-org", REASON).await;
        let told = page.text("#map-org").await;
        assert!(NAMES.iter().any(|name| told.contains(name)), "{told}");
        page.press("ArrowLeft").await;
    }

    // The command that a button gives has the whole name in it, however it is written.
    for _ in NAMES {
        let before = page.count("#failures-list > li").await;
        page.click_named("#failures-list button", "Retry").await;
        page.until("it is retried", &format!("find('#failures-list > li').length < {before}")).await;
    }
    assert_eq!(page.value("document.querySelectorAll('img, svg[onload], body script').length").await, 0);
    assert_eq!(page.value("document.title.includes('owned')").await, false);
    page.was_quiet();
}
