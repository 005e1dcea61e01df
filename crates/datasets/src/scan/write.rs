//! Writing NIfTI: whole files or none.

use std::fs::File;
use std::path::Path;

use ndarray::Array3;
use nifti::NiftiHeader;
use nifti::writer::WriterOptions;

use super::{Orientation, Scan};
use crate::error::DatasetError;

impl Scan {
    /// Writes a class map `[i, j, k]` with this scan's affine, orientation and spacing, as bytes; the
    /// file appears as a whole or not at all.
    ///
    /// # Errors
    /// Where the shape differs or the file can't be written.
    pub fn write_classes(&self, path: &Path, classes: &Array3<u8>) -> Result<(), DatasetError> {
        if classes.dim() != self.voxels.dim() {
            return Err(DatasetError::malformed(
                path,
                format!("a class map of {:?} for a scan of {:?}", classes.dim(), self.voxels.dim()),
            ));
        }
        let header =
            NiftiHeader { scl_slope: 1.0, scl_inter: 0.0, cal_max: 0.0, cal_min: 0.0, ..self.header.clone() };
        write_classes(path, classes, &header)
    }
}

/// Writes gray values `[i, j, k]` as NIfTI with an axis-aligned affine of the given spacing.
///
/// # Errors
/// Where the file can't be written.
pub fn write_image(path: &Path, voxels: &Array3<f32>, spacing_mm: [f64; 3]) -> Result<(), DatasetError> {
    let header = aligned_header(spacing_mm);
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(voxels))
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
) -> Result<(), DatasetError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
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
) -> Result<(), DatasetError> {
    let header = oriented_header(spacing_mm, orientation);
    let voxels = volume.view().permuted_axes([2, 1, 0]);
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(&header).write_nifti(&voxels))
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
pub fn write_labels(path: &Path, classes: &Array3<u8>, spacing_mm: [f64; 3]) -> Result<(), DatasetError> {
    write_classes(path, classes, &aligned_header(spacing_mm))
}

fn write_classes(path: &Path, classes: &Array3<u8>, header: &NiftiHeader) -> Result<(), DatasetError> {
    // The writer takes its slices as they lie in memory: in the order of the file, the first axis fastest.
    let volume = classes.view().reversed_axes();
    let volume = volume.as_standard_layout();
    let voxels = volume.view().reversed_axes();
    write_atomically(path, |scratch| WriterOptions::new(scratch).reference_header(header).write_nifti(&voxels))
}

fn aligned_header(spacing_mm: [f64; 3]) -> NiftiHeader {
    let [x, y, z] = spacing_mm.map(|mm| mm as f32);
    NiftiHeader {
        pixdim: [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0],
        sform_code: 2,
        srow_x: [x, 0.0, 0.0, 0.0],
        srow_y: [0.0, y, 0.0, 0.0],
        srow_z: [0.0, 0.0, z, 0.0],
        xyzt_units: 2,
        ..NiftiHeader::default()
    }
}

/// The file appears under its name only when it is complete.
fn write_atomically(path: &Path, write: impl FnOnce(&Path) -> nifti::Result<()>) -> Result<(), DatasetError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let suffix = if path.extension().is_some_and(|e| e == "nii") { ".nii" } else { ".nii.gz" };
    let scratch = tempfile::Builder::new()
        .prefix(".writing-")
        .suffix(suffix)
        .tempfile_in(folder)
        .map_err(DatasetError::io(folder))?
        .into_temp_path();
    write(&scratch).map_err(|e| DatasetError::malformed(path, format!("it can't be written ({e})")))?;
    File::open(&scratch).and_then(|f| f.sync_all()).map_err(DatasetError::io(path))?;
    scratch.persist(path).map_err(|e| DatasetError::io(path)(e.error))
}
