//! Names and numbers of the whole program, each with its own type.
//!
//! Parsed once, on input; a value of one of these types is valid.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a valid name or key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// What was being read, e.g. `an org name`.
        what: &'static str,
    },
    /// The text is longer than an index entry in Postgres may be.
    #[error("{what} is {length} characters long, at most {max} are allowed (it begins {begin:?})")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// How long it is, in characters.
        length: usize,
        /// How long it may be, in characters.
        max: usize,
        /// Its first characters.
        begin: String,
    },
    /// A character that this kind of name cannot have.
    #[error("{what} {text:?} contains {character:?}: {rule}")]
    BadCharacter {
        /// What was being read.
        what: &'static str,
        /// The whole text.
        text: String,
        /// The first character that is not allowed.
        character: char,
        /// What is allowed.
        rule: &'static str,
    },
}

/// The most characters an org name or key may have: four bytes each still fit a Postgres index entry.
pub const ORG_TEXT_MAX: usize = 512;

fn check_free_text(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let length = text.chars().count();
    if length > ORG_TEXT_MAX {
        let begin = text.chars().take(40).collect();
        return Err(IdError::TooLong { what, length, max: ORG_TEXT_MAX, begin });
    }
    if text.contains('\0') {
        let rule = "Postgres cannot store a zero character in text";
        return Err(IdError::BadCharacter { what, text: text.into(), character: '\0', rule });
    }
    Ok(())
}

fn check_word(what: &'static str, text: &str) -> Result<(), IdError> {
    check_free_text(what, text)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        None => Ok(()),
        Some(character) => {
            let rule = "only letters, digits and _ are allowed";
            Err(IdError::BadCharacter { what, text: text.into(), character, rule })
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and takes it.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                $check($what, &text)?;
                Ok(Self(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

text_id! {
    /// The name of an org, e.g. `acme`; part of its flag key. Any text without a zero character.
    OrgName, "an org name", check_free_text
}
text_id! {
    /// The value by which an org's rows are found, e.g. a GUID, as Postgres prints it.
    OrgKey, "an org key", check_free_text
}
text_id! {
    /// A migration's name, e.g. `phase_2`.
    MigrationName, "a migration name", check_word
}
text_id! {
    /// A store's name in the configuration, e.g. `old`.
    StoreName, "a store name", check_word
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id! {
    /// One org going through one migration.
    MoveId
}
number_id! {
    /// One `migrate` run.
    CampaignId
}
number_id! {
    /// One running Mover process.
    NodeId
}
number_id! {
    /// A fencing token. Every lease and every change of an org's flags takes a higher one;
    /// stores and Redis refuse a lower one.
    Epoch
}
