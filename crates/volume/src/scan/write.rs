//! Writing NIfTI: a file appears under its name when it is complete, or not at all.

use std::path::Path;

use fastersam_files::{AtomicFile, FileError};
use ndarray::Array3;
use nifti::writer::WriterOptions;
use nifti::{NiftiError, NiftiHeader};

use super::Grid;
use super::header::Header;
use crate::error::VolumeError;
use crate::orientation::Orientation;

impl Grid {
    /// Writes a class map `[i, j, k]` with this grid's affine, orientation and spacing, as bytes; the
    /// file appears as a whole or not at all.
    ///
    /// # Errors
    /// Where the shape differs or the file can't be written.
    pub fn write_classes(&self, path: &Path, classes: &Array3<u8>) -> Result<(), VolumeError> {
        let found: [usize; 3] = classes.dim().into();
        if found != self.shape {
            return Err(VolumeError::Shape { path: path.to_owned(), expected: self.shape, found });
        }
        let mut header = NiftiHeader {
            scl_slope: 1.0,
            scl_inter: 0.0,
            cal_max: 0.0,
            cal_min: 0.0,
            intent_code: 0,
            ..self.template.clone()
        };
        // A slice without a thickness becomes a volume of one slice, which needs one.
        for mm in header.pixdim[1..4].iter_mut().filter(|mm| !(mm.abs() > 0.0 && mm.is_finite())) {
            *mm = 1.0;
        }
        write_classes(path, classes, &header)
    }
}

/// Writes gray values `[i, j, k]` as NIfTI with an axis-aligned affine of the given spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_image(path: &Path, voxels: &Array3<f32>, spacing_mm: [f64; 3]) -> Result<(), VolumeError> {
    let header = aligned_header(spacing_mm);
    write_whole(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(voxels))
}

/// Writes intensities `[slices, rows, columns]` whose axes point as `orientation` says, as NIfTI `[i, j, k]`
/// with the columns first: reading the file gives the same volume, orientation and spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_image_volume(
    path: &Path,
    volume: &Array3<i16>,
    spacing_mm: [f64; 3],
    orientation: Orientation,
) -> Result<(), VolumeError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_whole(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
}

/// Writes classes like [`write_image_volume`].
///
/// # Errors
/// Where the file can't be written.
pub fn write_label_volume(
    path: &Path,
    volume: &Array3<u8>,
    spacing_mm: [f64; 3],
    orientation: Orientation,
) -> Result<(), VolumeError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_whole(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
}

fn oriented_header(spacing_mm: [f64; 3], orientation: Orientation) -> NiftiHeader {
    let [slice, row, col] = spacing_mm.map(|mm| mm as f32);
    let mut affine = [[0.0_f32; 4]; 3];
    for (axis, mm) in [slice, row, col].into_iter().enumerate() {
        let world = usize::from(orientation.axes[axis]).min(2);
        affine[world][2 - axis] = if orientation.positive[axis] { mm } else { -mm };
    }
    NiftiHeader {
        pixdim: [1.0, col, row, slice, 1.0, 1.0, 1.0, 1.0],
        qform_code: 0,
        sform_code: 2,
        srow_x: affine[0],
        srow_y: affine[1],
        srow_z: affine[2],
        xyzt_units: 2,
        ..NiftiHeader::default()
    }
}

/// Writes classes `[i, j, k]` as NIfTI with an axis-aligned affine of the given spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_labels(path: &Path, classes: &Array3<u8>, spacing_mm: [f64; 3]) -> Result<(), VolumeError> {
    write_classes(path, classes, &aligned_header(spacing_mm))
}

fn write_classes(path: &Path, classes: &Array3<u8>, header: &NiftiHeader) -> Result<(), VolumeError> {
    // The writer takes its slices as they lie in memory: in the order of the file, the first axis fastest.
    let volume = classes.view().reversed_axes();
    let volume = volume.as_standard_layout();
    let voxels = volume.view().reversed_axes();
    write_whole(path, |scratch| WriterOptions::new(scratch).reference_header(header).write_nifti(&voxels))
}

fn aligned_header(spacing_mm: [f64; 3]) -> NiftiHeader {
    let [x, y, z] = spacing_mm.map(|mm| mm as f32);
    NiftiHeader {
        pixdim: [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0],
        qform_code: 0,
        sform_code: 2,
        srow_x: [x, 0.0, 0.0, 0.0],
        srow_y: [0.0, y, 0.0, 0.0],
        srow_z: [0.0, 0.0, z, 0.0],
        xyzt_units: 2,
        ..NiftiHeader::default()
    }
}

/// Lets nifti's writer fill a scratch file, which then takes the file's place.
fn write_whole(path: &Path, write: impl FnOnce(&Path) -> nifti::Result<()>) -> Result<(), VolumeError> {
    // By any other name, the writer would choose a file of its own.
    if !path.to_string_lossy().ends_with(".nii") && !path.to_string_lossy().ends_with(".nii.gz") {
        return Err(VolumeError::malformed(path, "the name of a NIfTI file ends in .nii or .nii.gz"));
    }
    let file = AtomicFile::create(path)?;
    write(file.scratch_path()).map_err(|error| match error {
        NiftiError::Io(cause) => FileError::at(path)(cause).into(),
        other => VolumeError::malformed(path, format!("it can't be written ({other})")),
    })?;
    // The writer drops its last buffer without a word where the disk is full.
    if Header::read(file.scratch_path()).is_err() {
        let cause = std::io::Error::new(std::io::ErrorKind::StorageFull, "not all of it could be written");
        return Err(FileError::at(path)(cause).into());
    }
    Ok(file.commit()?)
}
