//! Metrics of the actor registry.

use mover_actors::otp::Registry;

use super::page::{Page, count};

/// The permanent actors. Orgs and workers come and go, and have no samples.
const FIXED: [(&str, &str); 5] = [
    ("journal", "root/journal"),
    ("darklaunch", "root/darklaunch"),
    // A released label value.
    ("desk", "root/workers/pool"),
    ("node", "root/node"),
    ("manager", "root/manager"),
];

/// Messages that wait.
pub(super) fn write(registry: Option<&Registry>, page: &mut Page) {
    let mut mailbox = page.gauge("mover_mailbox_messages", "Messages that wait for an actor or are being worked on");
    for (actor, path) in FIXED {
        if let Some(child) = registry.and_then(|registry| registry.child(path)) {
            mailbox.sample(&[("actor", actor)], count(child.mailbox as u64));
        }
    }
}
