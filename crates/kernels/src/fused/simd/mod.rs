//! Vectors of `f32`, and functions compiled once for every instruction set.
//!
//! A kernel is written once, generic over [`Vector`], and compiled for AVX-512, for AVX2 with FMA and
//! for whatever the target has (SSE2, NEON: arrays that the compiler vectorizes); [`multiversion!`]
//! makes the function that picks by [`Level`]. An operation asks for the level once and hands it to all its
//! kernels, so that results never depend on how work is split between threads.

mod portable;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
pub(crate) use vector::{MAX_LANES, MAX_TILE_ROWS, Vector};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

use crate::level::{Kind, Level};

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
