//! The hash of a row as Postgres computes it (see `tally::row_hash`), from the row in binary form: so rows need not be read
//! again.
//!
//! `record_send` writes the number of columns and then, for each, the number of its type, its length and its bytes. The hash of a record
//! of one column is that column's, and that of a `bytea` is `hash_bytes_extended`, which is Bob Jenkins's lookup3 with a seed
//! (`src/common/hashfn.c` of PostgreSQL). Both are the same in all versions since 11 on machines that write the lowest byte first. If a
//! server hashes otherwise, tallies differ, and the rows are read again.

use bytes::BufMut;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::engine::rows::reframe::RawField;

/// Hashes rows one after the other.
#[derive(Debug)]
pub(in crate::engine) struct RowHasher<'a> {
    types: &'a [Oid],
    seed: i64,
    buffer: Vec<u8>,
}

impl<'a> RowHasher<'a> {
    /// For rows with columns of these types.
    pub(in crate::engine) fn new(types: &'a [Oid], seed: i64) -> Self {
        Self { types, seed, buffer: Vec::new() }
    }

    /// The hash of a row's first columns, as many as there are types.
    pub(in crate::engine) fn hash(&mut self, row: &Row) -> Result<i64, tokio_postgres::Error> {
        self.buffer.clear();
        self.buffer.put_i32(i32::try_from(self.types.len()).unwrap_or(i32::MAX));
        for (index, oid) in self.types.iter().enumerate() {
            self.buffer.put_u32(*oid);
            match row.try_get::<_, RawField<'_>>(index)?.0 {
                None => self.buffer.put_i32(-1),
                Some(bytes) => {
                    self.buffer.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                    self.buffer.put_slice(bytes);
                }
            }
        }
        Ok(hash_bytes(&self.buffer, self.seed))
    }
}

/// `hash_bytes_extended`.
fn hash_bytes(bytes: &[u8], seed: i64) -> i64 {
    let seed = seed.cast_unsigned();
    // Postgres counts in 32 bits, and no row has more bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let begin = 0x9e37_79b9_u32.wrapping_add(length).wrapping_add(3_923_095);
    let mut state = [begin; 3];
    if seed != 0 {
        state[0] = state[0].wrapping_add(u32::try_from(seed >> 32).unwrap_or_default());
        state[1] = state[1].wrapping_add(u32::try_from(seed & 0xffff_ffff).unwrap_or_default());
        state = mix(state);
    }
    let (chunks, rest) = bytes.as_chunks::<12>();
    for chunk in chunks {
        let (words, _) = chunk.as_chunks::<4>();
        for (part, word) in state.iter_mut().zip(words) {
            *part = part.wrapping_add(u32::from_le_bytes(*word));
        }
        state = mix(state);
    }
    for (place, byte) in rest.iter().enumerate() {
        // The lowest byte of the last word is kept for the length.
        let place = if place < 8 { place } else { place + 1 };
        state[place / 4] = state[place / 4].wrapping_add(u32::from(*byte) << (8 * (place % 4)));
    }
    let [_, b, c] = finish(state);
    ((u64::from(b) << 32) | u64::from(c)).cast_signed()
}

fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for rotated in [4, 6, 8, 16, 19, 4] {
        a = a.wrapping_sub(c) ^ c.rotate_left(rotated);
        c = c.wrapping_add(b);
        (a, b, c) = (b, c, a);
    }
    [a, b, c]
}

fn finish([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answered by PostgreSQL 15.18: `hash_record_extended(ROW(substring('\\x00010203…'::bytea FROM 1 FOR n)), seed)`.
    #[test]
    fn bytes_are_hashed_as_postgres_does() {
        let bytes: Vec<u8> = (0..32).collect();
        for (length, seeded, unseeded) in [
            (0, 8_916_764_959_076_707_537, -6_939_563_903_564_495_251),
            (1, 7_334_610_012_960_191_107, -4_194_760_714_999_882_651),
            (5, -3_505_995_231_202_519_226, 6_337_427_694_993_076_522),
            (8, 2_440_241_955_239_840_414, 4_646_862_414_158_011_804),
            (9, 8_421_738_834_579_264_607, -5_331_920_357_031_723_859),
            (11, -2_928_078_008_571_566_047, -5_508_356_841_497_088_037),
            (12, -7_337_709_018_990_524_842, -4_011_551_736_052_134_804),
            (13, -7_641_440_722_808_267_229, 4_734_898_044_692_404_888),
            (24, 8_046_172_058_619_504_050, -6_092_754_882_180_216_172),
            (31, 7_204_121_383_603_149_235, 5_759_134_757_904_501_917),
        ] {
            assert_eq!(hash_bytes(&bytes[..length], 8_640_912_357), seeded, "{length} bytes");
            assert_eq!(hash_bytes(&bytes[..length], 0), unseeded, "{length} bytes");
        }
    }
}
