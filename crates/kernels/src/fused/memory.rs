//! Flex tensors as plain memory, and work split over threads.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use burn::tensor::{Shape, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// Below this many values a pass over memory stays on one thread.
const PARALLEL_VALUES: usize = 16 * 1024;

/// Room for a value that is still to be written.
pub(crate) type Slot = MaybeUninit<f32>;

/// Panics where a tensor has not the shape that an operation needs.
#[track_caller]
pub(crate) fn expect_shape(operation: &str, what: &str, found: &[usize], expected: &[usize]) {
    assert!(found == expected, "{operation}: {what} must be {expected:?}, found {found:?}");
}

/// Values of a tensor of this shape.
///
/// # Panics
/// Where they are too many to count: a product that wraps round would pass for a small tensor.
pub(crate) fn n_values(operation: &str, shape: &[usize]) -> usize {
    let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
    let Some(count) = count else { panic!("{operation}: {shape:?} is too large") };
    count
}

/// The tensor in row-major order without gaps, copied where it is not.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The values of a contiguous tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("made contiguous before");
    // An empty tensor may stand anywhere.
    if start == end { &[] } else { &tensor.storage()[start..end] }
}

/// The values of a contiguous tensor, where nobody else holds them.
pub(crate) fn own_values(tensor: &mut FlexTensor) -> Option<&mut [f32]> {
    let (start, end) = tensor.layout().contiguous_offsets()?;
    let storage = tensor.try_storage_mut::<f32>()?;
    Some(if start == end { &mut [] } else { &mut storage[start..end] })
}

/// A vector of `length` values, all of them written by `fill`.
///
/// # Safety
/// `fill` must write each value.
pub(crate) unsafe fn filled(length: usize, fill: impl FnOnce(&mut [Slot])) -> Vec<f32> {
    let mut memory = Vec::with_capacity(length);
    fill(&mut memory.spare_capacity_mut()[..length]);
    // SAFETY: there is room for them, and the caller promises that they were written.
    unsafe { memory.set_len(length) };
    memory
}

pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

thread_local! {
    /// Memory that is needed for the length of a task, kept from task to task.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with scratch memory of `length` values that may be anything.
pub(crate) fn with_scratch(length: usize, work: impl FnOnce(&mut [f32])) {
    // Taken out, so that a task started on this thread in between finds an empty one.
    let mut scratch = SCRATCH.take();
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    work(&mut scratch[..length]);
    SCRATCH.set(scratch);
}

/// Calls `work(first row, rows)` for chunks of the rows of `width` values that the target holds; the last may be
/// shorter.
pub(crate) fn for_row_chunks<T: Send>(target: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if target.is_empty() {
        return;
    }
    let n_rows = target.len().div_ceil(width);
    if target.len() <= PARALLEL_VALUES || n_rows < 2 {
        return work(0, target);
    }
    // Four chunks a thread even out what else the machine does.
    let chunk = n_rows.div_ceil(4 * rayon::current_num_threads());
    target.par_chunks_mut(chunk * width).enumerate().for_each(|(i, rows)| work(i * chunk, rows));
}

/// [`for_row_chunks`] over single values: `work(first value, values)`.
pub(crate) fn for_chunks<T: Send>(target: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    const BLOCK: usize = 256;
    for_row_chunks(target, BLOCK, |first, values| work(first * BLOCK, values));
}

/// `n` rows in blocks of a fixed size.
pub(crate) fn row_blocks(n: usize, block: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(block).map(move |first| first..(first + block).min(n))
}

/// Sums over blocks whose size is fixed, so that the order does not depend on the threads: `work(block, sums)`
/// adds its block to `width` zeroed sums.
pub(crate) fn sum_over<B: Send>(
    blocks: impl Iterator<Item = B>,
    width: usize,
    work: impl Fn(B, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut blocks: Vec<B> = blocks.collect();
    if blocks.len() <= 1 {
        let mut sums = vec![0.0; width];
        if let Some(block) = blocks.pop() {
            work(block, &mut sums);
        }
        return sums;
    }
    let mut partial = vec![0.0; blocks.len() * width];
    // Without sums there is nothing to split, but still work to do.
    if width == 0 {
        blocks.into_par_iter().for_each(|block| work(block, &mut []));
        return partial;
    }
    partial.par_chunks_mut(width).zip(blocks).for_each(|(sums, block)| work(block, sums));
    let mut sums = partial[..width].to_vec();
    for block in partial[width..].chunks(width) {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    sums
}
