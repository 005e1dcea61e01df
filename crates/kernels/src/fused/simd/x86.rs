//! Vectors of AVX-512 and AVX2.

use std::arch::x86_64::*;

use super::vector::Vector;

/// Methods that are one instruction each, on vectors alone.
macro_rules! instructions {
    ($($name:ident($($other:ident),*) = $instruction:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($other: Self),*) -> Self {
                // SAFETY: there is a vector, so the machine has its instruction set.
                Self(unsafe { $instruction(self.0, $($other.0),*) })
            }
        )*
    };
}

/// Sixteen lanes (AVX-512F).
#[derive(Clone, Copy)]
pub(crate) struct Avx512(pub(in crate::fused) __m512);

#[inline(always)]
fn mask16(n: usize) -> __mmask16 {
    ((1_u32 << n) - 1) as __mmask16
}

// SAFETY: sixteen lanes and fourteen rows; loads and stores are of sixteen values, or of those that the mask
// names.
unsafe impl Vector for Avx512 {
    const LANES: usize = 16;
    const TILE_ROWS: usize = 14;
    instructions! {
        add(other) = _mm512_add_ps;
        sub(other) = _mm512_sub_ps;
        mul(other) = _mm512_mul_ps;
        div(other) = _mm512_div_ps;
        min(other) = _mm512_min_ps;
        max(other) = _mm512_max_ps;
        mul_add(factor, addend) = _mm512_fmadd_ps;
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller promises the instruction set and sixteen values.
        Self(unsafe { _mm512_loadu_ps(source) })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller promises room for sixteen values.
        unsafe { _mm512_storeu_ps(target, self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(source: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises the instruction set and n values; no others are read.
        Self(unsafe { _mm512_maskz_loadu_ps(mask16(n), source) })
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, n: usize) {
        // SAFETY: the caller promises room for n values; no others are written.
        unsafe { _mm512_mask_storeu_ps(target, mask16(n), self.0) }
    }
    #[inline(always)]
    unsafe fn gather(base: *const f32, index: *const i32) -> Self {
        // SAFETY: the caller promises the instruction set, sixteen indices and what they point at.
        Self(unsafe {
            let index = _mm512_loadu_si512(index.cast());
            _mm512_i32gather_ps::<4>(index, base)
        })
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u8) -> Self {
        // SAFETY: the caller promises the instruction set and 32 bytes.
        Self(unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(source.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        })
    }
    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut i8) {
        // SAFETY: the caller promises room for sixteen bytes; there is a vector, so the machine has its instruction set.
        unsafe { _mm_storeu_si128(target.cast(), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(self.0))) }
    }
    #[inline(always)]
    fn filled(self, value: f32) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        unsafe { Self::splat(value) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Self(unsafe { _mm512_roundscale_ps::<0>(self.0) })
    }
    #[inline(always)]
    fn exp2_of_integer(self) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        unsafe { _mm512_reduce_max_ps(self.0) }
    }
}

/// Eight lanes (AVX2 and FMA).
#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(in crate::fused) __m256);

/// All bits of the first `n` lanes.
///
/// # Safety
/// The machine must have AVX2, and `n` must be no more than eight.
#[inline(always)]
unsafe fn mask8(n: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight of the sixteen values follow place 8 - n; the rest is the caller's promise.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - n).cast()) }
}

impl Avx2 {
    #[inline(always)]
    fn fold(self, f: impl Fn(__m128, __m128) -> __m128) -> f32 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        unsafe {
            let four = f(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = f(four, _mm_movehl_ps(four, four));
            let one = f(two, _mm_shuffle_ps::<1>(two, two));
            _mm_cvtss_f32(one)
        }
    }
}

// SAFETY: eight lanes and six rows; loads and stores are of eight values, or of those that the mask names.
unsafe impl Vector for Avx2 {
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;
    instructions! {
        add(other) = _mm256_add_ps;
        sub(other) = _mm256_sub_ps;
        mul(other) = _mm256_mul_ps;
        div(other) = _mm256_div_ps;
        min(other) = _mm256_min_ps;
        max(other) = _mm256_max_ps;
        mul_add(factor, addend) = _mm256_fmadd_ps;
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller promises the instruction set and eight values.
        Self(unsafe { _mm256_loadu_ps(source) })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller promises room for eight values.
        unsafe { _mm256_storeu_ps(target, self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(source: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises the instruction set and n values, n < 8; no others are read.
        Self(unsafe { _mm256_maskload_ps(source, mask8(n)) })
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, n: usize) {
        // SAFETY: the caller promises room for n values, n < 8; no others are written.
        unsafe { _mm256_maskstore_ps(target, mask8(n), self.0) }
    }
    #[inline(always)]
    unsafe fn gather(base: *const f32, index: *const i32) -> Self {
        // SAFETY: the caller promises the instruction set, eight indices and what they point at.
        Self(unsafe {
            let index = _mm256_loadu_si256(index.cast());
            _mm256_i32gather_ps::<4>(base, index)
        })
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u8) -> Self {
        // SAFETY: the caller promises the instruction set and 16 bytes.
        Self(unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(source.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        })
    }
    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut i8) {
        // SAFETY: the caller promises room for eight bytes; there is a vector, so the machine has its instruction set.
        unsafe {
            let wide = _mm256_cvtps_epi32(self.0);
            let short = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
            _mm_storel_epi64(target.cast(), _mm_packs_epi16(short, short));
        }
    }
    #[inline(always)]
    fn filled(self, value: f32) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        unsafe { Self::splat(value) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn exp2_of_integer(self) -> Self {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Self(unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        self.fold(|a, b| unsafe { _mm_add_ps(a, b) })
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        self.fold(|a, b| unsafe { _mm_max_ps(a, b) })
    }
}
