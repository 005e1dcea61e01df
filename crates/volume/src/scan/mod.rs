//! NIfTI scans: any orientation in, the same orientation, affine and spacing out.

mod read;
mod write;

use std::path::Path;

use ndarray::{Array3, ShapeBuilder};
use nifti::NiftiHeader;

use crate::error::VolumeError;
use crate::orientation::Orientation;
use read::{affine_of, check_dims, check_scaling, check_spacing, check_type, read_header, read_voxels, to_f32};

pub use write::{write_image, write_image_volume, write_label_volume, write_labels};

/// A volume as a NIfTI file holds it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Scaled values, `[i, j, k]` in the file's axis order.
    pub voxels: Array3<f32>,
    /// Voxel indices to world coordinates, three rows of `[3 x 3 | offset]`.
    pub affine: [[f64; 4]; 3],
    /// Distance between neighbours along the file's axes.
    pub spacing_mm: [f64; 3],
    header: NiftiHeader,
}

impl Scan {
    /// Reads `.nii` or `.nii.gz`.
    ///
    /// # Errors
    /// Where the file is missing, truncated, no NIfTI, not 3-D, larger than any scan, or has a spacing
    /// or affine that is not finite.
    pub fn read(path: &Path) -> Result<Self, VolumeError> {
        VolumeError::require_file(path)?;
        let header = read_header(path)?;
        let dims = check_dims(path, &header)?;
        let voxel_bytes = check_type(path, &header)?;
        let spacing_mm = check_spacing(path, &header)?;
        let affine = affine_of(path, &header, spacing_mm)?;
        check_scaling(path, &header)?;
        let n_voxels: u64 = dims.iter().product();
        let bytes = read_voxels(path, &header, n_voxels * voxel_bytes)?;
        let values = to_f32(&bytes, &header).map_err(|reason| VolumeError::malformed(path, reason))?;
        // The first axis runs fastest, in memory as in the file.
        let shape = dims.map(|n| n as usize);
        let voxels = Array3::from_shape_vec(shape.f(), values)
            .map_err(|e| VolumeError::malformed(path, format!("its voxels don't fit its header ({e})")))?;
        Ok(Self { voxels, affine, spacing_mm, header })
    }

    /// The distance between neighbours along the slices, rows and columns of the volume `[k, j, i]`, or of one that
    /// is oriented as `wanted`; from the header alone.
    ///
    /// # Errors
    /// Where the file is missing or its header is not that of a scan.
    pub fn read_spacing(path: &Path, wanted: Option<Orientation>) -> Result<[f64; 3], VolumeError> {
        VolumeError::require_file(path)?;
        let header = read_header(path)?;
        let spacing_mm = check_spacing(path, &header)?;
        let own = Orientation::of_affine(&affine_of(path, &header, spacing_mm)?);
        Ok(own.permutation(wanted.unwrap_or(own)).map(|axis| spacing_mm[2 - axis]))
    }

    /// The orientation of the volume `[k, j, i]`, read from the affine.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        Orientation::of_affine(&self.affine)
    }

    /// The voxels as `[slices, rows, columns]` with axes that point as `wanted` says.
    #[must_use]
    pub fn oriented(&self, wanted: Orientation) -> (Array3<f32>, [f64; 3]) {
        let volume = self.voxels.view().permuted_axes([2, 1, 0]);
        let own = self.orientation();
        let mut view = volume.permuted_axes(own.permutation(wanted));
        own.flip(&mut view, wanted);
        let spacing = own.permutation(wanted).map(|axis| self.spacing_mm[2 - axis]);
        (view.as_standard_layout().into_owned(), spacing)
    }

    /// The numbers of slices, rows and columns of [`oriented`](Self::oriented).
    #[must_use]
    pub fn oriented_shape(&self, wanted: Orientation) -> [usize; 3] {
        let shape = self.voxels.shape();
        self.orientation().permutation(wanted).map(|axis| shape[2 - axis])
    }

    /// Brings a class map that is oriented as `from` back to the file's axes `[i, j, k]`.
    #[must_use]
    pub fn to_file_axes(&self, classes: &Array3<u8>, from: Orientation) -> Array3<u8> {
        let own = self.orientation();
        let mut view = classes.view();
        own.flip(&mut view, from);
        let mut back = [0; 3];
        for (to, axis) in own.permutation(from).into_iter().enumerate() {
            back[axis] = to;
        }
        let volume = view.permuted_axes(back);
        // In memory as in the volume, which is the order of the file where the axes are those of the file.
        volume.permuted_axes([2, 1, 0]).to_owned()
    }
}
