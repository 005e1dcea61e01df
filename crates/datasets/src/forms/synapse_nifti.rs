//! Synapse as the BTCV challenge distributes it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{entries, nifti_pair, published};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::label_scheme::LabelScheme;
use crate::names::{names_in, new_file, without_ending};
use crate::phantom::{Phantom, PhantomOptions};

/// BTCV: `img/imgNNNN.nii.gz`, `label/labelNNNN.nii.gz`.
///
/// Slices are the file's `[:, :, k]`, transposed as SAMed's script does: `(2, 1, 0)`.
#[derive(Clone, Copy, Debug)]
pub struct SynapseNifti;

/// The challenge's own.
const USUAL_SCHEME: LabelScheme = LabelScheme::Raw;

impl FileForm for SynapseNifti {
    fn name(&self) -> &'static str {
        "synapse-nifti"
    }

    fn layout(&self) -> &'static str {
        "img/imgNNNN.nii.gz, label/labelNNNN.nii.gz"
    }

    fn detect(&self, path: &Path, _: &[String]) -> Result<bool, DatasetError> {
        Ok(path.join("img").is_dir() && path.join("label").is_dir())
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let number = |name: &str, prefix: &str| {
            let digits = without_ending(name.strip_prefix(prefix)?)?;
            digits.parse::<u32>().ok().map(|n| (n, name.to_owned()))
        };
        let list = |part: &str, prefix: &str| -> Result<BTreeMap<u32, String>, DatasetError> {
            Ok(names_in(&path.join(part))?.iter().filter_map(|name| number(name, prefix)).collect())
        };
        let (images, labels) = (list("img", "img")?, list("label", "label")?);
        if let Some(case) = labels.keys().find(|case| !images.contains_key(case)) {
            let path = path.join(format!("img/img{case:04}.nii.gz"));
            return Err(DatasetError::Missing { path, hint: "there is a label map for it".into() });
        }
        let entry = |(case, image): (&u32, &String)| {
            let id = format!("case{case:04}");
            // One that is missing shows when it is read.
            let label = labels.get(case).cloned().unwrap_or_else(|| format!("label{case:04}.nii.gz"));
            entries::entry(id.clone(), id, vec![path.join("img").join(image), path.join("label").join(label)])
        };
        let scheme = options.label_scheme.unwrap_or(USUAL_SCHEME);
        published::synapse(&Self, path, scheme, options.axes, images.iter().map(entry).collect())
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        nifti_pair::read(set, entry)
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        let scheme = options.label_scheme.unwrap_or(USUAL_SCHEME);
        for scan in options.scans(Phantom::Abdomen) {
            let number = scan.id.trim_start_matches("case");
            let image = new_file(folder, &["img", &format!("img{number}.nii.gz")])?;
            let label = new_file(folder, &["label", &format!("label{number}.nii.gz")])?;
            nifti_pair::write([&image, &label], &scan, |class| scheme.code(class))?;
        }
        Ok(options.mark(folder, self.name(), scheme.name())?)
    }
}
