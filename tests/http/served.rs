//! A running `mover serve`, and a client of it.

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_postgres::Client;
use ureq::Agent;
use ureq::http::{Method, Request, Response};

use crate::program::{Ended, Program, eventually};
use crate::world::{World, connect};

/// Only so that a test that hangs says where.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// `mover serve` in a world, and tokens for it.
pub(crate) struct Served {
    pub(crate) world: World,
    program: Option<Program>,
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) operator: String,
    pub(crate) viewer: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It must have this status.
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// It must have been taken, and be done or going on.
    #[track_caller]
    pub(crate) fn taken(self) -> Value {
        assert!(matches!(self.status, 200 | 202), "{self:?}");
        self.json()
    }

    /// It must be a refusal of this kind.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.headers.get("content-type").unwrap(), "application/problem+json", "{self:?}");
        let problem = self.with(status);
        assert_eq!(problem["type"], format!("urn:mover:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl Served {
    /// Orgs of this migration are ready, and Mover serves.
    pub(crate) async fn start(migration: &str) -> Self {
        Self::with(migration, "").await
    }

    /// The same, with settings in `[http]`.
    pub(crate) async fn with(migration: &str, http: &str) -> Self {
        let world = World::ready(migration).await;
        configure(&world, http);
        let mut tokens = Vec::new();
        for role in ["admin", "operator", "viewer"] {
            tokens.push(token(&world, role, role).await);
        }
        let [admin, operator, viewer] = tokens.try_into().unwrap();
        let mut served = Self { world, program: None, url: String::new(), admin, operator, viewer };
        served.serve().await;
        served
    }

    /// Starts it, perhaps once more.
    pub(crate) async fn serve(&mut self) {
        self.serve_on("127.0.0.1:0").await;
    }

    /// Starts it once more, where it was.
    pub(crate) async fn serve_again(&mut self) {
        let (_, address) = self.url.split_once("://").unwrap();
        let address = address.to_owned();
        self.serve_on(&address).await;
    }

    /// The same, on a given address.
    pub(crate) async fn serve_on(&mut self, address: &str) {
        let mut program = Program::start(self.world.dir(), &["serve", "--listen", address], None);
        let said = program.says("serving url=").await;
        let (_, url) = said.split_once("serving url=").unwrap();
        self.url = url.lines().next().unwrap().trim().to_owned();
        self.program = Some(program);
    }

    pub(crate) fn program(&mut self) -> &mut Program {
        self.program.as_mut().unwrap()
    }

    pub(crate) async fn terminate(&mut self) -> Ended {
        let program = self.program.take().unwrap();
        program.signal(Signal::SIGTERM);
        program.end().await
    }

    pub(crate) async fn kill9(&mut self) -> Ended {
        self.program.take().unwrap().kill9().await
    }

    pub(crate) async fn move_log(&self) -> Client {
        connect(&self.world.servers.postgres_url("mover")).await
    }

    /// Asks with a token; an empty one is none.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(Method::GET, path, &headers(token), None).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let mut headers = headers(token);
        headers.push(("content-type", "application/json".to_owned()));
        self.ask(Method::POST, path, &headers, Some(body.to_string())).await
    }

    /// Gives a command.
    pub(crate) async fn command(&self, token: &str, command: &str) -> Answer {
        self.post(token, "/api/v1/commands", &json!({ "command": command })).await
    }

    /// Gives a command and follows it until it is done.
    pub(crate) async fn carry_out(&self, token: &str, command: &Value) -> Value {
        let taken = self.post(token, "/api/v1/commands", &json!({ "command": command })).await.taken();
        self.done(&taken).await
    }

    /// Follows a command until it is done.
    pub(crate) async fn done(&self, entry: &Value) -> Value {
        let path = format!("/api/v1/commands/{}", entry["id"]);
        let ended = async || self.get(&self.viewer, &path).await.with(200)["ended_at"].is_string();
        eventually("the command has ended", ended).await;
        let entry = self.get(&self.viewer, &path).await.with(200);
        assert_eq!(entry["outcome"], "done", "{entry}");
        entry
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        tokio::task::spawn_blocking(move || {
            let response = agent().run(request).unwrap();
            let (parts, mut body) = response.into_parts();
            let text = body.read_to_string().unwrap();
            Answer { status: parts.status.as_u16(), headers: parts.headers, text }
        })
        .await
        .unwrap()
    }

    /// Listens to events, from one on if its id is given.
    pub(crate) async fn listen(&self, token: &str, last: Option<&str>) -> Listener {
        let mut request = Request::builder().uri(format!("{}/api/v1/events", self.url));
        for (name, value) in headers(token) {
            request = request.header(name, value);
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(()).unwrap();
        let (sender, heard) = mpsc::channel();
        std::thread::spawn(move || read_events(agent().run(request).unwrap(), &sender));
        Listener { heard }
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(HANGS_AFTER)).build().into()
}

fn headers(token: &str) -> Vec<(&'static str, String)> {
    if token.is_empty() { Vec::new() } else { vec![("authorization", format!("Bearer {token}"))] }
}

/// Puts settings into `[http]`.
pub(crate) fn configure(world: &World, http: &str) {
    let path = world.dir().join("mover.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (rest, _) = text.split_once("[http]").unwrap_or((&text, ""));
    std::fs::write(&path, format!("{rest}[http]\n{http}\n")).unwrap();
}

/// Makes a token.
pub(crate) async fn token(world: &World, name: &str, role: &str) -> String {
    world.mover(&["token", "create", name, "--role", role]).await.with_code(0).answer.trim().to_owned()
}

/// The events that a client receives.
pub(crate) struct Listener {
    heard: mpsc::Receiver<Event>,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Listener {
    /// The next event that is like this.
    pub(crate) async fn until(self, what: &str, is_it: impl Fn(&Event) -> bool + Send + 'static) -> (Self, Event) {
        let what = what.to_owned();
        tokio::task::spawn_blocking(move || {
            loop {
                let event = self.heard.recv_timeout(HANGS_AFTER);
                let event = event.unwrap_or_else(|_| panic!("it was never heard that {what}"));
                if is_it(&event) {
                    return (self, event);
                }
            }
        })
        .await
        .unwrap()
    }

    /// Hears all there is, and then that it is over.
    pub(crate) async fn ends(self) {
        let is_over = tokio::task::spawn_blocking(move || {
            let begun = std::time::Instant::now();
            while begun.elapsed() < HANGS_AFTER {
                match self.heard.recv_timeout(HANGS_AFTER) {
                    Ok(_) => {}
                    Err(why) => return why == mpsc::RecvTimeoutError::Disconnected,
                }
            }
            false
        });
        assert!(is_over.await.unwrap(), "events never ended");
    }

    /// The next event of this kind.
    pub(crate) async fn next(self, kind: &'static str) -> (Self, Event) {
        self.until(kind, move |event| event.kind == kind).await
    }
}

fn read_events(response: Response<ureq::Body>, sender: &mpsc::Sender<Event>) {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let lines = BufReader::new(response.into_body().into_reader()).lines();
    let (mut id, mut kind, mut data) = (String::new(), String::new(), None);
    // Mover may end in the middle.
    for line in lines.map_while(Result::ok) {
        match line.split_once(": ") {
            Some(("id", said)) => id = said.to_owned(),
            Some(("event", said)) => kind = said.to_owned(),
            Some(("data", said)) => data = Some(serde_json::from_str(said).unwrap()),
            _ => {
                if let Some(data) = data.take() {
                    let _ = sender.send(Event { id: id.clone(), kind: std::mem::take(&mut kind), data });
                }
            }
        }
    }
}
