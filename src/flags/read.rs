//! Reading many hashes in one round trip.

use std::collections::BTreeMap;

use mover_actors::domain::flags::{EPOCH_FIELD, FlagKey, FoundFlags};
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::FlagsError;
use redis::{FromRedisValue, Value};

use super::link::{Link, Trouble};

/// The named fields and the epoch of each hash.
pub(super) async fn fields(link: &Link, wanted: &[(FlagKey, Vec<String>)]) -> Result<Vec<FoundFlags>, FlagsError> {
    let mut request = redis::pipe();
    for (key, fields) in wanted {
        request.cmd("HMGET").arg(key.as_str()).arg(EPOCH_FIELD).arg(fields);
    }
    let answers = link.ask(&request).await.map_err(|trouble| {
        let at = if let Trouble::Refused { index, .. } = trouble { index } else { 0 };
        let key = wanted.get(at).map_or("", |(key, _)| key.as_str());
        trouble.while_doing(format!("reading {key:?}"))
    })?;
    wanted.iter().zip(answers).map(|((key, fields), answer)| found(key, fields, answer)).collect()
}

/// All fields of one hash.
pub(super) async fn whole_hash(link: &Link, key: &FlagKey) -> Result<BTreeMap<String, String>, FlagsError> {
    let mut request = redis::pipe();
    request.cmd("HGETALL").arg(key.as_str());
    let answers = link.ask(&request).await.map_err(|trouble| trouble.while_doing(reading(key)))?;
    let texts: Vec<Vec<u8>> = decoded(key, answers.into_iter().next().unwrap_or(Value::Nil))?;
    Ok(texts.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
}

fn found(key: &FlagKey, fields: &[String], answer: Value) -> Result<FoundFlags, FlagsError> {
    let mut values = decoded::<Vec<Option<Vec<u8>>>>(key, answer)?.into_iter().map(|value| value.map(|v| text(&v)));
    // An epoch that is no number is not ours: the hash counts as never written, as in `write.lua`.
    let epoch = values.next().flatten().and_then(|epoch| epoch.parse().ok()).map(Epoch);
    Ok(FoundFlags { epoch, fields: fields.iter().cloned().zip(values).collect() })
}

fn decoded<T: FromRedisValue>(key: &FlagKey, answer: Value) -> Result<T, FlagsError> {
    T::from_redis_value(answer).map_err(|error| Trouble::odd(error.to_string()).while_doing(reading(key)))
}

fn reading(key: &FlagKey) -> String {
    format!("reading {:?}", key.as_str())
}

/// Values of other writers may be any bytes; they are only compared and shown.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
