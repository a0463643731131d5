//! Commands over HTTP: carried out, followed, confirmed, approved, kept.

use serde_json::{Value, json};

use crate::program::eventually;
use crate::served::{Served, token};
use crate::world::{OFFLINE, ONLINE};

async fn follow(served: &Served, entry: &Value) -> Value {
    served.get(&served.viewer, &format!("/api/v1/commands/{}", entry["id"])).await.with(200)
}

async fn campaign_ends(served: &Served, entry: &Value) -> Value {
    let path = format!("/api/v1/campaigns/{}", entry["campaign"]);
    let ended = async || served.get(&served.viewer, &path).await.with(200)["phase"] == "ended";
    eventually("the campaign ends", ended).await;
    served.get(&served.viewer, &path).await.with(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_driven_over_http_from_its_beginning_to_its_end() {
    let mut served = Served::start(ONLINE).await;
    let given = served.command(&served.operator, "migrate whole_org all workers=2").await;
    let location = given.headers["location"].to_str().unwrap().to_owned();
    let given = served.done(&given.taken()).await;
    assert_eq!(location, format!("/api/v1/commands/{}", given["id"]));
    assert_eq!(
        (&given["outcome"], &given["door"], &given["origin"]),
        (&json!("done"), &json!("http"), &json!("127.0.0.1"))
    );
    served.carry_out(&served.operator, &json!("set concurrency 4")).await;
    let ended = campaign_ends(&served, &given).await;
    assert_eq!((&ended["failed"], &ended["concurrency"]), (&json!(0), &json!(4)));
    let followed = follow(&served, &given).await;
    assert_eq!(followed["answer"]["json"]["campaign"], given["campaign"]);
    assert_eq!(followed["actor"], "operator");
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_need_no_quotes_and_files_are_refused() {
    let served = Served::start(ONLINE).await;
    let say =
        async |command: Value| served.post(&served.operator, "/api/v1/commands", &json!({ "command": command })).await;
    say(json!(["orgs", "list", "whole_org", "state=ready"])).await.with(200);
    let unknown = say(json!(["org", "no such org; halt"])).await.refused(404, "not-found");
    assert!(unknown["detail"].as_str().unwrap().contains("no such org; halt"));
    say(json!(["org", "@/etc/passwd"])).await.refused(404, "not-found");
    for command in ["orgs ready whole_org @/etc/passwd", "retry whole_org @mover.toml", "report whole_org out=/tmp/x"] {
        let problem = say(json!(command)).await.refused(400, "malformed");
        assert!(!problem.to_string().contains("root:"), "{problem}");
    }
    let problem = say(json!("orgs ready whole_org al l")).await.refused(400, "not-a-command");
    assert!(problem["detail"].as_str().unwrap().contains("column"), "{problem}");
    say(json!("migrate no_such all")).await.refused(404, "not-found");
    // Refused by Mover itself, so it is in the audit.
    let refused = say(json!("pause")).await.refused(409, "nothing-to-do");
    assert_eq!(follow(&served, &json!({ "id": refused["command"] })).await["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_much_has_to_be_confirmed() {
    let served = Served::start(ONLINE).await;
    let moved = served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    campaign_ends(&served, &moved).await;
    let problem = served.command(&served.admin, "finalize whole_org all").await.refused(409, "confirmation-needed");
    assert!(problem["what"].as_str().unwrap().contains("8 orgs"), "{problem}");
    let finalize = |confirm: &Value| json!({ "command": "finalize whole_org all", "confirm": confirm });
    let wrong = served.post(&served.admin, "/api/v1/commands", &finalize(&json!("yes"))).await;
    wrong.refused(409, "confirmation-needed");
    let done = served.post(&served.admin, "/api/v1/commands", &finalize(&problem["word"])).await.taken();
    let done = served.done(&done).await;
    assert_eq!(campaign_ends(&served, &done).await["migrated"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_point_of_no_return_takes_a_second_person() {
    let mut served = Served::with(OFFLINE, "second_person = true").await;
    assert_eq!(served.get(&served.viewer, "/api/v1/me").await.with(200)["approvals"], true);
    let dave = token(&served.world, "dave", "operator").await;
    let give = json!({ "command": "migrate whole_org_offline all" });
    let first = served.post(&served.operator, "/api/v1/commands", &give).await.with(202);
    assert_eq!(first["outcome"], "waiting");
    assert_eq!(served.get(&served.viewer, "/api/v1/status").await.with(200)["campaign"], Value::Null);

    let path = |entry: &Value| format!("/api/v1/commands/{}/approval", entry["id"]);
    let (yes, no) = (json!({ "approve": true }), json!({ "approve": false }));
    served.post(&served.operator, &path(&first), &yes).await.refused(409, "own-approval");
    served.post(&served.viewer, &path(&first), &yes).await.refused(403, "forbidden");
    eventually("the new token is known", async || served.get(&dave, "/api/v1/me").await.status == 200).await;
    let refused = served.post(&dave, &path(&first), &no).await.with(200);
    assert_eq!((&refused["outcome"], &refused["approved_by"]), (&json!("refused"), &json!("dave")));
    served.post(&served.admin, &path(&first), &yes).await.refused(409, "conflict");

    // A command that waits is still there after Mover was killed.
    let second = served.post(&served.operator, "/api/v1/commands", &give).await.with(202);
    served.kill9().await;
    served.serve().await;
    let approved = served.post(&dave, &path(&second), &yes).await.taken();
    let approved = served.done(&approved).await;
    assert_eq!((&approved["outcome"], &approved["actor"]), (&json!("done"), &json!("operator")));
    assert_eq!(campaign_ends(&served, &approved).await["migrated"], 8);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_waits_is_approved() {
    let served = Served::with(OFFLINE, "second_person = true").await;
    let done = served.carry_out(&served.operator, &json!("nodes")).await["id"].as_i64().unwrap();
    for who in [&served.viewer, &served.admin] {
        served.command(who, &format!("approve {done}")).await.refused(409, "conflict");
        served.command(who, &format!("approve {}", done + 1)).await.refused(404, "not-found");
    }
    // Neither does one that is about itself.
    let next = done + 1;
    served.world.mover(&["exec", "--yes", &format!("approve {next}")]).await.with_code(1);
    served.command(&served.viewer, &format!("approve {next}")).await.refused(409, "conflict");
    served.get(&served.viewer, "/api/v1/status").await.with(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_kept_is_given_all_the_same() {
    let served = Served::start(ONLINE).await;
    let client = redis::Client::open(served.world.servers.redis_url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let set = redis::cmd("HSET").arg("dl_org_org_0001").arg("note").arg("a\0b").query_async::<()>(&mut redis).await;
    set.unwrap();
    let entry = served.command(&served.viewer, "flags show org_0001").await.with(200);
    assert!(entry["answer"]["text"].as_str().unwrap().contains("note"), "{entry}");
    let path = format!("/api/v1/commands/{}", entry["id"]);
    assert_eq!(served.get(&served.viewer, &path).await.with(200)["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_cannot_be_rewritten() {
    let served = Served::start(ONLINE).await;
    let entry = served.carry_out(&served.operator, &json!("orgs capture whole_org")).await;
    let log = served.move_log().await;
    for rewriting in [
        format!("DELETE FROM mover.command_history WHERE id = {}", entry["id"]),
        "TRUNCATE mover.command_history".to_owned(),
        format!("UPDATE mover.command_history SET actor = 'nobody' WHERE id = {}", entry["id"]),
        format!("UPDATE mover.command_history SET done = false WHERE id = {}", entry["id"]),
    ] {
        let error = log.batch_execute(&rewriting).await.unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains("append only"), "{rewriting}: {error:?}");
    }
    let told = served.get(&served.viewer, "/api/v1/audit?limit=1").await.with(200);
    assert_eq!(told["items"][0]["id"], entry["id"]);
    let older = served.get(&served.viewer, &format!("/api/v1/audit?after={}", told["next"].as_str().unwrap())).await;
    assert!(older.with(200)["items"][0]["id"].as_i64() < entry["id"].as_i64());
}
