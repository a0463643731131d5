//! Repacks rows from the binary form of a query into the binary format of COPY without decoding them: both write a field as its
//! length and its bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Messages of this size have little overhead, and bigger ones gain nothing.
const CHUNK_BYTES: usize = 64 * 1024;
/// What precedes the rows of a COPY.
pub(in crate::engine) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
/// What follows the rows of a COPY.
pub(in crate::engine) const TRAILER: &[u8] = &[0xff, 0xff];

/// A field's bytes as they came; `None` is NULL.
pub(in crate::engine) struct RawField<'a>(pub(in crate::engine) Option<&'a [u8]>);

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

/// Rows of one table that are collected until there are enough for a message.
#[derive(Debug, Default)]
pub(in crate::engine) struct Frames {
    buffer: BytesMut,
    rows: i64,
}

impl Frames {
    /// Appends a row.
    pub(in crate::engine) fn push(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        self.push_first(row, row.len())
    }

    /// Appends the first `columns` columns of a row.
    pub(in crate::engine) fn push_first(&mut self, row: &Row, columns: usize) -> Result<(), tokio_postgres::Error> {
        // A table has at most 1,600 columns.
        self.buffer.put_i16(i16::try_from(columns).unwrap_or(i16::MAX));
        for index in 0..columns {
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

    /// Whether there are enough rows.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.buffer.len() >= CHUNK_BYTES
    }

    /// All rows so far, and how many: whole rows, without the header and trailer of COPY. `None` if there are none.
    pub(in crate::engine) fn take(&mut self) -> Option<(Bytes, i64)> {
        let rows = std::mem::take(&mut self.rows);
        (rows > 0).then(|| (self.buffer.split().freeze(), rows))
    }
}

/// The fields of each row in some whole rows.
pub(in crate::engine) fn each_row(mut rows: &[u8], mut see: impl FnMut(&[Option<&[u8]>])) -> Option<()> {
    let mut fields = Vec::new();
    while rows.has_remaining() {
        fields.clear();
        for _ in 0..rows.try_get_i16().ok()? {
            let length = usize::try_from(rows.try_get_i32().ok()?).ok();
            fields.push(match length {
                None => None,
                Some(length) => {
                    let (field, rest) = rows.split_at_checked(length)?;
                    rows = rest;
                    Some(field)
                }
            });
        }
        see(&fields);
    }
    Some(())
}

/// An integer column's value, of whichever width.
pub(in crate::engine) fn integer(raw: &[u8]) -> Option<i64> {
    match *raw {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}
