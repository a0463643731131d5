//! Sends changes to all connected clients.
//!
//! - `watch`: polls for changes and publishes them; an actor in the tree of the interfaces
//! - `hub`: keeps the latest events for clients that reconnect, and sends new ones
//! - `stream`: one listener

mod hub;
mod stream;
mod watch;

pub(super) use hub::Hub;
pub(super) use stream::get_events;
pub use watch::Events;
