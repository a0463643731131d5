//! The counters of every campaign are what the history says; and Redis is as decided.

use mover_actors::domain::campaign::Campaign;
use mover_actors::domain::state::{State, Step};
use tokio::time::Instant;

use crate::memory::{Event, Facts, HistoryRow, Observer};

/// See the module's documentation.
pub struct Accounts;

/// Whether a started move came to an end, good or bad.
fn is_end(row: &HistoryRow) -> bool {
    matches!(row.from, State::Started(_)) && !matches!(row.to, State::Started(_))
}

fn counted(facts: &Facts, campaign: &Campaign) -> (u64, u64, u64) {
    let of = |which: fn(&HistoryRow) -> bool| {
        let rows = facts.log.history().iter().filter(|row| row.campaign == Some(campaign.id));
        rows.filter(|row| which(row)).count() as u64
    };
    (
        of(|row| matches!(row.from, State::Ready | State::Migrated) && matches!(row.to, State::Started(_))),
        of(|row| is_end(row) && row.from != State::Started(Step::Abort)),
        of(|row| is_end(row) && row.from == State::Started(Step::Abort)),
    )
}

impl Observer for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn saw(&mut self, _: &Facts, _: &Event, _: Instant) -> Result<(), String> {
        Ok(())
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for campaign in facts.log.campaigns() {
            let stored = (campaign.claimed, campaign.migrated, campaign.failed);
            let facts = counted(facts, campaign);
            if stored != facts {
                return Err(format!("campaign {} counts {stored:?}, the history says {facts:?}", campaign.id));
            }
        }
        for image in facts.log.images() {
            let hash = facts.redis.hashes.get(&image.key).cloned().unwrap_or_default();
            let differs = image.fields.iter().find(|(field, value)| hash.get(*field) != value.as_ref());
            if let Some((field, value)) = differs {
                return Err(format!("{} should have {field} = {value:?}, and is {hash:?}", image.key));
            }
        }
        Ok(())
    }
}
