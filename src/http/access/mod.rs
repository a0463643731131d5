//! Authentication, roles and rate limits.
//!
//! - `secret`: the text of a token
//! - `token_cache`: the tokens that are valid now
//! - `rates`: rate limits
//! - `admission`: the checks that every request goes through
//! - `rights`: the role that a command requires

mod admission;
mod rates;
mod rights;
mod secret;
mod token_cache;

pub(super) use admission::{Caller, admit, same_site};
pub(super) use rates::Rates;
pub(super) use rights::needed;
pub use secret::Secret;
pub(super) use secret::hash;
pub(super) use token_cache::TokenCache;
