//! Segmentations that are written, read back attribute by attribute.

use std::path::Path;
use std::time::{Duration, SystemTime};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, open_file};
use fastersam_dicom::{DicomSeries, Segmentation};
use fastersam_volume::LabelTable;
use ndarray::Array3;

use crate::made::{FRAME_OF_REFERENCE, Image, SERIES, STUDY, folder, stack};
use crate::pixels::multi_frame;

fn table() -> LabelTable {
    LabelTable::new(&["liver", "left kidney", "tumour\\1"]).with_codes([6, 3, 300])
}

fn write(series: &DicomSeries, classes: &Array3<u8>, path: &Path, seconds: u64) -> Result<(), String> {
    let about = Segmentation {
        table: &table(),
        program_version: "0.1.0",
        model_sha256: "abc",
        created: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
    };
    series.write_segmentation(path, classes, &about).map_err(|error| error.to_string())
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim_end_matches('\0').to_owned()
}

fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.element(tag).unwrap().items().unwrap()
}

fn number(object: &InMemDicomObject, tag: Tag) -> u32 {
    object.element(tag).unwrap().to_int().unwrap()
}

/// The class map that a segmentation holds on a series of `n` slices of 2.5 mm.
fn classes_of(object: &InMemDicomObject, n: usize) -> Array3<u8> {
    let mut classes = Array3::zeros((3, 2, n));
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    for (at, groups) in items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().enumerate() {
        let position = &items(groups, tags::PLANE_POSITION_SEQUENCE)[0];
        let position: Vec<f64> =
            position.element(tags::IMAGE_POSITION_PATIENT).unwrap().to_multi_float64().unwrap();
        let slice = ((position[2] - 30.0) / 2.5).round() as usize;
        let segment =
            number(&items(groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE)[0], tags::REFERENCED_SEGMENT_NUMBER);
        for pixel in 0..6 {
            let bit = at * 6 + pixel;
            if bytes[bit / 8] >> (bit % 8) & 1 == 1 {
                assert_eq!(classes[(pixel % 3, pixel / 3, slice)], 0, "segments overlap");
                classes[(pixel % 3, pixel / 3, slice)] = segment as u8;
            }
        }
    }
    classes
}

fn some_classes() -> Array3<u8> {
    let mut classes = Array3::zeros((3, 2, 4));
    for (place, class) in [((0, 0, 0), 1), ((2, 1, 0), 1), ((1, 1, 0), 3), ((0, 1, 3), 1), ((2, 0, 2), 3)] {
        classes[place] = class;
    }
    classes
}

#[test]
fn a_segmentation_holds_the_class_map_and_refers_to_its_images() {
    let images = stack(4);
    let place = folder(&images);
    let series = DicomSeries::open(place.path(), None).unwrap();
    let output = tempfile::tempdir().unwrap();
    let path = output.path().join("out.dcm");
    write(&series, &some_classes(), &path, 3_600).unwrap();
    let object = open_file(&path).unwrap();
    assert_eq!(object.meta().media_storage_sop_class_uid(), uids::SEGMENTATION_STORAGE);
    assert_eq!(object.meta().media_storage_sop_instance_uid(), text(&object, tags::SOP_INSTANCE_UID));
    assert_eq!(classes_of(&object, 4), some_classes());
    for (tag, expected) in [
        (tags::SOP_CLASS_UID, uids::SEGMENTATION_STORAGE),
        (tags::MODALITY, "SEG"),
        (tags::SEGMENTATION_TYPE, "BINARY"),
        (tags::STUDY_INSTANCE_UID, STUDY),
        (tags::FRAME_OF_REFERENCE_UID, FRAME_OF_REFERENCE),
        (tags::PATIENT_NAME, "Made^Up"),
        (tags::CONTENT_TIME, "010000"),
        (tags::SERIES_NUMBER, "1007"),
        (tags::LOSSY_IMAGE_COMPRESSION, "00"),
    ] {
        assert_eq!(text(&object, tag), expected, "{tag}");
    }
    assert_ne!(text(&object, tags::SERIES_INSTANCE_UID), SERIES);
    assert_eq!((number(&object, tags::ROWS), number(&object, tags::COLUMNS)), (2, 3));
    // Two slices of the first class, none of the second, two of the third.
    assert_eq!(number(&object, tags::NUMBER_OF_FRAMES), 4);

    let segments = items(&object, tags::SEGMENT_SEQUENCE);
    let labels: Vec<String> = segments.iter().map(|segment| text(segment, tags::SEGMENT_LABEL)).collect();
    assert_eq!(labels, ["liver", "left kidney", "tumour/1"]);
    assert!(text(&segments[2], tags::SEGMENT_DESCRIPTION).contains("300"));
    let kind = &items(&segments[1], tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE)[0];
    assert_eq!(text(kind, tags::CODE_VALUE), "18639004");
    let colors: std::collections::BTreeSet<Vec<u16>> = segments
        .iter()
        .map(|segment| segment.element(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE).unwrap().to_multi_int().unwrap())
        .collect();
    assert_eq!(colors.len(), 3);

    let referenced = &items(&object, tags::REFERENCED_SERIES_SEQUENCE)[0];
    assert_eq!(text(referenced, tags::SERIES_INSTANCE_UID), SERIES);
    let instances = items(referenced, tags::REFERENCED_INSTANCE_SEQUENCE);
    assert_eq!(instances.len(), images.len());
    // Each frame was made from the image in its place.
    for groups in items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE) {
        let position = text(&items(groups, tags::PLANE_POSITION_SEQUENCE)[0], tags::IMAGE_POSITION_PATIENT);
        let derivation = &items(groups, tags::DERIVATION_IMAGE_SEQUENCE)[0];
        let source = &items(derivation, tags::SOURCE_IMAGE_SEQUENCE)[0];
        let image = images
            .iter()
            .find(|image| image.instance_uid == text(source, tags::REFERENCED_SOP_INSTANCE_UID))
            .unwrap();
        assert!(position.ends_with(&image.position_mm[2].to_string()), "{position}");
    }

    // The same again is the same to the byte; at another time it is another instance.
    let bytes = std::fs::read(&path).unwrap();
    write(&series, &some_classes(), &path, 3_600).unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    write(&series, &some_classes(), &path, 7_200).unwrap();
    assert_ne!(text(&open_file(&path).unwrap(), tags::SOP_INSTANCE_UID), text(&object, tags::SOP_INSTANCE_UID));
}

#[test]
fn an_empty_class_map_has_one_empty_frame() {
    let place = folder(&stack(4));
    let series = DicomSeries::open(place.path(), None).unwrap();
    let path = place.path().join("out.dcm");
    write(&series, &Array3::zeros((3, 2, 4)), &path, 0).unwrap();
    let object = open_file(&path).unwrap();
    assert_eq!((number(&object, tags::NUMBER_OF_FRAMES), classes_of(&object, 4).sum()), (1, 0));
    // It lies in the folder of its series now, and is not taken for one of its images.
    let mut again = DicomSeries::open(place.path(), None).unwrap();
    assert!(again.scan().unwrap().notes[0].contains("1 x segmentation"));
}

#[test]
fn a_loss_of_the_images_is_one_of_their_segmentation() {
    let mut images = stack(4);
    for image in &mut images {
        image.more = vec![
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, Some("01".into())),
            (tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, Some("8.5".into())),
        ];
    }
    let place = folder(&images);
    let path = place.path().join("out.dcm");
    write(&DicomSeries::open(place.path(), None).unwrap(), &some_classes(), &path, 0).unwrap();
    let object = open_file(&path).unwrap();
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION), "01");
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION_RATIO), "8.5");
}

#[test]
fn frames_of_an_enhanced_image_are_referred_to_by_number() {
    let (image, object) = multi_frame(&stack(4));
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("enhanced.dcm");
    crate::made::write(object, image.sop_class, image.transfer_syntax, &source);
    let series = DicomSeries::open(&source, None).unwrap();
    let path = place.path().join("out.dcm");
    write(&series, &some_classes(), &path, 0).unwrap();
    let object = open_file(&path).unwrap();
    assert_eq!(classes_of(&object, 4), some_classes());
    // The file's frames run from the top down.
    let frames: Vec<String> = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .iter()
        .map(|groups| {
            let derivation = &items(groups, tags::DERIVATION_IMAGE_SEQUENCE)[0];
            text(&items(derivation, tags::SOURCE_IMAGE_SEQUENCE)[0], tags::REFERENCED_FRAME_NUMBER)
        })
        .collect();
    assert_eq!(frames, ["4", "1", "4", "2"]);
    let referenced = &items(&object, tags::REFERENCED_SERIES_SEQUENCE)[0];
    assert_eq!(items(referenced, tags::REFERENCED_INSTANCE_SEQUENCE).len(), 1);
}

#[test]
fn what_is_no_class_map_of_the_series_is_refused() {
    let place = folder(&[Image::axial(0), Image::axial(1)]);
    let series = DicomSeries::open(place.path(), None).unwrap();
    let path = place.path().join("out.dcm");
    assert!(write(&series, &Array3::zeros((3, 2, 4)), &path, 0).unwrap_err().contains("shape"));
    assert!(write(&series, &Array3::from_elem((3, 2, 2), 4), &path, 0).unwrap_err().contains("class 4"));
    assert!(!path.exists());
    let nowhere = place.path().join("missing/out.dcm");
    assert!(write(&series, &Array3::zeros((3, 2, 2)), &nowhere, 0).is_err());
}
