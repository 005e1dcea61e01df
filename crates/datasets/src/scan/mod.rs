//! NIfTI scans: any orientation in, the same orientation, affine and spacing out.

mod read;
mod write;

use std::path::Path;

use ndarray::{Array3, ShapeBuilder};
use nifti::NiftiHeader;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use read::{affine_of, check_dims, check_scaling, check_spacing, check_type, read_header, read_voxels, to_f32};

pub use write::{write_image, write_image_volume, write_label_volume, write_labels};

/// A scan with more voxels than this is refused before anything is allocated.
pub(crate) const MAX_VOXELS: u64 = 1 << 28;

/// The most that a file can shrink by deflate; one that claims more is a bomb.
pub(crate) const MAX_RATIO: u64 = 1100;

/// Where the axes (slices, rows, columns) of a volume point: for each the world axis (0 left to right,
/// 1 posterior to anterior, 2 inferior to superior) and whether it runs towards the larger coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orientation {
    /// World axis of each volume axis.
    pub axes: [u8; 3],
    /// Whether each volume axis runs to the right, anterior or superior.
    pub positive: [bool; 3],
}

impl Default for Orientation {
    /// Axial slices from inferior to superior; rows to anterior, columns to the right.
    fn default() -> Self {
        Self { axes: [2, 1, 0], positive: [true; 3] }
    }
}

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
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        DatasetError::require_file(path)?;
        let header = read_header(path)?;
        let dims = check_dims(path, &header)?;
        let voxel_bytes = check_type(path, &header)?;
        let spacing_mm = check_spacing(path, &header)?;
        let affine = affine_of(path, &header, spacing_mm)?;
        check_scaling(path, &header)?;
        let n_voxels: u64 = dims.iter().product();
        let bytes = read_voxels(path, &header, n_voxels * voxel_bytes)?;
        let values = to_f32(&bytes, &header).map_err(|reason| DatasetError::malformed(path, reason))?;
        // The first axis runs fastest, in memory as in the file.
        let shape = dims.map(|n| n as usize);
        let voxels = Array3::from_shape_vec(shape.f(), values)
            .map_err(|e| DatasetError::malformed(path, format!("its voxels don't fit its header ({e})")))?;
        Ok(Self { voxels, affine, spacing_mm, header })
    }

    /// The distance between neighbours along the slices, rows and columns of the volume `[k, j, i]`, or of one that
    /// is oriented as `wanted`; from the header alone.
    pub(crate) fn read_spacing(path: &Path, wanted: Option<Orientation>) -> Result<[f64; 3], DatasetError> {
        let header = read_header(path)?;
        let spacing_mm = check_spacing(path, &header)?;
        let own = orientation_of(&affine_of(path, &header, spacing_mm)?);
        Ok(permutation(own, wanted.unwrap_or(own)).map(|axis| spacing_mm[2 - axis]))
    }

    /// The orientation of the volume `[k, j, i]`, read from the affine.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        orientation_of(&self.affine)
    }

    /// The voxels as `[slices, rows, columns]` with axes that point as `wanted` says.
    #[must_use]
    pub fn oriented(&self, wanted: Orientation) -> (Array3<f32>, [f64; 3]) {
        let volume = self.voxels.view().permuted_axes([2, 1, 0]);
        let own = self.orientation();
        let mut view = volume.permuted_axes(permutation(own, wanted));
        flip(&mut view, own, wanted);
        let spacing = permutation(own, wanted).map(|axis| self.spacing_mm[2 - axis]);
        (view.as_standard_layout().into_owned(), spacing)
    }

    /// The numbers of slices, rows and columns of [`oriented`](Self::oriented).
    #[must_use]
    pub fn oriented_shape(&self, wanted: Orientation) -> [usize; 3] {
        let shape = self.voxels.shape();
        permutation(self.orientation(), wanted).map(|axis| shape[2 - axis])
    }

    /// Brings a class map that is oriented as `from` back to the file's axes `[i, j, k]`.
    #[must_use]
    pub fn to_file_axes(&self, classes: &Array3<u8>, from: Orientation) -> Array3<u8> {
        let own = self.orientation();
        let mut view = classes.view();
        flip(&mut view, own, from);
        let mut back = [0; 3];
        for (to, axis) in permutation(own, from).into_iter().enumerate() {
            back[axis] = to;
        }
        let volume = view.permuted_axes(back);
        // In memory as in the volume, which is the order of the file where the axes are those of the file.
        volume.permuted_axes([2, 1, 0]).to_owned()
    }
}

fn orientation_of(affine: &[[f64; 4]; 3]) -> Orientation {
    let mut free = [true; 3];
    let mut orientation = Orientation::default();
    // The file's axes in the order of the volume's: slices k, rows j, columns i.
    for (axis, file_axis) in [2, 1, 0].into_iter().enumerate() {
        let direction = |world: usize| affine[world][file_axis];
        let world = (0..3)
            .filter(|&world| free[world])
            .max_by(|&a, &b| direction(a).abs().total_cmp(&direction(b).abs()))
            .unwrap_or(0);
        free[world] = false;
        orientation.axes[axis] = world as u8;
        orientation.positive[axis] = direction(world) >= 0.0;
    }
    orientation
}

/// Axis `i` of a volume oriented as `wanted` is axis `permutation[i]` of one oriented as `own`.
fn permutation(own: Orientation, wanted: Orientation) -> [usize; 3] {
    wanted.axes.map(|world| own.axes.iter().position(|&a| a == world).unwrap_or(0))
}

/// Reverses the axes of a volume (in the axis order of `wanted`) that run the other way.
fn flip<T>(view: &mut ndarray::ArrayView3<T>, own: Orientation, wanted: Orientation) {
    for (axis, own_axis) in permutation(own, wanted).into_iter().enumerate() {
        if own.positive[own_axis] != wanted.positive[axis] {
            view.invert_axis(ndarray::Axis(axis));
        }
    }
}
