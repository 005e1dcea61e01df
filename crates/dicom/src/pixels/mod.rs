//! From the bytes of a frame to values.

mod compressed;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use crate::attributes::{integer, text};
use crate::encoding::Encoding;
use crate::parse::{Parsed, Pixels};

/// How the pixels of a file are stored.
pub struct Format {
    /// Number of rows and columns.
    shape: [usize; 2],
    n_frames: usize,
    bits_allocated: u32,
    bits_stored: u32,
    /// How far the stored bits lie above the lowest one.
    shift: u32,
    is_signed: bool,
    /// Whether the smallest value is meant to be shown white.
    pub is_inverted: bool,
}

impl Format {
    /// Reads the format; the error says what of it can't be read.
    pub fn of(object: &InMemDicomObject) -> Result<Self, String> {
        let shape = [tags::ROWS, tags::COLUMNS].map(|tag| integer(object, tag).unwrap_or(0) as usize);
        let kind = text(object, tags::PHOTOMETRIC_INTERPRETATION);
        let n_samples = integer(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        if n_samples != 1 || !["MONOCHROME1", "MONOCHROME2"].contains(&kind.as_str()) {
            return Err(format!(
                "its pixels are {kind} with {n_samples} samples; gray values are needed (MONOCHROME2)"
            ));
        }
        let bits_allocated = integer(object, tags::BITS_ALLOCATED).unwrap_or(0);
        let bits_stored = integer(object, tags::BITS_STORED).unwrap_or(bits_allocated);
        let high_bit = integer(object, tags::HIGH_BIT).unwrap_or_else(|| bits_stored.saturating_sub(1));
        let fits = (1..=bits_allocated).contains(&bits_stored)
            && high_bit < bits_allocated
            && high_bit + 1 >= bits_stored;
        if ![8, 16].contains(&bits_allocated) || !fits {
            return Err(format!(
                "its pixels take {bits_allocated} bits, of which {bits_stored} up to bit {high_bit} are used; 8 or 16 are read"
            ));
        }
        Ok(Self {
            shape,
            n_frames: integer(object, tags::NUMBER_OF_FRAMES).unwrap_or(1) as usize,
            bits_allocated,
            bits_stored,
            shift: high_bit + 1 - bits_stored,
            is_signed: integer(object, tags::PIXEL_REPRESENTATION).unwrap_or(0) == 1,
            is_inverted: kind == "MONOCHROME1",
        })
    }

    /// Number of rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Fills `values` with a frame, row by row, each stored number times slope plus intercept.
    pub fn read(
        &self,
        parsed: &Parsed,
        encoding: &Encoding,
        frame: usize,
        [slope, intercept]: [f64; 2],
        values: &mut [f32],
    ) -> Result<(), String> {
        let numbers = self.numbers(parsed, encoding, frame)?;
        if numbers.len() != values.len() {
            return Err(format!("frame {} unpacks to {} pixels, not {}", frame + 1, numbers.len(), values.len()));
        }
        for (value, number) in values.iter_mut().zip(numbers) {
            *value = (f64::from(self.number(number)) * slope + intercept) as f32;
        }
        Ok(())
    }

    /// The number that bits stand for.
    fn number(&self, bits: u16) -> i32 {
        let unused = 32 - self.bits_stored;
        let highest = (u32::from(bits) >> self.shift) << unused;
        if self.is_signed { (highest as i32) >> unused } else { (highest >> unused) as i32 }
    }

    /// The stored bits of a frame.
    fn numbers(&self, parsed: &Parsed, encoding: &Encoding, frame: usize) -> Result<Vec<u16>, String> {
        let n_pixels = self.shape[0] * self.shape[1];
        let n_bytes = n_pixels * self.bits_allocated as usize / 8;
        match parsed.pixels.as_ref().ok_or("it has no pixels")? {
            Pixels::Native(bytes) => {
                let start = frame.checked_mul(n_bytes);
                let end = start.and_then(|start| start.checked_add(n_bytes));
                let own = start.zip(end).and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| {
                    format!(
                        "it is truncated: it has {} bytes of pixels, {} frames need {n_bytes} each",
                        bytes.len(),
                        self.n_frames
                    )
                })?;
                match (self.bits_allocated, encoding) {
                    (8, Encoding::ExplicitBig) => {
                        Err("its pixels are single bytes in pairs turned round".to_owned())
                    }
                    (8, _) => Ok(own.iter().map(|&byte| byte.into()).collect()),
                    (_, Encoding::ExplicitBig) => {
                        Ok(own.as_chunks().0.iter().map(|b| u16::from_be_bytes(*b)).collect())
                    }
                    _ => Ok(own.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect()),
                }
            }
            Pixels::Fragments { offsets, fragments } => {
                let packed = compressed::frame_bytes(offsets, fragments, self.n_frames, frame)?;
                match encoding {
                    Encoding::Rle => compressed::rle(&packed, n_pixels, self.bits_allocated),
                    Encoding::Jpeg => compressed::jpeg(&packed, self.shape),
                    Encoding::Jpeg2000 => compressed::jpeg_2000(&packed, self.shape),
                    _ => {
                        Err("its pixels are compressed, and its transfer syntax says that they are not".to_owned())
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_become_numbers() {
        let format = |bits_stored: u32, shift: u32, is_signed: bool| Format {
            shape: [1, 1],
            n_frames: 1,
            bits_allocated: 16,
            bits_stored,
            shift,
            is_signed,
            is_inverted: false,
        };
        assert_eq!(format(16, 0, true).number(0xFFFF), -1);
        assert_eq!(format(16, 0, false).number(0xFFFF), 65535);
        // The sign is that of the stored bits; what lies above them is left over from overlays.
        assert_eq!(format(12, 0, true).number(0x0800), -2048);
        assert_eq!(format(12, 0, false).number(0xF7FF), 0x7FF);
        assert_eq!(format(12, 4, false).number(0x1230), 0x123);
    }
}
