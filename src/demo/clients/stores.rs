//! A client's connections to the two stores, and its only kind of transaction.

use std::time::{Duration, SystemTime};

use tokio_postgres::{Client, Error, Statement, types::ToSql};
use uuid::Uuid;

use super::ledger::{Touch, Write};
use crate::demo::postgres::{causes, connect};
use crate::demo::route::Store;
use crate::demo::sample::Sample;

/// The result of one try of a write.
#[derive(Debug)]
pub(super) enum Tried {
    /// It is committed.
    Committed,
    /// The deadline had passed; nothing was written.
    TooLate,
    /// The store refused because the org lives, or is about to live, in the other one; nothing was written.
    Moved,
    /// Nothing was written.
    Failed(String),
    /// COMMIT was sent, and no answer came.
    Uncertain(String),
}

/// A write with everything that it needs.
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) org_id: Uuid,
    /// The write is not admitted from this moment on.
    pub(super) deadline: SystemTime,
    /// How long the transaction stays open after its statements.
    pub(super) hold: Duration,
}

/// A client's own connections, opened when they are needed.
pub(super) struct Stores {
    urls: [String; 2],
    links: [Option<Link>; 2],
}

impl Stores {
    pub(super) fn new(sample: &Sample) -> Self {
        Self { urls: [sample.old_url.clone(), sample.new_url.clone()], links: [None, None] }
    }

    pub(super) async fn write(&mut self, request: &Request) -> Tried {
        let index = match request.write.store {
            Store::Old => 0,
            Store::New => 1,
        };
        let mut link = match self.links[index].take() {
            Some(link) => link,
            None => match Link::open(&self.urls[index]).await {
                Ok(link) => link,
                Err(error) => return Tried::Failed(failure("connecting", request.write.store, &error)),
            },
        };
        let tried = link.write(request).await;
        // After any error a new connection is the simplest remedy.
        if matches!(tried, Tried::Committed | Tried::TooLate | Tried::Moved) {
            self.links[index] = Some(link);
        }
        tried
    }
}

/// A connection with its statements.
struct Link {
    client: Client,
    admit: Statement,
    is_there: Statement,
    touch_node: Statement,
    add_container: Statement,
}

impl Link {
    async fn open(url: &str) -> Result<Self, Error> {
        let client = connect(url).await?;
        Ok(Self {
            admit: client.prepare(include_str!("sql/admit.sql")).await?,
            is_there: client.prepare(include_str!("sql/is_there.sql")).await?,
            touch_node: client.prepare(include_str!("sql/touch_node.sql")).await?,
            add_container: client.prepare(include_str!("sql/add_container.sql")).await?,
            client,
        })
    }

    async fn write(&mut self, request: &Request) -> Tried {
        let store = request.write.store;
        let begun = self.before_commit(request).await;
        match begun {
            // A transaction that wrote nothing also ends with COMMIT, which does no harm.
            Ok(early) => match self.client.batch_execute("COMMIT").await {
                Ok(()) => early.unwrap_or(Tried::Committed),
                Err(error) => match early {
                    Some(early) => early,
                    None => Tried::Uncertain(failure("committing", store, &error)),
                },
            },
            Err(error) if lives_elsewhere(&error) => match self.client.batch_execute("ROLLBACK").await {
                Ok(()) => Tried::Moved,
                Err(error) => Tried::Failed(failure("rolling back", store, &error)),
            },
            Err(error) => Tried::Failed(failure("writing", store, &error)),
        }
    }

    /// Everything up to COMMIT. Returns the result if there is nothing to commit.
    async fn before_commit(&self, request: &Request) -> Result<Option<Tried>, Error> {
        let Request { write, org_id, deadline, hold } = request;
        let payload = format!("client {} wrote {} to {org_id}", write.client, write.seq);
        let key: [&(dyn ToSql + Sync); 4] = [org_id, &write.client, &write.seq, &payload];
        // BEGIN takes no lock yet: the next statement does, and checks the deadline after that.
        self.client.batch_execute("BEGIN").await?;
        let admitted = self.client.query_one(&self.admit, &[key[0], key[1], key[2], key[3], deadline]).await?;
        let (in_time, written): (bool, bool) = (admitted.get("open"), admitted.get("written"));
        if !in_time {
            return Ok(Some(Tried::TooLate));
        }
        if !written {
            let ours: bool = self.client.query_one(&self.is_there, &key).await?.get(0);
            let taken = || Tried::Failed(format!("{}: another client has its number", write.container()));
            return Ok(Some(if ours { Tried::Committed } else { taken() }));
        }
        match write.touch() {
            Touch::UpdateNode => {
                let node = format!("node-{:06}", 1 + write.seq % 8);
                self.client.execute(&self.touch_node, &[org_id, &node, &write.container()]).await?;
            }
            Touch::AddContainer => {
                self.client.execute(&self.add_container, &[org_id, &write.container()]).await?;
            }
        }
        if !hold.is_zero() {
            tokio::time::sleep(*hold).await;
        }
        Ok(None)
    }
}

/// Whether Mover's triggers refused the write: `MV001`, the org has moved; `MV002`, it is not here yet.
fn lives_elsewhere(error: &Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "MV001" | "MV002"))
}

fn failure(doing: &str, store: Store, error: &Error) -> String {
    format!("{doing} in {store}: {}", causes(error))
}
