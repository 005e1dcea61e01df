//! Vectors of `f32`, and functions compiled once for every instruction set.
//!
//! A kernel is written once, generic over [`Vector`], and compiled for AVX-512, for AVX2 with FMA and
//! for whatever the target has (SSE2, NEON: arrays that the compiler vectorises); [`multiversion!`]
//! makes the function that picks by [`Level`]. An operation asks for the level once and hands it to all its
//! kernels, so that results never depend on how work is split between threads.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

use crate::level::{Kind, Level};

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

/// Twice the lanes of the vectors that [`multiversion!`] picks.
pub(crate) fn width_of_two_vectors(level: Level) -> usize {
    2 * match level.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => x86::Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => x86::Avx2::LANES,
        _ => Portable::LANES,
    }
}

/// Asks for a cache line that will be read soon; any address will do.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and SSE belongs to the target.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// `fn name(arguments) -> result = body;` makes `name(level, arguments)`, which runs `body` with the vectors of the
/// level. `body` is an `unsafe fn` generic over one [`Vector`], all of it `#[inline(always)]`; it may demand that
/// the machine has the vector's instruction set, and nothing else. With `unsafe fn name` it may demand more, which
/// is then what callers of `name` promise.
macro_rules! multiversion {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name(level: $crate::level::Level, $($argument: $type),*) $(-> $result)? {
            $crate::fused::simd::multiversion!(@ level, $body, ($($argument: $type),*) $(-> $result)?)
        }
    };
    ($(#[$meta:meta])* $visibility:vis unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $visibility unsafe fn $name(level: $crate::level::Level, $($argument: $type),*) $(-> $result)? {
            $crate::fused::simd::multiversion!(@ level, $body, ($($argument: $type),*) $(-> $result)?)
        }
    };
    (@ $level:ident, $body:ident, ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        #[allow(clippy::too_many_arguments)]
        unsafe fn avx512($($argument: $type),*) $(-> $result)? {
            // SAFETY: this function is compiled for the instruction set; the rest is the caller's promise.
            unsafe { $body::<$crate::fused::simd::Avx512>($($argument),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[allow(clippy::too_many_arguments)]
        unsafe fn avx2($($argument: $type),*) $(-> $result)? {
            // SAFETY: as above.
            unsafe { $body::<$crate::fused::simd::Avx2>($($argument),*) }
        }
        // SAFETY: a level is one that the machine has; the rest, if any, is the caller's promise.
        unsafe {
            match $level.kind() {
                #[cfg(target_arch = "x86_64")]
                $crate::level::Kind::Avx512 => avx512($($argument),*),
                #[cfg(target_arch = "x86_64")]
                $crate::level::Kind::Avx2 => avx2($($argument),*),
                _ => $body::<$crate::fused::simd::Portable>($($argument),*),
            }
        }
    }};
}
pub(crate) use multiversion;

/// Calls `$body` with each start of a full vector, then `$tail` with the start and length of the rest.
macro_rules! each_vector {
    ($vector:ident, $length:expr, $i:ident => $body:block, $n:ident => $tail:block) => {{
        let length: usize = $length;
        let mut $i = 0;
        while $i + $vector::LANES <= length {
            $body
            $i += $vector::LANES;
        }
        if $i < length {
            let $n = length - $i;
            $tail
        }
    }};
}
pub(crate) use each_vector;
