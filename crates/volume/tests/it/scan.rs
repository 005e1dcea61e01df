//! Reading and writing scans: any orientation, any byte order, any name.

use std::fs;
use std::path::Path;

use fastersam_volume::{Intensity, Orientation, Scan, VolumeError, write_image, write_image_volume, write_labels};
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
            scan.grid.write_classes(&written, &back).unwrap();
            let again = Scan::read(&written).unwrap();
            assert_eq!((again.grid.affine, again.grid.spacing_mm), (scan.grid.affine, scan.grid.spacing_mm));
            assert_eq!(again.voxels, back.mapv(f32::from));
        }
    }
}

#[test]
fn files_of_another_byte_order_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    write_image(
        &path,
        &Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 12 + j * 4 + k) as f32),
        [1.0, 2.0, 3.0],
    )
    .unwrap();
    let little = Scan::read(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // Fields of the header by their size, then the voxels.
    let mut turn =
        |range: std::ops::Range<usize>, size: usize| bytes[range].chunks_exact_mut(size).for_each(<[u8]>::reverse);
    turn(0..4, 4);
    turn(40..56, 2);
    turn(56..68, 4);
    turn(68..76, 2);
    turn(76..120, 4);
    turn(120..122, 2);
    turn(124..148, 4);
    turn(252..256, 2);
    turn(256..328, 4);
    turn(352..352 + 4 * 24, 4);
    fs::write(&path, &bytes).unwrap();
    let big = Scan::read(&path).unwrap();
    assert_eq!((big.voxels, big.grid.affine), (little.voxels, little.grid.affine));
}

#[test]
fn a_file_has_the_name_that_it_was_given_whatever_dots_are_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let voxels = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i + j + k) as f32);
    for name in ["scan.nii", "scan.nii.gz", "scan.2.nii", "scan.2.nii.gz", "a.b.c.nii"] {
        let path = folder.path().join(name);
        write_image(&path, &voxels, [1.0; 3]).unwrap();
        assert_eq!(Scan::read(&path).unwrap().voxels, voxels, "{name}");
        fs::remove_file(&path).unwrap();
        // Nothing else was left behind.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
    for name in ["scan.img", "scan", "scan.nii.zip"] {
        let error = write_image(&folder.path().join(name), &voxels, [1.0; 3]).unwrap_err();
        assert!(error.to_string().contains(name) && error.to_string().contains(".nii.gz"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn errors_name_file_and_cause_once() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere/scan.nii.gz");
    let (volume, orientation) = (Array3::zeros((2, 2, 2)), Orientation::default());
    for error in [
        Scan::read(&nowhere).unwrap_err(),
        Scan::read(folder.path()).unwrap_err(),
        write_image_volume(&nowhere, &volume, [1.0; 3], orientation).unwrap_err(),
    ] {
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    }
    let path = folder.path().join("scan.nii");
    write_labels(&path, &Array3::zeros((2, 3, 4)), [1.0; 3]).unwrap();
    let scan = Scan::read(&path).unwrap();
    let refused = scan.grid.write_classes(&path, &Array3::zeros((4, 3, 2))).unwrap_err();
    assert!(matches!(refused, VolumeError::Shape { expected: [2, 3, 4], found: [4, 3, 2], .. }), "{refused:?}");
}

#[test]
fn intensities_are_scaled_as_numpy_would() {
    let raw = Array3::from_shape_vec((1, 2, 3), vec![-200.0, -125.0, 75.0, 275.0, 1000.0, 0.0]).unwrap();
    let scaled = |intensity: Intensity| {
        let mut voxels = raw.clone();
        intensity.scale(&mut voxels);
        voxels.into_raw_vec_and_offset().0
    };
    let window = Intensity::Window { low: -125.0, high: 275.0 };
    assert_eq!(scaled(window), [0.0, 0.0, 0.5, 1.0, 1.0, 0.3125]);
    // numpy.percentile(raw, 90) is 637.5, numpy.percentile(raw, 10) -162.5.
    let top = scaled(Intensity::ClipTop { percentile: 90.0 });
    assert_eq!((top[0], top[4], top[3]), (0.0, 1.0, 475.0 / 837.5));
    let both = scaled(Intensity::Percentiles { low: 10.0, high: 90.0 });
    assert_eq!((both[0], both[4], both[2]), (0.0, 1.0, 237.5 / 800.0));
    assert_eq!(scaled(Intensity::Unit), raw.clone().into_raw_vec_and_offset().0);
    let mut flat = Array3::from_elem((1, 1, 2), 7.0);
    Intensity::Percentiles { low: 0.0, high: 100.0 }.scale(&mut flat);
    assert!(flat.iter().all(|&v| v == 0.0));
    let mut empty = Array3::zeros((0, 1, 1));
    Intensity::ClipTop { percentile: 99.0 }.scale(&mut empty);
    for bad in [
        Intensity::Window { low: 1.0, high: 1.0 },
        Intensity::Window { low: f32::NAN, high: 1.0 },
        Intensity::ClipTop { percentile: 100.5 },
        Intensity::Percentiles { low: 9.0, high: 1.0 },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
}

#[test]
fn probabilities_are_a_volume_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii");
    write_image(&path, &Array3::zeros((4, 3, 2)), [1.0, 2.0, 3.0]).unwrap();
    let grid = Scan::read(&path).unwrap().grid;
    let values =
        ndarray::Array4::from_shape_fn((5, 2, 3, 4), |(c, k, j, i)| (1000 * c + 100 * k + 10 * j + i) as f32);
    let target = folder.path().join("probabilities.nii.gz");
    grid.write_probabilities(&target, &values).unwrap();
    let bytes = gunzip(&std::fs::read(&target).unwrap());
    assert_eq!(bytes.len(), 352 + 4 * values.len());
    let value = |at: usize| f32::from_le_bytes(bytes[352 + 4 * at..][..4].try_into().unwrap());
    // The first axis runs fastest, the classes slowest.
    for ((c, k, j, i), &expected) in values.indexed_iter() {
        assert_eq!(value(((c * 2 + k) * 3 + j) * 4 + i), expected);
    }
    assert!(grid.write_probabilities(&target, &ndarray::Array4::zeros((5, 2, 3, 3))).is_err());
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut unpacked).unwrap();
    unpacked
}
