//! Which function answers which call.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, Selection};
use mover_actors::domain::flags::{FlagImage, FlagKey};
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, NodeId, OrgName};
use mover_actors::domain::record::{Advance, MoveRecord};
use mover_actors::domain::state::State;
use mover_actors::ports::{Desire, LogError, MoveLog};

use super::MemoryLog;

#[async_trait]
impl MoveLog for MemoryLog {
    async fn join(&self, name: &str, lease: Duration) -> Result<NodeId, LogError> {
        let (process, session, name) = (self.process.id(), self.session, name.to_owned());
        self.ask("join", move |scene| scene.join(process, session, &name, lease)).await
    }

    async fn heartbeat(&self, node: NodeId, lease: Duration) -> Result<(), LogError> {
        self.ask("heartbeat", move |scene| scene.heartbeat(node, lease)).await
    }

    async fn leave(&self, node: NodeId) -> Result<(), LogError> {
        self.ask("leave", move |scene| scene.leave(node)).await
    }

    async fn adopt_orphans(&self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        self.ask("adopt_orphans", move |scene| scene.adopt(node, limit)).await
    }

    async fn held(&self, node: NodeId, limit: u32) -> Result<Vec<MoveId>, LogError> {
        self.ask("held", move |scene| Ok(scene.held(node, limit))).await
    }

    async fn open_campaign(&self, node: NodeId, plan: &CampaignPlan) -> Result<Campaign, LogError> {
        let plan = plan.clone();
        self.ask("open_campaign", move |scene| scene.open(node, &plan)).await
    }

    async fn campaign(&self, id: CampaignId) -> Result<Campaign, LogError> {
        self.ask("campaign", move |scene| scene.campaign(id)).await
    }

    async fn live_campaign(&self) -> Result<Option<Campaign>, LogError> {
        self.ask("live_campaign", |scene| Ok(scene.facts.log.live())).await
    }

    async fn adopt_campaign(&self, node: NodeId) -> Result<Option<Campaign>, LogError> {
        self.ask("adopt_campaign", move |scene| Ok(scene.adopt_campaign(node))).await
    }

    async fn control(&self, change: Control, reason: Option<&str>) -> Result<Campaign, LogError> {
        let reason = reason.map(ToOwned::to_owned);
        self.ask("control", move |scene| scene.control(change, reason.as_deref())).await
    }

    async fn close_campaign(&self, id: CampaignId, reason: Option<&str>) -> Result<(), LogError> {
        let reason = reason.map(ToOwned::to_owned);
        self.ask("close_campaign", move |scene| scene.close(id, reason.as_deref())).await
    }

    async fn claim(&self, campaign: CampaignId, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        self.ask("claim", move |scene| scene.claim(campaign, node, limit)).await
    }

    async fn load(&self, id: MoveId) -> Result<MoveRecord, LogError> {
        self.ask("load", move |scene| Ok(scene.facts.log.row(id)?.record.clone())).await
    }

    async fn renew(&self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError> {
        self.ask("renew", move |scene| scene.renew(node, id, epoch)).await
    }

    async fn advance(&self, node: NodeId, advances: &[Advance]) -> Result<Vec<Result<(), LogError>>, LogError> {
        let advances = advances.to_vec();
        self.ask("advance", move |scene| Ok(scene.advance(node, &advances))).await
    }

    async fn rename(&self, id: MoveId, epoch: Epoch, name: &OrgName) -> Result<(), LogError> {
        let name = name.clone();
        self.ask("rename", move |scene| scene.rename(id, epoch, &name)).await
    }

    async fn note_shut_out(&self, orgs: &[(MoveId, Epoch)], since: SystemTime) -> Result<(), LogError> {
        let orgs = orgs.to_vec();
        self.ask("note_shut_out", move |scene| {
            orgs.iter().for_each(|(id, epoch)| scene.note_shut_out(*id, *epoch, since));
            Ok(())
        })
        .await
    }

    async fn make_ready(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError> {
        let (migration, selection) = (migration.clone(), selection.clone());
        self.ask("make_ready", move |scene| scene.release("making orgs ready", State::Holding, &migration, &selection))
            .await
    }

    async fn retry(&self, migration: &MigrationName, selection: &Selection) -> Result<u64, LogError> {
        let (migration, selection) = (migration.clone(), selection.clone());
        self.ask("retry", move |scene| {
            let doing = "retrying orgs";
            let failed = scene.release(doing, State::Failed, &migration, &selection)?;
            let Selection::Names(_) = selection else { return Ok(failed) };
            Ok(failed + scene.release(doing, State::RolledBack, &migration, &selection)?)
        })
        .await
    }

    async fn desire(&self, desires: &[Desire]) -> Result<Vec<Result<FlagImage, LogError>>, LogError> {
        let desires = desires.to_vec();
        self.ask("desire", move |scene| Ok(scene.desire(&desires))).await
    }

    async fn desired(&self, after: Option<&FlagKey>, limit: u32) -> Result<Vec<FlagImage>, LogError> {
        let after = after.cloned();
        self.ask("desired", move |scene| Ok(scene.facts.log.desired_page(after.as_ref(), limit))).await
    }

    async fn desired_of(&self, keys: &[FlagKey]) -> Result<Vec<Option<FlagImage>>, LogError> {
        let keys = keys.to_vec();
        self.ask("desired_of", move |scene| Ok(keys.iter().map(|key| scene.facts.log.image(key)).collect())).await
    }

    async fn raise_epoch(&self, above: Epoch) -> Result<(), LogError> {
        self.ask("raise_epoch", move |scene| {
            scene.raise_epoch(above);
            Ok(())
        })
        .await
    }
}
