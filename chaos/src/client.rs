//! One client: one write after the other, each tried until it is acknowledged.
//!
//! A lost connection during COMMIT is no special case: the transaction is sent again with the same id, and the row that it
//! inserts first or last tells whether it was committed before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use tokio::sync::RwLock;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::{Client as Connection, Error};

use crate::app::{App, Isolation, Write};
use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::flags::{Flags, Way};
use crate::ledger::Ledger;
use crate::postgres::{Meaning, causes, connect, execute, meaning, texts};
use crate::servers::Store;

/// The ids of a client's writes begin at its number times this.
const IDS_PER_CLIENT: i64 = 1_000_000_000;

const PAUSE: Duration = Duration::from_millis(20);

/// The longest wait of a transaction, whichever process dies. Servers are down for a second or two.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How often in a row a constraint may be violated in the store that the flags name: the org may just have left and come back.
const VIOLATIONS_MAX: u32 = 3;

/// One in so many transactions stays open for a while.
const SLOW_ONE_IN: u32 = 150;
/// One in so many does its work twice, and rolls back the first time.
const RETRACTED_ONE_IN: u32 = 12;
const RETRACTED_FOR: Duration = Duration::from_millis(15);
const SLOW_MS: std::ops::Range<u64> = 200..1_500;

/// What all clients of an application share.
pub(crate) struct Shared<A: App> {
    pub(crate) app: Arc<A>,
    pub(crate) ledger: Ledger<A::Work>,
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) counters: Arc<Counters>,
    /// Clients hold it shared during a write; its exclusive owner has all clients between two writes.
    pub(crate) pen: Arc<RwLock<()>>,
    pub(crate) urls: [String; 2],
    /// What each client is doing, for a trial that hangs.
    pub(crate) doing: Mutex<Vec<String>>,
}

pub(crate) struct Client<A: App> {
    pub(crate) shared: Arc<Shared<A>>,
    /// Its index among the clients of the application.
    pub(crate) index: usize,
    /// Its number among all clients.
    pub(crate) number: i32,
    pub(crate) isolation: Isolation,
    /// Whether the row with the id is written last, so that the guard refuses late.
    pub(crate) marks_last: bool,
    pub(crate) beat: Duration,
    pub(crate) flags: Flags,
    pub(crate) random: StdRng,
}

/// How a transaction is carried out.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// How long it pauses.
    hold: Duration,
    /// Pauses before its first write rather than after its last.
    holds_before: bool,
    /// Does everything once, rolls it back, and does it again.
    retracts: bool,
}

/// What the client does after one try.
enum Next {
    Done,
    /// The org lives in the other store.
    Elsewhere,
    /// Retry at once.
    Again,
    /// Retry after a pause, with a new connection.
    Later,
    /// A constraint was violated: retry at once if the flags name another store than the one written to, otherwise it is an
    /// error.
    ElsewhereOrWrong(Store, String),
    Never,
}

impl<A: App> Client<A> {
    pub(crate) async fn run(mut self) {
        let app = self.shared.app.clone();
        let mut own: Vec<A::State> = (0..app.orgs().len()).map(|org| app.beginning(org)).collect();
        let mut connections = [None, None];
        let mut beat = interval(self.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for seq in 1.. {
            beat.tick().await;
            let pen = self.shared.pen.clone();
            let _writing = pen.read().await;
            let org = self.random.random_range(0..own.len());
            let id = i64::from(self.number) * IDS_PER_CLIENT + seq;
            let work = app.plan(&own[org], id, self.number, &mut self.random);
            let write = Write { id, org, client: self.number, work };
            if !self.until_acknowledged(&write, &mut connections).await {
                return;
            }
            app.apply(&mut own[org], &write);
        }
    }

    async fn until_acknowledged(&mut self, write: &Write<A::Work>, links: &mut [Option<Connection>; 2]) -> bool {
        let begun = Instant::now();
        let hold = self.random.random_ratio(1, SLOW_ONE_IN);
        let mut manner = Manner {
            hold: Duration::from_millis(if hold { self.random.random_range(SLOW_MS) } else { 0 }),
            holds_before: self.random.random(),
            retracts: self.random.random_ratio(1, RETRACTED_ONE_IN),
        };
        let (mut refusals, mut violations) = (0, 0);
        loop {
            let next = self.attempt(write, links, manner).await;
            let counters = &self.shared.counters;
            match next {
                Next::Done => {
                    self.shared.ledger.acknowledge(write.clone());
                    counters.add(&counters.writes);
                    counters.waited(begun.elapsed());
                    self.note("idle");
                    return true;
                }
                Next::Elsewhere => {
                    counters.add(&counters.refused);
                    let org = self.org_name(write);
                    self.flags.forget(&org);
                    if refusals > 0 {
                        sleep(PAUSE).await;
                    }
                    refusals += 1;
                }
                Next::Again => {
                    counters.add(&counters.serialization);
                    // A long transaction that always comes too late would never be committed.
                    manner.hold = Duration::ZERO;
                }
                Next::Later => sleep(PAUSE).await,
                Next::ElsewhereOrWrong(store, violation) => {
                    counters.name("refused by a constraint in the store that the org had left");
                    let org = self.org_name(write);
                    self.flags.forget(&org);
                    violations = if self.flags.way(&org).await == Way::To(store) { violations + 1 } else { 0 };
                    if violations > VIOLATIONS_MAX {
                        self.wrong(write, Some(store), &violation);
                        return false;
                    }
                    sleep(PAUSE).await;
                }
                Next::Never => return false,
            }
        }
    }

    async fn attempt(&mut self, write: &Write<A::Work>, links: &mut [Option<Connection>; 2], manner: Manner) -> Next {
        let org = self.org_name(write);
        let counters = self.shared.counters.clone();
        let store = match self.flags.way(&org).await {
            Way::To(store) => store,
            Way::Shut => {
                self.wrong(write, None, "the flags say 503, which no online move asks for");
                return Next::Never;
            }
            Way::Unknown(reason) => {
                counters.add(&counters.no_flags);
                self.note(format!("{write:?}: no flags: {reason}"));
                return Next::Later;
            }
        };
        let index = usize::from(store == Store::New);
        let link = match links[index].take() {
            Some(link) if !link.is_closed() => link,
            _ => match connect(&self.shared.urls[index]).await {
                Ok(link) => link,
                Err(error) => return self.failed(write, store, &error),
            },
        };
        self.note(format!("{write:?} in {}", store.name()));
        let Ok(tried) = timeout(WAIT_MAX, self.transaction(&link, write, manner)).await else {
            self.wrong(write, Some(store), &format!("it waited for more than {WAIT_MAX:?}"));
            return Next::Never;
        };
        let next = match tried {
            Ok(None) => Next::Done,
            Ok(Some(complaint)) => {
                self.wrong(write, Some(store), &complaint);
                Next::Never
            }
            Err(Trouble { error, committing }) => {
                if committing && meaning(&error) == Meaning::Gone {
                    counters.add(&counters.uncertain);
                }
                let next = self.failed(write, store, &error);
                let is_open = matches!(next, Next::Elsewhere | Next::Again | Next::ElsewhereOrWrong(..));
                if is_open && link.batch_execute("ROLLBACK").await.is_err() {
                    return next;
                }
                next
            }
        };
        links[index] = Some(link);
        next
    }

    async fn transaction(
        &self,
        link: &Connection,
        write: &Write<A::Work>,
        manner: Manner,
    ) -> Result<Option<String>, Trouble> {
        let app = &self.shared.app;
        link.batch_execute(self.isolation.begin()).await?;
        let mark = app.mark(write);
        if manner.holds_before {
            // Takes the snapshot of REPEATABLE READ, which is old by the first write.
            texts(link, &app.is_marked(write)).await?;
            sleep(manner.hold).await;
        }
        if manner.retracts {
            // Rolls back to a savepoint: the writes are gone, and with them every lock that the guard took for them.
            link.batch_execute("SAVEPOINT before").await?;
            if execute(link, &mark).await? > 0 {
                app.perform(link, write, self.isolation).await?;
            }
            link.batch_execute("ROLLBACK TO SAVEPOINT before").await?;
            sleep(RETRACTED_FOR).await;
        }
        let done_before = match self.marks_last {
            true => !texts(link, &app.is_marked(write)).await?.is_empty(),
            false => execute(link, &mark).await? == 0,
        };
        let mut complaint = None;
        if !done_before {
            complaint = app.perform(link, write, self.isolation).await?;
            // In the wrong store rows may be missing; then the guard refuses this.
            if self.marks_last && execute(link, &mark).await? != 1 {
                complaint =
                    complaint.or_else(|| Some("the row with its id is there although it was not before".into()));
            }
            if !manner.holds_before {
                sleep(manner.hold).await;
            }
        }
        if complaint.is_none() {
            link.batch_execute("COMMIT").await.map_err(|error| Trouble { error, committing: true })?;
        }
        Ok(complaint)
    }

    fn failed(&self, write: &Write<A::Work>, store: Store, error: &Error) -> Next {
        let counters = &self.shared.counters;
        match meaning(error) {
            Meaning::Elsewhere => Next::Elsewhere,
            Meaning::Again => {
                if error.code().is_some_and(|code| code.code() == "XX000") {
                    counters.name("an internal error of Postgres: too many updating members of a multixact");
                }
                Next::Again
            }
            Meaning::Gone => {
                counters.add(&counters.disconnected);
                self.note(format!("{write:?} in {}: {}", store.name(), causes(error)));
                Next::Later
            }
            Meaning::Constraint => Next::ElsewhereOrWrong(store, causes(error)),
            Meaning::Unexpected => {
                self.wrong(write, Some(store), &causes(error));
                Next::Never
            }
        }
    }

    fn wrong(&self, write: &Write<A::Work>, store: Option<Store>, what: &str) {
        let place = store.map_or("", Store::name);
        let (isolation, late) = (self.isolation, if self.marks_last { ", mark last" } else { "" });
        let at = self.shared.counters.elapsed().as_secs_f64();
        let org = self.org_name(write);
        self.shared.evidence.add(format!("{at:.3} s: {org}, {write:?} in {place:?} ({isolation:?}{late}): {what}"));
    }

    fn org_name(&self, write: &Write<A::Work>) -> String {
        self.shared.app.orgs().get(write.org).map_or_else(String::new, |org| org.name.clone())
    }

    fn note(&self, doing: impl Into<String>) {
        let mut all = self.shared.doing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(self.index) {
            *own = doing.into();
        }
    }
}

struct Trouble {
    error: Error,
    committing: bool,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { error, committing: false }
    }
}
