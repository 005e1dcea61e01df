//! Reading folders of scans, and what is said of broken ones.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use fastersam_datasets::{Case, DataSet, DatasetError, LabelScheme, OpenOptions, forms};
use fastersam_volume::{write_image, write_labels};
use ndarray::Array3;

/// An ACDC folder with one patient.
fn acdc_folder(folder: &Path) -> [PathBuf; 2] {
    let patient = folder.join("patient001");
    fs::create_dir_all(&patient).unwrap();
    fs::write(patient.join("Info.cfg"), "ED: 1\nES: 1\n").unwrap();
    let image = patient.join("patient001_frame01.nii.gz");
    let label = patient.join("patient001_frame01_gt.nii.gz");
    let voxels = Array3::from_shape_fn((6, 5, 4), |(i, j, k)| (i * j + k) as f32);
    write_image(&image, &voxels, [1.0, 1.0, 5.0]).unwrap();
    write_labels(&label, &voxels.mapv(|v| (v as u8) % 4), [1.0, 1.0, 5.0]).unwrap();
    [image, label]
}

/// All cases of a folder.
fn load(folder: &Path) -> Result<Vec<Case>, DatasetError> {
    DataSet::open(folder, &OpenOptions::default())?.load("all")
}

/// The message of the error that reading patient 1 gives.
fn acdc_error(folder: &Path) -> String {
    load(folder).unwrap_err().to_string()
}

#[test]
fn a_whole_folder_is_read_and_scaled() {
    let folder = tempfile::tempdir().unwrap();
    acdc_folder(folder.path());
    let cases = load(folder.path()).unwrap();
    let case = &cases[0];
    assert_eq!((case.image.dim(), case.label.dim()), ((4, 5, 6), (4, 5, 6)));
    assert_eq!(case.spacing_mm, Some([5.0, 1.0, 1.0]));
    let largest = case.image.fold(0.0_f32, |a, &b| a.max(b));
    assert_eq!((largest, case.image[(0, 0, 0)]), (1.0, 0.0));
}

#[test]
fn broken_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    assert!(matches!(load(&missing), Err(DatasetError::Missing { .. })));
    let synapse = OpenOptions {
        form: Some(&forms::SynapseNifti),
        label_scheme: Some(LabelScheme::Raw),
        ..OpenOptions::default()
    };
    assert!(matches!(DataSet::open(&missing, &synapse), Err(DatasetError::Missing { .. })));

    let [image, label] = acdc_folder(folder.path());
    let whole = fs::read(&image).unwrap();
    for length in [0, 10, 100, whole.len() / 2, whole.len() - 9] {
        fs::write(&image, &whole[..length]).unwrap();
        let message = acdc_error(folder.path());
        assert!(message.contains("patient001_frame01.nii.gz"), "{length} bytes: {message}");
    }
    fs::write(&image, b"no gzip at all").unwrap();
    assert!(acdc_error(folder.path()).contains("patient001_frame01.nii.gz"));
    fs::write(&image, &whole).unwrap();

    write_labels(&label, &Array3::from_elem((6, 5, 4), 9), [1.0, 1.0, 5.0]).unwrap();
    let message = acdc_error(folder.path());
    assert!(message.contains("the label value 9") && message.contains("_gt.nii.gz"), "{message}");

    write_labels(&label, &Array3::zeros((6, 5, 3)), [1.0; 3]).unwrap();
    let message = acdc_error(folder.path());
    assert!(message.contains("[6, 5, 4]") && message.contains("[6, 5, 3]"), "{message}");

    fs::write(folder.path().join("patient001/Info.cfg"), "ED: one").unwrap();
    assert!(acdc_error(folder.path()).contains("Info.cfg"));
}

/// The content of a packed file.
fn unpack(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn info_is_read_as_people_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let [image, label] = acdc_folder(folder.path());
    let voxels = Array3::zeros((6, 5, 4));
    write_image(&image, &voxels, [1.0, 1.0, 5.0]).unwrap();
    write_labels(&label, &voxels.mapv(|_| 0), [1.0, 1.0, 5.0]).unwrap();
    for text in [
        &b"ED: 1\r\nES: 1\r\nGroup: DCM\r\n"[..],
        b"\xef\xbb\xbfED: 1\nES: 1\n",
        b"ED:1\nES:1",
        b"ED: 1\nES: 1\nGroup: caf\xe9\n",
    ] {
        fs::write(folder.path().join("patient001/Info.cfg"), text).unwrap();
        load(folder.path()).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    }
}

#[test]
fn voxels_that_are_no_numbers_are_counted_and_the_others_are_as_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let [image, label] = acdc_folder(folder.path());
    write_labels(&label, &Array3::zeros((6, 5, 4)), [1.0, 1.0, 5.0]).unwrap();
    let clean = Array3::from_shape_fn((6, 5, 4), |(i, j, k)| (i * 20 + j * 4 + k) as f32);
    write_image(&image, &clean, [1.0, 1.0, 5.0]).unwrap();
    let whole = load(folder.path()).unwrap();
    assert!(whole[0].notes.is_empty() && whole[0].intensities.is_some());
    let mut damaged = clean.clone();
    damaged[(0, 0, 0)] = f32::NAN;
    write_image(&image, &damaged, [1.0, 1.0, 5.0]).unwrap();
    let found = load(folder.path()).unwrap();
    assert!(found[0].notes[0].contains("1 voxel of 120"), "{:?}", found[0].notes);
    assert!(found[0].image.iter().all(|v| v.is_finite()));
    damaged.slice_mut(ndarray::s![0..2, .., ..]).fill(f32::INFINITY);
    write_image(&image, &damaged, [1.0, 1.0, 5.0]).unwrap();
    assert!(load(folder.path()).unwrap_err().to_string().contains("more than 10 %"));
}

#[test]
fn errors_print_their_cause_once() {
    let folder = tempfile::tempdir().unwrap();
    let [image, label] = acdc_folder(folder.path());
    let check = |error: DatasetError, cause: &str| {
        assert!(error.to_string().contains(cause), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    };
    fs::remove_file(&image).unwrap();
    check(load(folder.path()).unwrap_err(), "does not exist");
    fs::create_dir(&image).unwrap();
    check(load(folder.path()).unwrap_err(), "is a folder");
    fs::remove_dir(&image).unwrap();
    // A label map of another scan, and one that is mirrored or shifted against its image.
    let voxels = Array3::zeros((6, 5, 4));
    write_image(&image, &voxels, [1.0, 1.0, 5.0]).unwrap();
    write_labels(&label, &voxels.mapv(|_| 0), [1.0, 1.0, 5.0]).unwrap();
    let whole = unpack(&label);
    for (what, at, value) in [("LPS", 280, -1.0_f32), ("40.0 mm apart", 292, 40.0)] {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(&label, bytes).unwrap();
        let error = load(folder.path()).unwrap_err();
        let both = ["frame01.nii.gz", "frame01_gt.nii.gz", if what == "LPS" { "RAS and to LAS" } else { what }];
        both.iter().for_each(|words| check(load(folder.path()).unwrap_err(), words));
        assert!(matches!(error, DatasetError::OtherGrid { .. }), "{error}");
    }
    // Packed and unpacked beside each other: nothing says which one is meant.
    fs::write(&label, &whole).unwrap();
    let twin = label.with_extension("");
    fs::write(&twin, &whole).unwrap();
    check(load(folder.path()).unwrap_err(), "nothing says which one is meant");
    fs::remove_file(&twin).unwrap();
    load(folder.path()).unwrap();
}
