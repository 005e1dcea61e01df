//! Tiles of a product whose factors are narrow.

use std::marker::PhantomData;

use super::dot::Dot;
use crate::fused::simd::{MAX_TILE_ROWS, Vector, prefetch};
use crate::fused::tile::{Piece, Tile, each_row, multiply_body};

/// Rows of the left matrix and a panel of narrow numbers.
#[derive(Clone, Copy)]
pub(in crate::fused) struct NarrowFactors {
    /// The left matrix, `n_groups` words a row.
    pub left: *const u32,
    /// Words from a row to the next.
    pub left_stride: usize,
    /// What a row's sums are multiplied with.
    pub row_scales: *const f32,
    /// What a row's sums start from.
    pub row_starts: *const i32,
    /// `n_groups` groups of two vectors.
    pub panel: *const u8,
    pub n_groups: usize,
    /// What a column's sums are multiplied with, for two whole vectors.
    pub col_scales: *const f32,
}

/// Sums of products, multiplied with the scales of their row and column.
struct Scaled<D>(PhantomData<D>);

// SAFETY: of the panel, n_groups groups of two vectors are read, of each row as many groups and its scale and start,
// and two vectors of scales.
unsafe impl<D: Dot> Tile for Scaled<D> {
    type Vector = D::Float;
    type Factors = NarrowFactors;

    #[inline(always)]
    unsafe fn from_row(factors: NarrowFactors, row: usize) -> NarrowFactors {
        // SAFETY: the caller's promise.
        unsafe {
            NarrowFactors {
                left: factors.left.add(row * factors.left_stride),
                row_scales: factors.row_scales.add(row),
                row_starts: factors.row_starts.add(row),
                ..factors
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(piece: &Piece<NarrowFactors>) {
        // SAFETY: the caller's promise.
        unsafe { multiply_scaled::<D, ROWS>(piece) }
    }
}

/// # Safety
/// As [`Tile::multiply`].
#[inline(always)]
unsafe fn multiply_scaled<D: Dot, const ROWS: usize>(piece: &Piece<NarrowFactors>) {
    /// How many groups ahead the next are asked for.
    const AHEAD: usize = 12;
    /// Words of a cache line.
    const LINE: usize = 16;
    // SAFETY: the caller's promise.
    unsafe {
        let NarrowFactors { left, left_stride, row_scales, row_starts, panel, n_groups, col_scales } =
            piece.factors;
        let &Piece { start, target, target_stride, bias, .. } = piece;
        let lanes = <D::Float as Vector>::LANES;
        let mut low = [D::splat(0); MAX_TILE_ROWS];
        let mut high = low;
        each_row!(ROWS, row => {
            low[row] = D::splat(*row_starts.add(row));
            high[row] = low[row];
        });
        let mut weights = panel;
        let mut group = 0;
        while group < n_groups {
            each_row!(ROWS, row => { prefetch(left.wrapping_add(row * left_stride + group + 2 * LINE).cast()); });
            let line_end = n_groups.min(group + LINE);
            while group < line_end {
                prefetch(weights.wrapping_add(AHEAD * 2 * D::BYTES).cast());
                prefetch(weights.wrapping_add((AHEAD * 2 + 1) * D::BYTES).cast());
                let (low_weights, high_weights) = (D::load(weights), D::load(weights.add(D::BYTES)));
                let left = left.add(group);
                each_row!(ROWS, row => {
                    let left = left.add(row * left_stride);
                    low[row] = low[row].add(left, low_weights);
                    high[row] = high[row].add(left, high_weights);
                });
                weights = weights.add(2 * D::BYTES);
                group += 1;
            }
        }
        for (part, sums) in [(0, low), (lanes, high)] {
            let scales = D::Float::load(col_scales.add(part));
            each_row!(ROWS, row => {
                let sum = sums[row].to_float().mul(D::Float::splat(*row_scales.add(row)));
                let mut value = match start {
                    Some((start, stride)) => sum.mul_add(scales, D::Float::load(start.add(row * stride + part))),
                    None => sum.mul(scales),
                };
                if let Some(bias) = bias {
                    value = value.add(D::Float::load(bias.add(part)));
                }
                value.store(target.add(row * target_stride + part));
            });
        }
    }
}

/// # Safety
/// As [`multiply_body`].
#[inline(always)]
pub(super) unsafe fn multiply_narrow_body<D: Dot>(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: the caller's promise.
    unsafe { multiply_body::<Scaled<D>>(n_rows, piece) }
}
