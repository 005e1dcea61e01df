//! What every kind of vector can do.

/// Lanes of the widest vector.
pub(crate) const MAX_LANES: usize = 16;
/// Rows of the highest tile.
pub(crate) const MAX_TILE_ROWS: usize = 14;

/// A register's worth of `f32`. That there is one proves that the machine has its instruction set: only the
/// functions that make one from something else have to be promised it.
///
/// # Safety
/// `LANES` is no more than [`MAX_LANES`] and `TILE_ROWS` no more than [`MAX_TILE_ROWS`], and the methods read and
/// write no memory but what their contracts say.
pub(crate) unsafe trait Vector: Copy {
    const LANES: usize;
    /// Rows of a tile of a matrix product: two sums a row, two vectors of weights and a value fill the
    /// registers.
    const TILE_ROWS: usize;
    /// # Safety
    /// The machine must have the instruction set.
    unsafe fn splat(value: f32) -> Self;
    /// # Safety
    /// The machine must have the instruction set, and `LANES` values must be readable.
    unsafe fn load(source: *const f32) -> Self;
    /// # Safety
    /// `LANES` values must be writable.
    unsafe fn store(self, target: *mut f32);
    /// The first `n < LANES` lanes; the others are zero.
    ///
    /// # Safety
    /// The machine must have the instruction set, `n` must be below `LANES`, and `n` values must be readable.
    unsafe fn load_first(source: *const f32, n: usize) -> Self;
    /// Writes the first `n < LANES` lanes.
    ///
    /// # Safety
    /// `n` must be below `LANES`, and `n` values must be writable.
    unsafe fn store_first(self, target: *mut f32, n: usize);
    /// `base[index[lane]]`; indices may be negative.
    ///
    /// # Safety
    /// The machine must have the instruction set, `LANES` indices must be readable, and so must what they
    /// point at.
    unsafe fn gather(base: *const f32, index: *const i32) -> Self;
    /// Numbers of sixteen bits (`bf16`), widened.
    ///
    /// # Safety
    /// The machine must have the instruction set, and two bytes a lane must be readable.
    unsafe fn load_bf16(source: *const u8) -> Self;
    /// Writes integral values as bytes; those below -128 or above 127 become these, and what is no number anything.
    ///
    /// # Safety
    /// `LANES` bytes must be writable.
    unsafe fn store_bytes(self, target: *mut i8);
    /// Every lane `value`.
    fn filled(self, value: f32) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    /// `self * factor + addend`
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// To the nearest integer, ties to even.
    fn round(self) -> Self;
    /// `2^self` for integral values in -126..=127.
    fn exp2_of_integer(self) -> Self;
    fn sum(self) -> f32;
    fn largest(self) -> f32;
}
