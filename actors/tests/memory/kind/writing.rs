//! Writing rows of orgs.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::state::Way;
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::store::{Batch, Content, Entered, Prove, Receiver, Replace, Rows};
use mover_actors::protocol::{Cohort, Mode, RowKeys, Standing};

use super::super::stores::{from_values, is_among};
use super::super::world::InjectedBug;
use super::session::SiteSession;

const WRITING: &str = "writing the org";
const CARRYING: &str = "carrying over what was written";
const BYTES_PER_ROW: i64 = 8;

impl SiteSession {
    /// Writes rows as they come; a store with an injected bug spoils those of a copy.
    async fn pour(&self, mut rows: Rows<'_>, is_copy: bool) -> Result<Copied, EngineError> {
        let mut copied = Copied::default();
        while let Some(batch) = rows.next().await {
            let Batch { table, rows, content, .. } = batch?;
            let Content::Values(values) = content else {
                return Err(self
                    .connection
                    .doing(WRITING)
                    .refused("the rows come in a format that this store does not take"));
            };
            copied = Copied { rows: copied.rows + rows, bytes: copied.bytes + rows * BYTES_PER_ROW };
            self.connection
                .ask("write", WRITING, move |scene, id| {
                    let rows = values.iter().map(|values| from_values(table, values));
                    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
                    if is_copy && scene.facts.has_injected_bug(InjectedBug::LoseARow) {
                        rows.remove(0);
                    }
                    let changes = [InjectedBug::ChangeARow, InjectedBug::LieInTallies];
                    if is_copy && changes.into_iter().any(|bug| scene.facts.has_injected_bug(bug)) {
                        rows.iter_mut().take(1).for_each(|(_, row)| row.value = row.value.wrapping_add(1));
                    }
                    scene.insert_rows(id, &rows)
                })
                .await?;
        }
        Ok(copied)
    }
}

#[async_trait]
impl Receiver for SiteSession {
    async fn enter(&self, cohort: &Cohort) -> Result<Entered, EngineError> {
        let cohort = cohort.clone();
        self.connection.ask("enter", WRITING, move |scene, id| scene.enter(id, &cohort, Mode::Incoming)).await
    }

    async fn clear(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.connection
            .ask("clear", WRITING, move |scene, id| match scene.facts.has_injected_bug(InjectedBug::CopyOnTop) {
                true => Ok(()),
                false => scene.remove_rows(id, &cohort, |_| true),
            })
            .await
    }

    async fn refuse_foreign(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let rows = self.rows_seen("refuse_foreign", cohort, |_| true).await?;
        match rows.first() {
            None => Ok(()),
            Some((_, row)) => {
                let problem = format!("{} foreign rows in table {}", rows.len(), row.table);
                Err(self.connection.doing(WRITING).on(row.table).refused(problem))
            }
        }
    }

    async fn write(&self, rows: Rows<'_>) -> Result<Copied, EngineError> {
        self.pour(rows, true).await
    }

    async fn prove(&self, _: &Cohort, _: Prove) -> Result<(), EngineError> {
        self.connection.ask("prove", WRITING, |_, _| Ok(())).await
    }

    async fn commit(&self) -> Result<(), EngineError> {
        self.connection.commit(WRITING).await
    }

    async fn roll_back(&self) -> Result<(), EngineError> {
        self.connection.end("roll_back", WRITING, |scene, id| scene.roll_back(id)).await
    }
}

#[async_trait]
impl Replace for SiteSession {
    async fn hold(&self, cohort: &Cohort, idle: Option<Duration>) -> Result<HashMap<OrgKey, Standing>, EngineError> {
        let cohort = cohort.clone();
        self.connection.ask("hold", CARRYING, move |scene, id| scene.hold(id, &cohort, idle)).await
    }

    async fn replace(&self, cohort: &Cohort, keys: &RowKeys, rows: Rows<'_>) -> Result<(), EngineError> {
        let (asked, asked_keys) = (cohort.clone(), keys.clone());
        let remove = self
            .connection
            .ask("remove", CARRYING, move |scene, id| scene.remove_rows(id, &asked, |row| is_among(&asked_keys, row)));
        remove.await?;
        self.pour(rows, false).await.map(drop)
    }

    async fn prove_rows(&self, _: &Cohort, _: &RowKeys, _: Prove) -> Result<(), EngineError> {
        self.connection.ask("prove_rows", CARRYING, |_, _| Ok(())).await
    }

    async fn raise(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.connection.ask("raise", CARRYING, move |scene, id| scene.raise(id, &cohort)).await
    }

    async fn receive(&self, cohort: &Cohort, way: Way, is_open: bool) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        let what = "making the org live here";
        self.connection.ask("receive", what, move |scene, id| scene.receive(id, &cohort, way, is_open)).await
    }

    async fn rehearse(&self, _: &Cohort, wait: Duration) -> Result<(), EngineError> {
        self.connection.ask("rehearse", "making ready for the switch", |_, _| Ok(())).await?;
        self.connection.wait_at_most(wait);
        Ok(())
    }

    async fn reset_timeouts(&self) -> Result<(), EngineError> {
        self.connection.ask("reset_timeouts", "leaving the switch", |_, _| Ok(())).await?;
        self.connection.wait_as_usual();
        Ok(())
    }
}
