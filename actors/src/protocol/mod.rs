//! How orgs are moved from one store to another, written once for every kind of store.
//!
//! A store offers its *capabilities* ([`store`]): it reads the rows of orgs from a snapshot ([`store::Reader`]), logs writes
//! ([`store::Capture`]), closes an org for its writers ([`store::Gate`]), receives rows ([`store::Receiver`]), and remembers the standing
//! of each org ([`store::Guard`]). A kind of store implements these, and [`Stores`] says which two of them a migration connects.
//! Everything else is here: all [`Stores`] are an [`Engine`](crate::ports::Engine).
//!
//! | file | what it decides |
//! |---|---|
//! | `engine` | which of the following a step calls, and how many run at once |
//! | `held` | which orgs another migration over the same tables keeps from being moved |
//! | `copy`, `ranges` | how rows come to the receiving store: in one transaction, or range by range |
//! | `capture`, `round`, `compare` | how writes during the move are carried over and verified |
//! | `switch` | the order of the last round, `moved`, the arrival and the release of writers |
//! | `settle` | when an offline copy may become live |
//! | `leave` | whether an org has moved, how a move is undone, and how the rows that it left are removed |
//! | `finish`, `still_there` | when the rows that an org left are removed for good: they are in a file, and the copy is still there |
//! | `proofs`, `fingerprint` | how long a proof of equality counts |
//! | `streamed` | when rows need not be read again to be compared |
//!
//! Nothing here knows a query language, a wire format or a driver.

mod capture;
mod cohort;
mod compare;
mod copy;
mod doing;
mod engine;
mod fingerprint;
mod finish;
mod held;
mod keys;
mod leave;
mod limits;
mod patience;
mod pipeline;
mod proofs;
mod ranges;
mod round;
mod route;
mod settle;
mod standing;
mod still_there;
pub mod store;
mod streamed;
mod switch;
mod turns;
mod unlogged;

pub use cohort::Cohort;
pub use doing::{Doing, shortened};
pub use fingerprint::{Basis, Fingerprint, Glance, PartName, sentence};
pub use held::{Holder, next_step};
pub use keys::RowKeys;
pub use limits::LiveLimits;
pub use patience::Patience;
pub use pipeline::{Sent, send};
pub use proofs::Proofs;
pub use ranges::Piece;
pub use route::{CopyRoute, LiveRoute, Migration, Moves, Outline, Stores};
pub use standing::{Mode, Standing, after_arrival, before_arrival, refusal};
pub use still_there::{Damage, damage};
pub use switch::RoundTrips;
pub use turns::Turns;
