//! Which packed rows attend to which.

use std::ops::Range;

use burn::tensor::Tensor;

/// A place on the token grid (or inside a window).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The row.
    pub row: u16,
    /// The column.
    pub col: u16,
}

/// One image, or one window of one image: its query rows attend to its key rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the packed queries.
    pub queries: Range<usize>,
    /// Rows of the packed keys and values.
    pub keys: Range<usize>,
}

/// The segments of a packed batch. Segments are disjoint and ascending and may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaggedLayout {
    /// One entry an image or window.
    pub segments: Vec<Segment>,
    /// The place of each query row; needed with relative positions only.
    pub query_places: Vec<Place>,
    /// The place of each key row; needed with relative positions only.
    pub key_places: Vec<Place>,
}

impl RaggedLayout {
    /// Segments of the given lengths, in which rows attend to rows of the same segment.
    #[must_use]
    pub fn of_lengths(lengths: &[usize]) -> Self {
        let mut start = 0;
        let segments = lengths
            .iter()
            .map(|&length| {
                let rows = start..start + length;
                start += length;
                Segment { queries: rows.clone(), keys: rows }
            })
            .collect();
        Self { segments, query_places: Vec::new(), key_places: Vec::new() }
    }

    /// Number of query rows.
    #[must_use]
    pub fn n_queries(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.queries.end)
    }

    /// Number of key rows.
    #[must_use]
    pub fn n_keys(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.keys.end)
    }

    /// The common (query, key) lengths, where all segments have the same and lie without gaps.
    #[must_use]
    pub fn uniform(&self) -> Option<(usize, usize)> {
        let first = self.segments.first()?;
        let (n_q, n_k) = (first.queries.len(), first.keys.len());
        let fits = self.segments.iter().enumerate().all(|(i, segment)| {
            segment.queries == (i * n_q..(i + 1) * n_q) && segment.keys == (i * n_k..(i + 1) * n_k)
        });
        (fits && n_q > 0 && n_k > 0).then_some((n_q, n_k))
    }
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
