//! What every move log must do, whether it lives in Postgres or in memory.
//!
//! Implement [`World`] and call [`exercise`]; each case gets a fresh world.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

mod campaigns;
mod claims;
pub(crate) mod courses;
mod flags;
mod moves;
mod nodes;
mod online;
mod world;

pub(crate) use world::World;

macro_rules! contract {
    ($($part:ident: $($case:ident)*;)*) => {
        /// Runs every case in a world of its own and names those that fail.
        pub(crate) async fn exercise<W, F>(make: impl Fn() -> F)
        where
            W: World,
            F: Future<Output = W>,
        {
            let mut failed: Vec<&str> = Vec::new();
            $($(
                let world = make().await;
                // A task of its own, so that one case's panic does not hide the others.
                if tokio::spawn(async move { $part::$case(&world).await }).await.is_err() {
                    failed.push(concat!(stringify!($part), "::", stringify!($case)));
                }
            )*)*
            assert!(failed.is_empty(), "the move log breaks its contract: {failed:?}");
        }
    };
}

contract! {
    claims:
        a_claim_starts_the_first_step
        claims_under_concurrency_are_exclusive
        orgs_are_claimed_in_the_order_of_capture
        first_counts_what_the_campaign_claimed
        percent_is_a_share_of_all_orgs
        names_claim_only_the_named
        a_named_org_is_claimed_once_it_is_ready
        a_retried_org_is_claimed_again
        an_org_in_flight_elsewhere_is_left_out
        only_a_running_campaign_claims;
    courses:
        every_transition_of_every_course_is_written;
    moves:
        a_move_goes_through_every_step
        a_failing_move_is_parked_with_its_reason
        a_retried_move_starts_afresh
        a_repeated_transition_is_no_other
        an_older_epoch_is_fenced
        fencing_one_leaves_the_others
        a_new_epoch_fences_the_former_one
        a_new_epoch_is_given_once
        only_the_holder_of_a_started_move_gets_a_new_epoch
        a_transition_from_a_former_state_is_fenced
        one_batch_may_hold_two_steps_of_a_move
        a_switch_needs_its_proof
        an_abort_needs_its_reason
        only_started_moves_advance
        an_unknown_move_is_an_error
        orgs_are_made_ready_by_selection
        orgs_are_retried_by_selection
        an_unknown_name_changes_nothing;
    online:
        an_online_move_begins_with_the_capture_and_ends_with_the_switch
        a_switch_that_is_given_up_forgets_its_proof
        an_abort_that_finds_the_org_moved_goes_forward
        a_rollback_that_is_given_up_too_late_goes_on
        a_rollback_takes_what_has_migrated
        a_rollback_takes_only_the_named
        there_is_no_rollback_of_an_offline_move
        a_rollback_that_is_given_up_leaves_the_org_migrated
        only_by_name_an_org_that_was_rolled_back_is_retried
        nothing_is_closed_without_a_backup
        a_backup_that_fails_leaves_the_way_back_open;
    nodes:
        a_name_keeps_its_id
        moves_of_living_nodes_stay
        moves_of_a_node_whose_lease_ended_are_adopted
        moves_of_a_killed_node_are_adopted
        moves_of_a_node_that_left_are_adopted
        a_restarted_node_finds_its_former_moves
        adoption_is_exclusive
        a_heartbeat_revives_a_late_node
        a_node_that_left_has_no_heartbeat
        a_node_holds_what_it_claimed_and_has_not_ended;
    campaigns:
        a_campaign_is_opened_and_ended
        a_second_campaign_is_refused_while_one_lives
        one_of_many_at_once_is_opened
        a_campaign_of_a_dead_node_is_interrupted
        a_restarted_node_opens_anew
        a_campaign_of_a_dead_node_is_taken_over_and_no_other
        the_live_campaign_is_steered
        what_is_halting_goes_on_halting
        nothing_live_cannot_be_steered
        counts_follow_the_moves
        counts_are_kept_after_the_end
        a_plan_that_makes_no_sense_is_refused;
    flags:
        a_new_hash_is_base_and_overlay
        what_was_laid_over_is_taken_away_again
        an_operators_own_503_comes_back
        a_later_503_of_an_operator_comes_back
        lost_memory_is_not_taken_for_a_decision
        a_repeated_block_does_not_learn_its_own_503
        what_is_asked_for_beats_what_was_found
        an_absent_overlay_stays
        each_change_has_a_higher_epoch
        a_hash_may_be_changed_twice_in_a_batch
        a_lost_claim_changes_no_flag
        a_renamed_org_takes_its_flags_along
        concurrent_changes_all_count
        desired_flags_come_with_the_default_last
        one_hash_can_be_asked_for
        epochs_are_raised_and_never_lowered;
}
