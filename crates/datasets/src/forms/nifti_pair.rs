//! Cases of two NIfTI files, a scan and its label map: what the NIfTI forms share.

use std::path::Path;

use fastersam_volume::{Orientation, Scan, write_image_volume, write_label_volume};
use ndarray::Array3;

use super::values::{scale, to_classes};
use crate::case::Case;
use crate::dataset::{DataSet, Entry};
use crate::error::DatasetError;
use crate::names::other_packing;
use crate::phantom::Acquisition;

/// Reads scan and label map, scales the scan, and turns codes into classes.
pub(super) fn read(set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
    let Some((image_path, label_paths)) = entry.files.split_first().filter(|(_, labels)| !labels.is_empty())
    else {
        let reason = format!("{} has {} files; a scan and its label map are needed", entry.id, entry.files.len());
        return Err(DatasetError::Request(reason));
    };
    DatasetError::require(image_path, "check that the download is complete")?;
    for path in &entry.files {
        if let Some(other) = other_packing(path).filter(|other| path.exists() && other.exists()) {
            return Err(DatasetError::Twice { path: path.clone(), other });
        }
    }
    let scan = Scan::read(image_path)?;
    let orientation = set.orientation.unwrap_or_else(|| scan.grid.orientation());
    let mut notes: Vec<String> =
        scan.notes.iter().map(|note| format!("{}: {note}", image_path.display())).collect();
    let label = if entry.organs.is_empty() {
        let path = &label_paths[0];
        DatasetError::require(path, "every scan needs its label map")?;
        let values = label_values(&scan, image_path, path, orientation)?;
        to_classes(path, &values, &set.codes, &set.label_scheme)?
    } else {
        let mut label = Array3::zeros(scan.grid.oriented_shape(orientation));
        let mut n_found = 0;
        for (path, &code) in label_paths.iter().zip(&entry.organs) {
            if !path.exists() {
                notes.push(format!("{} is not there: taken as a class that this scan has not", path.display()));
                continue;
            }
            n_found += 1;
            let class = set.codes.get(usize::from(code)).copied().flatten().unwrap_or(0);
            let values = label_values(&scan, image_path, path, orientation)?;
            label.zip_mut_with(&values, |of_voxel, &value| {
                if value > 0.5 {
                    *of_voxel = class;
                }
            });
        }
        if n_found == 0 {
            DatasetError::require(&label_paths[0], "every scan needs label maps, one for each class")?;
        }
        label
    };
    let (mut image, spacing_mm) = scan.oriented(orientation);
    let (intensities, invalid) = scale(image_path, &mut image, &set.intensity)?;
    notes.extend(invalid);
    Ok(Case {
        id: entry.id.clone(),
        image,
        label,
        spacing_mm: Some(spacing_mm),
        orientation,
        turned_from: Some(scan.grid.orientation()).filter(|own| *own != orientation),
        intensities,
        notes,
    })
}

/// The values of a label map that lies on a scan. Its axes may lie in another order: its own affine leads to the same places.
fn label_values(
    scan: &Scan,
    image: &Path,
    label: &Path,
    orientation: Orientation,
) -> Result<Array3<f32>, DatasetError> {
    let labels = Scan::read(label)?;
    match scan.grid.difference(&labels.grid) {
        None => Ok(labels.oriented(orientation).0),
        Some(difference) => {
            Err(DatasetError::OtherGrid { image: image.to_owned(), label: label.to_owned(), difference })
        }
    }
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
