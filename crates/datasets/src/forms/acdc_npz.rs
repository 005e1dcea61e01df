//! ACDC as `MT-UNet` prepares it.

use std::path::Path;

use super::arrays;
use super::entries::{self, Slices};
use super::published::{self, ACDC_SCHEME};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::names::{names_in, new_file};
use crate::npz::write_npz;
use crate::phantom::{Phantom, PhantomOptions};
use crate::split;

/// `MT-UNet`: `train/case_NNN_sliceED_Z.npz`, `valid/...`, `test/case_NNN_volume_ED.npz`.
#[derive(Clone, Copy, Debug)]
pub struct AcdcNpz;

const PARTS: [&str; 3] = ["train", "valid", "test"];

/// `case_NNN_sliceED_Z.npz` or `case_NNN_volume_ED.npz`.
struct FileName {
    patient: String,
    phase: String,
    slice: Option<u32>,
}

impl FileName {
    fn parse(name: &str) -> Option<Self> {
        let (number, rest) = name.strip_suffix(".npz")?.strip_prefix("case_")?.split_once('_')?;
        let patient = format!("patient{:03}", number.parse::<u32>().ok()?);
        let (phase, slice) = match rest.strip_prefix("volume_") {
            Some(phase) => (phase, None),
            None => {
                let (phase, slice) = rest.strip_prefix("slice")?.split_once('_')?;
                (phase, Some(slice.parse().ok()?))
            }
        };
        matches!(phase, "ED" | "ES").then(|| Self { patient, phase: phase.to_owned(), slice })
    }
}

impl FileForm for AcdcNpz {
    fn name(&self) -> &'static str {
        "acdc-npz"
    }

    fn layout(&self) -> &'static str {
        "train/case_NNN_sliceED_Z.npz, valid/..., test/case_NNN_volume_ED.npz"
    }

    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError> {
        let is_known = |name: &String| FileName::parse(name).is_some();
        if names.iter().any(is_known) {
            return Ok(true);
        }
        for part in PARTS.map(|part| path.join(part)).iter().filter(|part| part.is_dir()) {
            if names_in(part)?.iter().any(is_known) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let (mut slices, mut entries) = (Slices::new(), Vec::new());
        for part in entries::parts(path, &PARTS) {
            for name in names_in(&part)? {
                let Some(FileName { patient, phase, slice }) = FileName::parse(&name) else { continue };
                let id = format!("{patient}_{phase}");
                match slice {
                    Some(slice) => {
                        slices.entry(id).or_default().insert(slice, part.join(&name));
                    }
                    None => entries.push(entries::entry(id, patient, vec![part.join(&name)])),
                }
            }
        }
        entries.extend(entries::in_order(slices)?);
        published::acdc(&Self, path, options.axes, entries::sorted(path, entries)?)
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        arrays::read(set, entry, |path| arrays::read_npz(path, "img"))
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        let (test, valid) = (split::acdc("test")?, split::acdc("valid")?);
        for (index, scan) in (0..).zip(options.scans(Phantom::Heart)) {
            let (number, phase) = (1 + index / 2, if index % 2 == 0 { "ED" } else { "ES" });
            let (image, label) = arrays::scaled(scan, options.axes, |class| class);
            if test.contains(&number) {
                let path = new_file(folder, &[PARTS[2], &format!("case_{number:03}_volume_{phase}.npz")])?;
                write_npz(&path, "img", image.view(), label.view())?;
                continue;
            }
            let part = if valid.contains(&number) { PARTS[1] } else { PARTS[0] };
            for (slice, image, label) in arrays::slices(&image, &label) {
                let path = new_file(folder, &[part, &format!("case_{number:03}_slice{phase}_{slice}.npz")])?;
                write_npz(&path, "img", image.view(), label.view())?;
            }
        }
        Ok(options.mark(folder, self.name(), ACDC_SCHEME)?)
    }
}
