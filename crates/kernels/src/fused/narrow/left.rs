//! Rows of the left matrix of a product, narrowed as they come.
//!
//! A row is scaled by its own largest value, so that its numbers, and with them its results, depend on no other row.

use rayon::prelude::*;

use super::kernel::{Kernel, LeftForm};
use crate::fused::simd::{MAX_LANES, Vector, each_vector, multiversion};
use crate::fused::view::View;

/// Matrices of fewer values are narrowed on one thread.
const PARALLEL_VALUES: usize = 16 * 1024;
/// The largest number of eight bits that is used, on both sides of zero.
const LARGEST: f32 = 127.0;

/// A matrix `[m, k]` of narrow numbers.
pub(in crate::fused) struct Left {
    words: Vec<u32>,
    /// Words of a row.
    stride: usize,
    scales: Vec<f32>,
    starts: Vec<i32>,
}

impl Left {
    /// Of dense rows; on this thread alone, or on all.
    pub fn of(rows: View<'_>, kernel: Kernel, parallel: bool) -> Self {
        let [m, k] = rows.shape();
        let stride = apart(k.div_ceil(kernel.group()));
        let (mut words, mut scales, mut starts) = (vec![0; m * stride], vec![1.0; m], vec![0; m]);
        let narrow = |(i, (words, (scale, start))): (usize, (&mut [u32], (&mut f32, &mut i32)))| {
            (*scale, *start) = narrow_row(kernel, rows.row(i), words);
        };
        // Without columns there is nothing to narrow.
        if stride > 0 && parallel && m * k >= PARALLEL_VALUES {
            let targets = scales.par_iter_mut().zip(&mut starts);
            words.par_chunks_mut(stride).zip(targets).enumerate().with_min_len(8).for_each(narrow);
        } else if stride > 0 {
            words.chunks_mut(stride).zip(scales.iter_mut().zip(&mut starts)).enumerate().for_each(narrow);
        }
        Self { words, stride, scales, starts }
    }

    /// Words, scales and starts from a row on, and the words from a row to the next.
    pub fn rows_from(&self, row: usize) -> (&[u32], &[f32], &[i32], usize) {
        (&self.words[row * self.stride..], &self.scales[row..], &self.starts[row..], self.stride)
    }
}

/// A distance of no fewer words between rows that spreads them over the first-level cache: an odd number of cache lines.
fn apart(words: usize) -> usize {
    const LINE: usize = 16;
    (words.div_ceil(LINE) | 1) * LINE
}

/// Writes a row, and returns what its sums are multiplied with and start from.
fn narrow_row(kernel: Kernel, row: &[f32], words: &mut [u32]) -> (f32, i32) {
    let level = kernel.level();
    match kernel.left_form() {
        LeftForm::Bytes => {
            let (scale, inverse) = scale_of(largest_bits(level, row));
            // SAFETY: words are four bytes each.
            let target = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 4 * words.len()) };
            let sum = bytes(level, row, inverse, &mut target[..row.len()]);
            (scale, -128 * sum)
        }
        LeftForm::WidenedBytes => {
            let (scale, inverse) = scale_of(largest_bits(level, row));
            let mut narrow = vec![0; row.len().next_multiple_of(2)];
            bytes(level, row, inverse, &mut narrow[..row.len()]);
            widen(level, &narrow, words);
            (scale, 0)
        }
        LeftForm::Bf16 => {
            bf16_pairs(level, row, words);
            (1.0, 0)
        }
        LeftForm::Floats => {
            for (word, value) in words.iter_mut().zip(row) {
                *word = value.to_bits();
            }
            (1.0, 0)
        }
    }
}

/// The scale of numbers of which this is the largest magnitude's bits, and its inverse. Of numbers that are not
/// finite, the scale is NaN, as are all results of their row.
pub(super) fn scale_of(largest_bits: u32) -> (f32, f32) {
    let largest = f32::from_bits(largest_bits);
    // The inverse of what is smaller is infinite.
    if largest < LARGEST / f32::MAX {
        return (0.0, 0.0);
    }
    if largest.is_finite() { (largest / LARGEST, LARGEST / largest) } else { (f32::NAN, 0.0) }
}

/// A number in units of the scale. NaN becomes zero; its scale says what it was.
#[inline(always)]
pub(super) fn to_byte(value: f32, inverse: f32) -> i8 {
    (value * inverse).round_ties_even() as i8
}

/// A number rounded to sixteen bits, ties to even.
#[inline(always)]
pub(super) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // What rounding would make of NaN may be infinity.
    (if value.is_nan() { bits | 0x0040_0000 } else { rounded } >> 16) as u16
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn largest_bits_body<V: Vector>(row: &[f32]) -> u32 {
    // As integers, infinity is larger than all numbers, and NaN larger than that.
    row.iter().fold(0, |largest, value| largest.max(value.to_bits() & !(1 << 31)))
}
multiversion! {
    /// The bits of the largest magnitude.
    pub(super) fn largest_bits(row: &[f32]) -> u32 = largest_bits_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn bytes_body<V: Vector>(row: &[f32], inverse: f32, target: &mut [i8]) -> i32 {
    let n = row.len();
    assert!(n == target.len());
    let (row, target) = (row.as_ptr(), target.as_mut_ptr());
    // SAFETY: both hold n values; the rest is the caller's promise.
    unsafe {
        let inverse = V::splat(inverse);
        let mut sums = V::splat(0.0);
        each_vector!(V, n,
        i => {
            let integers = V::load(row.add(i)).mul(inverse).round();
            sums = sums.add(integers);
            integers.store_bytes(target.add(i));
        },
        rest => {
            let integers = V::load_first(row.add(i), rest).mul(inverse).round();
            sums = sums.add(integers);
            let mut bytes = [0; MAX_LANES];
            integers.store_bytes(bytes.as_mut_ptr());
            bytes.as_ptr().copy_to_nonoverlapping(target.add(i), rest);
        });
        // Exact: integers of less than 24 bits.
        sums.sum() as i32
    }
}
multiversion! {
    /// Writes numbers in units of a scale, and returns their sum.
    fn bytes(row: &[f32], inverse: f32, target: &mut [i8]) -> i32 = bytes_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn widen_body<V: Vector>(bytes: &[i8], words: &mut [u32]) {
    let widened = |byte: i8| u32::from(i16::from(byte).cast_unsigned());
    for (word, &[first, second]) in words.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *word = widened(first) | widened(second) << 16;
    }
}
multiversion! {
    /// Two bytes a word.
    fn widen(bytes: &[i8], words: &mut [u32]) = widen_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn bf16_pairs_body<V: Vector>(row: &[f32], words: &mut [u32]) {
    let (pairs, rest) = row.as_chunks::<2>();
    let word_of = |[first, second]: [f32; 2]| u32::from(to_bf16(first)) | u32::from(to_bf16(second)) << 16;
    for (word, &pair) in words.iter_mut().zip(pairs) {
        *word = word_of(pair);
    }
    if let (Some(last), &[value]) = (words.get_mut(pairs.len()), rest) {
        *last = word_of([value, 0.0]);
    }
}
multiversion! {
    /// Two numbers of sixteen bits a word.
    fn bf16_pairs(row: &[f32], words: &mut [u32]) = bf16_pairs_body;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_rounded_to_even_and_keeps_what_is_no_number() {
        for (value, expected) in [
            (1.0, 0x3f80),
            (-2.0, 0xc000),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::INFINITY, 0x7f80),
        ] {
            assert_eq!(to_bf16(value), expected, "{value:e}");
        }
        let signalling = f32::from_bits(0x7f80_0001);
        assert!(f32::from_bits(u32::from(to_bf16(signalling)) << 16).is_nan());
    }

    #[test]
    fn scales_reach_the_largest_value() {
        let level = crate::level::current();
        let row = [0.25, -3.0, 1.5, 0.0];
        let (scale, inverse) = scale_of(largest_bits(level, &row));
        assert_eq!(row.map(|value| to_byte(value, inverse)), [11, -127, 64, 0]);
        assert_eq!(scale, 3.0 / 127.0);
        assert_eq!(scale_of(largest_bits(level, &[0.0, -0.0])), (0.0, 0.0));
        assert_eq!(scale_of(largest_bits(level, &[1e-40])), (0.0, 0.0));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(scale_of(largest_bits(level, &[1.0, bad, 2.0])).0.is_nan());
        }
    }
}
