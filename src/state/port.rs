//! [`MoveLog`] over Postgres: which function in which file implements which call.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, Selection};
use mover_actors::domain::flags::{FlagImage, FlagKey};
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgName};
use mover_actors::domain::record::{Advance, MoveRecord};
use mover_actors::domain::state::State;
use mover_actors::ports::{Desire, LogError, MoveLog};

use super::PgMoveLog;

#[async_trait]
impl MoveLog for PgMoveLog {
    async fn join(&self, name: &str, lease: Duration) -> Result<NodeId, LogError> {
        Ok(self.join_node(name, lease).await?)
    }

    async fn heartbeat(&self, node: NodeId, lease: Duration) -> Result<(), LogError> {
        Ok(self.beat(node, lease).await?)
    }

    async fn leave(&self, node: NodeId) -> Result<(), LogError> {
        Ok(self.leave_node(node).await?)
    }

    async fn adopt_orphans(&self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        Ok(self.adopt(node, limit).await?)
    }

    async fn held(&self, node: NodeId, limit: u32) -> Result<Vec<MoveId>, LogError> {
        Ok(self.held_moves(node, limit).await?)
    }

    async fn open_campaign(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError> {
        self.open(node, plan).await
    }

    async fn campaign(&self, id: CampaignId) -> Result<Campaign, LogError> {
        Ok(self.load_campaign(id).await?)
    }

    async fn live_campaign(&self) -> Result<Option<Campaign>, LogError> {
        Ok(self.load_live_campaign().await?)
    }

    async fn adopt_campaign(&self, node: NodeId) -> Result<Option<Campaign>, LogError> {
        Ok(self.adopt_live_campaign(node).await?)
    }

    async fn control(&self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError> {
        self.control_live(change, reason).await
    }

    async fn close_campaign(&self, id: CampaignId, reason: Option<&str>) -> Result<(), LogError> {
        Ok(self.close(id, reason).await?)
    }

    async fn claim(&self, campaign: CampaignId, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        Ok(self.claim_orgs(campaign, node, limit).await?)
    }

    async fn load(&self, id: MoveId) -> Result<MoveRecord, LogError> {
        Ok(self.load_move(id).await?)
    }

    async fn renew(&self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError> {
        self.renew_move(node, id, epoch).await
    }

    async fn advance(&self, node: NodeId, advances: &[Advance]) -> Result<Vec<Result<(), LogError>>, LogError> {
        Ok(self.advance_moves(node, advances).await?)
    }

    async fn rename(&self, id: MoveId, epoch: Epoch, name: &OrgName) -> Result<(), LogError> {
        self.rename_org(id, epoch, name).await
    }

    async fn note_shut_out(&self, orgs: &[(MoveId, Epoch)], since: SystemTime) -> Result<(), LogError> {
        Ok(self.note_shut(orgs, since).await?)
    }

    async fn make_ready(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError> {
        Ok(self.release("making orgs ready", State::Holding, migration, selection).await?)
    }

    async fn retry(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError> {
        let doing = "retrying orgs";
        let failed = self.release(doing, State::Failed, migration, selection).await?;
        // An operator wanted the rolled back orgs back: they must be named.
        let Selection::Names(_) = selection else { return Ok(failed) };
        Ok(failed + self.release(doing, State::RolledBack, migration, selection).await?)
    }

    async fn desire(&self, desires: &[Desire]) -> Result<Vec<Result<FlagImage, LogError>>, LogError> {
        Ok(self.change_desired(desires).await?)
    }

    async fn desired(&self, after: Option<&FlagKey>, limit: u32) -> Result<Vec<FlagImage>, LogError> {
        Ok(self.desired_page(after, limit).await?)
    }

    async fn desired_of(&self, keys: &[FlagKey]) -> Result<Vec<Option<FlagImage>>, LogError> {
        Ok(self.desired_hashes(keys).await?)
    }

    async fn raise_epoch(&self, above: Epoch) -> Result<(), LogError> {
        Ok(self.raise_epochs(above).await?)
    }
}
