//! Attempts of a stranger, a careless program or a page of another site.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use ureq::http::Method;

use crate::served::Served;
use crate::world::ONLINE;

/// Sends bytes as they are; returns the answer until the other side closes or waits for more.
fn raw(served: &Served, request: &str) -> String {
    let mut stream = TcpStream::connect(served.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // It may be refused before all of it was sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_are_refused() {
    let served = Served::start(ONLINE).await;
    let json_type = ("content-type", "application/json".to_owned());
    let send = async |headers: &[(&'static str, String)], body: String| {
        served.ask(Method::POST, "/api/v1/commands", headers, Some(body)).await
    };
    let headers = [bearer(&served.admin), json_type];
    let huge = format!(r#"{{"command": "help {}"}}"#, "x".repeat(70_000));
    send(&headers, huge).await.refused(413, "too-large");
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    for body in [
        "",
        "{",
        "null",
        "[]",
        r#"{"command": 3}"#,
        r#"{"command": ""}"#,
        r#"{"comand": "help"}"#,
        r#"{"command": "help", "x": 1}"#,
        &deep,
    ] {
        send(&headers, body.to_owned()).await.refused(400, "malformed");
    }
    let plain = [bearer(&served.admin), ("content-type", "text/plain".to_owned())];
    send(&plain, r#"{"command": "help"}"#.to_owned()).await.refused(415, "malformed");
    let zero = json!({ "command": ["org", "a\u{0}b"] });
    served.post(&served.admin, "/api/v1/commands", &zero).await.refused(400, "not-a-command");
    // None of this did any harm.
    served.carry_out(&served.admin, &json!("help")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_lead_nowhere_but_where_they_should() {
    let served = Served::start(ONLINE).await;
    for path in [
        "/../mover.toml",
        "/%2e%2e/mover.toml",
        "/..%2fmover.toml",
        "/page/../../mover.toml",
        "//etc/passwd",
        "/.mover",
        "/mover.toml",
        "/index.html/..",
        "/src/http/page/index.html",
    ] {
        let answer = served.get("", path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.text.contains("[state]") && !answer.text.contains("root:"), "{path}: {answer:?}");
    }
    for path in ["/api/v1/../v1/status", "/api/v1//status", "/api/v1/./status", "/API/v1/status", "/api/v1/%73tatus/x"]
    {
        let status = served.get("", path).await.status;
        assert!(matches!(status, 401 | 404), "{path}: {status}");
    }
    for (method, path) in
        [(Method::DELETE, "/api/v1/status"), (Method::GET, "/api/v1/orgs/org_0001/touch"), (Method::POST, "/health")]
    {
        let answer = served.ask(method, path, &[bearer(&served.viewer)], None).await;
        assert!(answer.headers.contains_key("allow"), "{answer:?}");
        answer.refused(405, "not-allowed");
    }
    for name in ["%00", "a%00b", "%ff%fe", "%0d%0aSet-Cookie:%20x=1", "..%2f..%2fstatus", &"x".repeat(5000)] {
        let answer = served.get(&served.viewer, &format!("/api/v1/orgs/{name}")).await;
        assert!(matches!(answer.status, 400 | 404), "{name}: {answer:?}");
        assert!(!answer.headers.contains_key("set-cookie"), "{name}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_can_do_nothing() {
    let served = Served::start(ONLINE).await;
    let origin = ("origin", "https://evil.example".to_owned());
    // A browser would send a preflight request, and gets no permission.
    let preflight = [origin.clone(), ("access-control-request-method", "POST".to_owned())];
    let answer = served.ask(Method::OPTIONS, "/api/v1/commands", &preflight, None).await;
    assert!(answer.status >= 400, "{answer:?}");
    let foreign = [
        bearer(&served.admin),
        ("content-type", "application/json".to_owned()),
        origin,
        ("sec-fetch-site", "cross-site".to_owned()),
    ];
    let pause = json!({ "command": "pause" }).to_string();
    let answer = served.ask(Method::POST, "/api/v1/commands", &foreign, Some(pause)).await;
    answer.refused(403, "forbidden");
    for path in ["/", "/api/v1/status", "/health", "/no-such-page"] {
        let headers = served.get(&served.viewer, path).await.headers;
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{path}: {headers:?}");
        assert!(!headers.contains_key("set-cookie"), "{path}: {headers:?}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_two_servers_would_read_in_two_ways_are_refused() {
    let served = Served::start(ONLINE).await;
    let auth = format!("Authorization: Bearer {}", served.admin);
    let both = format!(
        "POST /api/v1/commands HTTP/1.1\r\nHost: x\r\n{auth}\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /api/v1/me HTTP/1.1\r\n\r\n"
    );
    let twice = format!(
        "POST /api/v1/commands HTTP/1.1\r\nHost: x\r\n{auth}\r\nContent-Length: 4\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde"
    );
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Much: {}\r\nConnection: close\r\n\r\n", "x".repeat(300_000));
    for request in [&both, &twice, &large, &"NONSENSE\r\n\r\n".to_owned()] {
        let answer = raw(&served, request);
        let shown = answer.lines().next().unwrap_or_default();
        assert!(answer.is_empty() || shown.starts_with("HTTP/1.1 4"), "{shown}");
        assert!(!answer.contains("\"role\""), "{answer}");
    }
    served.get(&served.admin, "/api/v1/me").await.with(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_orgs_stay_names() {
    let served = Served::start(ONLINE).await;
    let name = "<script>alert(1)</script>\r\nSet-Cookie: a=b; \"'&\u{202e}";
    let old = served.world.old_store().await;
    old.execute("UPDATE organizations SET name = $1 WHERE name = 'org_0003'", &[&name]).await.unwrap();
    served
        .move_log()
        .await
        .execute("UPDATE mover.org_migration_state SET org_name = $1 WHERE org_name = 'org_0003'", &[&name])
        .await
        .unwrap();
    let listed = served.get(&served.viewer, "/api/v1/migrations/whole_org/orgs").await;
    assert_eq!(listed.headers["content-type"], "application/json");
    assert!(listed.with(200)["items"].as_array().unwrap().iter().any(|item| item["org"] == name));
    let command = json!({ "command": ["migrate", "whole_org", [name]] });
    let given = served.post(&served.operator, "/api/v1/commands", &command).await;
    assert!(!given.headers.contains_key("set-cookie"), "{given:?}");
    let given = served.done(&given.taken()).await;
    let path = format!("/api/v1/campaigns/{}", given["campaign"]);
    let ended = async || served.get(&served.viewer, &path).await.with(200)["phase"] == "ended";
    crate::program::eventually("it is moved", ended).await;
    assert_eq!(served.get(&served.viewer, &path).await.with(200)["migrated"], 1);
}

/// The answer is in the buffers of the kernel by then, and the connection is not polled.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_disconnected() {
    let served = Served::with(ONLINE, "send_timeout_ms = 1000").await;
    let deaf = TcpStream::connect(served.url.strip_prefix("http://").unwrap()).unwrap();
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    deaf.set_nonblocking(true).unwrap();
    // More than fits into the buffers of both sides.
    let is_cut_off = async || match (&deaf).write(request.as_bytes()) {
        Ok(_) => false,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    crate::program::eventually("it is cut off", is_cut_off).await;
    served.get(&served.viewer, "/api/v1/status").await.with(200);
}
