//! Which instructions multiply narrow numbers, and how they want them to lie.

#[cfg(target_arch = "x86_64")]
use super::dot::{Bf16Pairs, Vnni256, Vnni512, Widened256};
use super::dot::{Dot, PortableBytes, WidenedBf16};
use super::tile::{NarrowFactors, multiply_narrow_body};
use crate::fused::simd::{Vector, multiversion, width_of_two_vectors};
use crate::fused::tile::Piece;
use crate::level::{Kind, Level};
use crate::precision::NarrowPrecision;

/// A way to multiply narrow numbers that this machine has: only [`of`](Self::of) makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fused) struct Kernel {
    level: Level,
    instructions: Instructions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    #[cfg(target_arch = "x86_64")]
    Vnni256,
    #[cfg(target_arch = "x86_64")]
    Widened256,
    PortableBytes,
    #[cfg(target_arch = "x86_64")]
    Bf16Pairs,
    /// With the vectors of the level.
    WidenedBf16,
}

/// How a row of the left matrix is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftForm {
    /// Four bytes a word; sums start from what makes up for weights that are 128 too large.
    Bytes,
    /// Two bytes a word, widened to sixteen bits.
    WidenedBytes,
    /// Two numbers of sixteen bits a word.
    Bf16,
    /// As it is.
    Floats,
}

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightForm {
    /// Bytes.
    Signed,
    /// Bytes, 128 too large.
    Unsigned,
    /// Numbers of sixteen bits.
    Bf16,
}

impl Kernel {
    /// The fastest of a level of this machine.
    pub fn of(level: Level, precision: NarrowPrecision) -> Self {
        let instructions = match precision {
            NarrowPrecision::Int8 => int8(level),
            NarrowPrecision::Bf16 => bf16(level),
        };
        Self { level, instructions }
    }

    /// Columns of a panel.
    pub fn width(self) -> usize {
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni512 => 2 * <Vnni512 as Dot>::Float::LANES,
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni256 | Instructions::Widened256 => 2 * <Vnni256 as Dot>::Float::LANES,
            Instructions::PortableBytes => 2 * <PortableBytes as Dot>::Float::LANES,
            #[cfg(target_arch = "x86_64")]
            Instructions::Bf16Pairs => 2 * <Bf16Pairs as Dot>::Float::LANES,
            Instructions::WidenedBf16 => width_of_two_vectors(self.level),
        }
    }

    /// Values along k of a group: a word of the left row.
    pub fn group(self) -> usize {
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni512 | Instructions::Vnni256 => 4,
            #[cfg(target_arch = "x86_64")]
            Instructions::Widened256 | Instructions::Bf16Pairs => 2,
            Instructions::PortableBytes => 2,
            Instructions::WidenedBf16 => 1,
        }
    }

    pub(super) fn left_form(self) -> LeftForm {
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni512 | Instructions::Vnni256 => LeftForm::Bytes,
            #[cfg(target_arch = "x86_64")]
            Instructions::Widened256 => LeftForm::WidenedBytes,
            Instructions::PortableBytes => LeftForm::WidenedBytes,
            #[cfg(target_arch = "x86_64")]
            Instructions::Bf16Pairs => LeftForm::Bf16,
            Instructions::WidenedBf16 => LeftForm::Floats,
        }
    }

    pub(super) fn weight_form(self) -> WeightForm {
        match self.left_form() {
            LeftForm::Bytes => WeightForm::Unsigned,
            LeftForm::WidenedBytes => WeightForm::Signed,
            LeftForm::Bf16 | LeftForm::Floats => WeightForm::Bf16,
        }
    }

    pub fn level(self) -> Level {
        self.level
    }

    /// A piece for `n_rows` rows.
    ///
    /// # Safety
    /// As [`multiply_body`](crate::fused::tile::multiply_body), but for the instruction set; the rows and the panel
    /// must be written for this kernel.
    pub unsafe fn multiply_piece(self, n_rows: usize, piece: &Piece<NarrowFactors>) {
        // SAFETY: the kernel is one that the machine has; the rest is the caller's promise.
        unsafe {
            match self.instructions {
                #[cfg(target_arch = "x86_64")]
                Instructions::Vnni512 => vnni512(n_rows, piece),
                #[cfg(target_arch = "x86_64")]
                Instructions::Vnni256 => vnni256(n_rows, piece),
                #[cfg(target_arch = "x86_64")]
                Instructions::Widened256 => widened256(n_rows, piece),
                Instructions::PortableBytes => multiply_narrow_body::<PortableBytes>(n_rows, piece),
                #[cfg(target_arch = "x86_64")]
                Instructions::Bf16Pairs => bf16_pairs(n_rows, piece),
                Instructions::WidenedBf16 => widened_bf16(self.level, n_rows, piece),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn int8(level: Level) -> Instructions {
    match level.kind() {
        Kind::Portable => Instructions::PortableBytes,
        Kind::Avx512 if is_x86_feature_detected!("avx512vnni") => Instructions::Vnni512,
        _ if is_x86_feature_detected!("avxvnni") => Instructions::Vnni256,
        _ if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => Instructions::Widened256,
        _ => Instructions::PortableBytes,
    }
}

#[cfg(target_arch = "x86_64")]
fn bf16(level: Level) -> Instructions {
    match level.kind() {
        Kind::Avx512 if is_x86_feature_detected!("avx512bf16") => Instructions::Bf16Pairs,
        _ => Instructions::WidenedBf16,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn int8(_level: Level) -> Instructions {
    Instructions::PortableBytes
}

#[cfg(not(target_arch = "x86_64"))]
fn bf16(_level: Level) -> Instructions {
    Instructions::WidenedBf16
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn vnni512(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: this function is compiled for the instruction set; the rest is the caller's promise.
    unsafe { multiply_narrow_body::<Vnni512>(n_rows, piece) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn vnni256(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: as above.
    unsafe { multiply_narrow_body::<Vnni256>(n_rows, piece) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn widened256(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: as above.
    unsafe { multiply_narrow_body::<Widened256>(n_rows, piece) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn bf16_pairs(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: as above.
    unsafe { multiply_narrow_body::<Bf16Pairs>(n_rows, piece) }
}

/// # Safety
/// As [`Kernel::multiply_piece`].
#[inline(always)]
unsafe fn widened_bf16_body<V: Vector>(n_rows: usize, piece: &Piece<NarrowFactors>) {
    // SAFETY: the caller's promise.
    unsafe { multiply_narrow_body::<WidenedBf16<V>>(n_rows, piece) }
}
multiversion! {
    /// # Safety
    /// As [`Kernel::multiply_piece`].
    unsafe fn widened_bf16(n_rows: usize, piece: &Piece<NarrowFactors>) = widened_bf16_body;
}
