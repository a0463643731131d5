//! Erlang-style supervision for actix actors.
//!
//! It owns the life of every actor: starting it, hearing of its end, deciding what follows,
//! stopping it in order.
//!
//! ```text
//!                 orders: stop (time limit), kill
//!   supervisor ──────────────────────────────────▶ link ── one incarnation: a task that drives
//!       ▲                                                 an actor's context, or a supervisor
//!       └──────────────────────────────────────────┘
//!                 signals: up, down (exit)
//!
//!   ActorRef ── messages ──▶ mailbox of the current incarnation      good across restarts, from any thread
//!   Monitor  ◀── events ──── each end: restarting or ended         with the reason
//!   Registry ◀── rows ────── state, restarts, mailbox, note        read without disturbing anyone
//! ```
//!
//! # What happens on failure
//!
//! - A **panic** in an actor (in `started`, a handler, a future of its context, `stopped`, its
//!   drop) ends that incarnation with [`Exit::Panic`] and its message. Its siblings notice nothing.
//! - An actor that **cannot continue** calls [`SelfHandle::fail`]; it ends with [`Exit::Error`].
//! - A caller that waits for an answer gets [`RefError::Died`]; one that sends while the child is down gets
//!   [`RefError::NotRunning`].
//! - The supervisor receives `Down` when nothing is left of the incarnation, so **two incarnations
//!   never overlap**. By its [`Restart`] the child is restarted, built by its start function and
//!   never from the old struct, together with the siblings that the [`Strategy`] names. A start that fails
//!   is a failure like any other.
//! - More restarts than the [`Intensity`] allows: the supervisor stops its children and ends with
//!   [`Exit::GaveUp`], which is a failure that its own supervisor counts. At the [`Root`] it is the
//!   error that `main` ends with; it names the child that could not be kept alive, and why.
//! - A child that does not **stop in its time limit** is dropped ([`Exit::Killed`]). A handler that
//!   blocks its thread cannot be killed by anyone; long work belongs in tasks of its own.
//!
//! All time is tokio's, so tests can pause it. Everything of one tree runs on one thread, in a
//! `LocalSet` or an `actix_rt::System`; names, handles, monitors and the registry can be used from any
//! thread.

mod actor;
mod actor_ref;
mod dynamic;
mod dynamic_supervisor;
mod exit;
mod mailbox;
mod monitor;
mod policy;
mod process;
mod registry;
mod root;
mod spec;
mod supervision;
mod supervisor;
mod tree;

pub use actor::{Child, SelfHandle};
pub use actor_ref::{ActorRef, RefError};
pub use dynamic::{Dynamic, DynamicError};
pub use exit::{Exit, GaveUp};
pub use monitor::{ChildEvent, Down, Monitor};
pub use policy::{Backoff, ChildPolicy, Intensity, Restart, Shutdown, Strategy};
pub use registry::{Kind, Registry, State};
pub use root::Root;
pub use spec::{ChildSpec, DynamicSpec, StartFailed, SupervisorSpec};
pub use tree::TreeNode;
