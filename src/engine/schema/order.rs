//! The order in which tables are filled: parents first.

/// Sorts `0..count` so that each item comes after those it depends on, and otherwise keeps the order. `edges` are (child,
/// parent). Also returns the items that were placed too early, because they depend on each other in a circle.
pub(in crate::engine) fn parents_first(count: usize, edges: &[(usize, usize)]) -> (Vec<usize>, Vec<usize>) {
    let mut sorted = Vec::with_capacity(count);
    let mut taken = vec![false; count];
    let mut in_circles = Vec::new();
    while sorted.len() < count {
        let waits = |child: usize, taken: &[bool]| {
            edges.iter().any(|&(from, parent)| from == child && parent != child && !taken[parent])
        };
        let free = (0..count).find(|&item| !taken[item] && !waits(item, &taken));
        let next = free.or_else(|| (0..count).find(|&item| !taken[item]));
        let Some(next) = next else { break };
        if free.is_none() {
            in_circles.push(next);
        }
        taken[next] = true;
        sorted.push(next);
    }
    (sorted, in_circles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_the_rest_stays_in_order() {
        assert_eq!(parents_first(4, &[(0, 2), (2, 3), (1, 1)]), (vec![1, 3, 2, 0], vec![]));
        assert_eq!(parents_first(3, &[]), (vec![0, 1, 2], vec![]));
    }

    #[test]
    fn a_circle_is_broken_and_named() {
        assert_eq!(parents_first(3, &[(0, 1), (1, 0), (2, 1)]), (vec![0, 1, 2], vec![0]));
    }
}
