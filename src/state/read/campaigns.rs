//! Campaigns and nodes, past and present.

use std::time::SystemTime;

use mover_actors::domain::campaign::Campaign;
use mover_actors::domain::ids::{CampaignId, NodeId};

use crate::state::decode::Columns;
use crate::state::query::only;
use crate::state::{PgMoveLog, StateError};

/// A campaign with details that only operators need.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignView {
    /// The campaign.
    pub campaign: Campaign,
    /// When it was opened.
    pub opened_at: SystemTime,
    /// When it ended, if it has.
    pub ended_at: Option<SystemTime>,
    /// Its node, by name.
    pub node_name: String,
    /// Whether that node is alive.
    pub node_alive: bool,
}

/// A Mover process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its row.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Whether it is alive: its lease lasts and its process exists.
    pub alive: bool,
    /// When its lease ends.
    pub lease_until: SystemTime,
    /// When its process joined.
    pub joined_at: SystemTime,
    /// When it left, if it did.
    pub left_at: Option<SystemTime>,
    /// How many moves it has in flight.
    pub moves: u64,
    /// How many of them only have the copy of an org that was rolled back to remove.
    pub copies: u64,
}

/// What a campaign has copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopiedView {
    /// Orgs migrated, each of them verified.
    pub orgs: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes sent to the target.
    pub bytes: u64,
}

impl PgMoveLog {
    /// The latest `limit` campaigns, the newest first.
    pub async fn recent_campaigns(&self, limit: u32) -> Result<Vec<CampaignView>, StateError> {
        self.campaign_views(limit, None).await
    }

    /// One campaign.
    pub async fn campaign_view(&self, id: CampaignId) -> Result<CampaignView, StateError> {
        self.campaign_views(1, Some(id)).await?.pop().ok_or(StateError::UnknownCampaign(id))
    }

    async fn campaign_views(&self, limit: u32, only: Option<CampaignId>) -> Result<Vec<CampaignView>, StateError> {
        let doing = "listing campaigns";
        let (limit, only) = (i64::from(limit), only.map(|id| id.0));
        let rows = self.query(doing, include_str!("../sql/campaign_recent.sql"), &[&limit, &only]).await?;
        let view = |row| {
            let columns = Columns::new(doing, row);
            Ok(CampaignView {
                campaign: columns.campaign()?,
                opened_at: columns.get("opened_at")?,
                ended_at: columns.time("ended_at")?,
                node_name: columns.get("node_name")?,
                node_alive: columns.get("node_alive")?,
            })
        };
        rows.iter().map(view).collect()
    }

    /// What a campaign has copied.
    pub async fn copied(&self, campaign: &Campaign) -> Result<CopiedView, StateError> {
        let doing = "adding up what a campaign moved";
        let sql = include_str!("../sql/campaign_copied.sql");
        let rows = self.query(doing, sql, &[&campaign.migration.as_str(), &campaign.id.0]).await?;
        let row = only(doing, rows)?;
        let number = |name| Columns::new(doing, &row).get::<i64>(name).map(i64::unsigned_abs);
        Ok(CopiedView { orgs: number("orgs")?, rows: number("rows")?, bytes: number("bytes")? })
    }

    /// Every node that ever joined.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, StateError> {
        let doing = "listing nodes";
        let rows = self.query(doing, include_str!("../sql/node_list.sql"), &[]).await?;
        let view = |row| {
            let columns = Columns::new(doing, row);
            Ok(NodeView {
                id: NodeId(columns.get::<i32>("id")?.into()),
                name: columns.get("name")?,
                alive: columns.get("alive")?,
                lease_until: columns.get("lease_until")?,
                joined_at: columns.get("joined_at")?,
                left_at: columns.time("left_at")?,
                moves: columns.count("moves")?,
                copies: columns.count("copies")?,
            })
        };
        rows.iter().map(view).collect()
    }
}
