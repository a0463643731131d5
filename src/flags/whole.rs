//! Detects that Redis has lost its data, so that all flags are written again.
//!
//! Once all flags are written, a note is stored in the key `mover:whole`: the run id of the server. It is gone
//! after FLUSHALL and after a restart without persistence. A restart *with* persistence restores the note,
//! and perhaps an older state of the flags with it, since the last seconds before a crash may not have reached
//! the disk; a replica that took over may lack the last writes, too. In both cases the run id differs from the
//! note. Neither sign is enough alone: a flush keeps the run id, a restored file keeps the note.
//!
//! Redis may lose its data a second time while the flags are being written. So a process that finds it incomplete
//! leaves its own note, and only marks Redis as whole if that note still exists at the end. The note is
//! different each time, so that a late request of an earlier try cannot pass for one of this try.

use std::sync::{Mutex, PoisonError};

use mover_actors::domain::flags::NOTES_KEY;
use mover_actors::ports::FlagsError;
use uuid::Uuid;

use super::link::Link;
use super::script::Call;

/// This process's part in writing all flags again.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    /// The field of its note from the last time that it found flags missing.
    note: Mutex<Option<String>>,
}

impl Rebuild {
    /// Passes a script the key of the notes and this process's own field.
    pub(super) fn sign<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.key(NOTES_KEY).arg(self.note().unwrap_or_default())
    }

    /// Whether Redis has all flags; if not, announces that this process is about to write them.
    pub(super) async fn is_whole(&self, link: &Link) -> Result<bool, FlagsError> {
        let note = format!("rebuilding:{}", Uuid::new_v4());
        let call = self.sign(Call::of(include_str!("is_whole.lua"))).arg(&note);
        let doing = "asking whether it lost its memory";
        let whole: bool = call.run(link).await.map_err(|trouble| trouble.while_doing(doing))?;
        self.set_note((!whole).then_some(note));
        Ok(whole)
    }

    /// Whether Redis has all flags; announces nothing.
    pub(super) async fn has_all(&self, link: &Link) -> Result<bool, FlagsError> {
        let asked = self.sign(Call::of(include_str!("has_all.lua"))).run(link).await;
        asked.map_err(|trouble| trouble.while_doing("asking whether it has all flags"))
    }

    /// Records that all flags are written, unless Redis lost its data meanwhile, or no caller was told that flags are missing:
    /// some may be missing by now.
    pub(super) async fn mark_whole(&self, link: &Link) -> Result<(), FlagsError> {
        if self.note().is_none() {
            return Ok(());
        }
        let call = self.sign(Call::of(include_str!("mark_whole.lua")));
        let doing = "noting that it has all flags";
        let marked: bool = call.run(link).await.map_err(|trouble| trouble.while_doing(doing))?;
        if !marked {
            tracing::warn!(address = link.address(), "Redis lost its memory while the flags were being written to it");
        }
        self.set_note(None);
        Ok(())
    }

    fn note(&self) -> Option<String> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_note(&self, note: Option<String>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }
}
