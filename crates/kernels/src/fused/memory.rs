//! Flex tensors as plain memory, and work split over threads.

use burn::tensor::{Shape, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// Below this many values a pass over memory stays on one thread.
const PARALLEL_VALUES: usize = 16 * 1024;

/// A pointer that tasks may share; each writes its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(pub T);
// SAFETY: whoever makes one promises that tasks write disjoint parts.
unsafe impl<T> Send for Shared<*mut T> {}
unsafe impl<T> Sync for Shared<*mut T> {}
unsafe impl<T> Send for Shared<*const T> {}
unsafe impl<T> Sync for Shared<*const T> {}

impl<T: Copy> Shared<T> {
    /// Through a method, so that closures capture the wrapper.
    pub fn get(self) -> T {
        self.0
    }
}

/// A matrix somewhere in a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub start: *const f32,
    pub n_rows: usize,
    pub n_cols: usize,
    pub row_stride: isize,
    pub col_stride: isize,
}
// SAFETY: only read through.
unsafe impl Send for View {}
unsafe impl Sync for View {}

impl View {
    /// A matrix `[n_rows, n_cols]` whose rows lie `stride` values apart.
    pub fn of_rows(start: *const f32, n_rows: usize, n_cols: usize, stride: usize) -> Self {
        Self { start, n_rows, n_cols, row_stride: stride as isize, col_stride: 1 }
    }

    /// The tensor must be of rank 2 and outlive the view.
    pub fn of(tensor: &FlexTensor) -> Self {
        let layout = tensor.layout();
        let (shape, strides) = (layout.shape(), layout.strides());
        assert_eq!(shape.num_dims(), 2, "expected a matrix, got {shape:?}");
        let storage: &[f32] = tensor.storage();
        Self {
            start: storage[layout.start_offset().min(storage.len())..].as_ptr(),
            n_rows: shape[0],
            n_cols: shape[1],
            row_stride: strides[0],
            col_stride: strides[1],
        }
    }

    pub fn transposed(self) -> Self {
        Self {
            n_rows: self.n_cols,
            n_cols: self.n_rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The values of a row lie beside each other.
    pub fn has_dense_rows(&self) -> bool {
        (self.col_stride == 1 || self.n_cols <= 1) && self.row_stride >= 0
    }

    /// # Safety
    /// The row must exist.
    pub unsafe fn row(&self, row: usize) -> *const f32 {
        unsafe { self.start.offset(row as isize * self.row_stride) }
    }
}

/// The tensor, copied where the values of a row do not lie beside each other.
pub(crate) fn dense_rows(tensor: FlexTensor) -> FlexTensor {
    if View::of(&tensor).has_dense_rows() { tensor } else { tensor.to_contiguous() }
}

/// The tensor in row-major order without gaps, copied where it is not.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The values of a contiguous tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("made contiguous before");
    &tensor.storage()[start..end]
}

/// A vector of `length` values, all of them written by `fill`.
///
/// # Safety
/// `fill` must write each value and read none before.
pub(crate) unsafe fn filled(length: usize, fill: impl FnOnce(*mut f32)) -> Vec<f32> {
    let mut memory = Vec::with_capacity(length);
    fill(memory.as_mut_ptr());
    // SAFETY: the caller's promise.
    unsafe { memory.set_len(length) };
    memory
}

pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// Calls `work(first row, number of rows)` for chunks of `n_rows` rows of `width` values.
pub(crate) fn for_row_chunks(n_rows: usize, width: usize, work: impl Fn(usize, usize) + Sync) {
    if n_rows * width <= PARALLEL_VALUES || n_rows < 2 {
        if n_rows > 0 {
            work(0, n_rows);
        }
        return;
    }
    // Four chunks a thread even out what else the machine does.
    let chunk = n_rows.div_ceil(4 * rayon::current_num_threads());
    (0..n_rows.div_ceil(chunk)).into_par_iter().for_each(|i| {
        let first = i * chunk;
        work(first, chunk.min(n_rows - first));
    });
}

/// [`for_row_chunks`] over single values.
pub(crate) fn for_chunks(length: usize, work: impl Fn(usize, usize) + Sync) {
    const BLOCK: usize = 256;
    for_row_chunks(length.div_ceil(BLOCK), BLOCK, |first, n| {
        let start = first * BLOCK;
        work(start, (n * BLOCK).min(length - start));
    });
}

/// Sums over rows in blocks of a fixed size, so that the order does not depend on the threads:
/// `work(first row, number of rows, sums)` adds its rows to `width` zeroed sums.
pub(crate) fn sum_over_rows(
    n_rows: usize,
    block: usize,
    width: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let n_blocks = n_rows.div_ceil(block);
    if n_blocks <= 1 {
        let mut sums = vec![0.0; width];
        if n_rows > 0 {
            work(0, n_rows, &mut sums);
        }
        return sums;
    }
    let mut partial = vec![0.0; n_blocks * width];
    partial.par_chunks_mut(width.max(1)).enumerate().for_each(|(i, sums)| {
        let first = i * block;
        work(first, block.min(n_rows - first), sums);
    });
    let mut blocks = partial.chunks(width.max(1));
    let mut sums = blocks.next().map_or_else(Vec::new, <[f32]>::to_vec);
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    sums
}
