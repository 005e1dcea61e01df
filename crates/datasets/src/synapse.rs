//! Synapse multi-organ CT (BTCV): `img/imgNNNN.nii.gz` and `label/labelNNNN.nii.gz`.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::case::{Case, Intensity};
use crate::coding::{SynapseCoding, to_canonical};
use crate::error::DatasetError;
use crate::scan::Scan;

/// The window of every published pipeline: [-125, 275] HU becomes [0, 1].
pub const INTENSITY: Intensity = Intensity::Window { low: -125.0, high: 275.0 };

/// Image and label file of each of the cases, whether they exist or not.
#[must_use]
pub fn files(folder: &Path, cases: &[u32]) -> Vec<[PathBuf; 2]> {
    cases
        .iter()
        .map(|case| {
            let image = folder.join(format!("img/img{case:04}.nii.gz"));
            [image, folder.join(format!("label/label{case:04}.nii.gz"))]
        })
        .collect()
}

/// Reads the cases from the challenge's own NIfTI pairs.
///
/// Slices are the file's `[:, :, k]`, transposed as SAMed's script does: `(2, 1, 0)`.
///
/// # Errors
/// Where a file is missing or broken, or holds a label that the coding does not have.
pub fn load(folder: &Path, cases: &[u32], coding: SynapseCoding) -> Result<Vec<Case>, DatasetError> {
    DatasetError::require(folder, "give the folder that holds img/ and label/")?;
    let read = |[image_path, label_path]: &[PathBuf; 2], case: &u32| {
        let hint = "the split needs it; check that the download is complete";
        DatasetError::require(image_path, hint)?;
        DatasetError::require(label_path, hint)?;
        let scan = Scan::read(image_path)?;
        let labels = Scan::read(label_path)?;
        crate::acdc::check_shapes(image_path, &scan, label_path, &labels)?;
        let orientation = scan.orientation();
        let (mut image, spacing_mm) = scan.oriented(orientation);
        INTENSITY.scale(&mut image);
        let (values, _) = labels.oriented(labels.orientation());
        let label = to_canonical(label_path, &values, coding.canonical(), coding.name())?;
        Ok(Case { id: format!("case{case:04}"), image, label, spacing_mm, orientation })
    };
    files(folder, cases).par_iter().zip(cases).map(|(paths, case)| read(paths, case)).collect()
}
