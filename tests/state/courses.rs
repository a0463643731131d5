//! Compares the transitions that the table of moves allows with the state machine: neither may change without the other.

use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use tokio_postgres::Client;

use crate::contract::courses::{Place, events, places};
use crate::support::Server;

/// Tests the trigger alone: whether the columns fit a state is not checked here.
const ONLY_THE_TRIGGER: &str = "
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN
            SELECT conname FROM pg_constraint
            WHERE conrelid = 'mover.org_migration_state'::regclass AND contype = 'c'
        LOOP
            EXECUTE format('ALTER TABLE mover.org_migration_state DROP CONSTRAINT %I', name);
        END LOOP;
    END
    $$;
    -- Whether one row may become another; it stays as it was.
    CREATE FUNCTION pg_temp.is_let_through(state text, step text, aim text, epoch bigint) RETURNS boolean
    LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE mover.org_migration_state m
        SET state = $1, step = $2, aim = $3, epoch = $4
        WHERE m.org_name = 'acme';
        RAISE EXCEPTION USING ERRCODE = 'MVOK1';
    EXCEPTION
        WHEN SQLSTATE 'MVOK1' THEN RETURN true;
        WHEN check_violation THEN RETURN false;
    END
    $$";
const FORMER: i64 = 7;

/// What a row may become, with its epoch.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    state: State,
    aim: &'static str,
    epoch: i64,
}

/// Every row into which one in this place could be changed. The aim of a resting org is that of its last claim, and is set with
/// the next one; only an org that is claimed or made ready can have another.
fn rows(place: &Place) -> Vec<Row> {
    let states = State::RESTING.into_iter().chain(Step::ALL.iter().map(|step| State::Started(*step)));
    let aims = |state| match state {
        State::Started(_) => Aim::ALL,
        State::Ready if place.state == State::RolledBack => &[Aim::Migrate],
        _ => std::slice::from_ref(&place.course.aim),
    };
    let epochs = [FORMER - 1, FORMER, FORMER + 1];
    states
        .flat_map(|state| aims(state).iter().map(move |aim| (state, aim.as_str())))
        .flat_map(|(state, aim)| epochs.map(|epoch| Row { state, aim, epoch }))
        .collect()
}

/// Whether the machine has an event that changes a row in this place into this one.
fn is_legal(place: &Place, row: &Row) -> bool {
    let stays = (row.state, row.aim) == (place.state, place.course.aim.as_str());
    let is_result = |event: Event| {
        let after = place.after(event).filter(|after| (after.state, after.course.aim.as_str()) == (row.state, row.aim));
        // A claim is under a new epoch.
        after.is_some() && (row.epoch > FORMER || !matches!(event, Event::Claimed(_)))
    };
    row.epoch >= FORMER && (stays || events().any(is_result))
}

async fn put(client: &Client, place: &Place) {
    let (strategy, aim) = (place.course.strategy.as_str(), place.course.aim.as_str());
    let (state, step) = (place.state.as_str(), place.state.step().map(Step::as_str));
    client.execute("DELETE FROM mover.org_migration_state", &[]).await.unwrap();
    let insert = "INSERT INTO mover.org_migration_state (migration, org_name, org_key, strategy, aim, state, step, epoch) \
                  VALUES ('phase_2', 'acme', '1', $1, $2, $3, $4, $5)";
    client.execute(insert, &[&strategy, &aim, &state, &step, &FORMER]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_moves_lets_through_what_the_machine_allows_and_nothing_else() {
    let server = Server::start().await;
    let world = server.world().await;
    let client = world.log.pool().get().await.unwrap();
    client.batch_execute(ONLY_THE_TRIGGER).await.unwrap();
    let ask = "SELECT pg_temp.is_let_through(r.state, r.step, r.aim, r.epoch) \
               FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) r (state, step, aim, epoch)";
    let (mut differ, mut legal) = (Vec::new(), 0);
    for place in Strategy::ALL.iter().flat_map(|strategy| places(*strategy)) {
        put(&client, &place).await;
        let rows = rows(&place);
        let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
        let steps: Vec<Option<&str>> = rows.iter().map(|row| row.state.step().map(Step::as_str)).collect();
        let aims: Vec<&str> = rows.iter().map(|row| row.aim).collect();
        let epochs: Vec<i64> = rows.iter().map(|row| row.epoch).collect();
        let answers = client.query(ask, &[&states, &steps, &aims, &epochs]).await.unwrap();
        assert_eq!(answers.len(), rows.len());
        for (row, answer) in rows.iter().zip(&answers) {
            let (is_legal, is_let_through) = (is_legal(&place, row), answer.get::<_, bool>(0));
            legal += usize::from(is_legal);
            if is_legal != is_let_through {
                differ.push(format!("{} in {:?} -> {row:?}: let through: {is_let_through}", place.state, place.course));
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(legal > 100, "only {legal} transitions were asked for");
}
