//! One line of an `expect` block: a condition, and the time within which it must become true.

use std::time::Duration;

use crate::state::read::StateName;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::MigrationName;

/// The default time.
const WITHIN: Duration = Duration::from_secs(10);
const FORMS: &str = "an expectation is `MIGRATION STATE = NUMBER`, `flag KEY FIELD = VALUE` or `http GET URL status = NUMBER`, and may end with \
     `within 10m`";

/// Methods of HTTP that a runbook may use.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A condition with its time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The subject.
    pub subject: Subject,
    /// How to compare it.
    pub comparison: Comparison,
    /// The time limit.
    pub within: Duration,
}

/// The subject of a condition, and the value to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// How many orgs of a migration are in a state.
    Orgs {
        /// The migration.
        migration: MigrationName,
        /// The state.
        state: StateName,
        /// The number.
        number: u64,
    },
    /// A field of a flag hash in Redis.
    Flag {
        /// The key of the hash.
        key: FlagKey,
        /// The field.
        field: String,
        /// Its value; `None`: the field does not exist.
        value: Option<String>,
    },
    /// The status of an HTTP response to a request without a body.
    Http {
        /// In capitals.
        method: String,
        /// Beginning with `http://`.
        url: String,
        /// The status of the response.
        status: u16,
    },
}

/// How the value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`, numbers only
    Less,
    /// `<=`, numbers only
    AtMost,
    /// `>`, numbers only
    More,
    /// `>=`, numbers only
    AtLeast,
}

impl Comparison {
    fn read(word: &str) -> Result<Self, String> {
        Ok(match word {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::More,
            ">=" => Self::AtLeast,
            _ => return Err(format!("{word:?} does not compare; one of = != < <= > >=. {FORMS}")),
        })
    }

    /// Whether the comparison holds.
    pub fn holds<T: PartialOrd>(self, found: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::NotEqual => found != wanted,
            Self::Less => found < wanted,
            Self::AtMost => found <= wanted,
            Self::More => found > wanted,
            Self::AtLeast => found >= wanted,
        }
    }
}

/// Parses a line; an empty one or a comment has no expectation.
pub(super) fn read(line: &str) -> Result<Option<Expectation>, String> {
    let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
    if line.is_empty() {
        return Ok(None);
    }
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let mut within = WITHIN;
    if let [.., "within", span] = words.as_slice() {
        within = duration(span)?;
        words.truncate(words.len() - 2);
    }
    let (subject, comparison) = match words.as_slice() {
        ["flag", key, field, compared, value] => {
            let comparison = Comparison::read(compared)?;
            if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                return Err("a flag is a text: compare it with = or !=".into());
            }
            let value = (*value != "absent").then(|| (*value).to_owned());
            let key = FlagKey::from_stored((*key).to_owned());
            (Subject::Flag { key, field: (*field).to_owned(), value }, comparison)
        }
        // The form without the sign is allowed, too.
        ["http", method, url, "status", status] => (http(method, url, status)?, Comparison::Equal),
        ["http", method, url, "status", compared, status] => (http(method, url, status)?, Comparison::read(compared)?),
        [migration, state, compared, number] => {
            let migration = MigrationName::new(*migration).map_err(|error| error.to_string())?;
            let state = state.parse().map_err(|error| format!("{error}"))?;
            let number = number.parse().map_err(|_| format!("{number:?} is no number of orgs. {FORMS}"))?;
            (Subject::Orgs { migration, state, number }, Comparison::read(compared)?)
        }
        _ => return Err(FORMS.to_owned()),
    };
    Ok(Some(Expectation { subject, comparison, within }))
}

fn http(method: &str, url: &str, status: &str) -> Result<Subject, String> {
    if !METHODS.contains(&method) {
        return Err(format!("{method:?} is no method of HTTP; one of {}", METHODS.join(", ")));
    }
    if url.starts_with("https://") {
        return Err("https is not in this version: ask for http on the loopback, or use a step of sh with curl".into());
    }
    if url.strip_prefix("http://").is_none_or(str::is_empty) {
        return Err(format!("{url:?} is no address: it begins with http://"));
    }
    let number = status.parse().ok().filter(|status| (100..600).contains(status));
    let status = number.ok_or_else(|| format!("{status:?} is no status of HTTP: a number from 100 to 599"))?;
    Ok(Subject::Http { method: method.to_owned(), url: url.to_owned(), status })
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: Result<jiff::SignedDuration, _> = text.parse();
    let span = span.ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| format!("{text:?} is no span of time; for example 30s, 10m, 2h"))
}
