//! ACDC cardiac MRI: the official layout, and the h5 volumes of the semi-supervised papers.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::case::{Case, Intensity};
use crate::coding::to_canonical;
use crate::error::DatasetError;
use crate::h5;
use crate::scan::{Orientation, Scan};

/// The top 1 % of each volume is clipped, then minimum and maximum become 0 and 1.
pub const INTENSITY: Intensity = Intensity::ClipTop { percentile: 99.0 };

const CODES: [u8; 4] = [0, 1, 2, 3];

/// The image files of the patients: both phases of each, named by `Info.cfg`; in a folder of h5 files,
/// all files of the patients.
///
/// # Errors
/// Where a patient is missing or an `Info.cfg` can't be read.
pub fn image_files(folder: &Path, patients: &[u32]) -> Result<Vec<PathBuf>, DatasetError> {
    DatasetError::require(folder, "give the folder that holds patient001, patient002, ...")?;
    let h5 = h5_files(folder)?;
    let mut files = Vec::new();
    for patient in patients {
        let name = format!("patient{patient:03}");
        if !h5.is_empty() {
            let of_patient = |path: &&PathBuf| {
                path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&format!("{name}_")))
            };
            let found: Vec<PathBuf> = h5.iter().filter(of_patient).cloned().collect();
            if found.is_empty() {
                let path = folder.join(format!("{name}_frame??.h5"));
                return Err(DatasetError::Missing { path, hint: "the split needs it".into() });
            }
            files.extend(found);
            continue;
        }
        let patient_folder = folder.join(&name);
        DatasetError::require(&patient_folder, "the split needs it; check that the download is complete")?;
        for frame in frames(&patient_folder.join("Info.cfg"))? {
            files.push(patient_folder.join(format!("{name}_frame{frame:02}.nii.gz")));
        }
    }
    Ok(files)
}

fn h5_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let entries = std::fs::read_dir(folder).map_err(DatasetError::io(folder))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "h5"))
        .collect();
    files.sort();
    Ok(files)
}

/// The frames of end diastole and end systole.
fn frames(info: &Path) -> Result<[u32; 2], DatasetError> {
    DatasetError::require(info, "it names the patient's phases (`ED: 1`, `ES: 12`)")?;
    let text = std::fs::read_to_string(info).map_err(DatasetError::io(info))?;
    let frame = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .and_then(|(_, value)| value.trim().parse::<u32>().ok())
            .ok_or_else(|| DatasetError::malformed(info, format!("it has no line `{key}: <number>`")))
    };
    Ok([frame("ED")?, frame("ES")?])
}

/// Reads both phases of the patients.
///
/// # Errors
/// Where a file is missing or broken, or holds an unknown label.
pub fn load(folder: &Path, patients: &[u32]) -> Result<Vec<Case>, DatasetError> {
    image_files(folder, patients)?.par_iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Case, DatasetError> {
    let id = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.split('.').next())
        .unwrap_or_default()
        .to_owned();
    if path.extension().is_some_and(|e| e == "h5") {
        let (image, values) = h5::read_volume(path)?;
        let label = to_canonical(path, &values, &CODES, "acdc")?;
        let orientation = Orientation::default();
        // Already clipped and scaled; the form has no spacing.
        return Ok(Case { id, image, label, spacing_mm: [1.0; 3], orientation });
    }
    let label_path = path.with_file_name(format!("{id}_gt.nii.gz"));
    DatasetError::require(path, "Info.cfg names it; check that the download is complete")?;
    DatasetError::require(&label_path, "every frame needs its label map")?;
    let scan = Scan::read(path)?;
    let labels = Scan::read(&label_path)?;
    check_shapes(path, &scan, &label_path, &labels)?;
    let orientation = scan.orientation();
    let (mut image, spacing_mm) = scan.oriented(orientation);
    INTENSITY.scale(&mut image);
    let (values, _) = labels.oriented(labels.orientation());
    let label = to_canonical(&label_path, &values, &CODES, "acdc")?;
    Ok(Case { id, image, label, spacing_mm, orientation })
}

pub(crate) fn check_shapes(
    image: &Path,
    scan: &Scan,
    label: &Path,
    labels: &Scan,
) -> Result<(), DatasetError> {
    if scan.voxels.dim() == labels.voxels.dim() {
        return Ok(());
    }
    Err(DatasetError::ShapeMismatch {
        image: image.to_owned(),
        image_shape: scan.voxels.shape().to_vec(),
        label: label.to_owned(),
        label_shape: labels.voxels.shape().to_vec(),
    })
}
