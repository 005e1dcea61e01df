//! ACDC as the challenge distributes it.

use std::path::Path;

use fastersam_files::write_atomically;

use super::published::{self, ACDC_SCHEME};
use super::{entries, nifti_pair};
use crate::case::Case;
use crate::dataset::{DataSet, Entry, FileForm, OpenOptions};
use crate::error::DatasetError;
use crate::names::{names_in, new_file, with_ending};
use crate::phantom::{Phantom, PhantomOptions};
use crate::text::read_ascii;

/// The official layout: `patientNNN/patientNNN_frameFF.nii.gz`, `..._gt.nii.gz`, `Info.cfg`.
#[derive(Clone, Copy, Debug)]
pub struct AcdcNifti;

/// The frames of end diastole and end systole.
fn frames(info: &Path) -> Result<[u32; 2], DatasetError> {
    DatasetError::require(info, "it names the patient's phases (`ED: 1`, `ES: 12`)")?;
    let text = read_ascii(info, 1 << 20)?;
    let frame = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .and_then(|(_, value)| value.trim().parse::<u32>().ok())
            .ok_or_else(|| DatasetError::malformed(info, format!("it has no line `{key}: <number>`")))
    };
    Ok([frame("ED")?, frame("ES")?])
}

impl FileForm for AcdcNifti {
    fn name(&self) -> &'static str {
        "acdc-nifti"
    }

    fn layout(&self) -> &'static str {
        "patientNNN/patientNNN_frameFF.nii.gz, ..._gt.nii.gz, Info.cfg"
    }

    fn detect(&self, path: &Path, names: &[String]) -> Result<bool, DatasetError> {
        let is_patient =
            |name: &String| name.len() == 10 && name.starts_with("patient") && path.join(name).is_dir();
        Ok(names.iter().any(is_patient))
    }

    fn list(&self, path: &Path, options: &OpenOptions) -> Result<DataSet, DatasetError> {
        let mut entries = Vec::new();
        for patient in names_in(path)? {
            let digits = patient.strip_prefix("patient").filter(|d| d.len() == 3);
            let folder = path.join(&patient);
            if digits.and_then(|d| d.parse::<u32>().ok()).is_none() || !folder.is_dir() {
                continue;
            }
            for frame in frames(&folder.join("Info.cfg"))? {
                let id = format!("{patient}_frame{frame:02}");
                let files = vec![with_ending(&folder, &id), with_ending(&folder, &format!("{id}_gt"))];
                entries.push(entries::entry(id, patient.clone(), files));
            }
        }
        published::acdc(&Self, path, options.axes, entries)
    }

    fn read(&self, set: &DataSet, entry: &Entry) -> Result<Case, DatasetError> {
        nifti_pair::read(set, entry)
    }

    fn write(&self, folder: &Path, options: &PhantomOptions) -> Result<(), DatasetError> {
        let mut info = String::new();
        for (index, scan) in options.scans(Phantom::Heart).enumerate() {
            let (patient, frame) = scan.id.split_once("_frame").unwrap_or((&scan.id, "01"));
            let image = new_file(folder, &[patient, &format!("{}.nii.gz", scan.id)])?;
            let label = new_file(folder, &[patient, &format!("{}_gt.nii.gz", scan.id)])?;
            nifti_pair::write([&image, &label], &scan, |class| class)?;
            // The first scan of a patient is at end diastole, the second at end systole.
            let frame = frame.trim_start_matches('0');
            if index % 2 == 0 {
                info = format!("ED: {frame}\n");
            } else {
                info.push_str(&format!("ES: {frame}\n"));
                write_atomically(&new_file(folder, &[patient, "Info.cfg"])?, info.as_bytes())?;
            }
        }
        Ok(options.mark(folder, self.name(), ACDC_SCHEME)?)
    }
}
