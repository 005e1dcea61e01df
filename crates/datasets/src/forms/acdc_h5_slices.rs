//! ACDC slices as the semi-supervised papers (SSL4MIS and after) train on.

use std::path::Path;

use super::acdc_h5::FileName;
use super::arrays;
use super::entries::{self, Slices};
use super::published::{self, ACDC_SCHEME};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::h5;
use crate::names::{names_in, new_file};
use crate::phantom::{Phantom, PhantomOptions};

/// `ACDC_training_slices/patientNNN_frameFF_slice_Z.h5`.
#[derive(Clone, Copy, Debug)]
pub struct AcdcH5Slices;

const PART: &str = "ACDC_training_slices";

impl FileForm for AcdcH5Slices {
    fn name(&self) -> &'static str {
        "acdc-h5-slices"
    }

    fn layout(&self) -> &'static str {
        "ACDC_training_slices/patientNNN_frameFF_slice_Z.h5"
    }

    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError> {
        let is_slice = |name: &String| FileName::parse(name).is_some_and(|file| file.slice.is_some());
        Ok(path.join(PART).is_dir() || names.iter().any(is_slice))
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let mut slices = Slices::new();
        for part in entries::parts(path, &[PART]) {
            for name in names_in(&part)? {
                if let Some(FileName { id, slice: Some(slice), .. }) = FileName::parse(&name) {
                    slices.entry(id).or_default().insert(slice, part.join(&name));
                }
            }
        }
        published::acdc(&Self, path, options.axes, entries::in_order(slices)?)
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        arrays::read(set, entry, h5::read_volume)
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        for scan in options.scans(Phantom::Heart) {
            let id = scan.id.clone();
            let (image, label) = arrays::scaled(scan, options.axes, |class| class);
            for (slice, image, label) in arrays::slices(&image, &label) {
                let path = new_file(folder, &[PART, &format!("{id}_slice_{}.h5", slice + 1)])?;
                h5::write_volume(&path, image.view(), label.view())?;
            }
        }
        Ok(options.mark(folder, self.name(), ACDC_SCHEME)?)
    }
}
