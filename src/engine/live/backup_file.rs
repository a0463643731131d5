//! The file that an org's rows are written to before they are removed for good.
//!
//! ```text
//! {"format":"mover backup 1","migration":…,"tables":[{"name":…,"columns":[…]},…]}   one line of JSON
//! for each of these tables, in this order:
//!     length, bytes            a part of a binary COPY stream: 4 bytes, most significant first, and so many bytes
//!     …
//!     0                        no more of this table
//! {"rows":{"containers":12,…},"sha256":"…"}     one line of JSON; the sum is over everything before it
//! ```
//!
//! Without Mover: the parts of one table, one after the other, are what `COPY table (columns) FROM … (FORMAT binary)` reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey, OrgName, StoreName};
use mover_actors::ports::EngineError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};

pub(super) const FORMAT: &str = "mover backup 1";
/// More than any part has: a larger length means a damaged file.
const PART_BYTES_MAX: u32 = 2_000_000_000;

/// What is in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) migration: MigrationName,
    pub(super) org: OrgName,
    pub(super) key: OrgKey,
    pub(super) epoch: Epoch,
    /// The store that the rows were in.
    pub(super) store: StoreName,
    pub(super) tables: Vec<HeaderTable>,
}

/// A table in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HeaderTable {
    /// As the definition writes it.
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// The end of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Footer {
    /// By table.
    pub(super) rows: BTreeMap<String, i64>,
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
    sum: Sha256,
}

impl Writer {
    /// Begins a file and overwrites one of the same name. Only its owner may read it.
    pub(super) async fn begin(file: &Path, header: &Header) -> io::Result<Self> {
        let mut options = File::options();
        let out = options.write(true).create(true).truncate(true).mode(0o600).open(file).await?;
        let mut writer = Self { out: BufWriter::new(out), sum: Sha256::new() };
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        writer.write(&line).await?;
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

    /// Ends and syncs the file.
    pub(super) async fn end(mut self, rows: BTreeMap<String, i64>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Footer { rows, sha256: hex(self.sum) })?;
        line.push(b'\n');
        self.out.write_all(&line).await?;
        self.out.flush().await?;
        self.out.into_inner().sync_all().await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes).await
    }
}

/// A backup that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    input: BufReader<File>,
    sum: Sha256,
}

impl Reader {
    /// Opens a file and reads its first line.
    pub(super) async fn open(file: &Path) -> io::Result<(Self, Header)> {
        let mut reader = Self { input: BufReader::new(File::open(file).await?), sum: Sha256::new() };
        let mut line = Vec::new();
        reader.input.read_until(b'\n', &mut line).await?;
        reader.sum.update(&line);
        let header: Header = serde_json::from_slice(&line)?;
        if header.format != FORMAT {
            return Err(io::Error::other(format!("its format is {:?}, not {FORMAT:?}", header.format)));
        }
        Ok((reader, header))
    }

    /// The next part of the current table; `None` at its end.
    pub(super) async fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = self.input.read_u32().await?;
        self.sum.update(length.to_be_bytes());
        if length == 0 {
            return Ok(None);
        }
        if length > PART_BYTES_MAX {
            return Err(io::Error::other("it is damaged"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length.into()).read_to_end(&mut bytes).await?;
        if u32::try_from(read) != Ok(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.sum.update(&bytes);
        Ok(Some(bytes))
    }

    /// Reads the last line, and compares the checksum of everything before it.
    pub(super) async fn end(mut self) -> io::Result<Footer> {
        let mut line = Vec::new();
        self.input.read_to_end(&mut line).await?;
        let footer: Footer = serde_json::from_slice(&line)?;
        match footer.sha256 == hex(self.sum) {
            true => Ok(footer),
            false => Err(io::Error::other("it is damaged: its contents do not have the sum in its last line")),
        }
    }
}

/// Reads a whole backup without using it, so that a damaged one is refused before anything is changed.
pub(super) async fn check(file: &Path) -> Result<Header, EngineError> {
    let read = async {
        let (mut reader, header) = Reader::open(file).await?;
        for _ in &header.tables {
            while reader.part().await?.is_some() {}
        }
        reader.end().await?;
        io::Result::Ok(header)
    };
    read.await.map_err(|error| failed(file, error))
}

fn hex(sum: Sha256) -> String {
    let mut text = String::new();
    for byte in sum.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
