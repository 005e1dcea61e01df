//! Counts the multiply-accumulates of the operations' matrix products as they run, to check predictions
//! of cost with. Whether an operation is fused or composed, prepacked or not, makes no difference.

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
    let macs = [m, k, n].into_iter().fold(1_u64, |macs, size| macs.saturating_mul(size as u64));
    EXECUTED.set(EXECUTED.get().saturating_add(macs));
}

/// Runs `work` and forgets what it counted.
#[cfg(feature = "flex")]
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    crate::switch::with(&EXECUTED, EXECUTED.get(), work)
}

/// What `work` gives, and the multiply-accumulates of the products that it started.
pub fn counted<T: Send>(work: impl FnOnce() -> T + Send) -> (T, u64) {
    // Where `work` itself goes to the workers, it stays on this thread of theirs.
    on_workers(|| {
        let before = EXECUTED.get();
        let result = work();
        (result, EXECUTED.get() - before)
    })
}

/// Adds the products of an attention through `d` channels: queries with keys, weights with values, and
/// queries with all `n_offsets` rows of the relative positions' tables.
pub(crate) fn attention(layout: &RaggedLayout, d: usize, n_offsets: usize) {
    for sequence in layout.sequences().iter().filter(|sequence| !sequence.keys.is_empty()) {
        product(sequence.queries.len(), d, 2 * sequence.keys.len() + n_offsets);
    }
}
