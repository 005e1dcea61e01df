//! Reading folders of scans, and what is said of broken ones.

use std::fs;
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

    write_labels(&label, &Array3::from_elem((6, 5, 4), 9), [1.0; 3]).unwrap();
    let message = acdc_error(folder.path());
    assert!(message.contains("the label value 9") && message.contains("_gt.nii.gz"), "{message}");

    write_labels(&label, &Array3::zeros((6, 5, 3)), [1.0; 3]).unwrap();
    let message = acdc_error(folder.path());
    assert!(message.contains("[6, 5, 4]") && message.contains("[6, 5, 3]"), "{message}");

    fs::write(folder.path().join("patient001/Info.cfg"), "ED: one").unwrap();
    assert!(acdc_error(folder.path()).contains("Info.cfg"));
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
    check(load(folder.path()).unwrap_err(), "no file");
    fs::remove_dir(&image).unwrap();
    fs::copy(&label, &image).unwrap();
    // Bytes that are no text: the system's own words follow the file's name.
    fs::write(folder.path().join("patient001/Info.cfg"), [0xff, 0xfe]).unwrap();
    check(load(folder.path()).unwrap_err(), "UTF-8");
}
