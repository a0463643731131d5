//! The size of the sample, and the distribution of its rows.

/// The size of the sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The number of orgs.
    pub orgs: u32,
    /// About how many rows all orgs have together: even a tiny org has a few.
    pub rows_total: u64,
    /// Bytes of a row in its table on average, without indexes; less than 200 is not possible.
    pub bytes_per_row: u32,
    /// The distribution of rows over orgs.
    pub spread: Spread,
    /// The same seed generates the same rows.
    pub seed: i64,
}

/// The distribution of rows over orgs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// All orgs have the same number.
    Even,
    /// Like real tenants: a few large ones, many small ones. The n-th largest has a share of 1 / n^exponent.
    Zipf {
        /// How uneven it is; 1 is usual.
        exponent: f64,
    },
}

impl Shape {
    /// The default of `mover demo`.
    pub fn demo() -> Self {
        let spread = Spread::Zipf { exponent: 1.0 };
        Self { orgs: 300, rows_total: 60_000, bytes_per_row: 350, spread, seed: 1 }
    }

    /// Uneven orgs with a large one among them: 2 million rows, 1 GB with its indexes.
    pub fn bench_uneven() -> Self {
        Self { orgs: 2_000, rows_total: 2_000_000, bytes_per_row: 465, ..Self::demo() }
    }

    /// Many small orgs of the same size: 20,000 of 100 rows, 1 GB with their indexes.
    pub fn bench_small() -> Self {
        Self { orgs: 20_000, spread: Spread::Even, ..Self::bench_uneven() }
    }

    /// Sets the number of orgs.
    #[must_use]
    pub fn orgs(self, orgs: u32) -> Self {
        Self { orgs, ..self }
    }

    /// Sets the number of rows.
    #[must_use]
    pub fn rows(self, rows_total: u64) -> Self {
        Self { rows_total, ..self }
    }
}
