//! Faults of a store as a whole: every org would fail alike, so none is parked for it.

use std::collections::BTreeMap;

use super::program::{Program, eventually};
use super::quiet_stores::QuietStores;

/// Every write to a table is refused as on a full disk, until there is room.
const FULL: &str = "CREATE FUNCTION public.has_room() RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
     ALTER TABLE containers ADD CONSTRAINT room CHECK (public.has_room())";
const ROOM: &str = "CREATE OR REPLACE FUNCTION public.has_room() RETURNS boolean LANGUAGE sql AS 'SELECT true'";

#[tokio::test]
async fn a_full_disk_pauses_the_campaign_and_parks_nobody() {
    let still = QuietStores::new().await;
    for command in ["orgs capture whole_org", "orgs ready whole_org all"] {
        still.exec(command).await.with_code(0);
    }
    still.new_store().await.batch_execute(FULL).await.unwrap();
    let campaign = Program::start(still.dir(), &["exec", "migrate whole_org all workers=1"], None);
    let status = async || {
        let told = still.mover(&["status", "--json"]).await.with_code(0);
        serde_json::from_str::<serde_json::Value>(&told.answer).unwrap()["campaign"].clone()
    };
    eventually("the campaign is paused", async || status().await["phase"] == "paused").await;
    let paused = status().await;
    let reason = paused["reason"].as_str().unwrap();
    assert!(reason.starts_with("paused by itself: ") && reason.contains("could not extend file"), "{reason}");
    assert!(reason.ends_with("next: mend this, then: resume"), "{reason}");
    assert_eq!(still.states("whole_org").await.get("failed"), None);

    still.new_store().await.batch_execute(ROOM).await.unwrap();
    still.exec("resume").await.with_code(0);
    campaign.end().await.with_code(0);
    assert_eq!(still.states("whole_org").await, BTreeMap::from([("migrated".to_owned(), 6)]));
}
