//! Writing many hashes in one request, each atomically.

use mover_actors::domain::flags::FlagImage;
use mover_actors::domain::ids::Epoch;
use mover_actors::ports::{FlagsError, Written};

use super::link::{Link, Trouble};
use super::script::Call;
use super::whole::Rebuild;

/// Makes the hashes match their images. If one of them cannot be written, the others still are. `rebuild` is the caller's part
/// in writing everything again.
pub(super) async fn images(link: &Link, rebuild: &Rebuild, images: &[FlagImage]) -> Result<Vec<Written>, FlagsError> {
    let [first, rest @ ..] = images else { return Ok(Vec::new()) };
    let answers: Vec<String> = call(rebuild, images).run(link).await.map_err(|trouble| {
        trouble.while_doing(match rest.len() {
            0 => format!("writing {}", quoted(first)),
            more => format!("writing {} and {more} more", quoted(first)),
        })
    })?;
    images.iter().zip(answers).map(|(image, answer)| outcome(image, &answer)).collect()
}

fn call<'a>(rebuild: &Rebuild, images: &'a [FlagImage]) -> Call<'a> {
    let mut call = rebuild.sign(Call::of(include_str!("write.lua")));
    for image in images {
        let sets = image.fields.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        let deletes = image.fields.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
        call = call.key(image.key.as_str());
        call = call.arg(image.epoch.to_string());
        call = call.arg(sets.clone().count().to_string()).arg(deletes.clone().count().to_string());
        call = sets.fold(call, |call, (name, value)| call.arg(name).arg(value));
        call = deletes.fold(call, |call, name| call.arg(name));
    }
    call
}

fn outcome(image: &FlagImage, answer: &str) -> Result<Written, FlagsError> {
    let said = |said: &str| Trouble::odd(said).while_doing(format!("writing {}", quoted(image)));
    match answer.split_once(' ') {
        None if answer == "applied" => Ok(Written::Applied),
        None if answer == "withheld" => Ok(Written::Withheld),
        Some(("stale", found)) => match found.parse() {
            Ok(found) => Ok(Written::Stale { found: Epoch(found) }),
            Err(_) => Err(said(&format!("its epoch {found:?} is beyond 64 bits"))),
        },
        Some(("error", error)) => Err(said(error)),
        _ => Err(said(&format!("an answer that makes no sense: {answer:?}"))),
    }
}

fn quoted(image: &FlagImage) -> String {
    format!("{:?}", image.key.as_str())
}
