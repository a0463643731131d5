//! Servers that are unreachable, silent, or refuse us: reported within seconds, with the place and what to do.

use std::net::TcpListener;

use mover::embedded::ServerKind::Redis;

use super::workspace::{PASSWORD, Served, Workspace};

/// An address without a listener.
fn unused_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_move_log_cannot_be_reached() {
    let served = Served::new().await;
    let nowhere = unused_address();
    let state = served.servers.postgres_url("mover");
    let place = served.elsewhere(|text| text.replace(&state, &format!("postgres://me:{PASSWORD}@{nowhere}/mover")));
    let told = [nowhere.as_str(), "[state]", "next: see that Postgres runs there"];
    for arguments in [&["status"][..], &["check"], &["exec", "migrate small all"], &["exec", "orgs capture small"]] {
        place.mover(arguments).with_code(1).complaining(&told);
    }
    place.mover(&["health"]).with_code(2).answering(&told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_cannot_be_reached() {
    let served = Served::ready().await;
    let nowhere = unused_address();
    let old = served.servers.postgres_url("old");
    let place = served.elsewhere(|text| text.replace(&old, &format!("postgres://me:{PASSWORD}@{nowhere}/old")));
    let told = ["store old", nowhere.as_str(), "next: see that Postgres runs there, or correct url in [stores.old]"];
    place.mover(&["check"]).with_code(1).answering(&told);
    place.exec("migrate small all").with_code(1).complaining(&told).complaining(&["Nothing was changed"]);
    place.exec("orgs capture small").with_code(1).complaining(&told);
    place.mover(&["health"]).with_code(2).answering(&told);
    served.assert_nothing_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cannot_be_reached() {
    let served = Served::ready().await;
    let nowhere = unused_address();
    let redis = served.servers.redis_url();
    let place = served.elsewhere(|text| text.replace(&redis, &format!("redis://:{PASSWORD}@{nowhere}")));
    let told = ["Redis", nowhere.as_str(), "next: see that Redis runs there, or correct url in [redis]"];
    place.mover(&["check"]).with_code(1).answering(&told);
    place.mover(&["health"]).with_code(2).answering(&told);
    for command in
        ["migrate small all", "darklaunch default cell=new", "flags check", "flags repair", "flags show default"]
    {
        place.exec(command).with_code(1).complaining(&told);
    }
    // Commands that need no Redis still work.
    place.mover(&["status"]).with_code(0).answering(&["ready 4"]);
    served.assert_nothing_moved().await;
    assert_eq!(served.flag("dl_default", "cell").await.as_deref(), Some("old"));
    // Nothing that was refused takes effect later.
    served.exec("flags check").with_code(0).answering(&["0 differ"]);
}

/// The worst kind of server: it accepts the connection and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_say_nothing_are_given_up() {
    let served = Served::ready().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let elsewhere = |url: String, silent: String| served.elsewhere(|text| text.replace(&url, &silent));
    let state = elsewhere(served.servers.postgres_url("mover"), format!("postgres://me@{address}/mover"));
    state.mover(&["status"]).with_code(1).complaining(&[&address, "[state]", "next: "]);
    let new = elsewhere(served.servers.postgres_url("new"), format!("postgres://me@{address}/new"));
    new.exec("migrate small all").with_code(1).complaining(&["store new", &address, "next: ", "Nothing was changed"]);
    let redis = elsewhere(served.servers.redis_url(), format!("redis://{address}"));
    redis.exec("migrate small all").with_code(1).complaining(&["Redis", &address, "next: "]);
    served.assert_nothing_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_wants_another_password() {
    let served = Served::ready().await;
    let file: String = served.client("mover").await.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    std::fs::write(file, "local all guarded scram-sha-256\nlocal all all trust\n").unwrap();
    served.sql("mover", "CREATE ROLE guarded LOGIN PASSWORD 'right'; SELECT pg_reload_conf()").await;
    let (state, old) = (served.servers.postgres_url("mover"), served.servers.postgres_url("old"));
    let guarded = |url: &str, user: &str| url.replace("mover@", &format!("{user}@"));
    let wrong = format!("guarded:{PASSWORD}");

    for (user, why) in
        [(wrong.as_str(), "password authentication failed"), ("guarded", "wants a password and none is given")]
    {
        let place = served.elsewhere(|text| text.replace(&state, &guarded(&state, user)));
        let told = ["[state]", "\"guarded\"", why, "next: correct user and password in [state]"];
        place.mover(&["status"]).with_code(1).complaining(&told);
        place.mover(&["health"]).with_code(2).answering(&told);

        let place = served.elsewhere(|text| text.replace(&old, &guarded(&old, user)));
        let told = ["store old", "guarded", why, "next: correct user and password in [stores.old]"];
        place.mover(&["check"]).with_code(1).answering(&told);
        place.exec("migrate small all").with_code(1).complaining(&told);
        place.exec("orgs capture small").with_code(1).complaining(&told);
    }
    served.assert_nothing_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_no_such_database() {
    let served = Served::new().await;
    let (state, old) = (served.servers.postgres_url("mover"), served.servers.postgres_url("old"));
    let place = served.elsewhere(|text| text.replace(&state, &state.replace("/mover?", "/nowhere?")));
    place.mover(&["status"]).with_code(1).complaining(&["[state]", "no database \"nowhere\"; create it"]);
    let place = served.elsewhere(|text| text.replace(&old, &old.replace("/old?", "/nowhere?")));
    place.mover(&["check"]).with_code(1).answering(&["store old", "unknown database", "nowhere"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_wants_another_password() {
    let served = Served::ready().await;
    let client = redis::Client::open(served.servers.redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "right"]).query_async::<()>(&mut connection).await.unwrap();
    let wrong =
        served.elsewhere(|text| text.replace("[stores.old]", "password_env = \"REDIS_PASSWORD\"\n[stores.old]"));
    let variables = [("REDIS_PASSWORD", PASSWORD)];
    let told = ["Redis", "password is wrong", "redis.sock", "next: correct url and password in [redis]"];
    wrong.mover_with(&["check"], &variables).with_code(1).answering(&told);
    wrong.mover_with(&["health"], &variables).with_code(2).answering(&told);
    wrong.mover_with(&["exec", "migrate small all"], &variables).with_code(1).complaining(&told);
    let told = ["Redis", "asks for a password", "redis.sock", "next: correct url and password in [redis]"];
    served.mover(&["check"]).with_code(1).answering(&told);
    served.exec("darklaunch default cell=new").with_code(1).complaining(&told);
    served.assert_nothing_moved().await;
}

/// Everything that was refused while Redis was unreachable is unchanged when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_campaign_leaves_no_trace() {
    let served = Served::ready().await;
    served.servers.stop(Redis).await.unwrap();
    served.exec("migrate small all").with_code(1).complaining(&["Redis"]);
    served.assert_nothing_moved().await;
    served.servers.start_again(Redis).await.unwrap();
    served.exec("resume").with_code(1).complaining(&["no campaign is running"]);
    served.exec("migrate small all").with_code(0).answering(&["4 migrated, 0 failed"]);
}

#[test]
fn a_program_that_is_not_installed_is_named_with_what_installs_it() {
    let place = Workspace::with("");
    let said = place.mover_with(&["status"], &[("PATH", "/nonexistent")]).with_code(1);
    said.complaining(&["is not installed", "apt-get install postgresql redis-server", "mover.toml"]);
    let said = place.mover_with(&["demo"], &[("PATH", "/nonexistent")]).with_code(1);
    said.complaining(&["is not installed", "apt-get install postgresql redis-server"]);
}
