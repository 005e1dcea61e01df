//! This project's prepared form.

use std::path::Path;

use fastersam_files::AtomicFolder;

use super::synapse_nifti::SynapseNifti;
use crate::axis_order::AxisOrder;
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::label_scheme::LabelScheme;
use crate::phantom::PhantomOptions;
use crate::prepared::manifest::{MANIFEST, Manifest};
use crate::prepared::{import_into, read_case};

/// This project's prepared form: `dataset.toml`, `cases/ID.npz`.
#[derive(Clone, Copy, Debug)]
pub struct PreparedForm;

impl FileForm for PreparedForm {
    fn name(&self) -> &'static str {
        "prepared"
    }

    fn layout(&self) -> &'static str {
        "dataset.toml, cases/ID.npz"
    }

    fn detect(&self, path: &Path, _: &[String]) -> Result<bool, DatasetError> {
        Ok(path.join(MANIFEST).is_file())
    }

    fn list(&self, path: &Path, _: &OpenOptions) -> Result<DataSet, DatasetError> {
        let manifest = Manifest::read(path)?;
        let entries = manifest.cases.iter().map(|case| Entry {
            id: case.id.clone(),
            key: case.key.clone(),
            files: vec![case.file(path)],
            organs: Vec::new(),
            recorded: Some(case.clone()),
        });
        Ok(DataSet {
            path: path.to_owned(),
            form: &Self,
            label_scheme: manifest.label_scheme.clone(),
            canonical_scheme: manifest.label_scheme.clone(),
            axes: AxisOrder::Zyx,
            codes: Vec::new(),
            orientation: None,
            entries: entries.collect(),
            labels: manifest.labels(),
            name: manifest.name,
            intensity: manifest.intensity,
            splits: manifest.splits,
            published_slices: manifest.published_slices,
        })
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        let ([path], Some(recorded)) = (&entry.files[..], &entry.recorded) else {
            return Err(DatasetError::Request(format!("{} is no case of a prepared data set", entry.id)));
        };
        read_case(path, recorded, &set.labels, &set.label_scheme)
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        // Never committed: it goes when it is dropped.
        let scratch = AtomicFolder::create(folder)?;
        let raw = PhantomOptions { label_scheme: Some(LabelScheme::Raw), ..*options };
        SynapseNifti.write(scratch.path(), &raw)?;
        let set = SynapseNifti.list(scratch.path(), &OpenOptions::default())?;
        import_into(&set, folder, |_| {}).map(|_| ())
    }
}
