//! Sums of products of narrow numbers, a vector of columns at a time.

#[cfg(target_arch = "x86_64")]
use crate::fused::simd::{Avx2, Avx512};
use crate::fused::simd::{Portable, Vector};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The sums of as many columns as a vector has lanes. Along k they grow by groups: a group of the left matrix is a
/// word, one of the weights the bytes of each lane beside each other.
///
/// # Safety
/// The methods must read no memory but what their contracts say.
pub(super) unsafe trait Dot: Copy {
    /// What the sums become at the end.
    type Float: Vector;
    /// A group of weights in registers.
    type Weights: Copy;
    /// Bytes of a group of weights.
    const BYTES: usize;
    /// All sums `value`.
    ///
    /// # Safety
    /// The machine must have the instruction set.
    unsafe fn splat(value: i32) -> Self;
    /// # Safety
    /// The machine must have the instruction set, and `BYTES` must be readable.
    unsafe fn load(source: *const u8) -> Self::Weights;
    /// Adds the products of a group.
    ///
    /// # Safety
    /// A word must be readable.
    unsafe fn add(self, left: *const u32, weights: Self::Weights) -> Self;
    fn to_float(self) -> Self::Float;
}

/// Four bytes a lane with AVX-512 VNNI: the weights as unsigned bytes, 128 too large.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Vnni512(__m512i);

#[cfg(target_arch = "x86_64")]
// SAFETY: 64 bytes of weights and one word of the left row are read.
unsafe impl Dot for Vnni512 {
    type Float = Avx512;
    type Weights = __m512i;
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm512_set1_epi32(value) })
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m512i {
        // SAFETY: the caller promises the instruction set and 64 bytes.
        unsafe { _mm512_loadu_si512(source.cast()) }
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: __m512i) -> Self {
        // SAFETY: the caller promises a word; there is a vector, so the machine has its instruction set.
        Self(unsafe { _mm512_dpbusd_epi32(self.0, weights, _mm512_set1_epi32(left.read().cast_signed())) })
    }
    #[inline(always)]
    fn to_float(self) -> Avx512 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Avx512(unsafe { _mm512_cvtepi32_ps(self.0) })
    }
}

/// The same with AVX-VNNI.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Vnni256(__m256i);

#[cfg(target_arch = "x86_64")]
// SAFETY: 32 bytes of weights and one word of the left row are read.
unsafe impl Dot for Vnni256 {
    type Float = Avx2;
    type Weights = __m256i;
    const BYTES: usize = 32;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm256_set1_epi32(value) })
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m256i {
        // SAFETY: the caller promises the instruction set and 32 bytes.
        unsafe { _mm256_loadu_si256(source.cast()) }
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: __m256i) -> Self {
        // SAFETY: the caller promises a word; there is a vector, so the machine has its instruction set.
        Self(unsafe { _mm256_dpbusd_avx_epi32(self.0, weights, _mm256_set1_epi32(left.read().cast_signed())) })
    }
    #[inline(always)]
    fn to_float(self) -> Avx2 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Avx2(unsafe { _mm256_cvtepi32_ps(self.0) })
    }
}

/// Two bytes a lane, widened to sixteen bits, with AVX2. Bytes could be multiplied as they are in half the
/// instructions, but their sums saturate at sixteen bits.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Widened256(__m256i);

#[cfg(target_arch = "x86_64")]
// SAFETY: 16 bytes of weights and one word of the left row are read.
unsafe impl Dot for Widened256 {
    type Float = Avx2;
    type Weights = __m256i;
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm256_set1_epi32(value) })
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m256i {
        // SAFETY: the caller promises the instruction set and 16 bytes.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(source.cast())) }
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: __m256i) -> Self {
        // SAFETY: the caller promises a word; there is a vector, so the machine has its instruction set.
        Self(unsafe {
            let left = _mm256_set1_epi32(left.read().cast_signed());
            _mm256_add_epi32(self.0, _mm256_madd_epi16(weights, left))
        })
    }
    #[inline(always)]
    fn to_float(self) -> Avx2 {
        // SAFETY: there is a vector, so the machine has its instruction set.
        Avx2(unsafe { _mm256_cvtepi32_ps(self.0) })
    }
}

/// Two bytes a lane on any processor.
#[derive(Clone, Copy)]
pub(super) struct PortableBytes([i32; Portable::LANES]);

// SAFETY: two bytes a lane of weights and one word of the left row are read.
unsafe impl Dot for PortableBytes {
    type Float = Portable;
    type Weights = [[i16; 2]; Portable::LANES];
    const BYTES: usize = 2 * Portable::LANES;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self([value; Portable::LANES])
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self::Weights {
        // SAFETY: the caller promises that many bytes.
        let bytes = unsafe { source.cast::<[[i8; 2]; Portable::LANES]>().read() };
        bytes.map(|pair| pair.map(i16::from))
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: Self::Weights) -> Self {
        // SAFETY: the caller promises a word.
        let word = unsafe { left.read() };
        let [low, high] = [word as u16, (word >> 16) as u16].map(|half| i32::from(half.cast_signed()));
        let mut sums = self.0;
        for (sum, pair) in sums.iter_mut().zip(weights) {
            *sum += low * i32::from(pair[0]) + high * i32::from(pair[1]);
        }
        Self(sums)
    }
    #[inline(always)]
    fn to_float(self) -> Portable {
        Portable(self.0.map(|sum| sum as f32))
    }
}

/// Two numbers of sixteen bits a lane with AVX-512 BF16.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Bf16Pairs(__m512);

#[cfg(target_arch = "x86_64")]
// SAFETY: 64 bytes of weights and one word of the left row are read.
unsafe impl Dot for Bf16Pairs {
    type Float = Avx512;
    type Weights = __m512i;
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { _mm512_set1_ps(value as f32) })
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> __m512i {
        // SAFETY: the caller promises the instruction set and 64 bytes.
        unsafe { _mm512_loadu_si512(source.cast()) }
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: __m512i) -> Self {
        // SAFETY: the caller promises a word; there is a vector, so the machine has its instruction set. Both kinds of
        // vector are 512 bits.
        Self(unsafe {
            let left = _mm512_set1_epi32(left.read().cast_signed());
            let [weights, left] = [weights, left].map(|bits| std::mem::transmute::<__m512i, __m512bh>(bits));
            _mm512_dpbf16_ps(self.0, weights, left)
        })
    }
    #[inline(always)]
    fn to_float(self) -> Avx512 {
        Avx512(self.0)
    }
}

/// A number of sixteen bits a lane, widened to `f32`: the left row stays as it is.
#[derive(Clone, Copy)]
pub(super) struct WidenedBf16<V>(V);

// SAFETY: two bytes a lane of weights and one word of the left row are read.
unsafe impl<V: Vector> Dot for WidenedBf16<V> {
    type Float = V;
    type Weights = V;
    const BYTES: usize = 2 * V::LANES;
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: the caller promises the instruction set.
        Self(unsafe { V::splat(value as f32) })
    }
    #[inline(always)]
    unsafe fn load(source: *const u8) -> V {
        // SAFETY: the caller promises the instruction set and that many bytes.
        unsafe { V::load_bf16(source) }
    }
    #[inline(always)]
    unsafe fn add(self, left: *const u32, weights: V) -> Self {
        // SAFETY: the caller promises a word; there is a vector, so the machine has its instruction set.
        Self(unsafe { V::splat(f32::from_bits(left.read())) }.mul_add(weights, self.0))
    }
    #[inline(always)]
    fn to_float(self) -> V {
        self.0
    }
}
