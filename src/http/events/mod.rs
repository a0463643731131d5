//! What changes, told to everybody who listens.
//!
//! - `watch`: looks what has changed, and publishes it; an actor in the tree of the doors
//! - `hub`: keeps the latest events for those who come back, and hands new ones on
//! - `stream`: one listener

mod hub;
mod stream;
mod watch;

pub(super) use hub::Hub;
pub(super) use stream::get_events;
pub use watch::Events;
