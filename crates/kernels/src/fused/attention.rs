//! Attention of ragged segments on packed rows.
//!
//! A task is one head of one segment. It reads q, k and v where they stand, works on blocks of
//! queries whose logits fit the cache, and writes its columns of the packed result.

use std::cell::RefCell;
use std::ops::Range;

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::matmul::product;
use super::memory::{Shared, View, contiguous, filled, tensor, values};
use super::softmax::{Offsets, PADDING, softmax_rows};
use crate::layout::RaggedLayout;

/// Logits of a block of queries, in values: they should stay in the second-level cache.
const BLOCK_VALUES: usize = 128 * 1024;

/// q, k and v of all heads.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub q: View,
    pub k: View,
    pub v: View,
    pub n_heads: usize,
}

impl Inputs {
    /// Of `[m, 3 d]`.
    pub fn packed(qkv: View, n_heads: usize) -> Self {
        let d = qkv.n_cols / 3;
        assert_eq!(3 * d, qkv.n_cols, "q, k and v of equal width");
        let part = |i: usize| View { start: qkv.start.wrapping_add(i * d), n_cols: d, ..qkv };
        Self { q: part(0), k: part(1), v: part(2), n_heads }
    }

    pub fn head_dim(&self) -> usize {
        self.q.n_cols / self.n_heads.max(1)
    }

    pub fn scale(&self) -> f32 {
        (self.head_dim() as f32).sqrt().recip()
    }

    /// The columns of a head in some rows of q, k or v.
    ///
    /// # Safety
    /// The rows must exist.
    pub unsafe fn head(&self, of: View, rows: &Range<usize>, head: usize) -> View {
        let head_dim = self.head_dim();
        // SAFETY: the caller's promise.
        let start = unsafe { of.row(rows.start).add(head * head_dim) };
        View { start, n_rows: rows.len(), n_cols: head_dim, ..of }
    }

    /// Segments must lie in the rows, in order, and not overlap: tasks write to them.
    pub fn check(&self, layout: &RaggedLayout) {
        let [q, k, v] = [self.q, self.k, self.v];
        assert!(
            self.n_heads > 0 && q.n_cols % self.n_heads == 0,
            "{} channels in {} heads",
            q.n_cols,
            self.n_heads
        );
        assert!(
            q.n_cols == k.n_cols && q.n_cols == v.n_cols && k.n_rows == v.n_rows,
            "attention of {} x {} queries to {} x {} keys and {} x {} values",
            q.n_rows,
            q.n_cols,
            k.n_rows,
            k.n_cols,
            v.n_rows,
            v.n_cols
        );
        let (mut query, mut key) = (0, 0);
        for segment in &layout.segments {
            for (rows, done, n_rows) in
                [(&segment.queries, &mut query, q.n_rows), (&segment.keys, &mut key, k.n_rows)]
            {
                if rows.is_empty() {
                    continue;
                }
                assert!(
                    *done <= rows.start && rows.end <= n_rows,
                    "segment {rows:?} of {n_rows} rows after row {done}"
                );
                *done = rows.end;
            }
        }
    }
}

/// Whether the segments with queries and keys leave out no row of either.
pub(crate) fn covers(layout: &RaggedLayout, n_queries: usize, n_keys: usize) -> bool {
    let (mut query, mut key) = (0, 0);
    for segment in &layout.segments {
        if segment.queries.is_empty() && segment.keys.is_empty() {
            continue;
        }
        if segment.queries.is_empty()
            || segment.keys.is_empty()
            || segment.queries.start != query
            || segment.keys.start != key
        {
            return false;
        }
        (query, key) = (segment.queries.end, segment.keys.end);
    }
    query == n_queries && key == n_keys
}

/// SAM's relative-position tables above each other, and the places as indices into them.
pub(crate) struct Positions {
    /// `[rows of height + rows of width, head_dim]`
    tables: Vec<f32>,
    pub n_height: usize,
    pub n_width: usize,
    head_dim: usize,
    row_starts: Vec<i32>,
    col_starts: Vec<i32>,
    /// Of each segment in turn, padded.
    key_rows: Vec<i32>,
    key_cols: Vec<i32>,
    /// Where each segment's keys begin in the above.
    key_starts: Vec<usize>,
}

impl Positions {
    pub fn new(inputs: &Inputs, layout: &RaggedLayout, height: FlexTensor, width: FlexTensor) -> Self {
        let (height, width) = (contiguous(height), contiguous(width));
        let (rows, cols) = (View::of(&height), View::of(&width));
        let head_dim = inputs.head_dim();
        assert!(
            rows.n_cols == head_dim && cols.n_cols == head_dim,
            "relative positions of {} and {} values for heads of {head_dim}",
            rows.n_cols,
            cols.n_cols
        );
        assert!(
            layout.query_places.len() >= inputs.q.n_rows && layout.key_places.len() >= inputs.k.n_rows,
            "places of {} queries and {} keys for {} and {}",
            layout.query_places.len(),
            layout.key_places.len(),
            inputs.q.n_rows,
            inputs.k.n_rows
        );
        let mut tables = values(&height).to_vec();
        tables.extend_from_slice(values(&width));
        let mut positions = Self {
            tables,
            n_height: rows.n_rows,
            n_width: cols.n_rows,
            head_dim,
            row_starts: Vec::with_capacity(inputs.q.n_rows),
            col_starts: Vec::with_capacity(inputs.q.n_rows),
            key_rows: Vec::new(),
            key_cols: Vec::new(),
            key_starts: Vec::with_capacity(layout.segments.len()),
        };
        positions.index(layout, inputs.q.n_rows);
        positions
    }

    fn index(&mut self, layout: &RaggedLayout, n_queries: usize) {
        let (n_height, n_width) = (self.n_height as i32, self.n_width as i32);
        let (origin_row, origin_col) = (n_height / 2, n_width / 2);
        for place in &layout.query_places[..n_queries] {
            self.row_starts.push(i32::from(place.row) + origin_row);
            self.col_starts.push(n_height + i32::from(place.col) + origin_col);
        }
        for segment in &layout.segments {
            self.key_starts.push(self.key_rows.len());
            if segment.keys.is_empty() || segment.queries.is_empty() {
                continue;
            }
            let keys = &layout.key_places[segment.keys.clone()];
            let queries = &layout.query_places[segment.queries.clone()];
            // Products are read at these offsets: they must be in the tables.
            let fits = |coordinate: fn(&crate::Place) -> u16, n_rows: i32| {
                let bounds = |places: &[crate::Place]| {
                    places.iter().fold((i32::MAX, i32::MIN), |(low, high), place| {
                        let value = i32::from(coordinate(place));
                        (low.min(value), high.max(value))
                    })
                };
                let ((low_q, high_q), (low_k, high_k)) = (bounds(queries), bounds(keys));
                low_q - high_k + n_rows / 2 >= 0 && high_q - low_k + n_rows / 2 < n_rows
            };
            assert!(
                fits(|place| place.row, n_height) && fits(|place| place.col, n_width),
                "places farther apart than relative positions of {n_height} x {n_width} offsets say"
            );
            self.key_rows.extend(keys.iter().map(|place| -i32::from(place.row)));
            self.key_cols.extend(keys.iter().map(|place| -i32::from(place.col)));
            let last = keys[keys.len() - 1];
            self.key_rows.extend([-i32::from(last.row); PADDING]);
            self.key_cols.extend([-i32::from(last.col); PADDING]);
        }
    }

    /// Rows of both tables.
    pub fn n_products(&self) -> usize {
        self.n_height + self.n_width
    }

    pub fn tables(&self) -> View {
        View::of_rows(self.tables.as_ptr(), self.n_products(), self.head_dim, self.head_dim)
    }

    /// For queries from `first` on in a segment; products hold `n_products` values a query.
    pub fn offsets(&self, segment: usize, first: usize, products: *mut f32) -> Offsets {
        let keys = self.key_starts[segment];
        Offsets {
            products,
            stride: self.n_products(),
            row_starts: self.row_starts[first..].as_ptr(),
            col_starts: self.col_starts[first..].as_ptr(),
            key_rows: self.key_rows[keys..].as_ptr(),
            key_cols: self.key_cols[keys..].as_ptr(),
        }
    }
}

/// Blocks of a segment's queries.
pub(crate) fn query_blocks(queries: &Range<usize>, n_keys: usize) -> impl Iterator<Item = Range<usize>> {
    let block = (BLOCK_VALUES / n_keys.max(1)).clamp(32, 512);
    let end = queries.end;
    queries.clone().step_by(block).map(move |start| start..(start + block).min(end))
}

thread_local! {
    /// Logits and products, kept from task to task.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `length` values of scratch memory that hold anything.
pub(crate) fn with_scratch(length: usize, work: impl FnOnce(*mut f32)) {
    // Taken out, so that a task started on this thread in between finds an empty one.
    let mut scratch = SCRATCH.with(|scratch| scratch.take());
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    work(scratch.as_mut_ptr());
    SCRATCH.with(|kept| kept.replace(scratch));
}

/// The attention weights of a block of queries of one head.
///
/// # Safety
/// `weights` must hold `[block, n_keys]` values, `products` those of the positions.
pub(crate) unsafe fn attention_weights(
    inputs: &Inputs,
    [q, k]: [View; 2],
    positions: Option<(&Positions, Offsets)>,
    weights: *mut f32,
) {
    let n_keys = k.n_rows;
    unsafe {
        product(weights, n_keys, q, k.transposed(), 1.0, false, Parallelism::None);
        let offsets = positions.map(|(positions, offsets)| {
            let tables = positions.tables().transposed();
            product(offsets.products, offsets.stride, q, tables, 1.0, false, Parallelism::None);
            offsets
        });
        softmax_rows(weights, q.n_rows, n_keys, inputs.scale(), offsets.as_ref());
    }
}

/// The result of all heads, `[n_queries, d]`; queries without keys get zeros.
pub(crate) fn attention(
    inputs: &Inputs,
    layout: &RaggedLayout,
    tables: Option<(FlexTensor, FlexTensor)>,
) -> FlexTensor {
    inputs.check(layout);
    let positions = tables.map(|(height, width)| Positions::new(inputs, layout, height, width));
    let (n_queries, d) = (inputs.q.n_rows, inputs.q.n_cols);
    let fill = |output: *mut f32| {
        let output = Shared(output);
        let n_tasks = layout.segments.len() * inputs.n_heads;
        (0..n_tasks).into_par_iter().with_max_len(1).for_each(|task| {
            // SAFETY: checked above; tasks write different rows or columns.
            unsafe { one_head(inputs, layout, positions.as_ref(), task, output.get()) };
        });
    };
    let output = if covers(layout, n_queries, inputs.k.n_rows) {
        // SAFETY: the tasks write every row and column.
        unsafe { filled(n_queries * d, fill) }
    } else {
        let mut output = vec![0.0; n_queries * d];
        fill(output.as_mut_ptr());
        output
    };
    tensor(output, [n_queries, d])
}

unsafe fn one_head(
    inputs: &Inputs,
    layout: &RaggedLayout,
    positions: Option<&Positions>,
    task: usize,
    output: *mut f32,
) {
    let (segment, head) = (task / inputs.n_heads, task % inputs.n_heads);
    let rows = &layout.segments[segment];
    let n_keys = rows.keys.len();
    if n_keys == 0 {
        return;
    }
    let (d, head_dim) = (inputs.q.n_cols, inputs.head_dim());
    for block in query_blocks(&rows.queries, n_keys) {
        let n_products = positions.map_or(0, Positions::n_products);
        // SAFETY: the rows were checked; the scratch memory holds both parts.
        with_scratch(block.len() * (n_keys + n_products), |weights| unsafe {
            let q = inputs.head(inputs.q, &block, head);
            let k = inputs.head(inputs.k, &rows.keys, head);
            let v = inputs.head(inputs.v, &rows.keys, head);
            let products = weights.add(block.len() * n_keys);
            let offsets =
                positions.map(|positions| (positions, positions.offsets(segment, block.start, products)));
            attention_weights(inputs, [q, k], offsets, weights);
            let weights = View::of_rows(weights, block.len(), n_keys, n_keys);
            let output = output.add(block.start * d + head * head_dim);
            product(output, d, weights, v, 1.0, false, Parallelism::None);
        });
    }
}
