//! Counts the multiply-accumulates of the operations' matrix products as they run, to check predictions
//! of cost with. Whether an operation is fused or composed, packed or not, makes no difference.

use std::cell::Cell;

use crate::layout::RaggedLayout;
use crate::workers::on_workers;

thread_local! {
    /// Operations are called on one thread, whatever threads they then work on.
    static EXECUTED: Cell<u64> = const { Cell::new(0) };
}

/// Adds a product of an `m x k` and a `k x n` matrix. Who multiplies without this crate's operations calls
/// it too.
pub fn product(m: usize, k: usize, n: usize) {
    EXECUTED.with(|executed| executed.set(executed.get() + (m * k * n) as u64));
}

/// Runs `work` and forgets what it counted.
#[cfg(feature = "flex")]
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let before = EXECUTED.with(Cell::get);
    let result = work();
    EXECUTED.with(|executed| executed.set(before));
    result
}

/// What `work` gives, and the multiply-accumulates of the products that it started.
pub fn counted<T: Send>(work: impl FnOnce() -> T + Send) -> (T, u64) {
    // Where `work` itself goes to the workers, it stays on this thread of theirs.
    on_workers(|| {
        let before = EXECUTED.with(Cell::get);
        let result = work();
        (result, EXECUTED.with(Cell::get) - before)
    })
}

/// Adds the products of an attention through `d` channels: queries with keys, weights with values, and
/// queries with all `n_offsets` rows of the relative positions' tables.
pub(crate) fn attention(layout: &RaggedLayout, d: usize, n_offsets: usize) {
    for segment in layout.segments.iter().filter(|segment| !segment.keys.is_empty()) {
        product(segment.queries.len(), d, 2 * segment.keys.len() + n_offsets);
    }
}
