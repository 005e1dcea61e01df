//! Vectors for any target.

use super::vector::Vector;

/// Eight lanes, in whatever registers the compiler finds for them.
#[derive(Clone, Copy)]
pub(crate) struct Portable(pub(in crate::fused) [f32; 8]);

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

// SAFETY: eight lanes and at most six rows; what is read and written is that many values.
unsafe impl Vector for Portable {
    const LANES: usize = 8;
    const TILE_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 2 };
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller promises eight values.
        Self(unsafe { source.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller promises room for eight values.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(source: *const f32, n: usize) -> Self {
        let mut out = [0.0; 8];
        for (lane, value) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller promises n values.
            *value = unsafe { *source.add(lane) };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, n: usize) {
        for (lane, &value) in self.0.iter().enumerate().take(n) {
            // SAFETY: the caller promises room for n values.
            unsafe { target.add(lane).write(value) };
        }
    }
    #[inline(always)]
    unsafe fn gather(base: *const f32, index: *const i32) -> Self {
        let mut out = [0.0; 8];
        for (lane, value) in out.iter_mut().enumerate() {
            // SAFETY: the caller promises eight indices, and that they point at values.
            *value = unsafe { *base.offset(*index.add(lane) as isize) };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u8) -> Self {
        // SAFETY: the caller promises 16 bytes.
        let halves = unsafe { source.cast::<[u16; 8]>().read_unaligned() };
        Self(halves.map(|half| f32::from_bits(u32::from(half) << 16)))
    }
    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut i8) {
        // SAFETY: the caller promises room for eight bytes.
        unsafe { target.cast::<[i8; 8]>().write_unaligned(self.0.map(|value| value as i8)) }
    }
    #[inline(always)]
    fn filled(self, value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
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
    fn round(self) -> Self {
        // Adding 1.5 * 2^23 leaves no bits below one; valid up to 2^22.
        const SHIFT: f32 = 12_582_912.0;
        self.zip(self, |a, _| (a + SHIFT) - SHIFT)
    }
    #[inline(always)]
    fn exp2_of_integer(self) -> Self {
        self.zip(self, |a, _| f32::from_bits(((a as i32 + 127) << 23) as u32))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        self.0.iter().fold(f32::NEG_INFINITY, |a, &b| if a > b { a } else { b })
    }
}
