//! "Did you mean …?": the known word nearest to a mistyped one.

use strsim::osa_distance;

/// Longer words are not compared: they are no typing errors, and the comparison is quadratic.
const WORD_MAX: usize = 40;

/// The known word that differs least from `word`, if it is similar enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(WORD_MAX + 1).flat_map(char::to_lowercase).collect();
    let length = word.chars().count();
    if length == 0 || length > WORD_MAX {
        return None;
    }
    let far = length / 3 + 1;
    let candidates = known.into_iter().map(|known| (osa_distance(&word, known), known));
    candidates.filter(|(distance, _)| *distance <= far).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The end of a message about an unknown `word`.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|known| format!("; did you mean {known:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["migrate", "status", "pause"];
        assert_eq!(nearest("migrat", known), Some("migrate"));
        assert_eq!(nearest("STATSU", known), Some("status"));
        assert_eq!(nearest("puase", known), Some("pause"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
