//! Writing NIfTI: a file appears under its name when it is complete, or not at all.

use std::path::Path;

use fastersam_files::{AtomicFile, FileError};
use ndarray::{Array3, Array4, ArrayView3};
use nifti::writer::WriterOptions;
use nifti::{Extender, Extension, ExtensionSequence, NiftiError, NiftiHeader};

use super::Grid;
use super::header::Header;
use crate::error::VolumeError;
use crate::labels::LabelTable;
use crate::orientation::Orientation;

/// The code of the extension with the names: none, as TotalSegmentator writes it. What reads its files finds them so; nibabel
/// gives no content of Caret's own code, 30.
const NAMES: i32 = 0;

impl Grid {
    /// Writes a class map `[i, j, k]` with this grid's affine, orientation and spacing, as bytes; the
    /// file appears as a whole or not at all.
    ///
    /// # Errors
    /// Where the shape differs or the file can't be written.
    pub fn write_classes(&self, path: &Path, classes: &Array3<u8>) -> Result<(), VolumeError> {
        let header = self.header_for(path, classes.dim().into())?;
        write_ordered(path, classes, &header, None, |options, voxels| options.write_nifti(voxels))
    }

    /// Writes a class map like [`write_classes`](Self::write_classes) as a label map: with the values that the classes have in
    /// label maps, and their names and colors in the header, where TotalSegmentator and Connectome Workbench look for them.
    ///
    /// # Errors
    /// As there.
    pub fn write_label_map(
        &self,
        path: &Path,
        classes: &Array3<u8>,
        labels: &LabelTable,
    ) -> Result<(), VolumeError> {
        let header = self.header_for(path, classes.dim().into())?;
        let names = Some(labels.to_caret_xml());
        if labels.codes.is_empty() {
            return write_ordered(path, classes, &header, names, |options, voxels| options.write_nifti(voxels));
        }
        // A value that no class has stays what it is.
        let codes: [u16; 256] = std::array::from_fn(|class| labels.code(class as u8));
        if labels.codes.iter().all(|&code| code <= u8::MAX.into()) {
            let values = classes.mapv(|class| codes[usize::from(class)] as u8);
            return write_ordered(path, &values, &header, names, |options, voxels| options.write_nifti(voxels));
        }
        let values = classes.mapv(|class| codes[usize::from(class)]);
        write_ordered(path, &values, &header, names, |options, voxels| options.write_nifti(voxels))
    }

    /// Writes intensities `[i, j, k]` as f32 with this grid's affine, orientation and spacing.
    ///
    /// # Errors
    /// As [`write_classes`](Self::write_classes).
    pub fn write_intensities(&self, path: &Path, intensities: &Array3<f32>) -> Result<(), VolumeError> {
        let header = self.header_for(path, intensities.dim().into())?;
        write_ordered(path, intensities, &header, None, |options, voxels| options.write_nifti(voxels))
    }

    /// Writes a value for each voxel and class, `[class, k, j, i]`, as a 4-D file `[i, j, k, class]` that is packed: `.nii.gz`.
    ///
    /// # Errors
    /// As [`write_classes`](Self::write_classes).
    pub fn write_probabilities(&self, path: &Path, probabilities: &Array4<f32>) -> Result<(), VolumeError> {
        let (_, n_planes, n_rows, n_cols) = probabilities.dim();
        let header = self.header_for(path, [n_cols, n_rows, n_planes])?;
        let voxels = probabilities.view().reversed_axes();
        let file = write_scratch(path, |scratch| {
            WriterOptions::new(scratch).reference_header(&header).compress(true).write_nifti(&voxels)
        })?;
        // No scan, so that its header can't be checked as one; a packed file that can't be written to its end is an error.
        Ok(file.commit()?)
    }

    fn header_for(&self, path: &Path, found: [usize; 3]) -> Result<NiftiHeader, VolumeError> {
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
        Ok(header)
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
    write_ordered(path, classes, &aligned_header(spacing_mm), None, |options, voxels| options.write_nifti(voxels))
}

/// Writes values `[i, j, k]`, and a text for the header's extension; `write` hands them to the writer.
fn write_ordered<T: Clone>(
    path: &Path,
    values: &Array3<T>,
    header: &NiftiHeader,
    caret_xml: Option<String>,
    write: impl FnOnce(&WriterOptions<'_>, &ArrayView3<'_, T>) -> nifti::Result<()>,
) -> Result<(), VolumeError> {
    // The writer takes its slices as they lie in memory: in the order of the file, the first axis fastest.
    let volume = values.view().reversed_axes();
    let volume = volume.as_standard_layout();
    let voxels = volume.view().reversed_axes();
    write_whole(path, |scratch| {
        let options = WriterOptions::new(scratch).reference_header(header);
        let options = match caret_xml {
            Some(xml) => {
                let extension = Extension::from_str(NAMES, &xml);
                options.with_extensions(ExtensionSequence::new(Extender::from([1, 0, 0, 0]), vec![extension]))
            }
            None => options,
        };
        write(&options, &voxels)
    })
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
    let file = write_scratch(path, write)?;
    // The writer drops its last buffer without a word where the disk is full.
    if Header::read(file.scratch_path()).is_err() {
        let cause = std::io::Error::new(std::io::ErrorKind::StorageFull, "not all of it could be written");
        return Err(FileError::at(path)(cause).into());
    }
    Ok(file.commit()?)
}

fn write_scratch(path: &Path, write: impl FnOnce(&Path) -> nifti::Result<()>) -> Result<AtomicFile, VolumeError> {
    // By any other name, the writer would choose a file of its own.
    if !path.to_string_lossy().ends_with(".nii") && !path.to_string_lossy().ends_with(".nii.gz") {
        return Err(VolumeError::malformed(path, "the name of a NIfTI file ends in .nii or .nii.gz"));
    }
    let file = AtomicFile::create(path)?;
    write(file.scratch_path()).map_err(|error| match error {
        NiftiError::Io(cause) => FileError::at(path)(cause).into(),
        other => VolumeError::malformed(path, format!("it can't be written ({other})")),
    })?;
    Ok(file)
}
