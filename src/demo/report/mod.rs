//! How a demo went, for people and for programs.

mod text;

use serde::Serialize;

use super::audit::Audit;
use super::clients::ClientFigures;
use super::quantiles::Quantiles;

/// What the campaign did, from the move log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CampaignFigures {
    /// Orgs that were meant to move.
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
}

/// The result of a demo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DemoReport {
    /// Whether every org moved and every acknowledged write is present.
    pub ok: bool,
    /// What the campaign did.
    pub campaign: CampaignFigures,
    /// What happened to the clients.
    pub clients: ClientFigures,
    /// What they were promised against what is there.
    pub audit: Audit,
}

impl DemoReport {
    /// Puts the parts together and judges them.
    pub fn new(campaign: CampaignFigures, clients: ClientFigures, audit: Audit) -> Self {
        let all_moved = campaign.orgs_moved == campaign.orgs && audit.orgs_on_new == campaign.orgs;
        let all_checked = audit.writes_checked == clients.acknowledged();
        let ok = all_moved && all_checked && campaign.orgs_failed == 0 && audit.is_clean();
        Self { ok, campaign, clients, audit }
    }

    /// What the program should end with: 1 if anything was lost or doubled, or any org was left behind.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.ok)
    }

    /// The report as a page of text.
    pub fn to_text(&self, colours: bool) -> String {
        text::render(self, colours)
    }
}
