//! Reading scans: any orientation, and files that are broken.

use std::fs;
use std::path::{Path, PathBuf};

use fastersam_datasets::coding::SynapseCoding;
use fastersam_datasets::{DatasetError, Orientation, Scan, acdc, synapse, write_image, write_labels};
use ndarray::Array3;
use nifti::NiftiHeader;
use nifti::writer::WriterOptions;

/// A scan `[i, j, k]` whose voxels are all different, with an affine that maps file axes to the world
/// axes `worlds`, in the directions `signs`.
fn write_oriented(path: &Path, worlds: [usize; 3], signs: [f32; 3]) -> Array3<f32> {
    let voxels = Array3::from_shape_fn((3, 4, 5), |(i, j, k)| (i * 100 + j * 10 + k) as f32);
    let mut rows = [[0.0_f32; 4]; 3];
    for axis in 0..3 {
        rows[worlds[axis]][axis] = signs[axis] * [1.0, 2.0, 3.0][axis];
    }
    let header = NiftiHeader {
        pixdim: [1.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0],
        sform_code: 1,
        srow_x: rows[0],
        srow_y: rows[1],
        srow_z: rows[2],
        ..NiftiHeader::default()
    };
    WriterOptions::new(path).reference_header(&header).write_nifti(&voxels).unwrap();
    voxels
}

#[test]
fn every_orientation_comes_back_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii.gz");
    for worlds in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for bits in 0..8 {
            let signs = [0, 1, 2].map(|axis| if bits >> axis & 1 == 1 { -1.0 } else { 1.0 });
            let voxels = write_oriented(&path, worlds, signs);
            let scan = Scan::read(&path).unwrap();
            assert_eq!(scan.voxels, voxels);
            let canonical = Orientation::default();
            let (volume, spacing_mm) = scan.oriented(canonical);
            // Slices, rows and columns follow the world's z, y and x, whatever the file's axes are.
            for (axis, world) in [2, 1, 0].into_iter().enumerate() {
                let file_axis = worlds.iter().position(|&w| w == world).unwrap();
                assert_eq!(volume.shape()[axis], voxels.shape()[file_axis]);
                assert!((spacing_mm[axis] - [1.0, 2.0, 3.0][file_axis]).abs() < 1e-6);
                let mut first = [0; 3];
                let mut last = first;
                last[axis] = volume.shape()[axis] - 1;
                if signs[file_axis] < 0.0 {
                    std::mem::swap(&mut first, &mut last);
                }
                let step = volume[last] - volume[first];
                assert!(step > 0.0, "{worlds:?} {signs:?}: axis {axis} runs the wrong way");
            }
            let classes = volume.mapv(|v| (v as u32 % 7) as u8);
            let back = scan.to_file_axes(&classes, canonical);
            assert_eq!(back, voxels.mapv(|v| (v as u32 % 7) as u8), "{worlds:?} {signs:?}");
            let written = folder.path().join("classes.nii.gz");
            scan.write_classes(&written, &back).unwrap();
            let again = Scan::read(&written).unwrap();
            assert_eq!((again.affine, again.spacing_mm), (scan.affine, scan.spacing_mm));
            assert_eq!(again.voxels, back.mapv(f32::from));
        }
    }
}

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

/// The message of the error that reading patient 1 gives.
fn acdc_error(folder: &Path) -> String {
    acdc::load(folder, &[1]).unwrap_err().to_string()
}

#[test]
fn a_whole_folder_is_read_and_scaled() {
    let folder = tempfile::tempdir().unwrap();
    acdc_folder(folder.path());
    let cases = acdc::load(folder.path(), &[1]).unwrap();
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
    assert!(matches!(acdc::load(&missing, &[1]), Err(DatasetError::Missing { .. })));
    assert!(matches!(synapse::load(&missing, &[5], SynapseCoding::Raw), Err(DatasetError::Missing { .. })));

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
fn hostile_headers_are_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    write_image(&path, &Array3::zeros((2, 2, 2)), [1.0; 3]).unwrap();
    let good = fs::read(&path).unwrap();
    let refuse = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let message = Scan::read(&path).err().map(|e| e.to_string());
        assert!(message.as_ref().is_some_and(|m| m.contains("scan.nii")), "{what}: {message:?}");
    };
    let put = |at: usize, value: [u8; 2]| move |bytes: &mut Vec<u8>| bytes[at..at + 2].copy_from_slice(&value);
    refuse("terabytes", &|bytes| {
        for axis in 0..3 {
            put(42 + 2 * axis, [0xff, 0x7f])(bytes);
        }
    });
    refuse("an empty axis", &put(42, [0, 0]));
    refuse("no axes", &put(40, [0, 0]));
    refuse("four dimensions", &|bytes| {
        put(40, [4, 0])(bytes);
        put(48, [2, 0])(bytes);
    });
    refuse("an unknown type", &put(70, [0x39, 0x30]));
    refuse("complex numbers", &|bytes| {
        put(70, [32, 0])(bytes);
        put(72, [64, 0])(bytes);
    });
    refuse("spacing 0", &|bytes| bytes[80..84].copy_from_slice(&0_f32.to_le_bytes()));
    refuse("spacing NaN", &|bytes| bytes[80..84].copy_from_slice(&f32::NAN.to_le_bytes()));
    refuse("an infinite affine", &|bytes| bytes[280..284].copy_from_slice(&f32::INFINITY.to_le_bytes()));
    refuse("an offset beyond the file", &|bytes| bytes[108..112].copy_from_slice(&1e8_f32.to_le_bytes()));
    refuse("a negative offset", &|bytes| bytes[108..112].copy_from_slice(&(-1.0_f32).to_le_bytes()));
    refuse("cut off", &|bytes| bytes.truncate(360));
}
