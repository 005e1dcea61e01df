//! Gradients of the attention. The weights are computed again rather than kept: they are as large
//! as everything else together.

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::attention::{Inputs, Positions, attention_weights, covers, query_blocks, with_scratch};
use super::matmul::product;
use super::memory::{Shared, View, filled, tensor};
use super::softmax::softmax_backward_rows;
use crate::layout::RaggedLayout;

/// Where a gradient of q, k or v goes.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    start: Shared<*mut f32>,
    stride: usize,
}

impl Target {
    /// # Safety
    /// The row must exist.
    unsafe fn at(self, row: usize, col: usize) -> *mut f32 {
        unsafe { self.start.get().add(row * self.stride + col) }
    }
}

/// What the backward pass needs.
pub(crate) struct Backward<'a> {
    pub inputs: Inputs,
    pub layout: &'a RaggedLayout,
    pub tables: Option<(FlexTensor, FlexTensor)>,
    /// Whether somebody wants the gradients of the tables.
    pub wants_tables: bool,
    /// The gradient of the result.
    pub gradient: View,
}

/// Gradients of the two tables.
pub(crate) type TableGradients = Option<(FlexTensor, FlexTensor)>;

impl Backward<'_> {
    /// The gradient of the packed `[m, 3 d]`, and of the tables.
    pub fn packed(self) -> (FlexTensor, TableGradients) {
        let (m, d) = (self.inputs.q.n_rows, self.inputs.q.n_cols);
        let mut tables = None;
        let gradient = self.allocate(m * 3 * d, |memory| {
            let target = |i: usize| Target { start: Shared(memory.wrapping_add(i * d)), stride: 3 * d };
            tables = self.run([target(0), target(1), target(2)]);
        });
        (tensor(gradient, [m, 3 * d]), tables)
    }

    /// The gradients of q, k and v, and of the tables.
    pub fn separate(self) -> ([FlexTensor; 3], TableGradients) {
        let (n_queries, n_keys) = (self.inputs.q.n_rows, self.inputs.k.n_rows);
        let d = self.inputs.q.n_cols;
        let mut tables = None;
        let mut rest = Vec::new();
        let dq = self.allocate(n_queries * d, |dq| {
            let mut dv = Vec::new();
            let dk = self.allocate(n_keys * d, |dk| {
                dv = self.allocate(n_keys * d, |dv| {
                    let target = |start| Target { start: Shared(start), stride: d };
                    tables = self.run([target(dq), target(dk), target(dv)]);
                });
            });
            rest = vec![tensor(dk, [n_keys, d]), tensor(dv, [n_keys, d])];
        });
        let dv = rest.pop().expect("two were put in");
        let dk = rest.pop().expect("two were put in");
        ([tensor(dq, [n_queries, d]), dk, dv], tables)
    }

    /// Memory for gradients: zeros where the segments leave rows out.
    fn allocate(&self, length: usize, fill: impl FnOnce(*mut f32)) -> Vec<f32> {
        if covers(self.layout, self.inputs.q.n_rows, self.inputs.k.n_rows) {
            // SAFETY: each row belongs to a segment, and each head writes its columns.
            return unsafe { filled(length, fill) };
        }
        let mut memory = vec![0.0; length];
        fill(memory.as_mut_ptr());
        memory
    }

    fn run(&self, targets: [Target; 3]) -> TableGradients {
        let inputs = &self.inputs;
        inputs.check(self.layout);
        let gradient = self.gradient;
        assert!(
            gradient.n_rows == inputs.q.n_rows && gradient.n_cols == inputs.q.n_cols,
            "gradient of the attention"
        );
        let positions =
            self.tables.clone().map(|(height, width)| Positions::new(inputs, self.layout, height, width));
        let n_tasks = self.layout.segments.len() * inputs.n_heads;
        let n_products = positions.as_ref().map_or(0, Positions::n_products);
        // Each task adds up its own, and they are added in order: the same for any threads.
        let width = if self.wants_tables { n_products * inputs.head_dim() } else { 0 };
        let mut partial = vec![0.0; n_tasks * width];
        let sums = Shared(partial.as_mut_ptr());
        (0..n_tasks).into_par_iter().with_max_len(1).for_each(|task| {
            let sums = (width > 0).then(|| sums.get().wrapping_add(task * width));
            // SAFETY: checked above; tasks write different rows or columns.
            unsafe { self.one_head(positions.as_ref(), task, targets, sums) };
        });
        let positions = positions.filter(|_| self.wants_tables)?;
        let mut sums = vec![0.0; width];
        for part in partial.chunks(width.max(1)) {
            for (sum, value) in sums.iter_mut().zip(part) {
                *sum += value;
            }
        }
        let of_width = sums.split_off(positions.n_height * inputs.head_dim());
        Some((
            tensor(sums, [positions.n_height, inputs.head_dim()]),
            tensor(of_width, [positions.n_width, inputs.head_dim()]),
        ))
    }

    unsafe fn one_head(
        &self,
        positions: Option<&Positions>,
        task: usize,
        [dq, dk, dv]: [Target; 3],
        table_sums: Option<*mut f32>,
    ) {
        let inputs = &self.inputs;
        let (segment, head) = (task / inputs.n_heads, task % inputs.n_heads);
        let rows = &self.layout.segments[segment];
        let n_keys = rows.keys.len();
        if n_keys == 0 || rows.queries.is_empty() {
            return;
        }
        let (head_dim, scale) = (inputs.head_dim(), inputs.scale());
        let col = head * head_dim;
        let alone = Parallelism::None;
        for (i, block) in query_blocks(&rows.queries, n_keys).enumerate() {
            let n = block.len();
            let n_products = positions.map_or(0, Positions::n_products);
            // SAFETY: the rows were checked; the scratch memory holds all three parts.
            with_scratch(n * (2 * n_keys + n_products), |weights| unsafe {
                let slopes = weights.add(n * n_keys);
                let products = slopes.add(n * n_keys);
                let q = inputs.head(inputs.q, &block, head);
                let k = inputs.head(inputs.k, &rows.keys, head);
                let v = inputs.head(inputs.v, &rows.keys, head);
                let gradient = inputs.head(self.gradient, &block, head);
                let positions = positions.map(|all| (all, all.offsets(segment, block.start, products)));
                attention_weights(inputs, [q, k], positions, weights);

                let p = View::of_rows(weights, n, n_keys, n_keys);
                let dv_start = dv.at(rows.keys.start, col);
                product(dv_start, dv.stride, p.transposed(), gradient, 1.0, i > 0, alone);
                product(slopes, n_keys, gradient, v.transposed(), 1.0, false, alone);
                if positions.is_some() {
                    products.write_bytes(0, n * n_products);
                }
                let offsets = positions.map(|(_, offsets)| offsets);
                softmax_backward_rows(weights, slopes, n, n_keys, offsets.as_ref());

                let ds = View::of_rows(slopes, n, n_keys, n_keys);
                let dq_start = dq.at(block.start, col);
                product(dq_start, dq.stride, ds, k, scale, false, alone);
                let dk_start = dk.at(rows.keys.start, col);
                product(dk_start, dk.stride, ds.transposed(), q, scale, i > 0, alone);
                if let Some((positions, _)) = positions {
                    let products = View::of_rows(products, n, n_products, n_products);
                    let tables = positions.tables();
                    product(dq_start, dq.stride, products, tables, 1.0, true, alone);
                    if let Some(sums) = table_sums {
                        product(sums, head_dim, products.transposed(), q, 1.0, true, alone);
                    }
                }
            });
        }
    }
}
