//! Attention of ragged sequences.
//!
//! A task is one head of one sequence. It reads q, k and v where they stand, works on blocks of
//! queries whose logits fit the cache, and writes its columns of the result.

use std::ops::Range;

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::matmul::product;
use super::memory::{Slot, filled, n_values, tensor, with_scratch};
use super::positions::{Offsets, Positions};
use super::softmax::softmax_rows;
use super::view::{Shared, View, ViewMut};
use crate::layout::{RaggedLayout, width_of_each};
use crate::level::{self, Level};

/// Logits of a block of queries, in values: they should stay in the second-level cache.
const BLOCK_VALUES: usize = 128 * 1024;

/// What an attention reads, checked to fit together.
pub(crate) struct Inputs<'a> {
    pub q: View<'a>,
    pub k: View<'a>,
    pub v: View<'a>,
    pub layout: &'a RaggedLayout,
    pub num_heads: usize,
    pub positions: Option<Positions>,
    pub level: Level,
}

/// One head of one sequence.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    /// The number of its sequence.
    pub sequence: usize,
    /// Rows of its queries and keys.
    pub queries: &'a Range<usize>,
    pub keys: &'a Range<usize>,
    /// The first column of its head.
    pub col: usize,
}

impl<'a> Inputs<'a> {
    /// Of `[m, 3 d]`: q, k and v beside each other.
    pub fn of_qkv(
        qkv: View<'a>,
        layout: &'a RaggedLayout,
        num_heads: usize,
        tables: Option<(FlexTensor, FlexTensor)>,
    ) -> Self {
        let d = width_of_each(qkv.n_cols());
        let part = |i: usize| qkv.cols(i * d..(i + 1) * d);
        Self::new([part(0), part(1), part(2)], layout, num_heads, tables)
    }

    pub fn new(
        [q, k, v]: [View<'a>; 3],
        layout: &'a RaggedLayout,
        num_heads: usize,
        tables: Option<(FlexTensor, FlexTensor)>,
    ) -> Self {
        let table_shapes =
            tables.as_ref().map(|(height, width)| [height, width].map(|table| View::of(table).shape()));
        layout.check([q.shape(), k.shape(), v.shape()], num_heads, table_shapes);
        let positions = tables.map(|(height, width)| Positions::of_checked(layout, height, width));
        Self { q, k, v, layout, num_heads, positions, level: level::current() }
    }

    /// Channels of all heads.
    pub fn width(&self) -> usize {
        self.q.n_cols()
    }

    pub fn head_dim(&self) -> usize {
        self.width() / self.num_heads
    }

    pub fn scale(&self) -> f32 {
        (self.head_dim() as f32).sqrt().recip()
    }

    /// Products of a query with the rows of both tables.
    pub fn n_products(&self) -> usize {
        self.positions.as_ref().map_or(0, Positions::n_products)
    }

    pub fn n_tasks(&self) -> usize {
        self.layout.sequences().len() * self.num_heads
    }

    /// No two have both rows and columns in common.
    pub fn task(&self, index: usize) -> Task<'_> {
        let (sequence, head) = (index / self.num_heads, index % self.num_heads);
        let rows = &self.layout.sequences()[sequence];
        Task { sequence, queries: &rows.queries, keys: &rows.keys, col: head * self.head_dim() }
    }

    /// The columns of a task's head in some rows of a matrix as wide as q.
    pub fn head<'v>(&self, of: View<'v>, rows: &Range<usize>, task: Task<'_>) -> View<'v> {
        of.rows(rows.clone()).cols(task.col..task.col + self.head_dim())
    }

    /// The attention weights `[block, keys]` of a block of a task's queries. Where there are relative positions, the
    /// products of the queries with their tables are left in `products`.
    pub fn weights(
        &self,
        task: Task<'_>,
        block: &Range<usize>,
        weights: &mut [f32],
        products: &mut [f32],
    ) -> Option<Offsets<'_>> {
        let (n, n_keys) = (block.len(), task.keys.len());
        let q = self.head(self.q, block, task);
        let k = self.head(self.k, task.keys, task);
        product(ViewMut::of_rows(weights, [n, n_keys]), q, k.transposed(), 1.0, Parallelism::None);
        let offsets = self.positions.as_ref().map(|positions| {
            let target = ViewMut::of_rows(products, [n, positions.n_products()]);
            product(target, q, positions.tables().transposed(), 1.0, Parallelism::None);
            positions.offsets(self.layout, task.sequence, block.clone())
        });
        softmax_rows(self.level, weights, n_keys, self.scale(), offsets.map(|offsets| (offsets, &*products)));
        offsets
    }
}

/// Blocks of a sequence's queries.
pub(crate) fn query_blocks(queries: &Range<usize>, n_keys: usize) -> impl Iterator<Item = Range<usize>> {
    let block = (BLOCK_VALUES / n_keys.max(1)).clamp(32, 512);
    let end = queries.end;
    queries.clone().step_by(block).map(move |start| start..(start + block).min(end))
}

/// The result of all heads, `[n_queries, d]`; queries without keys get zeros.
pub(crate) fn attention(inputs: &Inputs<'_>) -> FlexTensor {
    let shape @ [n_queries, d] = [inputs.q.n_rows(), inputs.width()];
    let length = n_values("attention", &shape);
    let fill = |output: Shared<'_>| {
        (0..inputs.n_tasks()).into_par_iter().with_max_len(1).for_each(|index| {
            one_head(inputs, inputs.task(index), output);
        });
    };
    let output = if inputs.layout.has_lonely_rows() {
        let mut output = vec![0.0; length];
        // SAFETY: a task writes its own rows and columns.
        fill(unsafe { Shared::of_values(&mut output) });
        output
    } else {
        // SAFETY: a task writes its own rows and columns, and together they write all.
        unsafe { filled(length, |output: &mut [Slot]| fill(Shared::new(output))) }
    };
    tensor(output, [n_queries, d])
}

fn one_head(inputs: &Inputs<'_>, task: Task<'_>, output: Shared<'_>) {
    let n_keys = task.keys.len();
    if n_keys == 0 {
        return;
    }
    let d = inputs.width();
    for block in query_blocks(task.queries, n_keys) {
        let n = block.len();
        with_scratch(n * (n_keys + inputs.n_products()), |scratch| {
            let (weights, products) = scratch.split_at_mut(n * n_keys);
            inputs.weights(task, &block, weights, products);
            let weights = View::of_rows(weights, [n, n_keys]);
            let output = output.matrix(block.start * d + task.col, [n, inputs.head_dim()], d);
            product(output, weights, inputs.head(inputs.v, task.keys, task), 1.0, Parallelism::None);
        });
    }
}
