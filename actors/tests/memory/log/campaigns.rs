//! Campaigns: opened, steered and ended through their row; and what they claim.

use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, Phase, Selection, Tuning};
use mover_actors::domain::ids::{CampaignId, MoveId, NodeId, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, Course, Event, State, Step, step};
use mover_actors::ports::LogError;

use super::super::world::WorldGuard;
use super::{CampaignRow, LogFacts, MoveRow, invalid, place};

const OPENING: &str = "opening a campaign";
const STEERING: &str = "steering the live campaign";

impl LogFacts {
    fn campaign_row(&mut self, id: CampaignId) -> Result<&mut CampaignRow, LogError> {
        let row = self.campaigns.get_mut(place(id.0));
        row.ok_or_else(|| invalid("using the move log", format!("there is no campaign {id}")))
    }

    fn live_row(&mut self) -> Option<&mut CampaignRow> {
        self.campaigns.iter_mut().find(|row| row.campaign.phase != Phase::Ended)
    }

    pub(super) fn live(&self) -> Option<Campaign> {
        self.campaigns().find(|campaign| campaign.phase != Phase::Ended).cloned()
    }

    fn is_in_flight(&self, org: &OrgName) -> bool {
        self.moves().any(|record| record.org == *org && matches!(record.state, State::Started(_)))
    }

    pub(super) fn count_end(
        &mut self,
        campaign: Option<CampaignId>,
        from: State,
        end: State,
        times: u64,
    ) -> Result<(), LogError> {
        let Some(id) = campaign else { return Ok(()) };
        let campaign = &mut self.campaign_row(id)?.campaign;
        match (from, end) {
            (_, State::Holding | State::Ready | State::Started(_)) => {}
            (State::Started(Step::Abort), _) => campaign.failed += times,
            (_, State::Migrated | State::Failed | State::RolledBack | State::Finalized) => campaign.migrated += times,
        }
        Ok(())
    }
}

impl WorldGuard<'_> {
    pub(super) fn open(&mut self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError> {
        if let Some(live) = self.facts.log.live() {
            if self.facts.node_lives(live.node, self.now) {
                return Err(LogError::Busy { campaign: live.id, migration: live.migration });
            }
            let name = self.facts.log.nodes[place(live.node.0)].name.clone();
            self.close(live.id, Some(&format!("interrupted: node {name} is dead")))?;
        }
        check_concurrency(plan.tuning.concurrency)?;
        let log = &mut self.facts.log;
        let claimed_max = log.selection_max(OPENING, &plan.migration, &plan.selection)?;
        let id = CampaignId(i64::try_from(log.campaigns.len()).unwrap() + 1);
        if let Selection::Names(names) = &plan.selection {
            let chosen = |row: &&mut MoveRow| row.record.migration == plan.migration && names.contains(&row.record.org);
            log.moves.iter_mut().filter(chosen).for_each(|row| row.chosen_by = Some(id));
        }
        let CampaignPlan { migration, aim, selection, tuning, failure_policy } = plan.clone();
        let phase = Phase::Running;
        let (reason, claimed, migrated, failed) = (None, 0, 0, 0);
        let campaign = Campaign {
            id,
            migration,
            aim,
            selection,
            phase,
            tuning,
            failure_policy,
            node,
            reason,
            claimed,
            migrated,
            failed,
        };
        log.campaigns.push(CampaignRow { campaign: campaign.clone(), claimed_max });
        Ok(campaign)
    }

    pub(super) fn campaign(&mut self, id: CampaignId) -> Result<Campaign, LogError> {
        Ok(self.facts.log.campaign_row(id)?.campaign.clone())
    }

    pub(super) fn adopt_campaign(&mut self, node: NodeId) -> Option<Campaign> {
        let live = self.facts.log.live()?;
        if live.node == node || self.facts.node_lives(live.node, self.now) {
            return None;
        }
        let row = self.facts.log.live_row()?;
        (row.campaign.node, row.campaign.phase) = (node, Phase::Running);
        row.campaign.reason = None;
        Some(row.campaign.clone())
    }

    /// What is halting continues halting.
    pub(super) fn control(&mut self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError> {
        if let Control::Concurrency(concurrency) = change {
            check_concurrency(concurrency)?;
        }
        let campaign = &mut self.facts.log.live_row().ok_or(LogError::NoCampaign)?.campaign;
        let Tuning { concurrency, sleep_time_ms, pace_ms } = &mut campaign.tuning;
        let halting = campaign.phase == Phase::Halting;
        match change {
            Control::Pause | Control::Resume if halting => {
                let problem = format!("campaign {} is halting already; it can only go on to its end", campaign.id);
                return Err(invalid(STEERING, problem));
            }
            Control::Pause => campaign.phase = Phase::Paused,
            Control::Resume => campaign.phase = Phase::Running,
            Control::Halt => campaign.phase = Phase::Halting,
            Control::Concurrency(wanted) => *concurrency = wanted,
            Control::SleepTimeMs(wanted) => *sleep_time_ms = wanted,
            Control::PaceMs(wanted) => *pace_ms = wanted,
        }
        match (change, reason) {
            (Control::Resume, reason) => campaign.reason = reason.map(Into::into),
            (_, Some(reason)) => campaign.reason = Some(reason.into()),
            (_, None) => {}
        }
        Ok(campaign.clone())
    }

    pub(super) fn close(&mut self, id: CampaignId, reason: Option<&str>) -> Result<(), LogError> {
        let campaign = &mut self.facts.log.campaign_row(id)?.campaign;
        if campaign.phase != Phase::Ended {
            campaign.phase = Phase::Ended;
            campaign.reason = reason.map(Into::into).or(campaign.reason.take());
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, id: CampaignId, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        let row = self.facts.log.campaign_row(id)?;
        let (campaign, claimed_max) = (row.campaign.clone(), row.claimed_max);
        if campaign.phase != Phase::Running {
            return Ok(Vec::new());
        }
        let room = claimed_max.map_or(u64::MAX, |max| max.saturating_sub(campaign.claimed)).min(limit.into());
        let named = matches!(campaign.selection, Selection::Names(_));
        let log = &self.facts.log;
        let wanted = |row: &&MoveRow| {
            row.record.migration == campaign.migration
                && row.record.state == campaign.aim.claimed_from()
                // What was given up on the way back is not tried again by the same campaign.
                && (campaign.aim == Aim::Migrate || row.record.campaign != Some(id))
                && Course { aim: campaign.aim, ..row.record.course() }.first().is_some()
                && (!named || row.chosen_by == Some(id))
                && !log.is_in_flight(&row.record.org)
        };
        let found = log.moves.iter().filter(wanted).map(|row| row.record.id);
        let found: Vec<MoveId> = found.take(usize::try_from(room).unwrap()).collect();
        let mut claimed = Vec::with_capacity(found.len());
        for move_id in found {
            let epoch = self.facts.log.next_epoch();
            let row = self.facts.log.row_mut(move_id)?;
            row.node = Some(node);
            row.record.epoch = epoch;
            row.record.campaign = Some(id);
            row.record.attempts += 1;
            let from = row.record.state;
            row.record.aim = campaign.aim;
            row.record.failure = None;
            row.record.state = step(row.record.course(), from, Event::Claimed(campaign.aim))?;
            let record = row.record.clone();
            self.facts.log.campaign_row(id)?.campaign.claimed += 1;
            self.note(&record, from, Some(node));
            claimed.push(record);
        }
        Ok(claimed)
    }
}

fn check_concurrency(concurrency: u32) -> Result<(), LogError> {
    let problem = "it is at least 1; use pause to claim nothing";
    if concurrency == 0 { Err(invalid("setting the concurrency", problem)) } else { Ok(()) }
}
