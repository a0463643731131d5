//! What a store is made of, as far as a migration can see it: tables, types, names.

pub(in crate::engine) mod catalog;
pub(in crate::engine) mod fingerprint;
pub(in crate::engine) mod hazard;
pub(in crate::engine) mod name;
pub(in crate::engine) mod order;
pub(in crate::engine) mod resolve;
pub(in crate::engine) mod shape;
