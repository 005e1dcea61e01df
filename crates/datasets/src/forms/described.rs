//! Custom NIfTI files, in the layout that a TOML file describes.

use std::collections::BTreeMap;
use std::path::Path;

use super::nifti_pair;
use super::published::ACDC_SCHEME;
use crate::axis_order::AxisOrder;
use crate::case::Case;
use crate::custom::{Description, FILE_NAME};
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::names::new_file;
use crate::phantom::{Phantom, PhantomOptions};

/// Custom NIfTI files, in the layout that a TOML file describes.
#[derive(Clone, Copy, Debug)]
pub struct Described;

impl FileForm for Described {
    fn name(&self) -> &'static str {
        "nifti"
    }

    fn layout(&self) -> &'static str {
        "your own, as a TOML file describes it"
    }

    fn detect(&self, path: &Path, _: &[String]) -> Result<bool, DatasetError> {
        let is_description = path.is_file() && path.extension().is_some_and(|ending| ending == "toml");
        Ok(is_description || path.join(FILE_NAME).is_file())
    }

    fn list(&self, path: &Path, _: &OpenOptions) -> Result<DataSet, DatasetError> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let description = Description::read(&file)?;
        let entries = description.entries(&file)?;
        Ok(DataSet {
            name: description.name.clone(),
            path: file.clone(),
            form: &Self,
            label_scheme: "described".to_owned(),
            canonical_scheme: "described".to_owned(),
            axes: AxisOrder::Zyx,
            labels: description.label_table(),
            intensity: description.intensity.clone(),
            splits: description.splits(),
            published_slices: BTreeMap::new(),
            codes: description.codes(),
            orientation: Some(description.axis.orientation()),
            entries,
        })
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        nifti_pair::read(set, entry)
    }

    /// Without a description: to write one is what such phantoms are for.
    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        for scan in options.scans(Phantom::Heart) {
            let name = format!("{}.nii.gz", scan.id);
            let (image, label) = (new_file(folder, &["images", &name])?, new_file(folder, &["labels", &name])?);
            nifti_pair::write([&image, &label], &scan, |class| class)?;
        }
        Ok(options.mark(folder, self.name(), ACDC_SCHEME)?)
    }
}
