//! What it means that a hash in Redis differs from its decision, and what may be written back without being asked for.

use crate::domain::effective::is_503;
use crate::domain::flags::{Fields, FlagImage, FoundFlags};
use crate::metering::Mended;

/// How a hash in Redis differs from its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It does not.
    None,
    /// Redis has an earlier decision.
    Unseen,
    /// The hash carries no epoch: it was deleted or evicted, or replaced by someone.
    Lost,
    /// The hash carries the epoch of the decision, and other contents: it was changed by someone.
    Changed,
    /// Redis has a decision that the move log does not know.
    Ahead,
}

impl From<Cause> for Mended {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Unseen => Mended::Unseen,
            Cause::Lost => Mended::Lost,
            Cause::None | Cause::Changed | Cause::Ahead => Mended::Changed,
        }
    }
}

/// How a hash differs from its decision.
pub(super) fn cause(wanted: &FlagImage, found: &FoundFlags) -> Cause {
    match found.epoch {
        None => Cause::Lost,
        Some(epoch) if epoch < wanted.epoch => Cause::Unseen,
        Some(epoch) if epoch > wanted.epoch => Cause::Ahead,
        Some(_) if found.fields == wanted.fields => Cause::None,
        Some(_) => Cause::Changed,
    }
}

/// The fields whose values tell whether a hash is as decided.
pub(super) fn fields_to_read(image: &FlagImage) -> Vec<String> {
    image.fields.keys().cloned().collect()
}

/// Whether writing the decision would begin a 503, or end one.
pub(super) fn changes_503(wanted: &FlagImage, found: &FoundFlags) -> bool {
    let shuts = |fields: &Fields, field: &str| is_503(field, fields.get(field).and_then(Option::as_deref));
    wanted.fields.keys().any(|field| shuts(&wanted.fields, field) != shuts(&found.fields, field))
}

/// The decision without the fields in which someone has set a 503 of their own: that stays. `None` if nothing else differs. In
/// a hash with an earlier epoch a 503 may be one of Mover that this decision ends.
pub(super) fn without_own_503(wanted: &FlagImage, found: &FoundFlags) -> Option<FlagImage> {
    let cause = cause(wanted, found);
    if !matches!(cause, Cause::Lost | Cause::Changed) {
        return Some(wanted.clone());
    }
    let value = |fields: &Fields, field: &String| fields.get(field).cloned().flatten();
    let is_own_503 = |field: &String| {
        let (there, decided) = (value(&found.fields, field), value(&wanted.fields, field));
        there != decided && is_503(field, there.as_deref())
    };
    let fields: Fields =
        wanted.fields.iter().filter(|(field, _)| !is_own_503(field)).map(|(f, v)| (f.clone(), v.clone())).collect();
    let differs = fields.iter().any(|(field, wanted)| found.fields.get(field) != Some(wanted));
    // A lost hash gets its epoch back in any case.
    (differs || cause == Cause::Lost).then(|| FlagImage { fields, ..wanted.clone() })
}

/// Tells the log what is written again, and why.
pub(super) fn report(cause: Cause, wanted: &FlagImage, found: &FoundFlags) {
    let key = wanted.key.as_str();
    match cause {
        Cause::Unseen => tracing::info!(key, epoch = wanted.epoch.0, "writing flags that Redis had not seen"),
        Cause::None | Cause::Lost | Cause::Changed | Cause::Ahead => {
            let what = if cause == Cause::Lost { "lost" } else { "changed" };
            let differing = differences(wanted, found);
            tracing::warn!(key, epoch = wanted.epoch.0, differing, "flags were {what} in Redis; writing them again");
        }
    }
}

/// The fields that differ, as text.
pub fn differences(wanted: &FlagImage, found: &FoundFlags) -> String {
    let shown = |value: Option<&str>| value.map_or("(none)".to_owned(), |value| format!("{value:?}"));
    let differing = wanted.fields.iter().filter_map(|(field, wanted)| {
        let found = found.fields.get(field).and_then(Option::as_deref);
        (wanted.as_deref() != found)
            .then(|| format!("{field} is {}, should be {}", shown(found), shown(wanted.as_deref())))
    });
    differing.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::flags::FlagKey;
    use crate::domain::ids::Epoch;

    fn fields(pairs: &[(&str, Option<&str>)]) -> Fields {
        pairs.iter().map(|(field, value)| ((*field).to_owned(), value.map(str::to_owned))).collect()
    }

    fn wanted(pairs: &[(&str, Option<&str>)]) -> FlagImage {
        FlagImage { key: FlagKey::no_org(), epoch: Epoch(7), fields: fields(pairs) }
    }

    fn found(epoch: Option<i64>, pairs: &[(&str, Option<&str>)]) -> FoundFlags {
        FoundFlags { epoch: epoch.map(Epoch), fields: fields(pairs) }
    }

    #[test]
    fn the_epoch_tells_what_happened() {
        let decided = wanted(&[("cell", Some("new"))]);
        let same = [("cell", Some("new"))];
        let other = [("cell", Some("old"))];
        assert_eq!(cause(&decided, &found(Some(7), &same)), Cause::None);
        assert_eq!(cause(&decided, &found(Some(7), &other)), Cause::Changed);
        assert_eq!(cause(&decided, &found(Some(6), &other)), Cause::Unseen);
        assert_eq!(cause(&decided, &found(Some(8), &same)), Cause::Ahead);
        assert_eq!(cause(&decided, &found(None, &same)), Cause::Lost);
    }

    #[test]
    fn a_503_that_someone_set_stays_and_everything_else_is_written() {
        let decided = wanted(&[("cell", Some("new")), ("503_mode", None)]);
        let own = found(Some(7), &[("cell", Some("new")), ("503_mode", Some("true"))]);
        assert_eq!(without_own_503(&decided, &own), None);
        let both = found(Some(7), &[("cell", Some("old")), ("503_mode", Some("true"))]);
        let written = without_own_503(&decided, &both).map(|image| image.fields);
        assert_eq!(written, Some(fields(&[("cell", Some("new"))])));
        // Also where the hash was lost before.
        let lost = found(None, &[("cell", None), ("503_mode", Some("true"))]);
        assert_eq!(without_own_503(&decided, &lost).map(|image| image.fields), Some(fields(&[("cell", Some("new"))])));
        let only_lost = found(None, &[("cell", Some("new")), ("503_mode", Some("true"))]);
        assert!(without_own_503(&decided, &only_lost).is_some(), "it gets its epoch back");
        // One of Mover ends with the decision that ends it.
        let former = found(Some(6), &[("cell", Some("old")), ("503_mode", Some("true"))]);
        assert_eq!(without_own_503(&decided, &former), Some(decided.clone()));
        // A 503 that was decided, and that someone took away, is written.
        let shut = wanted(&[("503_mode", Some("true"))]);
        let opened = found(Some(7), &[("503_mode", None)]);
        assert_eq!(without_own_503(&shut, &opened), Some(shut.clone()));
        let closed = found(Some(7), &[("503_mode", Some("false"))]);
        assert_eq!(without_own_503(&shut, &closed), Some(shut.clone()));
    }

    #[test]
    fn only_a_503_that_begins_or_ends_counts() {
        let decided = wanted(&[("cell", Some("new")), ("orgs_503_mode", Some("false"))]);
        assert!(!changes_503(&decided, &found(None, &[("cell", None), ("orgs_503_mode", None)])));
        assert!(changes_503(&decided, &found(None, &[("cell", None), ("orgs_503_mode", Some("true"))])));
        let shut = wanted(&[("orgs_503_mode", Some("true"))]);
        assert!(changes_503(&shut, &found(None, &[("orgs_503_mode", None)])));
    }
}
