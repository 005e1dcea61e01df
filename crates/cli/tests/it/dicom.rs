//! DICOM series in, NIfTI and DICOM segmentations out.

use std::fs;
use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::meta::FileMetaTableBuilder;
use dicom_object::{InMemDicomObject, open_file};
use fastersam_datasets::phantom::Phantom;
use fastersam_volume::{Orientation, Scan, write_image_volume};

use crate::program::{checkpoint, fastersam, stderr, stdout, text};

/// Writes a scan as a series of CT images, the last slice first.
fn write_series(folder: &Path, scan: &Scan, series_uid: &str, number: &str) {
    fs::create_dir_all(folder).unwrap();
    // To the left and back, as DICOM has it.
    let column =
        |axis: usize| [-1.0, -1.0, 1.0].iter().zip(&scan.grid.affine).map(move |(sign, row)| sign * row[axis]);
    let texts = |values: Vec<f64>| PrimitiveValue::Strs(values.iter().map(ToString::to_string).collect());
    let spacing = scan.grid.spacing_mm;
    let [n_columns, n_rows, n_slices] = scan.grid.shape;
    for slice in 0..n_slices {
        let mut object = InMemDicomObject::new_empty();
        let instance = format!("{series_uid}.{}", slice + 1);
        for (tag, vr, value) in [
            (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            (tags::SOP_INSTANCE_UID, VR::UI, &instance),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            (tags::SERIES_INSTANCE_UID, VR::UI, series_uid),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.4"),
            (tags::MODALITY, VR::CS, "CT"),
            (tags::SERIES_NUMBER, VR::IS, number),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            (tags::RESCALE_SLOPE, VR::DS, "1"),
            (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        ] {
            object.put_str(tag, vr, value);
        }
        let position = column(3).zip(column(2)).map(|(origin, step)| origin + slice as f64 * step).collect();
        let orientation = column(0).map(|v| v / spacing[0]).chain(column(1).map(|v| v / spacing[1])).collect();
        for (tag, values) in [
            (tags::IMAGE_POSITION_PATIENT, position),
            (tags::IMAGE_ORIENTATION_PATIENT, orientation),
            (tags::PIXEL_SPACING, vec![spacing[1], spacing[0]]),
        ] {
            object.put(DataElement::new(tag, VR::DS, texts(values)));
        }
        for (tag, value) in [
            (tags::ROWS, n_rows as u16),
            (tags::COLUMNS, n_columns as u16),
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        let plane = scan.voxels.index_axis(ndarray::Axis(2), slice);
        let pixels: Vec<u16> =
            plane.columns().into_iter().flatten().map(|&value| (value + 1024.0) as u16).collect();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(instance);
        let path = folder.join(format!("IM{:03}", n_slices - slice));
        object.with_meta(meta).unwrap().write_to_file(path).unwrap();
    }
}

#[test]
fn a_dicom_series_is_a_scan_and_its_segmentation_refers_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    let phantom = Phantom::Abdomen.acquire(1, 3, 64);
    // As a series lies: columns to the left, rows to the back, slices to the top.
    let lying = Orientation { axes: [2, 1, 0], positive: [true, false, false] };
    write_image_volume(&at("original.nii.gz"), &phantom.raw, phantom.spacing_mm, Orientation::default()).unwrap();
    let (volume, spacing) = Scan::read(&at("original.nii.gz")).unwrap().oriented(lying);
    write_image_volume(&at("scan.nii.gz"), &volume.mapv(|value| value as i16), spacing, lying).unwrap();
    let scan = Scan::read(&at("scan.nii.gz")).unwrap();
    write_series(&at("study/venous"), &scan, "1.2.5", "3");
    let segment =
        |scan: &str, more: &[&str]| fastersam(&[&["segment", text(&at(scan)), "-m", text(&model)], more].concat());

    stdout(&segment("scan.nii.gz", &[]));
    let printed = stdout(&segment("study/venous", &[]));
    assert_eq!(printed.trim(), text(&at("study/venous_segmentation.nii.gz")));
    let [ours, expected] = ["study/venous_segmentation.nii.gz", "scan_segmentation.nii.gz"]
        .map(|name| Scan::read(&at(name)).unwrap());
    assert!(expected.voxels.iter().any(|&class| class > 0.0), "an empty segmentation tells nothing");
    assert_eq!(ours.voxels, expected.voxels);
    for (found, wanted) in ours.grid.affine.as_flattened().iter().zip(expected.grid.affine.as_flattened()) {
        assert!((found - wanted).abs() < 1e-4, "{:?} for {:?}", ours.grid.affine, expected.grid.affine);
    }

    let printed = stdout(&segment(
        "study/venous",
        &["--format", "dicom-seg", "--statistics", "--html", "-o", text(&at("seg.dcm"))],
    ));
    assert_eq!(printed.trim(), text(&at("seg.dcm")));
    let seg = open_file(at("seg.dcm")).unwrap();
    let bytes = seg.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let n_voxels: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(n_voxels as usize, expected.voxels.iter().filter(|&&class| class > 0.0).count());
    assert_eq!(
        seg.element(tags::FRAME_OF_REFERENCE_UID).unwrap().to_str().unwrap().trim_end_matches('\0'),
        "1.2.4"
    );
    // What shows it needs NIfTI.
    assert_eq!(Scan::read(&at("seg.nii.gz")).unwrap().voxels, expected.voxels);
    assert_eq!(Scan::read(&at("seg_scan.nii.gz")).unwrap().voxels, scan.voxels);
    assert!(at("seg_viewer.html").is_file() && at("seg_statistics.csv").is_file());

    // A segmentation of images needs images.
    let refused = segment("scan.nii.gz", &["--format", "dicom-seg"]);
    assert!(stderr(&refused).contains("is no DICOM series"), "{}", stderr(&refused));
    // A slice of the series is an input like any other.
    let slice = at("study/venous/IM001");
    let before = fs::read(&slice).unwrap();
    fs::hard_link(&slice, at("slice.dcm")).unwrap();
    let refused = segment("study/venous", &["--format", "dicom-seg", "-o", text(&at("slice.dcm")), "--overwrite"]);
    assert!(stderr(&refused).contains("same file as the input"), "{}", stderr(&refused));
    assert!(fs::read(&slice).unwrap() == before);

    // Of several series one must be named.
    write_series(&at("study/late"), &scan, "1.2.6", "4");
    let refused = stderr(&segment("study", &[]));
    assert!(refused.contains("series 3: CT") && refused.contains("series 4: CT"), "{refused}");
    let chosen = stdout(&segment("study", &["--series", "4", "--json"]));
    let chosen: serde_json::Value = serde_json::from_str(&chosen).unwrap();
    assert_eq!(chosen["series_uid"], "1.2.6");
    // One file of it is a scan of one slice, and a missing one a gap.
    fs::remove_file(at("study/late/IM002")).unwrap();
    let refused = stderr(&segment("study/late", &[]));
    assert!(refused.contains("missing") || refused.contains("evenly"), "{refused}");
}

#[test]
fn folders_of_other_files_say_how_they_become_scans() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("scan.nrrd"), "NRRD0004\n").unwrap();
    let refused = stderr(&fastersam(&["segment", text(folder.path()), "-m", "nowhere"]));
    assert!(refused.contains("scan.nrrd") && refused.contains("convert"), "{refused}");
    fs::write(folder.path().join("a.nii.gz"), "x").unwrap();
    fs::write(folder.path().join("b.dcm"), "x").unwrap();
    let refused = stderr(&fastersam(&["segment", text(folder.path()), "-m", "nowhere"]));
    assert!(refused.contains("both NIfTI and DICOM"), "{refused}");
}
