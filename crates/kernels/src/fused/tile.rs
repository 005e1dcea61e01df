//! The kernel of a matrix product: tiles of the result in registers.

use std::marker::PhantomData;

use super::math::gelu;
use super::simd::{MAX_LANES, MAX_TILE_ROWS, Vector, multiversion, prefetch};

/// A product of some rows with a piece of one panel.
#[derive(Clone, Copy)]
pub(super) struct Piece<F> {
    /// The rows of the left matrix, and the panel.
    pub factors: F,
    /// What the sums start from, and its stride.
    pub start: Option<(*const f32, usize)>,
    pub target: *mut f32,
    pub target_stride: usize,
    /// Columns of start, target and bias.
    pub n_cols: usize,
    pub bias: Option<*const f32>,
    pub gelu: bool,
}

/// How the sums of a tile come about.
///
/// # Safety
/// [`multiply`](Self::multiply) must read and write nothing but what its contract says.
pub(super) unsafe trait Tile {
    type Vector: Vector;
    type Factors: Copy;
    /// The factors without the first rows of the left matrix.
    ///
    /// # Safety
    /// The left matrix must have the rows.
    unsafe fn from_row(factors: Self::Factors, row: usize) -> Self::Factors;
    /// A tile of `ROWS` rows and two whole vectors.
    ///
    /// # Safety
    /// As [`multiply_body`] for `ROWS` rows of a piece as wide as its panel.
    unsafe fn multiply<const ROWS: usize>(piece: &Piece<Self::Factors>);
}

/// The left matrix and a piece of a panel in `f32`.
#[derive(Clone, Copy)]
pub(super) struct FloatFactors {
    /// The left matrix, `k` columns.
    pub a: *const f32,
    pub a_stride: usize,
    /// `k` rows of two vectors.
    pub panel: *const f32,
    pub k: usize,
}

/// Repeats a block for each row of a tile, written out: with constant indices the compiler keeps the
/// sums in registers.
macro_rules! each_row {
    ($rows:ident, $row:ident => $body:block) => {
        each_row!(@ $rows, $row, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $rows:ident, $row:ident, $body:block, $($number:literal)*) => {
        $(if $number < $rows {
            let $row: usize = $number;
            $body
        })*
    };
}
pub(super) use each_row;

/// Multiplication and addition of `f32`, along k one by one.
struct Floats<V>(PhantomData<V>);

// SAFETY: k rows of two vectors are read of the panel, and a value for each of them of each row of the left matrix.
unsafe impl<V: Vector> Tile for Floats<V> {
    type Vector = V;
    type Factors = FloatFactors;

    #[inline(always)]
    unsafe fn from_row(factors: FloatFactors, row: usize) -> FloatFactors {
        // SAFETY: the caller's promise.
        FloatFactors { a: unsafe { factors.a.add(row * factors.a_stride) }, ..factors }
    }

    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(piece: &Piece<FloatFactors>) {
        // SAFETY: the caller's promise.
        unsafe { multiply_floats::<V, ROWS>(piece) }
    }
}

/// # Safety
/// As [`Tile::multiply`].
#[inline(always)]
unsafe fn multiply_floats<V: Vector, const ROWS: usize>(piece: &Piece<FloatFactors>) {
    /// How many rows of a panel ahead the next are asked for.
    const AHEAD: usize = 12;
    // SAFETY: the caller's promise.
    unsafe {
        let FloatFactors { a, a_stride, panel, k } = piece.factors;
        let &Piece { start, target, target_stride, bias, .. } = piece;
        let mut low = [V::splat(0.0); MAX_TILE_ROWS];
        let mut high = [V::splat(0.0); MAX_TILE_ROWS];
        if let Some((start, start_stride)) = start {
            each_row!(ROWS, row => {
                low[row] = V::load(start.add(row * start_stride));
                high[row] = V::load(start.add(row * start_stride + V::LANES));
            });
        }
        let mut weights = panel;
        for i in 0..k {
            prefetch(weights.wrapping_add(AHEAD * 2 * V::LANES));
            prefetch(weights.wrapping_add(AHEAD * 2 * V::LANES + V::LANES));
            let low_weights = V::load(weights);
            let high_weights = V::load(weights.add(V::LANES));
            let a = a.add(i);
            each_row!(ROWS, row => {
                let value = V::splat(*a.add(row * a_stride));
                low[row] = value.mul_add(low_weights, low[row]);
                high[row] = value.mul_add(high_weights, high[row]);
            });
            weights = weights.add(2 * V::LANES);
        }
        if let Some(bias) = bias {
            let (low_bias, high_bias) = (V::load(bias), V::load(bias.add(V::LANES)));
            each_row!(ROWS, row => {
                low[row] = low[row].add(low_bias);
                high[row] = high[row].add(high_bias);
            });
        }
        each_row!(ROWS, row => {
            low[row].store(target.add(row * target_stride));
            high[row].store(target.add(row * target_stride + V::LANES));
        });
    }
}

/// # Safety
/// Both must have the rows, of no fewer than `n` values, and not overlap.
unsafe fn copy_rows(
    source: *const f32,
    source_stride: usize,
    target: *mut f32,
    target_stride: usize,
    n_rows: usize,
    n: usize,
) {
    for row in 0..n_rows {
        // SAFETY: the caller's promise.
        unsafe {
            let source = source.add(row * source_stride);
            source.copy_to_nonoverlapping(target.add(row * target_stride), n);
        }
    }
}

/// # Safety
/// The machine must have the instruction set, and the panel be made for it. The left matrix must hold `n_rows` rows
/// as deep as the panel, start `n_rows` rows of `n_cols`, the bias `n_cols`, and the target have room for `n_rows`
/// rows of `n_cols`, no more than two vectors wide. Start and target may be the same, or apart.
#[inline(always)]
pub(super) unsafe fn multiply_body<T: Tile>(n_rows: usize, piece: &Piece<T::Factors>) {
    let (lanes, tile_rows) = (T::Vector::LANES, T::Vector::TILE_ROWS);
    let width = 2 * lanes;
    // A panel that is not full goes through a whole tile beside the target.
    let is_narrow = piece.n_cols < width;
    let mut beside = [0.0_f32; MAX_TILE_ROWS * 2 * MAX_LANES];
    let mut bias = [0.0_f32; 2 * MAX_LANES];
    let mut row = 0;
    while row < n_rows {
        // Tiles of about equal height.
        let left = n_rows - row;
        let height = left.div_ceil(left.div_ceil(tile_rows));
        // SAFETY: rows of the piece, as the caller promises them; `beside` and `bias` hold the highest tile of two
        // vectors' width.
        unsafe {
            let own = Piece {
                factors: T::from_row(piece.factors, row),
                start: piece.start.map(|(start, stride)| (start.add(row * stride), stride)),
                target: piece.target.add(row * piece.target_stride),
                ..*piece
            };
            let mut whole = own;
            if is_narrow {
                whole.target = beside.as_mut_ptr();
                whole.target_stride = width;
                if let Some((start, stride)) = own.start {
                    copy_rows(start, stride, whole.target, width, height, own.n_cols);
                    whole.start = Some((whole.target, width));
                }
                if let Some(own_bias) = own.bias {
                    own_bias.copy_to_nonoverlapping(bias.as_mut_ptr(), own.n_cols);
                    whole.bias = Some(bias.as_ptr());
                }
            }
            macro_rules! of_height {
                ($($rows:literal)*) => {
                    match height {
                        $($rows if $rows <= T::Vector::TILE_ROWS => T::multiply::<$rows>(&whole),)*
                        _ => unreachable!("a tile has at most 14 rows"),
                    }
                };
            }
            of_height!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            if piece.gelu {
                for row in 0..height {
                    for part in [0, lanes] {
                        let target = whole.target.add(row * whole.target_stride + part);
                        gelu(T::Vector::load(target)).store(target);
                    }
                }
            }
            if is_narrow {
                copy_rows(whole.target, width, own.target, own.target_stride, height, own.n_cols);
            }
        }
        row += height;
    }
}

/// # Safety
/// As [`multiply_body`].
#[inline(always)]
unsafe fn multiply_floats_body<V: Vector>(n_rows: usize, piece: &Piece<FloatFactors>) {
    // SAFETY: the caller's promise.
    unsafe { multiply_body::<Floats<V>>(n_rows, piece) }
}
multiversion! {
    /// A piece for `n_rows` rows.
    ///
    /// # Safety
    /// As [`multiply_body`], but for the instruction set.
    pub(super) unsafe fn multiply_piece(n_rows: usize, piece: &Piece<FloatFactors>) = multiply_floats_body;
}
