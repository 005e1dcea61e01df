//! Vectors of `f32`, and functions compiled once for every instruction set.
//!
//! A kernel is written once, generic over [`Vector`], and compiled for AVX-512, for AVX2 with FMA and
//! for whatever the target has (SSE2, NEON: arrays that the compiler vectorises); [`multiversion!`]
//! makes the function that picks at run time. On one machine it always picks the same, so results
//! never depend on how work is split between threads.

/// A register's worth of `f32`.
///
/// # Safety
/// The methods may only be called where the instruction set is available; pointers must be valid for
/// the lanes read or written.
pub(crate) trait Vector: Copy {
    const LANES: usize;
    /// Rows of a tile of a matrix product: two sums a row, two vectors of weights and a value fill the
    /// registers.
    const TILE_ROWS: usize;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(source: *const f32) -> Self;
    unsafe fn store(self, target: *mut f32);
    /// The first `n < LANES` lanes; the others are zero.
    unsafe fn load_first(source: *const f32, n: usize) -> Self;
    /// Writes the first `n < LANES` lanes.
    unsafe fn store_first(self, target: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    /// `self * factor + addend`
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// To the nearest integer, ties to even.
    unsafe fn round(self) -> Self;
    /// `2^self` for integral values in -126..=127.
    unsafe fn exp2_of_integer(self) -> Self;
    /// `base[index[lane]]`; indices may be negative.
    unsafe fn gather(base: *const f32, index: *const i32) -> Self;
    unsafe fn sum(self) -> f32;
    unsafe fn largest(self) -> f32;
}

/// Eight lanes for any target.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self;
        for lane in 0..8 {
            out.0[lane] = f(self.0[lane], other.0[lane]);
        }
        out
    }
}

impl Vector for Portable {
    const LANES: usize = 8;
    const TILE_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 2 };
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        Self(unsafe { source.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        unsafe { target.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(source: *const f32, n: usize) -> Self {
        let mut out = [0.0; 8];
        for (lane, value) in out.iter_mut().enumerate().take(n) {
            *value = unsafe { *source.add(lane) };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, n: usize) {
        for (lane, &value) in self.0.iter().enumerate().take(n) {
            unsafe { *target.add(lane) = value };
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        let mut out = addend;
        for lane in 0..8 {
            // Without the instruction, `f32::mul_add` is a slow call.
            out.0[lane] = if cfg!(target_arch = "aarch64") {
                self.0[lane].mul_add(factor.0[lane], addend.0[lane])
            } else {
                self.0[lane] * factor.0[lane] + addend.0[lane]
            };
        }
        out
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // Adding 1.5 * 2^23 leaves no bits below one; valid up to 2^22.
        const SHIFT: f32 = 12_582_912.0;
        self.zip(self, |a, _| (a + SHIFT) - SHIFT)
    }
    #[inline(always)]
    unsafe fn exp2_of_integer(self) -> Self {
        self.zip(self, |a, _| f32::from_bits(((a as i32 + 127) << 23) as u32))
    }
    #[inline(always)]
    unsafe fn gather(base: *const f32, index: *const i32) -> Self {
        let mut out = [0.0; 8];
        for (lane, value) in out.iter_mut().enumerate() {
            *value = unsafe { *base.offset(*index.add(lane) as isize) };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self.0.iter().fold(f32::NEG_INFINITY, |a, &b| if a > b { a } else { b })
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// Sixteen lanes (AVX-512F).
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    #[inline(always)]
    fn mask16(n: usize) -> __mmask16 {
        ((1_u32 << n) - 1) as __mmask16
    }

    impl Vector for Avx512 {
        const LANES: usize = 16;
        const TILE_ROWS: usize = 14;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(source) })
        }
        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            unsafe { _mm512_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(source: *const f32, n: usize) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(mask16(n), source) })
        }
        #[inline(always)]
        unsafe fn store_first(self, target: *mut f32, n: usize) {
            unsafe { _mm512_mask_storeu_ps(target, mask16(n), self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            Self(unsafe { _mm512_div_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            Self(unsafe { _mm512_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            Self(unsafe { _mm512_roundscale_ps::<0>(self.0) })
        }
        #[inline(always)]
        unsafe fn exp2_of_integer(self) -> Self {
            Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
        }
        #[inline(always)]
        unsafe fn gather(base: *const f32, index: *const i32) -> Self {
            Self(unsafe {
                let index = _mm512_loadu_si512(index.cast());
                _mm512_i32gather_ps::<4>(index, base)
            })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self.0) }
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { _mm512_reduce_max_ps(self.0) }
        }
    }

    /// Eight lanes (AVX2 and FMA).
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    #[inline(always)]
    unsafe fn mask8(n: usize) -> __m256i {
        const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - n).cast()) }
    }

    impl Avx2 {
        #[inline(always)]
        unsafe fn fold(self, f: impl Fn(__m128, __m128) -> __m128) -> f32 {
            unsafe {
                let four = f(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let two = f(four, _mm_movehl_ps(four, four));
                let one = f(two, _mm_shuffle_ps::<1>(two, two));
                _mm_cvtss_f32(one)
            }
        }
    }

    impl Vector for Avx2 {
        const LANES: usize = 8;
        const TILE_ROWS: usize = 6;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(source) })
        }
        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            unsafe { _mm256_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(source: *const f32, n: usize) -> Self {
            Self(unsafe { _mm256_maskload_ps(source, mask8(n)) })
        }
        #[inline(always)]
        unsafe fn store_first(self, target: *mut f32, n: usize) {
            unsafe { _mm256_maskstore_ps(target, mask8(n), self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm256_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            Self(unsafe { _mm256_div_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            Self(unsafe { _mm256_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Self(unsafe { _mm256_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
        }
        #[inline(always)]
        unsafe fn exp2_of_integer(self) -> Self {
            Self(unsafe {
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            })
        }
        #[inline(always)]
        unsafe fn gather(base: *const f32, index: *const i32) -> Self {
            Self(unsafe {
                let index = _mm256_loadu_si256(index.cast());
                _mm256_i32gather_ps::<4>(base, index)
            })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { self.fold(|a, b| _mm_add_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { self.fold(|a, b| _mm_max_ps(a, b)) }
        }
    }
}

/// What [`multiversion!`] may pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// The best of this machine (the standard library remembers what it detected).
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Twice the lanes of the vectors that [`multiversion!`] picks.
#[inline]
pub(crate) fn width_of_two_vectors() -> usize {
    2 * match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::Avx2::LANES,
        Level::Portable => Portable::LANES,
    }
}

/// Asks for a cache line that will be read soon; any address will do.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// `fn name(arguments) -> result = body;` where `body` is an `unsafe fn` generic over one
/// [`Vector`], all of it `#[inline(always)]`: an unsafe function that runs `body` with the widest
/// vectors of this machine.
macro_rules! multiversion {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $visibility unsafe fn $name($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($argument: $type),*) $(-> $result)? {
                unsafe { $body::<$crate::fused::simd::Avx512>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($argument: $type),*) $(-> $result)? {
                unsafe { $body::<$crate::fused::simd::Avx2>($($argument),*) }
            }
            // SAFETY: the level was detected; the rest is the caller's promise.
            unsafe {
                match $crate::fused::simd::level() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::fused::simd::Level::Avx512 => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::fused::simd::Level::Avx2 => avx2($($argument),*),
                    $crate::fused::simd::Level::Portable => {
                        $body::<$crate::fused::simd::Portable>($($argument),*)
                    }
                }
            }
        }
    };
}
pub(crate) use multiversion;
