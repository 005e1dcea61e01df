//! From any form to the prepared one.

use std::path::Path;

use fastersam_files::{FileError, UNSEALED, seal, write_atomically};
use ndarray::Axis;

use super::manifest::{FORMAT, MANIFEST, Manifest, PreparedCase, Source};
use crate::axis_order::AxisOrder;
use crate::case::{Case, sha256_of_cases};
use crate::dataset::DataSet;
use crate::error::DatasetError;
use crate::names::new_folder;
use crate::npz::NpzWriter;
use crate::text::check_name;

/// Brings a data set of any form into the prepared form, case by case; `progress` hears of each. The folder appears as a
/// whole or not at all.
///
/// # Errors
/// Where a case can't be read, or the folder is not empty or can't be written.
pub fn import(set: &DataSet, folder: &Path, progress: impl FnMut(&str)) -> Result<Manifest, DatasetError> {
    let scratch = new_folder(folder)?;
    let manifest = import_into(set, scratch.path(), progress)?;
    scratch.commit()?;
    Ok(manifest)
}

/// [`import`] into a folder that is there.
pub(crate) fn import_into(
    set: &DataSet,
    folder: &Path,
    mut progress: impl FnMut(&str),
) -> Result<Manifest, DatasetError> {
    let cases_folder = folder.join("cases");
    std::fs::create_dir(&cases_folder).map_err(FileError::at(&cases_folder))?;
    let mut cases = Vec::new();
    for at in 0..set.len() {
        let case = set.read(at)?;
        progress(&case.id);
        cases.push(write_case(&cases_folder, &case, set.key(at), set.labels.n_classes())?);
    }
    let (form, label_scheme) = (set.form.name().to_owned(), set.label_scheme.clone());
    let source = Source { form, label_scheme, axes: set.axes };
    let is_there = |keys: &Vec<String>| keys.iter().all(|key| cases.iter().any(|case| case.key == *key));
    let complete = set.splits.iter().filter(|(_, keys)| is_there(keys));
    let manifest = Manifest {
        format: FORMAT,
        seal: UNSEALED.to_owned(),
        name: set.name.clone(),
        label_scheme: set.canonical_scheme.clone(),
        axes: AxisOrder::Zyx,
        classes: set.labels.names.clone(),
        codes: set.labels.codes.clone(),
        intensity: set.intensity.clone(),
        source,
        splits: complete.map(|(name, keys)| (name.clone(), keys.clone())).collect(),
        published_slices: set.published_slices.clone(),
        cases,
    };
    let path = folder.join(MANIFEST);
    let text = toml::to_string(&manifest).map_err(|e| DatasetError::malformed(&path, e.to_string()))?;
    write_atomically(&path, seal(&text).as_bytes())?;
    Ok(manifest)
}

fn write_case(folder: &Path, case: &Case, key: &str, n_classes: usize) -> Result<PreparedCase, DatasetError> {
    check_name(folder, &case.id)?;
    let path = folder.join(format!("{}.npz", case.id));
    let mut npz = NpzWriter::create(&path)?;
    for (slice, (image, label)) in case.image.axis_iter(Axis(0)).zip(case.label.axis_iter(Axis(0))).enumerate() {
        npz.add(&format!("image_{slice:04}"), image)?;
        npz.add(&format!("label_{slice:04}"), label)?;
    }
    npz.finish()?;
    let (slices, rows, cols) = case.image.dim();
    Ok(PreparedCase {
        id: case.id.clone(),
        key: key.to_owned(),
        shape: [slices, rows, cols],
        spacing_mm: case.spacing_mm,
        orientation: case.orientation,
        intensities: case.intensities,
        voxels: case.count_voxels(n_classes),
        sha256: sha256_of_cases([case]),
    })
}
