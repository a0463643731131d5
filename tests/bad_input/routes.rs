//! Flags that do not lead to where orgs live: named, asked about before they are made so, and mended.

use redis::FromRedisValue;
use serde_json::json;

use super::workspace::Served;

async fn redis<T: FromRedisValue>(served: &Served, words: &[&str]) -> T {
    let client = redis::Client::open(served.servers.redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

/// Two orgs have moved, two are ready.
async fn half_moved() -> Served {
    let served = Served::ready().await;
    served.exec("migrate small acme_1,acme_2").with_code(0);
    served.mover(&["health"]).with_code(0);
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_org_whose_flags_are_lost_or_changed_is_named_everywhere_until_they_are_mended() {
    let served = half_moved().await;
    served.mover(&["exec", "flags check"]).with_code(0).answering(&["4 orgs compared with where they live, 0 routed"]);
    for change in [&["DEL", "dl_org_acme_1"][..], &["HSET", "dl_org_acme_1", "cell", "old"]] {
        let _: i64 = redis(&served, change).await;
        let told = "acme_1 of small lives in new, and its flags route it to old";
        let health = served.mover(&["health"]).with_code(2);
        health.answering(&[
            "critical",
            "orgs whose flags do not lead to where they live: 1",
            told,
            "next: flags check",
        ]);
        served.mover(&["doctor"]).with_code(1).answering(&[told]);
        served.mover(&["status"]).with_code(0).answering(&["flags do not lead to where orgs live: 1 orgs"]);
        served.mover(&["exec", "org acme_1"]).with_code(0).answering(&["WRONG: ", told]);
        let checked = served.mover(&["exec", "flags check", "--json"]).with_code(1).json();
        let org = &checked["routes"]["misrouted"][0];
        assert_eq!((&org["org"], &org["lives_in"]), (&json!("acme_1"), &json!("new")), "{checked}");
        assert_eq!((&org["misroute"], &checked["routes"]["checked"]), (&json!("elsewhere"), &json!(4)), "{checked}");

        served.exec("flags repair").with_code(0);
        assert_eq!(served.flag("dl_org_acme_1", "cell").await.as_deref(), Some("new"));
        served.mover(&["health"]).with_code(0);
        served.mover(&["doctor"]).with_code(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_route_orgs_away_from_their_rows_ask_and_say_how_many() {
    let served = half_moved().await;
    for (command, told) in [
        ("darklaunch org acme_1 cell=old", "1 org would be routed away from its rows: acme_1"),
        ("darklaunch org acme_1 cell=", "1 org would be routed away from its rows: acme_1"),
        ("darklaunch org acme_3 cell=new", "1 org would be routed away from its rows: acme_3"),
        ("redis-cli HSET dl_org_acme_2 cell old", "1 org would be routed away from its rows: acme_2"),
        ("redis-cli HDEL dl_org_acme_2 cell", "1 org would be routed away from its rows: acme_2"),
        ("darklaunch override cell=old", "2 orgs would be routed away from their rows, e.g. acme_1"),
        ("redis-cli HSET dl_override cell new", "2 orgs would be routed away from their rows, e.g. acme_3"),
        ("darklaunch default cell=new", "2 orgs would be routed away from their rows, e.g. acme_3"),
    ] {
        served.mover(&["exec", command]).with_code(1).complaining(&[told]);
    }
    served.mover(&["health"]).with_code(0);
    for harmless in
        ["darklaunch org acme_1 503 on", "darklaunch org acme_1 503 off", "darklaunch org acme_1 cell=new search=2"]
    {
        served.mover(&["exec", harmless]).with_code(0);
    }
    let default = served.mover(&["exec", "darklaunch default cell=old"]).with_code(1);
    default.complaining(&["No captured org would be routed away from its rows"]);
    // Whoever says yes has it their way, and it is told.
    served.exec("darklaunch org acme_1 cell=old").with_code(0);
    served.mover(&["health"]).with_code(2).answering(&["acme_1 of small lives in new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_before_orgs_are_captured_says_how_many_would_go() {
    let served = Served::new().await;
    served.exec("orgs add acme_1 small").with_code(0);
    served.mover(&["exec", "darklaunch default cell=new"]).with_code(1).complaining(&[
        "1 org would be routed away from its rows: acme_1",
        "3 orgs that no migration has captured would be routed to another store than now, e.g. acme_2",
    ]);
    // Those with flags of their own stay.
    for org in ["acme_1", "acme_2", "acme_3", "acme_4"] {
        served.mover(&["exec", &format!("darklaunch org {org} cell=old")]).with_code(0);
    }
    let default = served.mover(&["exec", "darklaunch default cell=new"]).with_code(1);
    default.complaining(&["No captured org would be routed away from its rows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_keeps_503_from_working_refuses_an_offline_campaign() {
    let served = Served::ready().await;
    for (fields, told) in [
        ("503_mode=false", "it has 503_mode = \"false\", so no org can be blocked while it is copied"),
        ("cell=old", "it has cell = \"old\", which routes every org, wherever it lives"),
    ] {
        served.exec(&format!("darklaunch override {fields}")).with_code(0);
        let (field, _) = fields.split_once('=').unwrap();
        let next = format!("darklaunch override {field}=");
        served.exec("migrate small all").with_code(1).complaining(&["dl_override", told, &next]);
        served.mover(&["check"]).with_code(1).answering(&[told]);
        served.assert_nothing_moved().await;
        served.exec(&next).with_code(0);
    }
    served.exec("migrate small all").with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_503_of_one_org_outweighs_a_503_of_all() {
    let served = Served::new().await;
    served.exec("darklaunch default 503_mode=true").with_code(0);
    served.exec("darklaunch org acme_1 503 off").with_code(0);
    assert_eq!(served.flag("dl_org_acme_1", "503_mode").await.as_deref(), Some("false"));
    served.exec("darklaunch org acme_1 503 on").with_code(0);
    assert_eq!(served.flag("dl_org_acme_1", "503_mode").await.as_deref(), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_someone_cleared_is_told_and_not_written_back_unasked() {
    let served = Served::new().await;
    served.exec("darklaunch orgs-503 on").with_code(0);
    let _: i64 = redis(&served, &["DEL", "dl_default"]).await;
    let _: i64 = redis(&served, &["HSET", "dl_default", "cell", "old"]).await;
    let what = "orgs_503_mode is (none), should be \"true\"";
    served.mover(&["health"]).with_code(2).answering(&["someone else changed flags that hold for everybody", what]);
    // Any command that writes flags catches up with what Redis lacks.
    served.exec("darklaunch org acme_1 503 on").with_code(0);
    assert_eq!(served.flag("dl_default", "orgs_503_mode").await, None);
    served.mover(&["exec", "flags repair"]).with_code(1).complaining(&[what]);
    served.mover(&["exec", "darklaunch default cell=old"]).with_code(1).complaining(&[what]);
    assert_eq!(served.flag("dl_default", "orgs_503_mode").await, None);
    served.exec("flags repair").with_code(0);
    assert_eq!(served.flag("dl_default", "orgs_503_mode").await.as_deref(), Some("true"));
    served.mover(&["health"]).with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flag_is_decided_while_the_move_log_is_older_than_a_store() {
    let served = half_moved().await;
    let newest = "SELECT last_value FROM mover.epoch_seq";
    let before = served.number("mover", newest).await;
    served.sql("new", "UPDATE mover.org_guard SET epoch = epoch + 1000").await;
    for command in ["flags repair", "darklaunch org acme_1 503 on", "darklaunch default cell=old"] {
        let refused = served.exec(command).with_code(1);
        refused.complaining(&["no flag is changed", "newer than every epoch in the move log", "doctor --accept"]);
    }
    assert_eq!(served.number("mover", newest).await, before, "the epochs would hide it");
    served.mover(&["health"]).with_code(2).answering(&["newer than every epoch in the move log"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_writes_is_found_before_an_org_moves() {
    let served = Served::ready().await;
    let _: String = redis(&served, &["CONFIG", "SET", "maxmemory", "1"]).await;
    served.exec("migrate small all").with_code(1).complaining(&["HSET is refused: OOM"]);
    served.mover(&["check"]).with_code(1).answering(&["HSET is refused: OOM"]);
    served.assert_nothing_moved().await;
    let _: String = redis(&served, &["CONFIG", "SET", "maxmemory", "1gb"]).await;
    let _: String = redis(&served, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    served.mover(&["check"]).with_code(1).answering(&["maxmemory-policy is allkeys-lru", "noeviction"]);
    let _: String = redis(&served, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    served.exec("migrate small all").with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_mover_lacks_in_redis_is_named() {
    let served = Served::ready().await;
    // As docs/operating.md has it, but for one command.
    let keys = ["resetkeys", "~dl_default", "~dl_override", "~dl_org_*", "~mover:*", "resetchannels", "-@all"];
    let commands = ["+ping", "+info", "+hget", "+hmget", "+hgetall", "+hset", "+eval", "+evalsha"];
    let user = ["ACL", "SETUSER", "mover", "on", ">secret-of-mover"];
    let acl: Vec<&str> = user.iter().chain(&keys).chain(&commands).copied().collect();
    let _: String = redis(&served, &acl).await;
    let socket = served.servers.redis_url();
    let as_mover = if socket.contains('?') {
        format!("{socket}&user=mover&pass=secret-of-mover")
    } else {
        format!("{socket}?user=mover&pass=secret-of-mover")
    };
    let place = served.elsewhere(|text| text.replace(&socket, &as_mover));
    place.mover(&["check"]).with_code(1).answering(&["HDEL is refused", "docs/operating.md"]);
    let _: String = redis(&served, &["ACL", "SETUSER", "mover", "+hdel"]).await;
    let checked = place.mover(&["check"]).with_code(0);
    assert!(!checked.out.contains("is refused"), "{checked}");
    place.exec("orgs capture small").with_code(0);
    place.exec("migrate small all").with_code(0);
    place.exec("flags repair").with_code(0);
    assert_eq!(served.flag("dl_org_acme_1", "cell").await.as_deref(), Some("new"));
}
