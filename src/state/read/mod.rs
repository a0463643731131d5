//! Queries on the move log for operators, dashboards and scripts.

mod campaigns;
mod changes;
mod closed;
mod counts;
mod flights;
mod org;
mod pace;
mod page;
mod rows;

pub use campaigns::{CampaignView, CopiedView, NodeView};
pub use changes::{Change, Changes, Seen};
pub use closed::ClosedOrg;
pub use counts::Counts;
pub use flights::Flight;
pub use org::{History, HistoryEntry};
pub use pace::{Bucket, ClosedTimes, Rate};
pub use page::{MoveView, StateName};
pub use rows::{Copying, RowsKnown, RowsMoved};
