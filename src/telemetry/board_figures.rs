//! What the board of the tree shows.

use mover_actors::otp::Board;

use super::page::{Page, count};

/// Those who are there all the time. Orgs and workers come and go, and have no samples of their own.
const FIXED: [(&str, &str); 5] = [
    ("journal", "root/journal"),
    ("darklaunch", "root/darklaunch"),
    ("desk", "root/workers/desk"),
    ("node", "root/node"),
    ("manager", "root/manager"),
];

/// Messages that wait.
pub(super) fn write(board: Option<&Board>, page: &mut Page) {
    let mut mailbox = page.gauge("mover_mailbox_messages", "Messages that wait for an actor or are being worked on");
    for (actor, path) in FIXED {
        if let Some(child) = board.and_then(|board| board.child(path)) {
            mailbox.sample(&[("actor", actor)], count(child.mailbox as u64));
        }
    }
}
