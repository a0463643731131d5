//! Rows as a query delivers them in binary, put into the frames of COPY's binary format without being decoded: both
//! write a field as its length and its bytes.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Messages of this size cost little each, and bigger ones gain nothing.
const CHUNK_BYTES: usize = 64 * 1024;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
const TRAILER: i16 = -1;

/// A field's bytes as they came; `None` is NULL.
pub(super) struct RawField<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for RawField<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }
    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The data of one COPY, in chunks.
#[derive(Debug)]
pub(super) struct CopyFrames {
    buffer: BytesMut,
    bytes: i64,
    rows: i64,
}

impl CopyFrames {
    pub(super) fn begin() -> Self {
        Self { buffer: BytesMut::from(HEADER), bytes: 0, rows: 0 }
    }

    /// Appends a row.
    pub(super) fn push(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        // A table has at most 1,600 columns.
        self.buffer.put_i16(i16::try_from(row.len()).unwrap_or(i16::MAX));
        for index in 0..row.len() {
            match row.try_get::<_, RawField<'_>>(index)?.0 {
                None => self.buffer.put_i32(NULL),
                Some(bytes) => {
                    // A field has at most a gigabyte.
                    self.buffer.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                    self.buffer.put_slice(bytes);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// A chunk to send, as soon as one is full.
    pub(super) fn full_chunk(&mut self) -> Option<Bytes> {
        (self.buffer.len() >= CHUNK_BYTES).then(|| self.take(CHUNK_BYTES))
    }

    /// The last chunk.
    pub(super) fn end(&mut self) -> Bytes {
        self.buffer.put_i16(TRAILER);
        self.take(self.buffer.len())
    }

    pub(super) fn rows(&self) -> i64 {
        self.rows
    }

    pub(super) fn bytes(&self) -> i64 {
        self.bytes
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.bytes += i64::try_from(length).unwrap_or(i64::MAX);
        self.buffer.split_to(length).freeze()
    }
}

/// An integer column's value, of whichever width.
pub(super) fn integer(raw: &[u8]) -> Option<i64> {
    match *raw {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}
