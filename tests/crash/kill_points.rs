//! The places at which Mover is killed.

use std::collections::BTreeSet;

use mover_actors::failpoint;

use super::offline::OFFLINE_PLACES;
use super::online::ONLINE_PLACES;
use super::original_system::OPERATOR_PLACES;

/// One test for each place, and the list of them.
macro_rules! killed_at {
    ($list:ident: $($test:ident: $place:literal by $how:ident),+ $(,)?) => {
        pub(crate) const $list: &[&str] = &[$($place),+];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $how($place).await;
            }
        )+
    };
}
pub(crate) use killed_at;

#[test]
fn every_failpoint_has_a_test() {
    let tested: BTreeSet<&str> = OFFLINE_PLACES.iter().chain(ONLINE_PLACES).chain(&OPERATOR_PLACES).copied().collect();
    assert_eq!(tested, BTreeSet::from(failpoint::ALL));
}
