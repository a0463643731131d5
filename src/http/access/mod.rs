//! Who is asking, and what they may.
//!
//! - `secret`: a token as its holder has it
//! - `book`: the tokens that are valid now
//! - `rates`: how often each may ask
//! - `admission`: the checks that every request goes through
//! - `rights`: which role a command takes

mod admission;
mod book;
mod rates;
mod rights;
mod secret;

pub(super) use admission::{Caller, admit, same_site};
pub(super) use book::Book;
pub(super) use rates::Rates;
pub(super) use rights::needed;
pub use secret::Secret;
pub(super) use secret::hash;
