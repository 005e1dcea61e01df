//! Gradients of the attention. The weights are computed again rather than kept: they are as large
//! as everything else together.

use std::ops::Range;

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::attention::{Inputs, Task, query_blocks};
use super::matmul::{add_product, product};
use super::memory::{Slot, expect_shape, filled, n_values, tensor, with_scratch};
use super::softmax::softmax_backward_rows;
use super::view::{Shared, View, ViewMut};

/// Where a gradient of q, k or v goes: from a column on, a row behind the other.
#[derive(Clone, Copy)]
struct Target<'a> {
    memory: Shared<'a>,
    first: usize,
    stride: usize,
}

impl<'a> Target<'a> {
    /// The columns of a task's head in some rows.
    fn head(self, rows: &Range<usize>, task: Task<'_>, head_dim: usize) -> ViewMut<'a> {
        let start = self.first + rows.start * self.stride + task.col;
        self.memory.matrix(start, [rows.len(), head_dim], self.stride)
    }
}

/// What the backward pass needs.
pub(crate) struct Backward<'a> {
    inputs: Inputs<'a>,
    /// The gradient of the result.
    gradient: View<'a>,
    /// Whether somebody wants the gradients of the tables.
    wants_tables: bool,
}

/// Gradients of the two tables.
pub(crate) type TableGradients = Option<(FlexTensor, FlexTensor)>;

impl<'a> Backward<'a> {
    /// The gradient must have dense rows.
    pub fn checked(inputs: Inputs<'a>, gradient: View<'a>, wants_tables: bool) -> Self {
        expect_shape("attention", "the gradient", &gradient.shape(), &inputs.q.shape());
        Self { inputs, gradient, wants_tables }
    }

    /// The gradient of `[m, 3 d]`: q, k and v beside each other, and of the tables.
    pub fn of_qkv(self) -> (FlexTensor, TableGradients) {
        let [m, d] = self.inputs.q.shape();
        let mut tables = None;
        let gradient = self.allocate([m, 3 * d], |memory| {
            let target = |i: usize| Target { memory, first: i * d, stride: 3 * d };
            tables = self.run([target(0), target(1), target(2)]);
        });
        (gradient, tables)
    }

    /// The gradients of q, k and v, and of the tables.
    pub fn separate(self) -> ([FlexTensor; 3], TableGradients) {
        let (queries, keys) = (self.inputs.q.shape(), self.inputs.k.shape());
        let stride = self.inputs.width();
        let (mut tables, mut dk, mut dv) = (None, None, None);
        let dq = self.allocate(queries, |dq| {
            dk = Some(self.allocate(keys, |dk| {
                dv = Some(self.allocate(keys, |dv| {
                    tables = self.run([dq, dk, dv].map(|memory| Target { memory, first: 0, stride }));
                }));
            }));
        });
        ([dq, dk.expect("allocated above"), dv.expect("allocated above")], tables)
    }

    /// A gradient, written by `fill`: zeros where no sequence has both queries and keys.
    fn allocate(&self, shape: [usize; 2], fill: impl FnOnce(Shared<'_>)) -> FlexTensor {
        let length = n_values("attention", &shape);
        let values = if self.inputs.layout.has_lonely_rows() {
            let mut values = vec![0.0; length];
            // SAFETY: a task writes its own rows and columns.
            fill(unsafe { Shared::of_values(&mut values) });
            values
        } else {
            // SAFETY: a task writes its own rows and columns, and together they write all.
            unsafe { filled(length, |memory: &mut [Slot]| fill(Shared::new(memory))) }
        };
        tensor(values, shape)
    }

    fn run(&self, targets: [Target<'_>; 3]) -> TableGradients {
        let inputs = &self.inputs;
        // Each task adds up its own, and they are added in order: the same for any threads.
        let width = if self.wants_tables { inputs.n_products() * inputs.head_dim() } else { 0 };
        let n_tasks = inputs.n_tasks();
        let mut partial = vec![0.0; n_tasks * width];
        let parts: Vec<&mut [f32]> = match width {
            0 => (0..n_tasks).map(|_| &mut [][..]).collect(),
            _ => partial.chunks_mut(width).collect(),
        };
        parts.into_par_iter().enumerate().with_max_len(1).for_each(|(index, sums)| {
            self.one_head(inputs.task(index), targets, sums);
        });
        let positions = inputs.positions.as_ref().filter(|_| self.wants_tables)?;
        let mut sums = vec![0.0; width];
        for part in partial.chunks(width.max(1)) {
            for (sum, value) in sums.iter_mut().zip(part) {
                *sum += value;
            }
        }
        let of_width = sums.split_off(positions.n_height() * inputs.head_dim());
        Some((
            tensor(sums, [positions.n_height(), inputs.head_dim()]),
            tensor(of_width, [positions.n_width(), inputs.head_dim()]),
        ))
    }

    /// Writes a task's part of the gradients; the sums, if any, are those of the tables.
    fn one_head(&self, task: Task<'_>, [dq, dk, dv]: [Target<'_>; 3], table_sums: &mut [f32]) {
        let inputs = &self.inputs;
        let n_keys = task.keys.len();
        if n_keys == 0 {
            return;
        }
        let (head_dim, scale, n_products) = (inputs.head_dim(), inputs.scale(), inputs.n_products());
        let alone = Parallelism::None;
        for (i, block) in query_blocks(task.queries, n_keys).enumerate() {
            let n = block.len();
            with_scratch(n * (2 * n_keys + n_products), |scratch| {
                let (weights, rest) = scratch.split_at_mut(n * n_keys);
                let (slopes, products) = rest.split_at_mut(n * n_keys);
                let q = inputs.head(inputs.q, &block, task);
                let k = inputs.head(inputs.k, task.keys, task);
                let v = inputs.head(inputs.v, task.keys, task);
                let gradient = inputs.head(self.gradient, &block, task);
                let offsets = inputs.weights(task, &block, weights, products);

                let add_up = |target: ViewMut<'_>, a: View<'_>, b: View<'_>, factor: f32| {
                    if i == 0 {
                        return product(target, a, b, factor, alone);
                    }
                    // SAFETY: the first block has written the target.
                    unsafe { add_product(target, a, b, factor, alone) };
                };
                let p = View::of_rows(weights, [n, n_keys]);
                add_up(dv.head(task.keys, task, head_dim), p.transposed(), gradient, 1.0);
                product(ViewMut::of_rows(slopes, [n, n_keys]), gradient, v.transposed(), 1.0, alone);
                products.fill(0.0);
                let offsets = offsets.map(|offsets| (offsets, &mut *products));
                softmax_backward_rows(inputs.level, weights, slopes, n_keys, offsets);

                let ds = View::of_rows(slopes, [n, n_keys]);
                product(dq.head(&block, task, head_dim), ds, k, scale, alone);
                add_up(dk.head(task.keys, task, head_dim), ds.transposed(), q, scale);
                if let Some(positions) = &inputs.positions {
                    let products = View::of_rows(products, [n, n_products]);
                    // SAFETY: the product above wrote dq; the sums started as zeros.
                    unsafe {
                        add_product(dq.head(&block, task, head_dim), products, positions.tables(), 1.0, alone);
                        if self.wants_tables {
                            let sums = ViewMut::of_rows(table_sums, [n_products, head_dim]);
                            add_product(sums, products.transposed(), q, 1.0, alone);
                        }
                    }
                }
            });
        }
    }
}
