//! Cases of two NIfTI files, a scan and its label map: what the NIfTI forms share.

use std::path::{Path, PathBuf};

use fastersam_volume::{Scan, write_image_volume, write_label_volume};

use super::values::{check_finite, to_classes};
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
    let scan = Scan::read(image_path)?;
    let labels = Scan::read(label_path)?;
    let orientation = set.orientation.unwrap_or_else(|| scan.orientation());
    let (mut image, spacing_mm) = scan.oriented(orientation);
    check_finite(image_path, &image)?;
    set.intensity.scale(&mut image);
    // A data set of one's own may mix orientations: there, the label map's own affine counts. The published sets'
    // label maps lie on their images voxel by voxel, whatever their headers say.
    let seen_as = if set.orientation.is_some() { orientation } else { labels.orientation() };
    let (values, _) = labels.oriented(seen_as);
    if values.dim() != image.dim() {
        return Err(DatasetError::ShapeMismatch {
            image: image_path.to_owned(),
            image_shape: scan.voxels.shape().to_vec(),
            label: label_path.to_owned(),
            label_shape: labels.voxels.shape().to_vec(),
        });
    }
    let label = to_classes(label_path, &values, &set.codes, &set.label_scheme)?;
    Ok(Case { id: entry.id.clone(), image, label, spacing_mm: Some(spacing_mm), orientation })
}

/// Whether a label map's header gives another spacing than its image's. Readers go by the image; a check says it.
pub(super) fn contradiction(set: &DataSet, entry: &Entry) -> Result<Option<String>, DatasetError> {
    let [image, label] = files(entry)?;
    let wanted = set.orientation;
    let (of_image, of_label) = (Scan::read_spacing(image, wanted)?, Scan::read_spacing(label, wanted)?);
    let differs = of_image.iter().zip(&of_label).any(|(a, b)| (a - b).abs() > 0.01 * a.max(*b));
    Ok(differs.then(|| {
        format!("{} has the spacing {of_label:?} mm, its image {} {of_image:?}", label.display(), image.display())
    }))
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
