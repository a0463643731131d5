//! The report of a demo, as text and as JSON.

mod text;

use serde::Serialize;

use super::audit::Audit;
use super::clients::ClientFigures;
use super::quantiles::Quantiles;

/// The results of the campaign, from the move log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CampaignFigures {
    /// Orgs to move.
    pub orgs: u64,
    /// Orgs that moved.
    pub orgs_moved: u64,
    /// Orgs whose rows were compared on both sides and found equal.
    pub orgs_verified: u64,
    /// Orgs that failed and were parked.
    pub orgs_failed: u64,
    /// Rows copied.
    pub rows: u64,
    /// Bytes sent to the target.
    pub bytes: u64,
    /// How long the campaign took.
    pub elapsed_ms: u64,
    /// How long each org was closed for writes.
    pub closed: Quantiles,
    /// The median of one durable commit under the same load, in microseconds; `None` if it was not measured.
    pub commit_p50_us: Option<u64>,
}

/// The result of a demo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DemoReport {
    /// Whether every org moved and every acknowledged write is present.
    pub ok: bool,
    /// The results of the campaign.
    pub campaign: CampaignFigures,
    /// The counts of the clients.
    pub clients: ClientFigures,
    /// Acknowledged writes compared with the stores.
    pub audit: Audit,
}

impl DemoReport {
    /// Combines the parts, and decides whether the demo succeeded.
    pub fn new(campaign: CampaignFigures, clients: ClientFigures, audit: Audit) -> Self {
        let all_moved = campaign.orgs_moved == campaign.orgs && audit.orgs_on_new == campaign.orgs;
        let all_checked = audit.writes_checked == clients.acknowledged();
        let ok = all_moved && all_checked && campaign.orgs_failed == 0 && audit.is_clean();
        Self { ok, campaign, clients, audit }
    }

    /// The exit code: 1 if anything was lost or duplicated, or any org was left behind.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.ok)
    }

    /// The report as a page of text.
    pub fn to_text(&self, colours: bool) -> String {
        text::render(self, colours)
    }
}
