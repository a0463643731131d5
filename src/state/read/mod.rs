//! What operators, dashboards and scripts read of the move log.

mod campaigns;
mod counts;
mod flights;
mod org;
mod pace;
mod page;

pub use campaigns::{CampaignView, CopiedView, NodeView};
pub use counts::Counts;
pub use flights::Flight;
pub use org::{Happening, History};
pub use pace::{ClosedTimes, Rate};
pub use page::{MoveView, StateName};
