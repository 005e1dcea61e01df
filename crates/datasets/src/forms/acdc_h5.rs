//! ACDC volumes as the semi-supervised papers (SSL4MIS and after) evaluate on.

use std::path::Path;

use super::published::{self, ACDC_SCHEME};
use super::{arrays, entries};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::h5;
use crate::names::{names_in, new_file};
use crate::phantom::{Phantom, PhantomOptions};

/// `ACDC_training_volumes/patientNNN_frameFF.h5`.
#[derive(Clone, Copy, Debug)]
pub struct AcdcH5;

const PART: &str = "ACDC_training_volumes";

/// `patientNNN_frameFF[_slice_Z].h5`.
pub(super) struct FileName {
    pub(super) patient: String,
    pub(super) id: String,
    pub(super) slice: Option<u32>,
}

impl FileName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".h5")?;
        let (id, slice) = match stem.split_once("_slice_") {
            Some((id, slice)) => (id, Some(slice.parse().ok()?)),
            None => (stem, None),
        };
        let (patient, frame) = id.split_once("_frame")?;
        patient.strip_prefix("patient")?.parse::<u32>().ok()?;
        frame.parse::<u32>().ok()?;
        Some(Self { patient: patient.to_owned(), id: id.to_owned(), slice })
    }
}

impl FileForm for AcdcH5 {
    fn name(&self) -> &'static str {
        "acdc-h5"
    }

    fn layout(&self) -> &'static str {
        "ACDC_training_volumes/patientNNN_frameFF.h5"
    }

    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError> {
        let mut files = names.iter().filter_map(|name| FileName::parse(name)).peekable();
        // Where slices lie beside volumes, the slices are all there is.
        let are_volumes = files.peek().is_some() && files.all(|file| file.slice.is_none());
        Ok(path.join(PART).is_dir() || are_volumes)
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let mut entries = Vec::new();
        for part in entries::parts(path, &[PART]) {
            for name in names_in(&part)? {
                if let Some(FileName { patient, id, slice: None }) = FileName::parse(&name) {
                    entries.push(entries::entry(id, patient, vec![part.join(&name)]));
                }
            }
        }
        published::acdc(&Self, path, options.axes, entries::sorted(path, entries)?)
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        arrays::read(set, entry, h5::read_volume)
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        for scan in options.scans(Phantom::Heart) {
            let path = new_file(folder, &[PART, &format!("{}.h5", scan.id)])?;
            let (image, label) = arrays::scaled(scan, options.axes, |class| class);
            h5::write_volume(&path, image.view(), label.view())?;
        }
        Ok(options.mark(folder, self.name(), ACDC_SCHEME)?)
    }
}
