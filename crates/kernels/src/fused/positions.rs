//! Decomposed relative positions of an attention: tables, and the places in them that each query and key need.

use std::ops::Range;

use burn_flex::FlexTensor;

use super::memory::{contiguous, values};
use super::simd::MAX_LANES;
use super::view::View;
use crate::layout::RaggedLayout;

/// SAM's relative-position tables above each other, and the positions as indices into them. The layout was checked
/// to fit the tables, so that a query's and a key's index add up to a row of them.
pub(crate) struct Positions {
    /// `[rows of height + rows of width, head_dim]`
    tables: Vec<f32>,
    n_height: usize,
    n_width: usize,
    head_dim: usize,
    /// Of each query.
    row_starts: Vec<i32>,
    col_starts: Vec<i32>,
    /// Of the keys of each sequence in turn; behind those of a sequence its last again, a vector's worth, because
    /// vectors of indices are read whole.
    key_rows: Vec<i32>,
    key_cols: Vec<i32>,
    /// Where each sequence's keys begin in the above.
    key_starts: Vec<usize>,
}

/// What relative positions add to a block of logits: the logit of query i and key j gains
/// `products[i][row_starts[i] + key_rows[j]] + products[i][col_starts[i] + key_cols[j]]`, where the products are
/// those of the query with the rows of both tables. Made by [`Positions`] alone: each of these indices exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets<'a> {
    /// Of each query of the block.
    row_starts: &'a [i32],
    col_starts: &'a [i32],
    /// Of each key of the sequence, and more.
    key_rows: &'a [i32],
    key_cols: &'a [i32],
    n_keys: usize,
    n_products: usize,
}

impl Positions {
    /// Of tables and layout that were [checked](RaggedLayout::check) together.
    pub fn of_checked(layout: &RaggedLayout, height: FlexTensor, width: FlexTensor) -> Self {
        let (height, width) = (contiguous(height), contiguous(width));
        let ([n_height, head_dim], [n_width, _]) = (View::of(&height).shape(), View::of(&width).shape());
        let mut tables = values(&height).to_vec();
        tables.extend_from_slice(values(&width));
        let mut positions = Self {
            tables,
            n_height,
            n_width,
            head_dim,
            row_starts: Vec::with_capacity(layout.n_queries()),
            col_starts: Vec::with_capacity(layout.n_queries()),
            key_rows: Vec::new(),
            key_cols: Vec::new(),
            key_starts: Vec::with_capacity(layout.sequences().len()),
        };
        positions.index(layout);
        positions
    }

    fn index(&mut self, layout: &RaggedLayout) {
        // Far more than two coordinates of 16 bits are apart, and few enough that no index overflows.
        const MOST: usize = 1 << 20;
        assert!(
            self.n_height <= MOST && self.n_width <= MOST,
            "attention: tables of {} x {} offsets are too large",
            self.n_height,
            self.n_width
        );
        let (n_height, n_width) = (self.n_height as i32, self.n_width as i32);
        let (origin_row, origin_col) = (n_height / 2, n_width / 2);
        for position in layout.query_positions() {
            self.row_starts.push(i32::from(position.row) + origin_row);
            self.col_starts.push(n_height + i32::from(position.col) + origin_col);
        }
        for sequence in layout.sequences() {
            self.key_starts.push(self.key_rows.len());
            let keys = &layout.key_positions()[sequence.keys.clone()];
            let Some(last) = keys.last() else { continue };
            self.key_rows.extend(keys.iter().map(|position| -i32::from(position.row)));
            self.key_cols.extend(keys.iter().map(|position| -i32::from(position.col)));
            self.key_rows.extend([-i32::from(last.row); MAX_LANES]);
            self.key_cols.extend([-i32::from(last.col); MAX_LANES]);
        }
    }

    /// Rows of both tables.
    pub fn n_products(&self) -> usize {
        self.n_height + self.n_width
    }

    pub fn n_height(&self) -> usize {
        self.n_height
    }

    pub fn n_width(&self) -> usize {
        self.n_width
    }

    pub fn tables(&self) -> View<'_> {
        View::of_rows(&self.tables, [self.n_products(), self.head_dim])
    }

    /// Of a block of queries of a sequence.
    ///
    /// # Panics
    /// Where they are not the sequence's.
    pub fn offsets(&self, layout: &RaggedLayout, sequence: usize, queries: Range<usize>) -> Offsets<'_> {
        let (rows, keys) = (&layout.sequences()[sequence], self.key_starts[sequence]);
        assert!(rows.queries.start <= queries.start && queries.end <= rows.queries.end);
        let n_keys = rows.keys.len();
        Offsets {
            row_starts: &self.row_starts[queries.clone()],
            col_starts: &self.col_starts[queries],
            key_rows: &self.key_rows[keys..][..n_keys + MAX_LANES],
            key_cols: &self.key_cols[keys..][..n_keys + MAX_LANES],
            n_keys,
            n_products: self.n_products(),
        }
    }
}

impl Offsets<'_> {
    pub fn n_queries(&self) -> usize {
        self.row_starts.len()
    }

    pub fn n_keys(&self) -> usize {
        self.n_keys
    }

    /// Products of a query.
    pub fn n_products(&self) -> usize {
        self.n_products
    }

    /// Where the products of a query for a key at row (column) 0 stand among all its products.
    pub fn of_query(&self, query: usize) -> [i32; 2] {
        [self.row_starts[query], self.col_starts[query]]
    }

    /// The keys' rows and columns, negated: to a query's place, these lead to its products. Behind those of the
    /// keys, the last again for a vector's worth.
    pub fn of_keys(&self) -> [&[i32]; 2] {
        [self.key_rows, self.key_cols]
    }
}
