//! Events: received, resumed, started over.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::program::eventually;
use crate::served::{Served, token};
use crate::world::{OFFLINE, ONLINE};

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_gets_changes() {
    let served = Served::start(ONLINE).await;
    let listener = served.listen(&served.viewer, None).await;
    let (listener, status) = listener.next("status").await;
    assert_eq!(
        status.data["migrations"].as_array().unwrap().iter().map(|m| m["ready"].as_u64().unwrap()).sum::<u64>(),
        8
    );
    let (listener, tree) = listener.next("closed").await;
    assert_eq!(tree.data["items"], json!([]));
    served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    // In whichever order: that the command was carried out, that every org has arrived, that the campaign has ended.
    let (mut listener, mut command, mut arrived, mut ended) = (listener, None, BTreeSet::new(), None);
    while command.is_none() || arrived.len() < 8 || ended.is_none() {
        let (again, event) = listener.until("a campaign was begun, went on, and has ended", |_| true).await;
        listener = again;
        let data = event.data;
        match event.kind.as_str() {
            "command" if data["command"] == "migrate whole_org all" && data["outcome"] == "done" => {
                command = Some(data)
            }
            "moves" => {
                let moves = data["moves"].as_array().unwrap().iter();
                arrived.extend(moves.filter(|one| one[1] == "m").map(|one| one[3].as_str().unwrap().to_owned()));
            }
            "status" if data["campaign"]["phase"] == "ended" => ended = Some(data),
            _ => {}
        }
    }
    assert_eq!(command.unwrap()["actor"], "operator");
    assert_eq!(ended.unwrap()["campaign"]["migrated"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reconnects_continues_and_starts_over_after_a_restart() {
    let mut served = Served::start(ONLINE).await;
    let (listener, heard) = served.listen(&served.viewer, None).await.next("closed").await;
    served.carry_out(&served.operator, &json!("darklaunch org org_0001 503 on")).await;
    // A client has received it, so it has been published.
    let (listener, change) = listener.next("closed").await;
    drop(listener);
    let back = served.listen(&served.viewer, Some(&heard.id)).await;
    let (_, missed) = back.next("closed").await;
    assert_eq!((&missed.id, &missed.data), (&change.id, &change.data));

    served.kill9().await;
    served.serve().await;
    let anew = served.listen(&served.viewer, Some(&missed.id)).await;
    let (anew, _) = anew.next("reset").await;
    let (_, status) = anew.next("status").await;
    assert_eq!(status.data["campaign"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_is_heard_too() {
    let served = Served::start(ONLINE).await;
    let (listener, _) = served.listen(&served.viewer, None).await.next("status").await;
    served.world.exec("orgs add org_0001 whole_org").await.with_code(0);
    let is_it = |event: &crate::served::Event| {
        event.kind == "command"
            && event.data["command"] == "orgs add org_0001 whole_org"
            && event.data["ended_at"].is_string()
    };
    let (_, command) = listener.until("another process gave a command", is_it).await;
    assert_eq!((&command.data["door"], &command.data["origin"]), (&json!("exec"), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_never_read_block_no_others() {
    let served = Served::start(ONLINE).await;
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    let request =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n", served.viewer);
    let mut deaf = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        deaf.push(stream);
    }
    let (listener, _) = served.listen(&served.viewer, None).await.next("status").await;
    served.carry_out(&served.operator, &json!("migrate whole_org all")).await;
    let is_over = |event: &crate::served::Event| event.kind == "status" && event.data["campaign"]["phase"] == "ended";
    listener.until("the campaign has ended", is_over).await;
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_taken_back_hears_nothing_more() {
    let served = Served::start(ONLINE).await;
    let carol = token(&served.world, "carol", "viewer").await;
    eventually("a new token is known", async || served.get(&carol, "/api/v1/me").await.status == 200).await;
    let (listener, _) = served.listen(&carol, None).await.next("status").await;
    served.world.mover(&["token", "revoke", "carol"]).await.with_code(0);
    listener.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_and_listed_however_much_is_commanded_since() {
    let served = Served::with(OFFLINE, "second_person = true").await;
    let given = served.command(&served.operator, "migrate whole_org_offline all").await.with(202);
    for _ in 0..25 {
        served.carry_out(&served.viewer, &json!("nodes")).await;
    }
    let waiting = served.get(&served.viewer, "/api/v1/audit?waiting=true").await.with(200);
    assert_eq!(waiting["items"][0]["id"], given["id"]);
    let (listener, _) = served.listen(&served.viewer, None).await.next("status").await;
    let id = given["id"].clone();
    let of_it = move |event: &crate::served::Event| event.kind == "command" && event.data["id"] == id;
    let (listener, event) = listener.until("a command waits", of_it.clone()).await;
    assert_eq!(event.data["outcome"], "waiting");
    let path = format!("/api/v1/commands/{}/approval", given["id"]);
    served.post(&served.operator, &path, &json!({ "approve": false })).await.with(200);
    let (_, event) = listener.until("it was taken back", of_it).await;
    assert_eq!(event.data["outcome"], "refused");
}
