//! The desired flag hashes, decided here before they are written to Redis.

use deadpool_postgres::GenericClient;
use mover_actors::domain::flags::{Fields, FlagImage, FlagKey};
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::{Desire, LogError};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::decode::Columns;
use super::query::{begin, commit, only, query};
use super::rounds::rounds;
use super::{PgMoveLog, StateError};

const DESIRING: &str = "changing desired flags";
const READING: &str = "reading desired flags";
/// How often a change is repeated that conflicts with one which its snapshot did not show.
const RACES_MAX: usize = 5;

type Answer = Result<FlagImage, LogError>;

impl PgMoveLog {
    pub(super) async fn change_desired(&self, desires: &[Desire]) -> Result<Vec<Answer>, StateError> {
        let rounds = rounds(desires.iter().map(|desire| &desire.key).enumerate());
        let mut answers: Vec<Option<Answer>> = desires.iter().map(|_| None).collect();
        let mut client = self.client(DESIRING).await?;
        match rounds.as_slice() {
            [] => {}
            [only] => write_round(&client, desires, only, &mut answers).await?,
            several => {
                let transaction = begin(&mut client, DESIRING).await?;
                for round in several {
                    write_round(&transaction, desires, round, &mut answers).await?;
                }
                commit(transaction, DESIRING).await?;
            }
        }
        let raced = |desire: &Desire| {
            let (doing, cause) =
                (format!("changing desired flags of {}", desire.key), "they change all the time".into());
            Err(LogError::Unreachable { doing, cause })
        };
        Ok(answers.into_iter().zip(desires).map(|(answer, desire)| answer.unwrap_or_else(|| raced(desire))).collect())
    }

    pub(super) async fn desired_page(&self, after: Option<&FlagKey>, limit: u32) -> Result<Vec<FlagImage>, StateError> {
        let key = after.map_or("", FlagKey::as_str);
        let turn = match after {
            Some(key) if *key == FlagKey::override_hash() => 1,
            Some(key) if *key == FlagKey::default_hash() => 2,
            Some(_) | None => 0,
        };
        let sql = include_str!("sql/flags_desired.sql");
        let rows = self.query(READING, sql, &[&key, &turn, &i64::from(limit)]).await?;
        rows.iter().map(image).collect()
    }

    pub(super) async fn desired_hashes(&self, keys: &[FlagKey]) -> Result<Vec<Option<FlagImage>>, StateError> {
        let keys: Vec<&str> = keys.iter().map(FlagKey::as_str).collect();
        let rows = self.query(READING, include_str!("sql/flags_desired_of.sql"), &[&keys]).await?;
        let managed = |row: &Row| match Columns::new(READING, row).get::<Option<String>>("key")? {
            Some(_) => image(row).map(Some),
            None => Ok(None),
        };
        rows.iter().map(managed).collect()
    }

    pub(super) async fn raise_epochs(&self, above: Epoch) -> Result<(), StateError> {
        self.query("raising the epochs", include_str!("sql/epoch_raise.sql"), &[&above.0]).await.map(drop)
    }

    /// An epoch higher than every earlier one.
    pub async fn next_epoch(&self) -> Result<Epoch, StateError> {
        let doing = "taking an epoch";
        let row = only(doing, self.query(doing, include_str!("sql/epoch_next.sql"), &[]).await?)?;
        Ok(Epoch(Columns::new(doing, &row).get("epoch")?))
    }
}

fn image(row: &Row) -> Result<FlagImage, StateError> {
    let columns = Columns::new(READING, row);
    let key = FlagKey::from_stored(columns.get("key")?);
    let Json(fields): Json<Fields> = columns.get("fields")?;
    Ok(FlagImage { key, epoch: Epoch(columns.get("epoch")?), fields })
}

/// Writes changes of different hashes; leaves those without a result that raced too often.
async fn write_round(
    client: &impl GenericClient,
    desires: &[Desire],
    round: &[usize],
    answers: &mut [Option<Answer>],
) -> Result<(), StateError> {
    let mut places = round.to_vec();
    // Hashes are locked in the order of their keys, so that two batches seldom deadlock.
    places.sort_by_key(|place| desires[*place].key.as_str());
    for _ in 0..RACES_MAX {
        let batch = Batch::new(places.iter().map(|place| &desires[*place]));
        let rows = batch.write(client).await?;
        for (place, row) in places.iter().zip(&rows) {
            answers[*place] = answer(&desires[*place], row)?;
        }
        places.retain(|place| answers[*place].is_none());
        if places.is_empty() {
            break;
        }
    }
    Ok(())
}

fn answer(desire: &Desire, row: &Row) -> Result<Option<Answer>, StateError> {
    let columns = Columns::new(DESIRING, row);
    match (&desire.lease, columns.get::<bool>("allowed")?) {
        (Some((id, ours)), false) => Ok(Some(Err(LogError::Fenced { id: *id, ours: *ours }))),
        _ => {
            let Some(epoch) = columns.get::<Option<i64>>("epoch")? else { return Ok(None) };
            let Json(fields): Json<Fields> = columns.get("fields")?;
            Ok(Some(Ok(FlagImage { key: desire.key.clone(), epoch: Epoch(epoch), fields })))
        }
    }
}

/// Desires as columns, the parameters of one statement.
#[derive(Default)]
struct Batch<'a> {
    keys: Vec<&'a str>,
    moves: Vec<Option<i64>>,
    claim_epochs: Vec<Option<i64>>,
    found_epochs: Vec<Option<i64>>,
    found: Vec<Json<Fields>>,
    absent: Vec<Json<Fields>>,
    bases: Vec<Json<&'a Fields>>,
    overlays: Vec<Option<Json<&'a Fields>>>,
}

impl<'a> Batch<'a> {
    fn new(desires: impl Iterator<Item = &'a Desire>) -> Self {
        let mut batch = Self::default();
        for desire in desires {
            let overlaid = || desire.overlay.iter().flatten().map(|(field, _)| field);
            let found = overlaid().filter_map(|field| desire.found.fields.get_key_value(field));
            batch.keys.push(desire.key.as_str());
            batch.moves.push(desire.lease.map(|(id, _)| id.0));
            batch.claim_epochs.push(desire.lease.map(|(_, epoch)| epoch.0));
            batch.found_epochs.push(desire.found.epoch.map(|epoch| epoch.0));
            batch.found.push(Json(found.map(|(field, value)| (field.clone(), value.clone())).collect()));
            batch.absent.push(Json(overlaid().map(|field| (field.clone(), None)).collect()));
            batch.bases.push(Json(&desire.base));
            batch.overlays.push(desire.overlay.as_ref().map(Json));
        }
        batch
    }

    async fn write(&self, client: &impl GenericClient) -> Result<Vec<Row>, StateError> {
        query(
            client,
            DESIRING,
            include_str!("sql/flags_desire.sql"),
            &[
                &self.keys,
                &self.moves,
                &self.claim_epochs,
                &self.found_epochs,
                &self.found,
                &self.absent,
                &self.bases,
                &self.overlays,
            ],
        )
        .await
    }
}
