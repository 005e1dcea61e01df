//! Which rows of a ragged batch attend to which.

use std::ops::Range;

use burn::tensor::Tensor;

/// A position on the token grid (or inside a window).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridPos {
    /// The row.
    pub row: u16,
    /// The column.
    pub col: u16,
}

/// The rows of one image, or of one window of an image: its queries attend to its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Rows of the ragged queries.
    pub queries: Range<usize>,
    /// Rows of the ragged keys and values.
    pub keys: Range<usize>,
}

/// The sequences of a ragged batch: the tokens of several images (or windows) behind each other, without
/// gaps or padding, each as many as it has. A sequence may be empty.
///
/// What can't be is made impossible here: sequences that overlap, are out of order or leave a row out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaggedLayout {
    sequences: Vec<Sequence>,
    query_positions: Vec<GridPos>,
    key_positions: Vec<GridPos>,
}

impl RaggedLayout {
    /// Sequences of the given lengths, in which rows attend to rows of the same sequence.
    ///
    /// # Panics
    /// Where the lengths add up to more than `usize` holds.
    #[must_use]
    pub fn of_lengths(lengths: &[usize]) -> Self {
        Self::of_queries_and_keys(lengths.iter().map(|&length| (length, length)))
    }

    /// Sequences of the given numbers of queries and keys.
    ///
    /// # Panics
    /// As [`of_lengths`](Self::of_lengths).
    #[must_use]
    pub fn of_queries_and_keys(lengths: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let (mut query, mut key) = (0_usize, 0_usize);
        let rows_after = |start: &mut usize, length: usize| {
            let Some(end) = start.checked_add(length) else {
                panic!("ragged layout: {length} rows after {start} are more than can be counted");
            };
            let rows = *start..end;
            *start = end;
            rows
        };
        let sequences = lengths
            .into_iter()
            .map(|(n_queries, n_keys)| Sequence {
                queries: rows_after(&mut query, n_queries),
                keys: rows_after(&mut key, n_keys),
            })
            .collect();
        Self { sequences, query_positions: Vec::new(), key_positions: Vec::new() }
    }

    /// The same with the position of each query row and of each key row, which attention with relative
    /// positions needs.
    ///
    /// # Panics
    /// Where there is not one position a row.
    #[must_use]
    pub fn with_positions(self, queries: Vec<GridPos>, keys: Vec<GridPos>) -> Self {
        assert!(
            queries.len() == self.n_queries() && keys.len() == self.n_keys(),
            "ragged layout: {} positions of {} queries and {} of {} keys",
            queries.len(),
            self.n_queries(),
            keys.len(),
            self.n_keys()
        );
        Self { query_positions: queries, key_positions: keys, ..self }
    }

    /// One entry an image or window, in order.
    #[must_use]
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// The position of each query row, or nothing.
    #[must_use]
    pub fn query_positions(&self) -> &[GridPos] {
        &self.query_positions
    }

    /// The position of each key row, or nothing.
    #[must_use]
    pub fn key_positions(&self) -> &[GridPos] {
        &self.key_positions
    }

    /// Number of query rows.
    #[must_use]
    pub fn n_queries(&self) -> usize {
        self.sequences.last().map_or(0, |sequence| sequence.queries.end)
    }

    /// Number of key rows.
    #[must_use]
    pub fn n_keys(&self) -> usize {
        self.sequences.last().map_or(0, |sequence| sequence.keys.end)
    }

    /// The common (query, key) lengths, where all sequences have the same and neither is 0.
    #[must_use]
    pub fn uniform(&self) -> Option<(usize, usize)> {
        let first = self.sequences.first()?;
        let (n_q, n_k) = (first.queries.len(), first.keys.len());
        let is_same = |sequence: &Sequence| sequence.queries.len() == n_q && sequence.keys.len() == n_k;
        (n_q > 0 && n_k > 0 && self.sequences.iter().all(is_same)).then_some((n_q, n_k))
    }

    /// Whether a sequence has keys but no queries, or queries but no keys: then attention leaves rows out,
    /// forward or backward.
    #[cfg(feature = "flex")]
    pub(crate) fn has_lonely_rows(&self) -> bool {
        self.sequences.iter().any(|sequence| sequence.queries.is_empty() != sequence.keys.is_empty())
    }

    /// Checks that attention of tensors with these dimensions, `[rows, channels]` each, can go by this layout:
    /// that every row belongs to a sequence, and that every offset between a query and a key of its sequence
    /// is a row of the tables. Fused or composed, the operation relies on it.
    ///
    /// # Panics
    /// Where it can't.
    pub(crate) fn check(&self, [q, k, v]: [[usize; 2]; 3], num_heads: usize, tables: Option<[[usize; 2]; 2]>) {
        let d = q[1];
        assert!(
            num_heads > 0 && d.is_multiple_of(num_heads),
            "attention: {d} channels can't be split into {num_heads} heads"
        );
        assert!(
            k[1] == d && v == k,
            "attention: queries {q:?} need keys and values [n, {d}] of one shape, found {k:?} and {v:?}"
        );
        assert!(
            [self.n_queries(), self.n_keys()] == [q[0], k[0]],
            "attention: the layout has {} queries and {} keys, the tensors have {} and {}",
            self.n_queries(),
            self.n_keys(),
            q[0],
            k[0]
        );
        let Some([height, width]) = tables else { return };
        let head_dim = d / num_heads;
        assert!(
            height[1] == head_dim && width[1] == head_dim,
            "attention: tables of relative positions {height:?} and {width:?} for heads of {head_dim} channels"
        );
        assert!(
            [self.query_positions.len(), self.key_positions.len()] == [q[0], k[0]],
            "attention: relative positions need a layout with positions"
        );
        for sequence in &self.sequences {
            let queries = &self.query_positions[sequence.queries.clone()];
            let keys = &self.key_positions[sequence.keys.clone()];
            let fits = |coordinate: fn(&GridPos) -> u16, n_offsets: usize| {
                let bounds = |positions: &[GridPos]| {
                    let values = positions.iter().map(|position| i64::from(coordinate(position)));
                    values.clone().min().zip(values.max())
                };
                // Nothing is looked up where either is missing.
                let (Some((low_q, high_q)), Some((low_k, high_k))) = (bounds(queries), bounds(keys)) else {
                    return true;
                };
                let n_offsets = i64::try_from(n_offsets).unwrap_or(i64::MAX);
                low_q - high_k + n_offsets / 2 >= 0 && high_q - low_k + n_offsets / 2 < n_offsets
            };
            assert!(
                fits(|position| position.row, height[0]) && fits(|position| position.col, width[0]),
                "attention: positions farther apart than tables of {} x {} offsets reach",
                height[0],
                width[0]
            );
        }
    }
}

/// Channels of each of q, k and v that lie beside each other in SAM's fused `qkv`.
pub(crate) fn width_of_each(wide: usize) -> usize {
    assert!(wide.is_multiple_of(3), "attention: {wide} channels are no q, k and v of equal width");
    wide / 3
}

/// SAM's decomposed relative positions.
///
/// The logit of a query and a key gains `q . height[q.row - k.row + size - 1]` and
/// `q . width[q.col - k.col + size - 1]`, with the query before scaling, where `size` is
/// `(rows of the table + 1) / 2`.
#[derive(Clone, Debug)]
pub struct RelativePositions {
    /// `[2 * grid_height - 1, head_dim]`
    pub height: Tensor<2>,
    /// `[2 * grid_width - 1, head_dim]`
    pub width: Tensor<2>,
}
