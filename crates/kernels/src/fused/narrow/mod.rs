//! Weights in eight or sixteen bits, for products in a fraction of the time and memory.
//!
//! *Eight bits*: weights are integers times one scale a column (output channel), symmetric about zero; rows of the left
//! matrix are the same times one scale a row, found as they come. Products and sums are exact in 32 bits, so that
//! they are the same at every level, whatever instructions it has. *Sixteen bits*: both sides are `bf16` where the
//! machine multiplies them, else the weights alone; sums are `f32`. Either way a row of the result depends on its own row
//! only, bit for bit.

mod dot;
mod kernel;
mod left;
mod tile;

use std::fmt;

use rayon::prelude::*;

use super::memory::n_values;
use super::view::View;
use crate::level;
use crate::precision::NarrowPrecision;
use kernel::{Kernel, WeightForm};
use left::{largest_bits, scale_of, to_bf16, to_byte};

pub(super) use left::Left;
pub(super) use tile::NarrowFactors;

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);
const LINE: usize = 64;

/// A matrix `[k, n]` in panels of two vectors' width, as the kernel that they were made for reads them. In a panel lie
/// groups of values along k, two vectors' lanes in each, and a lane's values beside each other.
pub(crate) struct Narrow {
    kernel: Kernel,
    lines: Vec<Line>,
    /// One a column, for whole panels.
    scales: Vec<f32>,
    k: usize,
    n: usize,
}

impl fmt::Debug for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Narrow [{}, {}] for {:?}", self.k, self.n, self.kernel)
    }
}

impl Narrow {
    /// More rows could exceed 32 bits in a sum of products: 255 * 127 each.
    const MAX_ROWS: usize = 1 << 16;

    /// Of a matrix with any strides; `None` where it is too deep for exact sums.
    pub fn of(matrix: View<'_>, precision: NarrowPrecision) -> Option<Self> {
        let [k, n] = matrix.shape();
        if k > Self::MAX_ROWS {
            return None;
        }
        let kernel = Kernel::of(level::current(), precision);
        let mut narrow = Self { kernel, lines: Vec::new(), scales: Vec::new(), k, n };
        let (width, a_panel) = (kernel.width(), narrow.panel_bytes().div_ceil(LINE));
        let n_lines = n_values("prepacked weights", &[narrow.n_panels(), a_panel]);
        narrow.lines.resize(n_lines, Line([0; LINE]));
        narrow.scales.resize(narrow.n_panels() * width, 0.0);
        // Without rows there is nothing to fill.
        if a_panel > 0 {
            let panels = narrow.lines.par_chunks_mut(a_panel).zip(narrow.scales.par_chunks_mut(width));
            panels.enumerate().for_each(|(panel, (lines, scales))| {
                // SAFETY: a line is its bytes, without padding.
                let bytes =
                    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) };
                let columns = matrix.cols(panel * width..((panel + 1) * width).min(n));
                for (lane, scale) in scales[..columns.n_cols()].iter_mut().enumerate() {
                    *scale = fill_lane(kernel, columns.cols(lane..lane + 1), lane, bytes);
                }
            });
        }
        Some(narrow)
    }

    /// `[k, n]`
    pub fn shape(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    pub fn n_panels(&self) -> usize {
        self.n.div_ceil(self.width())
    }

    /// Columns of a panel.
    pub fn width(&self) -> usize {
        self.kernel.width()
    }

    /// Of the left side of a product with it.
    pub(in crate::fused) fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn n_groups(&self) -> usize {
        self.k.div_ceil(self.kernel.group())
    }

    fn panel_bytes(&self) -> usize {
        self.n_groups() * self.width() * lane_bytes(self.kernel)
    }

    /// What multiplies rows of the left matrix, from `row` on, with a panel.
    ///
    /// The left matrix must be as deep, and made for this kernel.
    pub(in crate::fused) fn factors(&self, left: &Left, row: usize, panel: usize) -> NarrowFactors {
        let (words, scales, starts, left_stride) = left.rows_from(row);
        let a_panel = self.panel_bytes().div_ceil(LINE);
        NarrowFactors {
            left: words.as_ptr(),
            left_stride,
            row_scales: scales.as_ptr(),
            row_starts: starts.as_ptr(),
            panel: self.lines[panel * a_panel..].as_ptr().cast(),
            n_groups: self.n_groups(),
            col_scales: self.scales[panel * self.width()..].as_ptr(),
        }
    }
}

/// Bytes of a lane in a group.
fn lane_bytes(kernel: Kernel) -> usize {
    match kernel.weight_form() {
        WeightForm::Signed | WeightForm::Unsigned => kernel.group(),
        WeightForm::Bf16 => 2 * kernel.group(),
    }
}

/// Writes a column to its lane of a panel, and returns its scale.
fn fill_lane(kernel: Kernel, column: View<'_>, lane: usize, panel: &mut [u8]) -> f32 {
    let column: Vec<f32> = (0..column.n_rows()).map(|row| column.row(row)[0]).collect();
    let (group, a_lane) = (kernel.group(), lane_bytes(kernel));
    let a_value = a_lane / group;
    let places = (0..column.len().next_multiple_of(group))
        .map(|i| i / group * kernel.width() * a_lane + lane * a_lane + i % group * a_value);
    let values = column.iter().copied().chain(std::iter::repeat(0.0));
    let (scale, inverse) = match kernel.weight_form() {
        WeightForm::Bf16 => (1.0, 1.0),
        WeightForm::Signed | WeightForm::Unsigned => scale_of(largest_bits(kernel.level(), &column)),
    };
    for (place, value) in places.zip(values) {
        match kernel.weight_form() {
            WeightForm::Signed => panel[place] = to_byte(value, inverse).cast_unsigned(),
            WeightForm::Unsigned => panel[place] = to_byte(value, inverse).cast_unsigned() ^ 0x80,
            WeightForm::Bf16 => panel[place..place + 2].copy_from_slice(&to_bf16(value).to_le_bytes()),
        }
    }
    scale
}
