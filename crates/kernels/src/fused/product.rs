//! Matrix products with weights in [`Panels`], or [narrow](super::narrow).
//!
//! The kernel keeps a tile of the result in registers while it walks down a panel, and adds along k one by one, so
//! that a row of the result depends on its own row of the left matrix only, bit for bit, whatever the number of
//! rows and threads.

use std::ops::Range;

use rayon::prelude::*;

use super::memory::{Slot, with_scratch};
use super::narrow::{Left, Narrow};
use super::panels::Panels;
use super::simd::MAX_TILE_ROWS;
use super::tile::{FloatFactors, Piece, multiply_piece};
use super::view::{Shared, View};
use super::weights::Right;

/// Panels are read in pieces of up to this many rows: the piece of the left matrix that belongs to it
/// stays in the second-level cache.
const DEPTH: usize = 1024;
/// Rows of the left matrix in one task, at most.
const TASK_ROWS: usize = 112;
/// Products of fewer multiply-accumulates stay on one thread.
const PARALLEL_MACS: usize = 64 * 1024;

/// What is added to a product, and what becomes of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Epilogue<'a> {
    /// The sums start from this matrix instead of zero.
    pub start: Option<View<'a>>,
    /// One value a column, added at the end.
    pub bias: Option<&'a [f32]>,
    /// GELU after the bias.
    pub gelu: bool,
}

/// Everything that a product reads, checked to fit together and into its target.
#[derive(Clone, Copy)]
struct Product<'a> {
    a: View<'a>,
    b: Right<'a>,
    epilogue: Epilogue<'a>,
    /// The sums start from what the target holds.
    onto_target: bool,
    /// `[m, n]`, dense.
    target: Shared<'a>,
}

impl<'a> Product<'a> {
    /// # Safety
    /// If the sums start from the target, it must have been written.
    unsafe fn checked(
        target: Shared<'a>,
        a: View<'a>,
        b: Right<'a>,
        epilogue: Epilogue<'a>,
        onto_target: bool,
    ) -> Self {
        let (m, [k, n]) = (a.n_rows(), b.shape());
        assert!(a.n_cols() == k && a.has_dense_rows(), "matrix product of {:?} and [{k}, {n}]", a.shape());
        assert!(m.checked_mul(n) == Some(target.len()), "matrix product [{m}, {n}] to {} values", target.len());
        if let Some(bias) = epilogue.bias {
            assert!(bias.len() == n, "matrix product [{m}, {n}]: {} values of bias", bias.len());
        }
        if let Some(start) = epilogue.start {
            assert!(
                start.shape() == [m, n] && start.has_dense_rows(),
                "matrix product [{m}, {n}] from {:?} on",
                start.shape()
            );
        }
        Self { a, b, epilogue, onto_target, target }
    }

    /// Splits it over the threads.
    fn run(&self) {
        match self.b {
            Right::Floats(b) => self.split(|rows, panels| {
                // SAFETY: no other task has both these rows and these panels.
                unsafe { self.multiply_panels(b, rows, panels) }
            }),
            Right::Narrow(b) => {
                let left = Left::of(self.a, b.kernel(), true);
                self.split(|rows, panels| {
                    // SAFETY: as above.
                    unsafe { self.multiply_narrow(b, &left, rows, panels) }
                });
            }
        }
    }

    /// All of it on this thread.
    ///
    /// # Safety
    /// Nobody else may be at work on the target.
    unsafe fn run_here(&self) {
        let (rows, panels) = (0..self.a.n_rows(), 0..self.b.n_panels());
        // SAFETY: the caller's promise.
        unsafe {
            match self.b {
                _ if rows.is_empty() => {}
                Right::Floats(b) => self.multiply_panels(b, rows, panels),
                Right::Narrow(b) => self.multiply_narrow(b, &Left::of(self.a, b.kernel(), false), rows, panels),
            }
        }
    }

    /// Calls `work` on the threads with pairs of rows and panels that cover all.
    fn split(&self, work: impl Fn(Range<usize>, Range<usize>) + Sync) {
        let (m, [k, n]) = (self.a.n_rows(), self.b.shape());
        if m == 0 || n == 0 {
            return;
        }
        let n_panels = self.b.n_panels();
        // Tasks: blocks of rows times groups of panels, some for each thread to even out.
        let block = m.div_ceil(m.div_ceil(TASK_ROWS)).next_multiple_of(MAX_TILE_ROWS);
        let n_blocks = m.div_ceil(block);
        let n_groups = (4 * rayon::current_num_threads()).div_ceil(n_blocks).min(n_panels);
        let group = n_panels.div_ceil(n_groups);
        let n_groups = n_panels.div_ceil(group);
        let task = |task: usize| {
            let (first, panel) = (task / n_groups * block, task % n_groups * group);
            work(first..(first + block).min(m), panel..(panel + group).min(n_panels));
        };
        let n_tasks = n_blocks * n_groups;
        let n_macs = m.saturating_mul(n).saturating_mul(k);
        if n_tasks == 1 || n_macs < PARALLEL_MACS {
            (0..n_tasks).for_each(task);
        } else {
            (0..n_tasks).into_par_iter().with_max_len(1).for_each(task);
        }
    }

    /// The columns of some panels in some rows.
    ///
    /// # Safety
    /// Nobody else may be at work on them.
    unsafe fn multiply_panels(&self, b: &Panels, rows: Range<usize>, panels: Range<usize>) {
        let [k, _] = b.shape();
        let a = self.a.rows(rows.clone());
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
        let mut row = 0;
        loop {
            let length = depth.min(k - row);
            let is_last = row + length == k;
            with_apart(a.cols(row..row + length), panels.len(), |a| {
                for panel in panels.clone() {
                    let factors = FloatFactors {
                        a: a.as_ptr(),
                        a_stride: a.row_stride() as usize,
                        panel: b.row(panel, row),
                        k: length,
                    };
                    let piece = self.piece(factors, rows.clone(), [panel, b.width()], row > 0, is_last);
                    // SAFETY: `checked` saw to it that a has these rows and columns; the panel is made for its
                    // level and has `length` rows from here on; the rest is the piece's.
                    unsafe { multiply_piece(b.level(), rows.len(), &piece) };
                }
            });
            row += length;
            if is_last {
                return;
            }
        }
    }

    /// The same of narrow numbers; `left` is a, made for the kernel of b.
    ///
    /// # Safety
    /// Nobody else may be at work on them.
    unsafe fn multiply_narrow(&self, b: &Narrow, left: &Left, rows: Range<usize>, panels: Range<usize>) {
        for panel in panels {
            let factors = b.factors(left, rows.start, panel);
            let piece = self.piece(factors, rows.clone(), [panel, b.width()], false, true);
            // SAFETY: `checked` saw to it that a is as deep as b; left has its rows, made for the kernel of the
            // panel; the rest is the piece's.
            unsafe { b.kernel().multiply_piece(rows.len(), &piece) };
        }
    }

    /// Some rows of a panel of a width, with start and bias, checked to have these rows and columns, and a target of
    /// its own. Pieces above it along k may have left their sums in the target, and others may follow.
    fn piece<F>(
        &self,
        factors: F,
        rows: Range<usize>,
        [panel, width]: [usize; 2],
        is_begun: bool,
        is_last: bool,
    ) -> Piece<F> {
        let (epilogue, [_, n]) = (&self.epilogue, self.b.shape());
        let cols = panel * width..((panel + 1) * width).min(n);
        let mut target = self.target.matrix(rows.start * n + cols.start, [rows.len(), cols.len()], n);
        let target = target.as_mut_ptr();
        let start = match epilogue.start {
            _ if is_begun || self.onto_target => Some((target.cast_const(), n)),
            Some(start) => {
                let start = start.rows(rows).cols(cols.clone());
                Some((start.as_ptr(), start.row_stride() as usize))
            }
            None => None,
        };
        Piece {
            factors,
            start,
            target,
            target_stride: n,
            n_cols: cols.len(),
            bias: epilogue.bias.filter(|_| is_last).map(|bias| bias[cols].as_ptr()),
            gelu: epilogue.gelu && is_last,
        }
    }
}

/// Calls `work` with rows that can stand in the first-level cache beside each other: rows whose distance is a multiple of
/// a page fall on the same few places of it, and are copied first where they are read often enough.
fn with_apart(rows: View<'_>, n_reads: usize, work: impl FnOnce(View<'_>)) {
    /// Values of a page.
    const PAGE: usize = 1024;
    /// Values of a cache line.
    const LINE: usize = 16;
    /// Places for what falls on the same one.
    const WAYS: usize = 8;
    let [m, k] = rows.shape();
    if !(rows.row_stride() as usize).is_multiple_of(PAGE) || m <= WAYS || n_reads < 3 || k == 0 {
        return work(rows);
    }
    let stride = k.next_multiple_of(LINE) + LINE;
    with_scratch(m * stride, |scratch| {
        for (i, row) in scratch.chunks_mut(stride).enumerate() {
            row[..k].copy_from_slice(rows.row(i));
        }
        work(View::of_rows(scratch, [m, stride]).cols(0..k));
    });
}

/// `target = epilogue(a * b)`, without gaps in the target; a must have dense rows.
pub(crate) fn multiply(target: &mut [Slot], a: View<'_>, b: Right<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the tasks write different tiles, and the sums start elsewhere.
    unsafe { Product::checked(Shared::new(target), a, b, epilogue, false) }.run();
}

/// `target = epilogue(target + a * b)`; there must be no other start.
pub(crate) fn multiply_onto(target: &mut [f32], a: View<'_>, b: Right<'_>, epilogue: Epilogue<'_>) {
    assert!(epilogue.start.is_none());
    // SAFETY: the tasks write different tiles, and the target holds values.
    unsafe { Product::checked(Shared::of_values(target), a, b, epilogue, true) }.run();
}

/// [`multiply`] on this thread, over values that may be anything.
pub(crate) fn multiply_block(target: &mut [f32], a: View<'_>, b: Right<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: there is one task, and what it writes are values.
    unsafe { run_block(Shared::of_values(target), a, b, epilogue) };
}

/// [`multiply`] on this thread.
pub(crate) fn multiply_new_block(target: &mut [Slot], a: View<'_>, b: Right<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: there is one task.
    unsafe { run_block(Shared::new(target), a, b, epilogue) };
}

/// # Safety
/// Nobody else may be at work on the target.
unsafe fn run_block(target: Shared<'_>, a: View<'_>, b: Right<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the sums start elsewhere; the rest is the caller's promise.
    unsafe {
        Product::checked(target, a, b, epilogue, false).run_here();
    }
}
