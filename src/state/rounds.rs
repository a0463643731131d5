//! One statement can change each row once. A batch that names a row twice is written in rounds.

use std::collections::HashMap;
use std::hash::Hash;

/// Splits places into rounds in which each key occurs once; equal keys keep their order over the rounds.
pub(super) fn rounds<K: Eq + Hash>(keyed: impl IntoIterator<Item = (usize, K)>) -> Vec<Vec<usize>> {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (place, key) in keyed {
        let turn = seen.entry(key).or_default();
        match rounds.get_mut(*turn) {
            Some(round) => round.push(place),
            None => rounds.push(vec![place]),
        }
        *turn += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::rounds;

    #[test]
    fn equal_keys_go_to_later_rounds_in_their_order() {
        let keys = ["a", "b", "a", "c", "a", "b"];
        assert_eq!(rounds(keys.into_iter().enumerate()), vec![vec![0, 1, 3], vec![2, 5], vec![4]]);
    }

    #[test]
    fn nothing_needs_no_round() {
        assert!(rounds(Vec::<(usize, u8)>::new()).is_empty());
    }
}
