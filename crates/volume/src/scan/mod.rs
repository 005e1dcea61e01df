//! NIfTI scans: any orientation in, the same orientation, affine and spacing out.

mod container;
mod file;
mod grid;
mod header;
mod label_names;
mod voxels;
mod write;

use std::path::Path;

use ndarray::{Array3, ShapeBuilder};

use crate::error::VolumeError;
use crate::limits::MAX_VOXELS_IN_MEMORY;
use crate::orientation::Orientation;

pub use file::{Planes, ScanFile};
pub use grid::Grid;
pub use write::{write_image, write_image_volume, write_label_volume, write_labels};

/// A volume as a NIfTI file holds it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Scaled values, `[i, j, k]` in the file's axis order.
    pub voxels: Array3<f32>,
    /// Where the voxels lie.
    pub grid: Grid,
    /// What the file's header leaves open or contradicts, and what was taken to be: sentences to be shown to the user.
    pub notes: Vec<String>,
}

impl Scan {
    /// Reads `.nii` or `.nii.gz`, NIfTI-1 or NIfTI-2.
    ///
    /// # Errors
    /// As [`ScanFile::open`] and [`ScanFile::survey`], and where it has more voxels than
    /// [`MAX_VOXELS_IN_MEMORY`](crate::MAX_VOXELS_IN_MEMORY).
    pub fn read(path: &Path) -> Result<Self, VolumeError> {
        ScanFile::open(path)?.read()
    }

    /// The voxels as `[slices, rows, columns]` with axes that point as `wanted` says.
    #[must_use]
    pub fn oriented(&self, wanted: Orientation) -> (Array3<f32>, [f64; 3]) {
        let own = self.grid.orientation();
        let mut view = self.voxels.view().permuted_axes([2, 1, 0]).permuted_axes(own.permutation(wanted));
        own.flip(&mut view, wanted);
        (view.as_standard_layout().into_owned(), self.grid.oriented_spacing_mm(wanted))
    }

    /// Brings a class map that is oriented as `from` back to the file's axes `[i, j, k]`.
    #[must_use]
    pub fn to_file_axes(&self, classes: &Array3<u8>, from: Orientation) -> Array3<u8> {
        self.grid.to_file_axes(classes, from)
    }

    /// All voxels, in the order of the file.
    ///
    /// # Errors
    /// None; as for [`ScanFile::for_each_voxel`].
    pub fn for_each_voxel(&self, see: &mut dyn FnMut(f32)) -> Result<(), VolumeError> {
        self.voxels.view().reversed_axes().iter().for_each(|&value| see(value));
        Ok(())
    }
}

impl ScanFile {
    /// Reads all voxels.
    ///
    /// # Errors
    /// Where the file is truncated or damaged, or has more voxels than
    /// [`MAX_VOXELS_IN_MEMORY`](crate::MAX_VOXELS_IN_MEMORY).
    pub fn read(self) -> Result<Scan, VolumeError> {
        let n_voxels = self.n_voxels();
        if n_voxels > MAX_VOXELS_IN_MEMORY {
            let reason =
                format!("it has {n_voxels} voxels; {MAX_VOXELS_IN_MEMORY} are the most that are read at once");
            return Err(VolumeError::malformed(&self.path, reason));
        }
        let mut values = Vec::new();
        let mut voxels = self.voxels()?;
        voxels.read(n_voxels as usize, &mut values)?;
        voxels.finish()?;
        // The first axis runs fastest, in memory as in the file.
        let voxels = Array3::from_shape_vec(self.grid.shape.f(), values).map_err(|error| {
            VolumeError::malformed(&self.path, format!("its voxels don't fit its header ({error})"))
        })?;
        Ok(Scan { voxels, grid: self.grid, notes: self.notes })
    }
}
