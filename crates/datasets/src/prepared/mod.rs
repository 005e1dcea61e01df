//! The prepared form: gray values in [0, 1] and canonical classes, slice by slice.
//!
//! A folder with `dataset.toml`, the manifest, and `cases/ID.npz` for each case. An archive has the
//! members `image_ZZZZ.npy` (f32, `[rows, columns]`) and `label_ZZZZ.npy` (u8) for each slice, each
//! compressed by itself: one slice is read without the others, and numpy opens the file. The manifest
//! names what the data were made from (form, label scheme, axis order) and what they are (label scheme, axis order
//! `zyx`, classes, splits); for each case it has shape, spacing, orientation, voxels of each class, and
//! the SHA-256 of its values, which every read of a whole case checks.

mod import;
pub mod manifest;

use std::path::{Path, PathBuf};

use fastersam_volume::LabelTable;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2};

use crate::case::{Case, sha256_of_cases};
use crate::error::DatasetError;
use crate::npz::Npz;
use manifest::{Manifest, PreparedCase};

pub use import::import;
pub(crate) use import::import_into;

/// A prepared data set that is open, for readers of single slices.
#[derive(Clone, Debug)]
pub struct Prepared {
    folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    labels: LabelTable,
}

impl Prepared {
    /// Reads and checks the manifest.
    ///
    /// # Errors
    /// Where it is missing, no such manifest, or of another version.
    pub fn open(folder: &Path) -> Result<Self, DatasetError> {
        let manifest = Manifest::read(folder)?;
        let labels = manifest.labels();
        Ok(Self { folder: folder.to_owned(), manifest, labels })
    }

    fn recorded(&self, case: usize) -> Result<&PreparedCase, DatasetError> {
        self.manifest.cases.get(case).ok_or_else(|| DatasetError::Request(format!("there is no case {case}")))
    }

    /// Reads one slice without the others: gray values and classes.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn slice(&self, case: usize, slice: usize) -> Result<(Array2<f32>, Array2<u8>), DatasetError> {
        let recorded = self.recorded(case)?;
        let path = recorded.file(&self.folder);
        read_slice(&mut Npz::open(&path)?, recorded, slice, (&self.labels, &self.manifest.label_scheme))
    }

    /// Reads a whole case and compares it with its hash.
    ///
    /// # Errors
    /// Where it is missing, damaged, or not what the manifest says.
    pub fn case(&self, case: usize) -> Result<Case, DatasetError> {
        let recorded = self.recorded(case)?;
        read_case(&recorded.file(&self.folder), recorded, &self.labels, &self.manifest.label_scheme)
    }
}

/// Reads a whole case and compares it with its hash.
pub(crate) fn read_case(
    path: &Path,
    recorded: &PreparedCase,
    labels: &LabelTable,
    label_scheme: &str,
) -> Result<Case, DatasetError> {
    let mut npz = Npz::open(path)?;
    let [slices, rows, cols] = recorded.shape;
    let mut image = Array3::zeros((0, rows, cols));
    let mut label = Array3::zeros((0, rows, cols));
    for slice in 0..slices {
        let (gray, classes) = read_slice(&mut npz, recorded, slice, (labels, label_scheme))?;
        let failed = |e: ndarray::ShapeError| DatasetError::malformed(path, e.to_string());
        image.push(Axis(0), gray.view()).map_err(failed)?;
        label.push(Axis(0), classes.view()).map_err(failed)?;
    }
    let (spacing_mm, orientation) = (recorded.spacing_mm, recorded.orientation);
    let (id, intensities) = (recorded.id.clone(), recorded.intensities);
    let case =
        Case { id, image, label, spacing_mm, orientation, turned_from: None, intensities, notes: Vec::new() };
    if sha256_of_cases([&case]) != recorded.sha256 {
        return Err(DatasetError::malformed(path, "its values are not those that its manifest has the hash of"));
    }
    Ok(case)
}

fn read_slice(
    npz: &mut Npz,
    recorded: &PreparedCase,
    slice: usize,
    (labels, label_scheme): (&LabelTable, &str),
) -> Result<(Array2<f32>, Array2<u8>), DatasetError> {
    let [_, rows, cols] = recorded.shape;
    let path = npz.path();
    let plane = |array: ArrayD<f32>, what: &str| {
        let found = array.shape().to_vec();
        let plane = array.into_dimensionality::<Ix2>().ok().filter(|plane| plane.dim() == (rows, cols));
        let reason = format!("the {what} of slice {slice} has the shape {found:?}, not {:?}", [rows, cols]);
        plane.ok_or_else(|| DatasetError::malformed(path, reason))
    };
    let image = plane(npz.read(&format!("image_{slice:04}"))?, "image")?;
    let label = plane(npz.read(&format!("label_{slice:04}"))?, "label")?;
    let n_classes = labels.n_classes() as f32;
    if let Some(value) = label.iter().find(|&&v| !(v >= 0.0 && v < n_classes && v.fract() == 0.0)) {
        let (path, value, label_scheme) = (path.to_owned(), value.to_string(), label_scheme.to_owned());
        return Err(DatasetError::UnknownLabel { path, value, label_scheme });
    }
    // Checked just now; a manifest has 256 classes at most.
    Ok((image, label.mapv(|value| value as u8)))
}
