//! From stored bits to values, and compressed pixels.

use dicom_core::PrimitiveValue;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::made::{AXIAL, Image, Pixels, SERIES, check_refusal, numbers, scan_of, sequence, stack};

/// The values of a scan of one slice, row by row.
fn values(image: Image) -> Vec<f32> {
    scan_of(&[image])
        .unwrap()
        .voxels
        .index_axis(ndarray::Axis(2), 0)
        .columns()
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

fn words(words: [u16; 6]) -> Image {
    Image { pixels: Pixels::Words(words.to_vec()), ..Image::axial(0) }
}

#[test]
fn slope_and_intercept_are_those_of_each_slice() {
    let mut images = stack(2);
    images[0].rescale = Some(["2", "-1024"]);
    images[1].rescale = Some(["0.5", "10"]);
    let scan = scan_of(&images).unwrap();
    assert_eq!((scan.voxels[(0, 0, 1)], scan.voxels[(2, 1, 1)]), (200.0 - 1024.0, 210.0 - 1024.0));
    assert_eq!((scan.voxels[(0, 0, 0)], scan.voxels[(2, 1, 0)]), (10.0, 12.5));
    images[0].rescale = Some(["0", "0"]);
    check_refusal(&images, &["Rescale Slope is 0"]);
    images[0].rescale = None;
    images[0].more.push((tags::MODALITY_LUT_SEQUENCE, VR::SQ, Some(PrimitiveValue::Empty)));
    check_refusal(&images, &["Modality LUT"]);
}

#[test]
fn signed_and_unsigned_bits_are_told_apart() {
    let all = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0xFC00];
    assert_eq!(values(words(all)), [0.0, 1.0, 32767.0, 32768.0, 65535.0, 64512.0]);
    assert_eq!(values(Image { is_signed: true, ..words(all) }), [0.0, 1.0, 32767.0, -32768.0, -1.0, -1024.0]);
    // Twelve bits of sixteen: what lies above is not the value's.
    let twelve = Image { bits: [16, 12, 11], is_signed: true, ..words([0, 0x7FF, 0x800, 0xFFF, 0x1001, 0xF800]) };
    assert_eq!(values(twelve), [0.0, 2047.0, -2048.0, -1.0, 1.0, -2048.0]);
}

#[test]
fn bytes_are_values_too() {
    let bytes = |is_signed: bool| Image {
        bits: [8, 8, 7],
        is_signed,
        pixels: Pixels::Bytes(vec![0, 1, 127, 128, 255, 200]),
        ..Image::axial(0)
    };
    assert_eq!(values(bytes(false)), [0.0, 1.0, 127.0, 128.0, 255.0, 200.0]);
    assert_eq!(values(bytes(true)), [0.0, 1.0, 127.0, -128.0, -1.0, -56.0]);
}

#[test]
fn every_uncompressed_transfer_syntax_gives_the_same() {
    let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"] {
        assert_eq!(values(Image { transfer_syntax: syntax, ..Image::axial(0) }), expected, "{syntax}");
    }
}

#[test]
fn pixels_that_are_no_gray_values_are_refused() {
    let with = |tag, vr, value: PrimitiveValue| Image { more: vec![(tag, vr, Some(value))], ..Image::axial(0) };
    check_refusal(
        &[with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB".into())],
        &["RGB", "gray values are needed"],
    );
    check_refusal(&[with(tags::SAMPLES_PER_PIXEL, VR::US, 3_u16.into())], &["3 samples"]);
    check_refusal(&[with(tags::BITS_ALLOCATED, VR::US, 32_u16.into())], &["32 bits", "8 or 16 are read"]);
    check_refusal(&[with(tags::BITS_STORED, VR::US, 17_u16.into())], &["17"]);
    check_refusal(&[with(tags::ROWS, VR::US, 0_u16.into())], &["0 rows"]);
    check_refusal(&[Image { more: vec![(tags::PIXEL_DATA, VR::OW, None)], ..Image::axial(0) }], &["no pixels"]);
    let inverted = with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1".into());
    let scan = scan_of(&[inverted]).unwrap();
    assert!(scan.notes.iter().any(|note| note.contains("MONOCHROME1")), "{:?}", scan.notes);
    assert_eq!(scan.voxels[(2, 1, 0)], 5.0);
}

#[test]
fn what_is_not_unpacked_is_named_with_a_way_out() {
    for (syntax, name) in [
        (uids::JPEGLS_LOSSLESS, "JPEG-LS"),
        (uids::HTJ2K_LOSSLESS, "high-throughput JPEG 2000"),
        (uids::JPEGXL_LOSSLESS, "JPEG XL"),
    ] {
        let image =
            Image { transfer_syntax: syntax, pixels: Pixels::Fragments(vec![vec![0; 8]]), ..Image::axial(0) };
        check_refusal(&[image], &[name, "gdcmconv --raw"]);
    }
}

/// A frame of 16-bit run lengths: each byte by itself.
fn run_lengths(words: &[u16]) -> Vec<u8> {
    let segments = [8, 0].map(|shift| {
        words.chunks(128).fold(Vec::new(), |mut bytes, chunk| {
            bytes.push(chunk.len() as u8 - 1);
            bytes.extend(chunk.iter().map(|word| (word >> shift) as u8));
            bytes
        })
    });
    let mut table = [0_u32; 16];
    table[..3].copy_from_slice(&[2, 64, 64 + segments[0].len() as u32]);
    let mut bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
    segments.iter().for_each(|segment| bytes.extend(segment));
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

#[test]
fn run_lengths_are_unpacked() {
    let image = |fragment: Vec<u8>| Image {
        transfer_syntax: uids::RLE_LOSSLESS,
        pixels: Pixels::Fragments(vec![fragment]),
        is_signed: true,
        ..Image::axial(0)
    };
    assert_eq!(values(image(run_lengths(&[0, 1, 300, 0xFFFF, 5, 0xFC18]))), [0.0, 1.0, 300.0, -1.0, 5.0, -1000.0]);
    check_refusal(&[image(vec![0; 70])], &["0 segments"]);
    check_refusal(&[image(vec![1, 2])], &["damaged"]);
}

/// A frame's own functional groups.
fn groups(image: &Image, rescale: Option<[&str; 2]>) -> InMemDicomObject {
    let mut position = InMemDicomObject::new_empty();
    position.put_str(tags::IMAGE_POSITION_PATIENT, VR::DS, numbers(&image.position_mm).to_multi_str().join("\\"));
    let mut all = InMemDicomObject::from_element_iter([sequence(tags::PLANE_POSITION_SEQUENCE, vec![position])]);
    if let Some([slope, intercept]) = rescale {
        let mut transformation = InMemDicomObject::new_empty();
        transformation.put_str(tags::RESCALE_SLOPE, VR::DS, slope);
        transformation.put_str(tags::RESCALE_INTERCEPT, VR::DS, intercept);
        all.put(sequence(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![transformation]));
    }
    all
}

/// An enhanced CT of these frames, in their order.
pub fn multi_frame(frames: &[Image]) -> (Image, InMemDicomObject) {
    let pixels = frames.iter().flat_map(|frame| match &frame.pixels {
        Pixels::Words(words) => words.clone(),
        _ => Vec::new(),
    });
    let image = Image {
        sop_class: uids::ENHANCED_CT_IMAGE_STORAGE,
        pixels: Pixels::Words(pixels.collect()),
        instance_uid: format!("{SERIES}.77"),
        more: [tags::IMAGE_POSITION_PATIENT, tags::IMAGE_ORIENTATION_PATIENT, tags::PIXEL_SPACING]
            .map(|tag| (tag, VR::DS, None))
            .to_vec(),
        ..Image::axial(0)
    };
    let mut object = image.object();
    object.put_str(tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string());
    let mut orientation = InMemDicomObject::new_empty();
    orientation.put_str(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, numbers(&AXIAL).to_multi_str().join("\\"));
    let mut measures = InMemDicomObject::new_empty();
    measures.put_str(tags::PIXEL_SPACING, VR::DS, "0.5\\0.75");
    object.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![InMemDicomObject::from_element_iter([
            sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
            sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
        ])],
    ));
    let own = frames.iter().map(|frame| groups(frame, frame.rescale)).collect();
    object.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, own));
    (image, object)
}

#[test]
fn frames_of_one_file_are_slices() {
    let mut frames = stack(4);
    frames[3].rescale = Some(["1", "-1000"]);
    let (image, object) = multi_frame(&frames);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enhanced.dcm");
    crate::made::write(object.clone(), image.sop_class, image.transfer_syntax, &path);
    let scan = fastersam_dicom::DicomSeries::open(&path, None).unwrap().scan().unwrap();
    let mut expected = scan_of(&stack(4)).unwrap();
    expected.voxels.index_axis_mut(ndarray::Axis(2), 0).mapv_inplace(|value| value - 1000.0);
    assert_eq!((scan.voxels, scan.grid.affine), (expected.voxels, expected.grid.affine));

    // A frame too many, which lies nowhere.
    let mut more = object.clone();
    more.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "5");
    crate::made::write(more, image.sop_class, image.transfer_syntax, &path);
    let refused = fastersam_dicom::DicomSeries::open(&path, None).err().unwrap().to_string();
    assert!(refused.contains("5 frames and says where 4"), "{refused}");
    // Pixels of three frames only.
    let mut fewer = object;
    fewer.put(dicom_core::DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![0; 18].into())));
    crate::made::write(fewer, image.sop_class, image.transfer_syntax, &path);
    let refused = fastersam_dicom::DicomSeries::open(&path, None).unwrap().scan().unwrap_err().to_string();
    assert!(refused.contains("truncated"), "{refused}");
}
