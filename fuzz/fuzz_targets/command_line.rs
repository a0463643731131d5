//! Any text, as a command and as Erlang: no panic, no hang, and a mistake has a place inside of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mover::command::erlang::{self, Environment};
use mover::command::{self, ParseError};

fn has_a_place(error: &ParseError, text: &str) {
    let line = text.split('\n').nth(error.line() - 1).expect("the line is one of the text");
    assert!(error.column() <= line.chars().count() + 1);
    let _ = error.to_string();
}

fuzz_target!(|text: &str| {
    match command::parse(text) {
        Ok(Some(command)) => assert_eq!(command::parse(&command.to_string()).ok().flatten().as_ref(), Some(&command)),
        Ok(None) => {}
        Err(error) => drop(error.to_string()),
    }
    erlang::is_erlang(text);
    match erlang::read(text) {
        Ok(forms) => {
            let mut environment = Environment::default();
            for form in &forms {
                if let Err(error) = environment.meaning(form) {
                    has_a_place(&error, text);
                }
            }
        }
        Err(error) => has_a_place(&error, text),
    }
});
