//! Which files and which series are meant.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use fastersam_dicom::{DicomError, DicomSeries, files_of, is_dicom};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::made::{Image, SERIES, check_refusal, file, folder, refusal, stack};

fn second_series() -> Vec<Image> {
    let mut images = stack(2);
    for image in &mut images {
        image.series_uid = "1.2.3.5".to_owned();
        image.series_number = "8";
        image.description = "late";
        image.instance_uid = image.instance_uid.replace(SERIES, "1.2.3.5");
    }
    images
}

fn error(path: &Path, series: Option<&str>) -> DicomError {
    DicomSeries::open(path, series).err().unwrap()
}

#[test]
fn of_several_series_one_is_chosen_by_uid_or_number() {
    let folder = folder(&[stack(3), second_series()].concat());
    let found = error(folder.path(), None);
    assert!(matches!(&found, DicomError::SeveralSeries { series, .. } if series.len() == 2));
    let text = found.to_string();
    for part in ["2 series", "series 7: CT, 3 images, abdomen, 1.2.3.4", "series 8: CT, 2 images, late, 1.2.3.5"] {
        assert!(text.contains(part), "{text}");
    }
    for (wanted, n_images) in [("1.2.3.4", 3), ("7", 3), ("1.2.3.5", 2), ("8", 2)] {
        let series = DicomSeries::open(folder.path(), Some(wanted)).unwrap();
        assert_eq!((series.summary().n_images, series.grid().shape[2]), (n_images, n_images), "{wanted}");
    }
    let missing = error(folder.path(), Some("9")).to_string();
    assert!(missing.contains("no image series 9") && missing.contains("series 8"), "{missing}");
}

#[test]
fn a_number_that_two_series_have_chooses_none() {
    let mut second = second_series();
    second.iter_mut().for_each(|image| image.series_number = "7");
    let folder = folder(&[stack(3), second].concat());
    let found = error(folder.path(), Some("7")).to_string();
    assert!(found.contains("more than one image series 7") && found.contains("by its UID"), "{found}");
    assert!(DicomSeries::open(folder.path(), Some("1.2.3.5")).is_ok());
}

#[test]
fn a_damaged_series_does_not_hinder_another_one() {
    let mut damaged = second_series();
    damaged[0].more.push((tags::IMAGE_POSITION_PATIENT, VR::DS, None));
    let folder = folder(&[stack(3), damaged].concat());
    assert!(DicomSeries::open(folder.path(), Some("7")).is_ok());
    assert!(error(folder.path(), Some("8")).to_string().contains("where it lies"));
}

#[test]
fn scouts_reports_and_other_files_are_passed_over() {
    let mut scout = Image::axial(9);
    scout.series_uid = "1.2.3.6".to_owned();
    scout.more.push((tags::IMAGE_TYPE, VR::CS, Some("ORIGINAL\\PRIMARY\\LOCALIZER".into())));
    let mut capture = Image::axial(8);
    capture.sop_class = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    let folder = folder(&[stack(2), vec![scout, capture]].concat());
    file(folder.path(), "README.txt", b"hello");
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::rename(folder.path().join("000.dcm"), folder.path().join("deeper/IM1")).unwrap();
    let scan = DicomSeries::open(folder.path(), None).unwrap().scan().unwrap();
    assert_eq!(scan.voxels.dim().2, 2);
    for part in ["1 x scout view", "1 x secondary capture", "1 x other file"] {
        assert!(scan.notes[0].contains(part), "{:?}", scan.notes);
    }
}

#[test]
fn where_no_image_lies_the_error_says_what_does() {
    let empty = tempfile::tempdir().unwrap();
    assert!(error(empty.path(), None).to_string().contains("it is empty"));
    assert!(!is_dicom(empty.path()));
    file(empty.path(), "scan.nii.gz", b"x");
    assert!(error(empty.path(), None).to_string().contains("1 x other file"));
    assert!(error(&empty.path().join("missing"), None).to_string().contains("does not exist"));
    let mut report = Image::axial(0);
    report.sop_class = uids::BASIC_TEXT_SR_STORAGE;
    check_refusal(&[report], &["no image series", "1 x report"]);
}

#[test]
fn a_file_that_should_be_a_slice_and_is_none_is_an_error() {
    let folder = folder(&stack(3));
    file(folder.path(), "last.DCM", b"");
    assert!(error(folder.path(), None).to_string().contains("truncated"));
}

#[test]
fn one_patient_and_one_place_in_space_make_a_series() {
    for (tag, vr, what) in [
        (tags::PATIENT_ID, VR::LO, "patient"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "study"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, "frame of reference"),
    ] {
        let mut images = stack(3);
        images[1].more.push((tag, vr, Some("1.99".into())));
        check_refusal(&images, &[what, "the series' other files"]);
    }
}

/// An archive of a folder's files; `method` packs them.
fn zipped(folder: &Path, method: zip::CompressionMethod, path: &Path) {
    let mut archive = ZipWriter::new(fs::File::create(path).unwrap());
    for name in files_of(folder).unwrap() {
        let inside = format!("study/{}", name.file_name().unwrap().to_str().unwrap());
        archive.start_file(inside, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(&fs::read(name).unwrap()).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn an_archive_is_like_its_folder() {
    let folder = folder(&stack(4));
    let expected = DicomSeries::open(folder.path(), None).unwrap().scan().unwrap();
    let place = tempfile::tempdir().unwrap();
    for method in [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored] {
        let path = place.path().join("series.zip");
        zipped(folder.path(), method, &path);
        assert!(is_dicom(&path));
        let found = DicomSeries::open(&path, None).unwrap().scan().unwrap();
        assert_eq!((found.voxels, found.grid.affine), (expected.voxels.clone(), expected.grid.affine));
    }
    assert_eq!(files_of(place.path()).unwrap(), [place.path().join("series.zip")]);
    let damaged = fs::read(place.path().join("series.zip")).unwrap();
    let cut = file(place.path(), "cut.zip", &damaged[..damaged.len() / 2]);
    assert!(error(&cut, None).to_string().contains("damaged zip archive"));
}

#[test]
fn archives_that_lead_outside_or_claim_too_much_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bad.zip");
    let mut archive = ZipWriter::new(fs::File::create(&path).unwrap());
    archive.start_file("../../outside.dcm", SimpleFileOptions::default()).unwrap();
    archive.write_all(b"x").unwrap();
    archive.finish().unwrap();
    assert!(error(&path, None).to_string().contains("leads out of it"));

    // Sizes in the table of contents that deflate can't reach.
    let path = place.path().join("bomb.zip");
    let mut archive = ZipWriter::new(fs::File::create(&path).unwrap());
    archive.start_file("a.dcm", SimpleFileOptions::default()).unwrap();
    archive.write_all(&[0; 1000]).unwrap();
    archive.finish().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let entry = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    bytes[entry + 24..entry + 28].copy_from_slice(&0xF000_0000_u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let found = error(&path, None).to_string();
    assert!(found.contains("claim more than"), "{found}");
}

#[test]
fn a_single_file_is_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("IM1");
    Image::axial(2).write(&path);
    assert!(is_dicom(&path) && is_dicom(folder.path()));
    assert_eq!(DicomSeries::open(&path, None).unwrap().grid().shape, [3, 2, 1]);
    assert!(!refusal(&[]).is_empty());
}
