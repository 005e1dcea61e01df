//! Compressed frames. Sizes are compared with those of the file before anything is unpacked.

use std::borrow::Cow;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use jpeg_decoder::{Decoder, PixelFormat};

use crate::encoding::UNPACK;

/// Length of a fragment's own header, which offsets count.
const FRAGMENT_HEADER: usize = 8;
/// Length of the table at the start of a frame of run lengths.
const RLE_HEADER: usize = 64;
/// Where a JPEG 2000 codestream says whether its first component has a sign, and how many bits less one.
const SSIZ_AT: usize = 42;

/// The bytes of one frame: a fragment of its own, all fragments, or those that the offset table gives it.
pub fn frame_bytes<'a>(
    offsets: &[u32],
    fragments: &[&'a [u8]],
    n_frames: usize,
    frame: usize,
) -> Result<Cow<'a, [u8]>, String> {
    if fragments.len() == n_frames {
        return fragments
            .get(frame)
            .map(|&bytes| bytes.into())
            .ok_or_else(|| format!("it lacks frame {}", frame + 1));
    }
    if n_frames == 1 {
        return Ok(fragments.concat().into());
    }
    if offsets.len() != n_frames {
        let reason =
            format!("it has {} fragments for {n_frames} frames and does not say which is whose", fragments.len());
        return Err(reason);
    }
    let (start, end) = (offsets[frame] as usize, offsets.get(frame + 1).map_or(usize::MAX, |&end| end as usize));
    let mut at = 0;
    let mut bytes = Vec::new();
    for fragment in fragments {
        if (start..end).contains(&at) {
            bytes.extend_from_slice(fragment);
        }
        at += FRAGMENT_HEADER + fragment.len();
    }
    Ok(bytes.into())
}

/// Run lengths as PackBits has them, the highest bytes of all pixels first (DICOM PS3.5, annex G).
pub fn rle(packed: &[u8], n_pixels: usize, bits_allocated: u32) -> Result<Vec<u16>, String> {
    let damaged = || "its run lengths are damaged".to_owned();
    let table = packed.get(..RLE_HEADER).ok_or_else(damaged)?.as_chunks().0;
    let word = |at: usize| u32::from_le_bytes(table[at]) as usize;
    let n_segments = word(0);
    if n_segments != bits_allocated as usize / 8 {
        return Err(format!("it has {n_segments} segments of run lengths for pixels of {bits_allocated} bits"));
    }
    let mut numbers = vec![0_u16; n_pixels];
    for segment in 0..n_segments {
        let end = if segment + 1 < n_segments { word(segment + 2) } else { packed.len() };
        let mut bytes = packed.get(word(segment + 1)..end).ok_or_else(damaged)?.iter().copied();
        let mut done = 0;
        while done < n_pixels {
            let head = bytes.next().ok_or_else(damaged)?;
            let length = match head {
                0..128 => usize::from(head) + 1,
                128 => continue,
                129.. => 257 - usize::from(head),
            };
            let repeated = if head > 128 { Some(bytes.next().ok_or_else(damaged)?) } else { None };
            // What runs over the end is padding.
            for number in &mut numbers[done..n_pixels.min(done + length)] {
                let byte = match repeated {
                    Some(byte) => byte,
                    None => bytes.next().ok_or_else(damaged)?,
                };
                *number = *number << 8 | u16::from(byte);
            }
            done += length;
        }
    }
    Ok(numbers)
}

/// JPEG, lossy with 8 bits or lossless with up to 16.
pub fn jpeg(packed: &[u8], [n_rows, n_columns]: [usize; 2]) -> Result<Vec<u16>, String> {
    let damaged = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(feature) => {
            format!("it is written in JPEG of a kind that is not read here ({feature:?}); {UNPACK}")
        }
        other => format!("its JPEG can't be unpacked ({other})"),
    };
    let mut decoder = Decoder::new(packed);
    decoder.read_info().map_err(damaged)?;
    let info = decoder.info().ok_or("its JPEG has no header")?;
    check_shape("JPEG", [usize::from(info.height), usize::from(info.width)], [n_rows, n_columns])?;
    decoder.set_max_decoding_buffer_size(2 * n_rows * n_columns);
    let bytes = decoder.decode().map_err(damaged)?;
    match info.pixel_format {
        PixelFormat::L8 => Ok(bytes.into_iter().map(u16::from).collect()),
        PixelFormat::L16 => Ok(bytes.as_chunks().0.iter().map(|bytes| u16::from_ne_bytes(*bytes)).collect()),
        other => Err(format!("its JPEG has colors ({other:?})")),
    }
}

/// JPEG 2000: a bare codestream, as DICOM has it.
pub fn jpeg_2000(packed: &[u8], [n_rows, n_columns]: [usize; 2]) -> Result<Vec<u16>, String> {
    let damaged = |error: hayro_jpeg2000::error::DecodeError| format!("its JPEG 2000 can't be unpacked ({error})");
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(packed, &settings).map_err(damaged)?;
    check_shape("JPEG 2000", [image.height() as usize, image.width() as usize], [n_rows, n_columns])?;
    let bits = image.original_bit_depth();
    let is_codestream = packed.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]);
    if !is_codestream || image.color_space().num_channels() != 1 || image.has_alpha() || !(1..=16).contains(&bits)
    {
        return Err("its JPEG 2000 is no codestream of gray values with up to 16 bits".to_owned());
    }
    let is_signed = packed.get(SSIZ_AT).is_some_and(|ssiz| ssiz & 0x80 != 0);
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let component = decoded.components().first().ok_or("its JPEG 2000 has no component")?;
    // The decoder raises numbers with a sign like those without.
    let (least, most) = (0.0, f32::from(u16::MAX >> (16 - bits)));
    let raised = if is_signed { 1_i32 << (bits - 1) } else { 0 };
    let number = |&sample: &f32| (sample.round().clamp(least, most) as i32 - raised) as u16;
    Ok(component.samples().iter().map(number).collect())
}

fn check_shape(kind: &str, found: [usize; 2], expected: [usize; 2]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "its {kind} has {} x {} pixels, the file says {} x {}",
        found[0], found[1], expected[0], expected[1]
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn packed(segments: &[&[u8]]) -> Vec<u8> {
        let mut table = vec![segments.len() as u32];
        let mut at = RLE_HEADER;
        for segment in segments {
            table.push(at as u32);
            at += segment.len();
        }
        table.resize(16, 0);
        let mut bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
        segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
        bytes
    }

    #[test]
    fn run_lengths_unpack() {
        // Three times 1, then 0, 2; the low bytes as they are, with a byte too many.
        let bytes = packed(&[&[254, 1, 128, 1, 0, 2], &[5, 9, 8, 7, 6, 5, 4]]);
        assert_eq!(rle(&bytes, 5, 16).unwrap(), [0x109, 0x108, 0x107, 0x006, 0x205]);
        assert_eq!(rle(&packed(&[&[253, 3]]), 4, 8).unwrap(), [3; 4]);
    }

    #[test]
    fn damaged_run_lengths_are_an_error() {
        assert!(rle(&[0; 10], 4, 8).is_err());
        assert!(rle(&packed(&[&[253, 3]]), 5, 8).is_err(), "too short");
        assert!(rle(&packed(&[&[253, 3]]), 4, 16).is_err(), "a segment is missing");
        let mut outside = packed(&[&[253, 3]]);
        outside[4] = 200;
        assert!(rle(&outside, 4, 8).is_err());
        let backwards =
            [&2_u32.to_le_bytes()[..], &70_u32.to_le_bytes(), &64_u32.to_le_bytes(), &[0; 60]].concat();
        assert!(rle(&backwards, 4, 16).is_err());
    }

    #[test]
    fn frames_take_their_fragments() {
        let fragments: [&[u8]; 3] = [&[1, 1], &[2, 2], &[3, 3]];
        assert_eq!(&*frame_bytes(&[], &fragments, 3, 1).unwrap(), [2, 2]);
        assert_eq!(&*frame_bytes(&[], &fragments, 1, 0).unwrap(), [1, 1, 2, 2, 3, 3]);
        assert_eq!(&*frame_bytes(&[0, 10], &fragments, 2, 1).unwrap(), [2, 2, 3, 3]);
        assert!(frame_bytes(&[], &fragments, 2, 1).is_err());
    }

    #[test]
    fn what_is_no_jpeg_is_an_error() {
        assert!(jpeg(&[0xFF, 0xD8, 0xFF], [4, 4]).is_err());
        assert!(jpeg_2000(&[0xFF, 0x4F, 0xFF, 0x51, 0, 0], [4, 4]).is_err());
    }
}
