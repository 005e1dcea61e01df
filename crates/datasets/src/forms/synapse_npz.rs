//! Synapse as `TransUNet` and `SAMed` prepare it.

use std::collections::BTreeSet;
use std::path::Path;

use super::entries::{self, Slices};
use super::{arrays, published};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::label_scheme::LabelScheme;
use crate::names::{names_in, new_file};
use crate::npz::write_npz;
use crate::phantom::{Phantom, PhantomOptions};
use crate::{h5, split};

/// `TransUNet` and `SAMed`: `train_npz/caseNNNN_sliceZZZ.npz`, `test_vol_h5/caseNNNN.npy.h5`.
#[derive(Clone, Copy, Debug)]
pub struct SynapseNpz;

const PARTS: [&str; 2] = ["train_npz", "test_vol_h5"];

/// `caseNNNN_sliceZZZ.npz` or `caseNNNN.npy.h5`: the case, and the slice where it is one.
fn parse(name: &str) -> Option<(String, Option<u32>)> {
    let (case, slice) = match name.strip_suffix(".npz") {
        Some(stem) => stem.split_once("_slice").map(|(case, slice)| (case, Some(slice)))?,
        None => (name.strip_suffix(".npy.h5").or_else(|| name.strip_suffix(".h5"))?, None),
    };
    let number = case.strip_prefix("case")?.parse::<u32>().ok()?;
    Some((format!("case{number:04}"), slice.map(str::parse).transpose().ok()?))
}

impl FileForm for SynapseNpz {
    fn name(&self) -> &'static str {
        "synapse-npz"
    }

    fn layout(&self) -> &'static str {
        "train_npz/caseNNNN_sliceZZZ.npz, test_vol_h5/caseNNNN.npy.h5"
    }

    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError> {
        Ok(PARTS.iter().any(|part| path.join(part).is_dir()) || names.iter().any(|name| parse(name).is_some()))
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let (mut slices, mut entries) = (Slices::new(), Vec::new());
        for part in entries::parts(path, &PARTS) {
            for name in names_in(&part)? {
                match parse(&name) {
                    Some((id, Some(slice))) => {
                        slices.entry(id).or_default().insert(slice, part.join(&name));
                    }
                    Some((id, None)) => entries.push(entries::entry(id.clone(), id, vec![part.join(&name)])),
                    None => {}
                }
            }
        }
        entries.extend(entries::in_order(slices)?);
        let entries = entries::sorted(path, entries)?;
        let Some(scheme) = options.label_scheme else {
            return Err(DatasetError::Request(format!(
                "{}: name the label scheme that its labels were written in (transunet, samed or raw): the files \
                 can't tell, and reading one as another silently ruins results",
                path.display()
            )));
        };
        published::synapse(&Self, path, scheme, options.axes, entries)
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        arrays::read(set, entry, |path| match path.extension() {
            Some(ending) if ending == "h5" => h5::read_volume(path),
            _ => arrays::read_npz(path, "image"),
        })
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        let scheme = options.label_scheme.unwrap_or(LabelScheme::Transunet);
        let test: BTreeSet<u32> = split::synapse("test")?.into_iter().collect();
        for (number, scan) in (1..).zip(options.scans(Phantom::Abdomen)) {
            let id = scan.id.clone();
            let (image, label) = arrays::scaled(scan, options.axes, |class| scheme.code(class));
            if test.contains(&number) {
                let path = new_file(folder, &[PARTS[1], &format!("{id}.npy.h5")])?;
                h5::write_volume(&path, image.view(), label.view())?;
                continue;
            }
            for (slice, image, label) in arrays::slices(&image, &label) {
                let path = new_file(folder, &[PARTS[0], &format!("{id}_slice{slice:03}.npz")])?;
                write_npz(&path, "image", image.view(), label.view())?;
            }
        }
        Ok(options.mark(folder, self.name(), scheme.name())?)
    }
}
