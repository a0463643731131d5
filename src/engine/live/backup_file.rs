//! The file that an org's rows are written to before they are removed for good.
//!
//! ```text
//! {"format":"mover backup 2","migration":…,"tables":[{"name":…,"columns":[…],"types":[…]},…]}     one line of JSON
//! for each of these tables, in this order:
//!     length, bytes            a part of a binary COPY stream: 4 bytes, most significant first, and so many bytes
//!     …
//!     0                        no more of this table
//! {"containers":{"rows":12,"hash":"…"},…}     one line of JSON: what was written
//! {"sha256":"…","hmac_sha256":"…"}          one line of JSON: over everything before it; the second with the key in the move log
//! ```
//!
//! Without Mover: the parts of one table, one after the other, are what `COPY table (columns) FROM … (FORMAT binary)` reads.
//!
//! The format `mover backup 1` of earlier versions has one line at its end, with the rows of each table and a sum that anyone can
//! compute.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey, OrgName, StoreName};
use mover_actors::domain::verified::Tally;
use mover_actors::ports::EngineError;
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};

use crate::engine::live::signature::{BackupKey, SignatureError, Sums};

pub(super) const FORMAT: &str = "mover backup 2";
const UNSIGNED_FORMAT: &str = "mover backup 1";
/// More than any part has: a larger length means a damaged file.
const PART_BYTES_MAX: u32 = 2_000_000_000;
/// More than any line has.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Why a file is not taken for a backup.
#[derive(Debug, Error)]
pub(super) enum BackupError {
    #[error("{0}")]
    Io(io::Error),
    #[error("it is a symbolic link, or no regular file; next: name the file itself")]
    NotAFile,
    #[error("it does not begin as a backup does ({0}); next: name a file that finalize wrote")]
    NotABackup(serde_json::Error),
    #[error("its format is {0:?}, which this version of Mover does not read")]
    Format(String),
    #[error(
        "an earlier version of Mover wrote it, without a signature: whoever can write the file can have changed it. Next: if you \
         know where it was kept, add --unsigned; everything in it is still held against the definition and the move log"
    )]
    Unsigned,
    #[error(
        "it is signed with the key of another move log. Next: use the Mover whose move log this org was finalized in; if that is lost, \
         and you know where the file was kept, add --unsigned: everything in it is still held against the definition"
    )]
    OtherKey,
    #[error("it is damaged or was changed: {0}; nothing was loaded or removed; next: use another copy of the file")]
    Damaged(String),
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".into()),
            // The answer to O_NOFOLLOW.
            _ if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => Self::NotAFile,
            _ => Self::Io(error),
        }
    }
}

impl BackupError {
    /// The error with the file's name.
    pub(super) fn of(self, file: &Path) -> EngineError {
        failed(file, self)
    }
}

/// Which files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those that were signed with the key of the move log.
    Signed,
    /// Also those of earlier versions, which did not sign them, and of move logs that were lost.
    AlsoUnsigned,
}

/// What is in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    /// Tells the keys of move logs apart.
    #[serde(default)]
    pub(super) key_id: String,
    pub(super) migration: MigrationName,
    pub(super) org: OrgName,
    pub(super) key: OrgKey,
    /// The epoch under which the org was backed up.
    pub(super) epoch: Epoch,
    /// The sum of the backup that it takes the place of.
    #[serde(default)]
    pub(super) instead_of: Option<String>,
    /// The store that the rows were in.
    pub(super) store: StoreName,
    /// The tables of which the other store had rows of the org then.
    #[serde(default)]
    pub(super) live: BTreeSet<String>,
    pub(super) tables: Vec<HeaderTable>,
}

/// A table in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HeaderTable {
    /// As the definition writes it.
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The types of the columns, in the order of these; none in files of earlier versions.
    #[serde(default)]
    pub(super) types: Vec<String>,
}

/// The end of a backup, once its sum was compared.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// By table.
    pub(super) rows: BTreeMap<String, i64>,
    /// Count and hash, as the store had them; `None` if an earlier version wrote the file.
    pub(super) tally: Option<Tally>,
    /// What identifies the file.
    pub(super) sum: String,
    /// Whether it is signed with the key of this move log.
    pub(super) is_signed: bool,
}

impl Contents {
    /// Whether the file takes the place of the one with this sum. Only a signature can vouch for that.
    pub(super) fn replaces(&self, header: &Header, sum: &str) -> bool {
        self.is_signed && header.instead_of.as_deref() == Some(sum)
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    sha256: String,
    hmac_sha256: Option<String>,
}

/// The last line of an earlier version.
#[derive(Debug, Deserialize)]
struct UnsignedFooter {
    rows: BTreeMap<String, i64>,
    sha256: String,
}

/// An error with the file's name.
pub(super) fn failed(file: &Path, problem: impl std::fmt::Display) -> EngineError {
    EngineError { transient: false, reason: format!("backup {}: {problem}", file.display()), place: Box::default() }
}

/// A backup that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    out: BufWriter<File>,
    sums: Sums,
}

impl Writer {
    /// Begins a new file, which only its owner may read. One that an earlier try has left is removed; nothing is written through a
    /// link.
    pub(super) async fn begin(file: &Path, header: &Header, key: &BackupKey) -> Result<Self, BackupError> {
        match tokio::fs::remove_file(file).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let out = BufWriter::new(options.open(file).await?);
        let mut writer = Self { out, sums: key.begin()? };
        writer.line(header).await?;
        Ok(writer)
    }

    /// Appends a part of the current table.
    pub(super) async fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.write(&length.to_be_bytes()).await?;
        self.write(bytes).await
    }

    /// Ends the current table.
    pub(super) async fn end_table(&mut self) -> io::Result<()> {
        self.write(&0_u32.to_be_bytes()).await
    }

    /// Ends, signs and syncs the file; returns what identifies it.
    pub(super) async fn end(mut self, tally: &Tally) -> io::Result<String> {
        self.line(tally).await?;
        let Self { mut out, sums } = self;
        let (sha256, hmac_sha256) = sums.digits();
        let sum = sha256.clone();
        let mut line = serde_json::to_vec(&Signed { sha256, hmac_sha256 })?;
        line.push(b'\n');
        out.write_all(&line).await?;
        out.flush().await?;
        out.into_inner().sync_all().await?;
        Ok(sum)
    }

    async fn line(&mut self, content: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(content)?;
        line.push(b'\n');
        self.write(&line).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sums.add(bytes);
        self.out.write_all(bytes).await
    }
}

/// A backup that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    input: BufReader<File>,
    sums: Sums,
    is_of_now: bool,
}

impl Reader {
    /// Opens a file and reads its first line.
    pub(super) async fn open(file: &Path, key: &BackupKey, trust: Trust) -> Result<(Self, Header), BackupError> {
        let mut options = File::options();
        // Opening a pipe must not wait for its writer.
        options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let opened = options.open(file).await?;
        if !opened.metadata().await?.is_file() {
            return Err(BackupError::NotAFile);
        }
        let mut input = BufReader::new(opened);
        let line = line(&mut input).await?;
        let header: Header = serde_json::from_slice(&line).map_err(BackupError::NotABackup)?;
        let is_ours = header.key_id == key.id();
        let is_of_now = match (header.format.as_str(), trust) {
            (FORMAT, Trust::Signed) if !is_ours => return Err(BackupError::OtherKey),
            (FORMAT, _) => true,
            (UNSIGNED_FORMAT, Trust::Signed) => return Err(BackupError::Unsigned),
            (UNSIGNED_FORMAT, Trust::AlsoUnsigned) => false,
            (other, _) => return Err(BackupError::Format(other.to_owned())),
        };
        let mut sums = if is_of_now && is_ours { key.begin()? } else { Sums::without_key() };
        sums.add(&line);
        Ok((Self { input, sums, is_of_now }, header))
    }

    /// The next part of the current table; `None` at its end.
    pub(super) async fn part(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let length = self.input.read_u32().await?;
        self.sums.add(&length.to_be_bytes());
        if length == 0 {
            return Ok(None);
        }
        if length > PART_BYTES_MAX {
            return Err(BackupError::Damaged(format!("a part of it has {length} bytes")));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length.into()).read_to_end(&mut bytes).await?;
        if u32::try_from(read) != Ok(length) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.sums.add(&bytes);
        Ok(Some(bytes))
    }

    /// Reads what follows the tables, and compares the signature of everything before it. Nothing may follow.
    pub(super) async fn end(mut self) -> Result<Contents, BackupError> {
        let unlike = || BackupError::Damaged("its contents do not have the sum at its end".into());
        let malformed = |error: serde_json::Error| BackupError::Damaged(format!("its end cannot be read: {error}"));
        let last = line(&mut self.input).await?;
        let contents = match self.is_of_now {
            true => {
                self.sums.add(&last);
                let tally: Tally = serde_json::from_slice(&last).map_err(malformed)?;
                let signed: Signed = serde_json::from_slice(&line(&mut self.input).await?).map_err(malformed)?;
                let is_signed = self.sums.is_keyed();
                if !self.sums.are(&signed.sha256, signed.hmac_sha256.as_deref()) {
                    return Err(unlike());
                }
                let rows = tally.0.iter().map(|(table, tally)| (table.clone(), tally.rows)).collect();
                Contents { rows, tally: Some(tally), sum: signed.sha256, is_signed }
            }
            false => {
                let footer: UnsignedFooter = serde_json::from_slice(&last).map_err(malformed)?;
                if !self.sums.are(&footer.sha256, None) {
                    return Err(unlike());
                }
                Contents { rows: footer.rows, tally: None, sum: footer.sha256, is_signed: false }
            }
        };
        match self.input.read(&mut [0]).await? {
            0 => Ok(contents),
            _ => Err(BackupError::Damaged("something follows its end".into())),
        }
    }
}

/// A line with its end.
async fn line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, BackupError> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(line),
        _ => Err(BackupError::Damaged("a line of it has no end".into())),
    }
}

/// Reads a whole backup without using it, so that a damaged one is refused before anything is changed.
pub(super) async fn check(file: &Path, key: &BackupKey, trust: Trust) -> Result<(Header, Contents), BackupError> {
    let (mut reader, header) = Reader::open(file, key, trust).await?;
    for _ in &header.tables {
        while reader.part().await?.is_some() {}
    }
    Ok((header, reader.end().await?))
}
