//! Reading clients: many that listen, some that never read, and many that send requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::Trouble;

const LISTENERS: usize = 200;
const DEAF: usize = 20;
const ASKERS: usize = 20;
const REQUESTS_PER_SECOND: f64 = 1000.0;

/// A connection that is kept for one request after the other.
pub(crate) struct Connection {
    stream: BufStream<TcpStream>,
    address: String,
    token: String,
}

impl Connection {
    pub(crate) async fn open(address: &str, token: &str) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufStream::new(stream), address: address.to_owned(), token: token.to_owned() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Vec<u8>, Trouble> {
        self.send("GET", path, "").await?;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, path: &str, json: &str) -> Result<Vec<u8>, Trouble> {
        self.send("POST", path, json).await?;
        self.answer().await
    }

    async fn send(&mut self, method: &str, path: &str, json: &str) -> Result<(), Trouble> {
        let Self { address, token, .. } = &self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{json}",
            json.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn answer(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut length = 0;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        if !line.starts_with("HTTP/1.1 2") {
            return Err(format!("the answer was {line:?}").into());
        }
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).await?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(body)
    }
}

/// The results of the requests.
#[derive(Serialize, Deserialize)]
pub(crate) struct Looks {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The clients that still listened at the end.
    pub(crate) listeners: usize,
}

/// The running clients.
pub(crate) struct Looking {
    begun: Instant,
    over: Arc<AtomicBool>,
    listening: Arc<AtomicUsize>,
    listeners: Vec<JoinHandle<()>>,
    /// Connections that are open and never read.
    deaf: Vec<Connection>,
    askers: Vec<JoinHandle<Result<Vec<f64>, Trouble>>>,
}

impl Looking {
    pub(crate) async fn start(address: &str, token: &str) -> Result<Self, Trouble> {
        let over = Arc::new(AtomicBool::new(false));
        let listening = Arc::new(AtomicUsize::new(0));
        let (mut listeners, mut deaf, mut askers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..LISTENERS + DEAF {
            let mut connection = Connection::open(address, token).await?;
            connection.send("GET", "/api/v1/events", "").await?;
            if listeners.len() < LISTENERS {
                listeners.push(tokio::spawn(listen(connection, listening.clone())));
            } else {
                deaf.push(connection);
            }
        }
        for _ in 0..ASKERS {
            let connection = Connection::open(address, token).await?;
            askers.push(tokio::spawn(ask(connection, over.clone())));
        }
        Ok(Self { begun: Instant::now(), over, listening, listeners, deaf, askers })
    }

    pub(crate) async fn end(self) -> Result<Looks, Trouble> {
        let listeners = self.listening.load(Ordering::Relaxed);
        self.over.store(true, Ordering::Relaxed);
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for asker in self.askers {
            times.extend(asker.await??);
        }
        self.listeners.iter().for_each(JoinHandle::abort);
        drop(self.deaf);
        times.sort_by(f64::total_cmp);
        let quantile = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        Ok(Looks { per_second: times.len() as f64 / seconds, p50_ms: quantile(0.5), p99_ms: quantile(0.99), listeners })
    }
}

async fn listen(mut connection: Connection, listening: Arc<AtomicUsize>) {
    listening.fetch_add(1, Ordering::Relaxed);
    let mut heard = [0; 16 * 1024];
    while matches!(connection.stream.read(&mut heard).await, Ok(1..)) {}
    listening.fetch_sub(1, Ordering::Relaxed);
}

async fn ask(mut connection: Connection, over: Arc<AtomicBool>) -> Result<Vec<f64>, Trouble> {
    let mut ticks = interval(Duration::from_secs_f64(ASKERS as f64 / REQUESTS_PER_SECOND));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let asked = Instant::now();
        connection.get("/api/v1/status").await?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}
