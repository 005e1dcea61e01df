//! Weights in the CPU's own order.
//!
//! [`Panels`] hold a matrix as the kernel of the [`product`](super::product) reads it: panels of two vectors' width,
//! each from top to bottom. Weights that are prepacked once, at load, are read in one stream: that pays most for
//! few rows, where bringing the weights into order costs more than the product.

use std::cell::RefCell;
use std::fmt;

use rayon::prelude::*;

use super::memory::n_values;
use super::simd::width_of_two_vectors;
use super::view::View;
use crate::level::{self, Level};

/// Matrices of fewer values are brought into order on one thread.
const PARALLEL_VALUES: usize = 64 * 1024;

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);
const LINE: usize = 16;

/// A matrix `[k, n]` in panels of two vectors' width, the last filled up with zeros. The width is that of the
/// level that the panels were made for; only its kernels can read them.
pub(crate) struct Panels {
    level: Level,
    lines: Vec<Line>,
    k: usize,
    n: usize,
}

impl fmt::Debug for Panels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panels [{}, {}] for {}", self.k, self.n, self.level)
    }
}

impl Panels {
    /// Of a matrix with any strides.
    pub fn of(matrix: View<'_>) -> Self {
        Self::in_lines(Vec::new(), matrix)
    }

    /// The same in memory that was used before.
    fn in_lines(mut lines: Vec<Line>, matrix: View<'_>) -> Self {
        let level = level::current();
        let ([k, n], width) = (matrix.shape(), width_of_two_vectors(level));
        let n_panels = n.div_ceil(width);
        let a_panel = n_values("prepacked weights", &[k, width / LINE]);
        lines.resize(n_values("prepacked weights", &[n_panels, a_panel]), Line([0.0; LINE]));
        let fill = |(i, panel): (usize, &mut [Line])| {
            let first = i * width;
            // SAFETY: a line is its values, without padding.
            let panel: &mut [f32] =
                unsafe { std::slice::from_raw_parts_mut(panel.as_mut_ptr().cast(), panel.len() * LINE) };
            fill_panel(panel, width, matrix.cols(first..(first + width).min(n)));
        };
        // Without rows there is nothing to fill.
        if a_panel > 0 && k * n < PARALLEL_VALUES {
            lines.chunks_mut(a_panel).enumerate().for_each(fill);
        } else if a_panel > 0 {
            lines.par_chunks_mut(a_panel).enumerate().for_each(fill);
        }
        Self { level, lines, k, n }
    }

    /// `[k, n]`
    pub fn shape(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// The instruction set whose kernels read them.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Columns of a panel.
    pub fn width(&self) -> usize {
        width_of_two_vectors(self.level)
    }

    pub fn n_panels(&self) -> usize {
        self.n.div_ceil(self.width())
    }

    /// Where row `row` of a panel stands; `width` values a row follow from there to the panel's end.
    pub fn row(&self, panel: usize, row: usize) -> *const f32 {
        assert!(panel < self.n_panels() && row <= self.k, "row {row} of panel {panel} of {self:?}");
        self.lines[(panel * self.k + row) * self.width() / LINE..].as_ptr().cast()
    }
}

/// Copies columns into a panel of `width` columns.
fn fill_panel(panel: &mut [f32], width: usize, columns: View<'_>) {
    let [n_rows, n_cols] = columns.shape();
    assert!(n_cols <= width && panel.len() == n_rows * width);
    let (row_stride, col_stride) = (columns.row_stride(), columns.col_stride());
    let (start, panel) = (columns.as_ptr(), panel.as_mut_ptr());
    let by_rows = col_stride.abs() <= row_stride.abs();
    // SAFETY: these are elements of the view, and the panel has as many rows of no fewer columns.
    unsafe {
        for outer in 0..if by_rows { n_rows } else { n_cols } {
            if by_rows {
                let source = start.offset(outer as isize * row_stride);
                let target = panel.add(outer * width);
                if col_stride == 1 {
                    source.copy_to_nonoverlapping(target, n_cols);
                } else {
                    for col in 0..n_cols {
                        *target.add(col) = *source.offset(col as isize * col_stride);
                    }
                }
            } else {
                let source = start.offset(outer as isize * col_stride);
                for row in 0..n_rows {
                    *panel.add(row * width + outer) = *source.offset(row as isize * row_stride);
                }
            }
        }
        // Memory that was used before may hold anything.
        if n_cols < width {
            for row in 0..n_rows {
                panel.add(row * width + n_cols).write_bytes(0, width - n_cols);
            }
        }
    }
}

thread_local! {
    /// Memory for panels that are used once, kept from product to product.
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with the panels of a matrix that is used once.
pub(crate) fn with_panels<T>(matrix: View<'_>, work: impl FnOnce(&Panels) -> T) -> T {
    // Taken out: a task that this thread runs while it waits may need some too.
    let panels = Panels::in_lines(LINES.take(), matrix);
    let result = work(&panels);
    LINES.set(panels.lines);
    result
}
