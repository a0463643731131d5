//! The configuration: `mover.toml` and the migration definitions.
//!
//! Both are read the same way: `tree` knows the place of each value, `reader` reads a section, and
//! `mistake` collects everything that is wrong, so that a file can be corrected in one go. No error and no Debug
//! output repeats an address or a password.

mod address;
mod definition;
mod definition_file;
mod definitions;
mod encryption;
mod http;
mod limits;
mod mistake;
mod overrides;
mod reader;
mod routing;
mod settings;
mod sql_steps;
mod ssl_mode;
mod tables;
mod telemetry;
mod tree;

pub use self::address::{AddressError, Postgres, Redis};
pub use self::definition::{Definition, OrgDirectory, SqlStep, TableRule, Tenancy, Via};
pub use self::definitions::{Definitions, UnknownMigration};
pub use self::http::Http;
pub use self::mistake::{Mistake, Mistakes, Place};
pub use self::overrides::Override;
pub use self::settings::{Config, Log, LogFormat, LogLevel, Store};
pub use self::telemetry::{Collector, CollectorError, Telemetry};
