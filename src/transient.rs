//! Transient faults of Postgres, for every database.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Codes of transient faults.
const TRANSIENT: [SqlState; 9] = [
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::QUERY_CANCELED,
    // The server has ended our session because we hung (P8), and we are running again.
    SqlState::IDLE_SESSION_TIMEOUT,
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
];

/// Whether a retry may succeed.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error.code() {
        // Class 08: connection exceptions.
        Some(code) => code.code().starts_with("08") || TRANSIENT.contains(code),
        // Without a code there was no answer: the connection was lost or never established.
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>()),
    }
}
