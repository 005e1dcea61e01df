//! Cases of two NIfTI files, a scan and its label map: what the NIfTI forms share.

use std::path::{Path, PathBuf};

use fastersam_volume::{Scan, write_image_volume, write_label_volume};

use super::values::{scale, to_classes};
use crate::case::Case;
use crate::dataset::{DataSet, Entry};
use crate::error::DatasetError;
use crate::phantom::Acquisition;

fn files(entry: &Entry) -> Result<[&PathBuf; 2], DatasetError> {
    match &entry.files[..] {
        [image, label] => Ok([image, label]),
        files => Err(DatasetError::Request(format!(
            "{} has {} files; a scan and its label map are needed",
            entry.id,
            files.len()
        ))),
    }
}

/// Reads scan and label map, scales the scan, and turns codes into classes.
pub(super) fn read(set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
    let [image_path, label_path] = files(entry)?;
    DatasetError::require(image_path, "check that the download is complete")?;
    DatasetError::require(label_path, "every scan needs its label map")?;
    for path in [image_path, label_path] {
        if let Some(other) = other_packing(path).filter(|other| other.exists()) {
            return Err(DatasetError::Twice { path: path.clone(), other });
        }
    }
    let scan = Scan::read(image_path)?;
    let labels = Scan::read(label_path)?;
    if let Some(difference) = scan.grid.difference(&labels.grid) {
        let (image, label) = (image_path.clone(), label_path.clone());
        return Err(DatasetError::OtherGrid { image, label, difference });
    }
    let orientation = set.orientation.unwrap_or_else(|| scan.grid.orientation());
    let (mut image, spacing_mm) = scan.oriented(orientation);
    let mut notes: Vec<String> =
        scan.notes.iter().map(|note| format!("{}: {note}", image_path.display())).collect();
    let (intensities, invalid) = scale(image_path, &mut image, &set.intensity)?;
    notes.extend(invalid);
    // By its own affine, which leads to the same places: its axes may lie in another order.
    let (values, _) = labels.oriented(orientation);
    let label = to_classes(label_path, &values, &set.codes, &set.label_scheme)?;
    Ok(Case { id: entry.id.clone(), image, label, spacing_mm: Some(spacing_mm), orientation, intensities, notes })
}

/// The name that the same scan has when it is packed, or unpacked.
fn other_packing(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let other = match name.strip_suffix(".nii.gz") {
        Some(stem) => format!("{stem}.nii"),
        None => format!("{}.nii.gz", name.strip_suffix(".nii")?),
    };
    Some(path.with_file_name(other))
}

/// Writes a phantom's scan and its label map, whose codes are given by class.
pub(super) fn write(
    [image, label]: [&Path; 2],
    scan: &Acquisition,
    code: impl Fn(u8) -> u8,
) -> Result<(), DatasetError> {
    let (spacing, place) = (scan.spacing_mm, Acquisition::ORIENTATION);
    write_image_volume(image, &scan.raw, spacing, place)?;
    Ok(write_label_volume(label, &scan.label.mapv(code), spacing, place)?)
}
