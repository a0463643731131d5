//! Any text as a runbook: no panic, no hang, and a mistake has a place inside of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mover::runbook::{Values, read};

fuzz_target!(|text: &str| {
    if let Err(mistakes) = read("fuzzed.md", text, &Values::new()) {
        for mistake in mistakes.all() {
            assert!(mistake.line >= 1 && mistake.column >= 1);
            assert!(mistake.line <= text.lines().count() + 1);
        }
    }
});
