//! A scan that stays in its file, and is read slice by slice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;

use super::grid::Grid;
use super::header::Header;
use super::voxels::Voxels;
use crate::error::VolumeError;
use crate::survey::Survey;

/// Voxels of a packed file are kept in memory once they are unpacked, if they have at most so many bytes.
const KEPT_BYTES: u64 = 256 << 20;

/// A NIfTI file whose header was read and checked, and whose voxels were not.
#[derive(Clone, Debug)]
pub struct ScanFile {
    /// Where it lies.
    pub path: PathBuf,
    /// How many voxels it has, and where they lie.
    pub grid: Grid,
    /// What its header leaves open or contradicts, and what was taken to be: sentences to be shown to the user.
    pub notes: Vec<String>,
    header: Header,
    raw: Option<Arc<[u8]>>,
}

impl ScanFile {
    /// Reads the header of `.nii` or `.nii.gz`, NIfTI-1 or NIfTI-2.
    ///
    /// # Errors
    /// Where the file is missing, truncated, no NIfTI (the error says what it is), not 3-D, larger than any scan, or lies
    /// nowhere in space.
    pub fn open(path: &Path) -> Result<Self, VolumeError> {
        let header = Header::read(path)?;
        let (grid, notes) = Grid::of(path, &header)?;
        Ok(Self { path: path.to_owned(), grid, notes, header, raw: None })
    }

    /// Looks at all voxels: which values there are. Checksum and length of a packed file are compared.
    ///
    /// # Errors
    /// Where the file is truncated or damaged.
    pub fn survey(&mut self) -> Result<Survey, VolumeError> {
        if self.raw.is_none() && self.header.n_bytes() <= KEPT_BYTES {
            self.raw = Some(Voxels::open(&self.path, &self.header)?.raw()?.into());
        }
        let mut survey = Survey::default();
        let mut planes = self.planes()?;
        while let Some(plane) = planes.next_values()? {
            survey.add_slice(plane.iter().copied());
        }
        Ok(survey)
    }

    /// All voxels, in the order of the file.
    ///
    /// # Errors
    /// As [`survey`](Self::survey).
    pub fn for_each_voxel(&self, see: &mut dyn FnMut(f32)) -> Result<(), VolumeError> {
        let mut planes = self.planes()?;
        while let Some(plane) = planes.next_values()? {
            plane.iter().for_each(|&value| see(value));
        }
        Ok(())
    }

    /// Begins to read the file's planes along its last axis, from the first.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn planes(&self) -> Result<Planes, VolumeError> {
        let voxels = self.voxels()?;
        let [n_cols, n_rows, left] = self.grid.shape;
        Ok(Planes { voxels: Some(voxels), n_rows, n_cols, left, values: Vec::new() })
    }

    pub(super) fn voxels(&self) -> Result<Voxels, VolumeError> {
        match &self.raw {
            Some(raw) => Ok(Voxels::of_raw(&self.path, &self.header, raw.clone())),
            None => Voxels::open(&self.path, &self.header),
        }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn n_voxels(&self) -> u64 {
        self.header.n_voxels()
    }
}

/// The planes of a file, one after the other.
pub struct Planes {
    voxels: Option<Voxels>,
    n_rows: usize,
    n_cols: usize,
    left: usize,
    values: Vec<f32>,
}

impl std::fmt::Debug for Planes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planes").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Planes {
    /// The next plane, `[j, i]` of the file's axes; `None` behind the last one, when checksum and length are compared.
    ///
    /// # Errors
    /// Where the file is truncated or damaged.
    pub fn next_plane(&mut self) -> Result<Option<Array2<f32>>, VolumeError> {
        let shape = (self.n_rows, self.n_cols);
        // A plane has as many values as its shape says.
        Ok(self.next_values()?.and_then(|values| Array2::from_shape_vec(shape, values.to_vec()).ok()))
    }

    fn next_values(&mut self) -> Result<Option<&[f32]>, VolumeError> {
        if self.left == 0 {
            return self.voxels.take().map_or(Ok(None), |voxels| voxels.finish().map(|()| None));
        }
        self.left -= 1;
        self.values.clear();
        if let Some(voxels) = &mut self.voxels {
            voxels.read(self.n_rows * self.n_cols, &mut self.values)?;
        }
        Ok(Some(&self.values))
    }
}
