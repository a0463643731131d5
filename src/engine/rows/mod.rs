//! Rows between two Postgres stores, in the binary form of queries and of COPY.

pub(in crate::engine) mod copy;
pub(in crate::engine) mod counting;
pub(in crate::engine) mod drain;
pub(in crate::engine) mod encoding;
pub(in crate::engine) mod explain;
pub(in crate::engine) mod reframe;
pub(in crate::engine) mod row_hash;
pub(in crate::engine) mod side;

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{SinkExt, Stream, StreamExt, TryStreamExt, stream};
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::store::{Batch, Content, Rows};
use mover_actors::protocol::{Sent, send};
use tokio_postgres::{CopyInSink, RowStream, Statement};

use crate::engine::plan::Plan;
use crate::engine::plan::sequences::Outermost;
use crate::engine::rows::counting::{Asked, Counting};
use crate::engine::rows::reframe::{Frames, HEADER, TRAILER, each_row};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// The rows of some tables whose queries were sent before; table after table.
pub(in crate::engine) fn of_tables<'a, F>(
    plan: &'a Plan,
    requests: Vec<(usize, Sent<F>)>,
    (asked, what): (Asked<'a>, &'a str),
) -> impl Stream<Item = Result<Batch, EngineError>> + Send + 'a
where
    F: Future<Output = Result<RowStream, tokio_postgres::Error>> + Send + 'a,
{
    let of_table = move |(table, request): (usize, Sent<F>)| async move {
        let doing = Doing::new(&plan.source, what).on(&plan.tables[table].label);
        let rows = request.answer().await.map_err(|error| doing.failed(error))?;
        let counting = Counting::of(&plan.tables[table], asked);
        Ok(of_one(table, rows, counting, doing))
    };
    stream::iter(requests).then(of_table).try_flatten()
}

/// The rows of one table.
fn of_one<'a>(
    table: usize,
    rows: RowStream,
    counting: Option<Counting<'a>>,
    doing: Doing<'a>,
) -> impl Stream<Item = Result<Batch, EngineError>> + Send + 'a {
    let begun = (Some(Box::pin(rows)), Frames::default(), counting);
    stream::try_unfold(begun, move |(rows, mut frames, mut counting)| async move {
        let Some(mut rows) = rows else { return Ok(None) };
        let failed = |error| doing.failed(error);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            match &mut counting {
                Some(counting) => counting.push(&row, &mut frames),
                None => frames.push(&row),
            }
            .map_err(failed)?;
            if frames.is_full() {
                return Ok(
                    batch(table, &mut frames, &mut counting).map(|batch| (batch, (Some(rows), frames, counting)))
                );
            }
        }
        Ok(batch(table, &mut frames, &mut counting).map(|batch| (batch, (None, frames, counting))))
    })
}

fn batch(table: usize, frames: &mut Frames, counting: &mut Option<Counting<'_>>) -> Option<Batch> {
    let (bytes, rows) = frames.take()?;
    let tallied = counting.as_mut().map(Counting::take).unwrap_or_default();
    Some(Batch { table, rows, content: Content::Opaque(bytes), tallied })
}

type Ending = std::pin::Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

/// Rows on their way into tables of the receiving store, one COPY after the other on one connection, which can be used for
/// nothing else until the end.
pub(in crate::engine) struct Pour<'a> {
    plan: &'a Plan,
    to: &'a Session,
    /// One for each table that may come.
    copies: &'a [Option<Statement>],
    outermost: &'a Mutex<Outermost>,
    /// Errors that count as transient here although they are not elsewhere.
    passes: fn(&tokio_postgres::Error) -> bool,
    copied: Copied,
    /// Rows of each table of the plan.
    by_table: Vec<i64>,
    open: Option<(usize, std::pin::Pin<Box<CopyInSink<Bytes>>>)>,
    /// The previous COPY, whose end was sent and need not be confirmed before the next begins.
    ending: Option<(usize, Sent<Ending>)>,
}

impl<'a> Pour<'a> {
    /// Writes all rows; returns how many rows and bytes, and how many rows of each table.
    pub(in crate::engine) async fn all(
        plan: &'a Plan,
        to: &'a Session,
        copies: &'a [Option<Statement>],
        outermost: &'a Mutex<Outermost>,
        passes: fn(&tokio_postgres::Error) -> bool,
        mut rows: Rows<'_>,
    ) -> Result<(Copied, Vec<i64>), EngineError> {
        let (copied, by_table) = (Copied::default(), vec![0; plan.tables.len()]);
        let mut pour = Self { plan, to, copies, outermost, passes, copied, by_table, open: None, ending: None };
        while let Some(batch) = rows.next().await {
            pour.batch(batch?).await?;
        }
        pour.close().await;
        pour.wait().await?;
        Ok((pour.copied, pour.by_table))
    }

    fn doing(&self, table: usize) -> Doing<'a> {
        let doing = Doing::new(&self.plan.target, "writing the org");
        self.plan.tables.get(table).map_or(doing, |table| doing.on(&table.label))
    }

    fn failed(&self, doing: Doing<'_>, error: tokio_postgres::Error) -> EngineError {
        let passes = (self.passes)(&error);
        let failed = doing.failed(error);
        EngineError { transient: failed.transient || passes, ..failed }
    }

    /// A table without rows costs nothing: it never gets here.
    async fn batch(&mut self, batch: Batch) -> Result<(), EngineError> {
        let doing = self.doing(batch.table);
        let Content::Opaque(rows) = batch.content else {
            return Err(doing.refused("the rows come in a format that this store does not take"));
        };
        if self.open.as_ref().is_none_or(|(table, _)| *table != batch.table) {
            self.close().await;
            self.open(batch.table).await?;
        }
        if let Some(table) = self.plan.tables.get(batch.table).filter(|table| !table.unchecked.is_empty()) {
            encoding::must_be_utf8(self.plan, table, &rows)?;
        }
        self.see(batch.table, &rows).ok_or_else(|| doing.refused("the rows are not whole"))?;
        self.copied.rows += batch.rows;
        self.by_table.get_mut(batch.table).into_iter().for_each(|rows| *rows += batch.rows);
        self.feed(rows, doing).await
    }

    fn see(&self, table: usize, rows: &[u8]) -> Option<()> {
        let columns = &self.plan.tables.get(table)?.sequence_columns;
        if columns.is_empty() {
            return Some(());
        }
        let mut outermost = self.outermost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        each_row(rows, |row| outermost.see(self.plan, row, columns))
    }

    async fn open(&mut self, table: usize) -> Result<(), EngineError> {
        let doing = self.doing(table);
        let unprepared = || doing.refused("rows come of a table that was not asked for");
        let copy = self.copies.get(table).and_then(Option::as_ref).ok_or_else(unprepared)?;
        let begun = match self.ending.take() {
            None => self.to.copy_in(copy).await,
            Some((before, ending)) => {
                let (ended, begun) = join(ending.answer(), self.to.copy_in(copy)).await;
                ended.map_err(|error| self.failed(self.doing(before), error))?;
                begun
            }
        };
        self.open = Some((table, Box::pin(begun.map_err(|error| self.failed(doing, error))?)));
        self.feed(Bytes::from_static(HEADER), doing).await
    }

    async fn feed(&mut self, bytes: Bytes, doing: Doing<'_>) -> Result<(), EngineError> {
        let Some((_, sink)) = &mut self.open else { return Ok(()) };
        self.copied.bytes += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let fed = sink.feed(bytes).await;
        fed.map_err(|error| self.failed(doing, error))
    }

    /// Sends the end of the open COPY.
    async fn close(&mut self) {
        let Some((table, mut sink)) = self.open.take() else { return };
        let ending: Ending = Box::pin(async move {
            sink.feed(Bytes::from_static(TRAILER)).await?;
            sink.as_mut().finish().await
        });
        self.ending = Some((table, send(ending).await));
    }

    async fn wait(&mut self) -> Result<(), EngineError> {
        match self.ending.take() {
            Some((table, ending)) => {
                ending.answer().await.map(drop).map_err(|error| self.failed(self.doing(table), error))
            }
            None => Ok(()),
        }
    }
}
