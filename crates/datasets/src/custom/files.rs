//! Where the files of a described data set are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Description, FILE_NAME};
use crate::dataset::Entry;
use crate::error::DatasetError;
use crate::names::{names_in, with_ending, without_ending};
use crate::text::check_name;

/// What stands for a case's name.
pub(super) const CASE: &str = "{case}";
/// What stands for the name of a class's file.
pub(super) const LABEL: &str = "{label}";

impl Description {
    /// The files of a folder that it describes: images and label maps.
    ///
    /// # Errors
    /// Where there are none.
    pub fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
        let entries = self.entries(&folder.join(FILE_NAME))?;
        Ok(entries.into_iter().flat_map(|entry| entry.files).collect())
    }

    /// Image and label of every case whose image is there; `file` is the description's own.
    pub(crate) fn entries(&self, file: &Path) -> Result<Vec<Entry>, DatasetError> {
        let beside = file.parent().unwrap_or(Path::new("."));
        let folder = self.folder.as_ref().map_or_else(|| beside.to_owned(), |folder| beside.join(folder));
        DatasetError::require(&folder, "the description names it")?;
        if !self.cases.is_empty() {
            let entry = |files: &super::CaseFiles| {
                let key = files.patient.clone().unwrap_or_else(|| files.case.clone());
                self.entry(file, &files.case, key, folder.join(&files.image), folder.join(&files.label))
            };
            return self.cases.iter().map(entry).collect();
        }
        let mut cases = BTreeMap::new();
        if is_pattern(&self.image) {
            let parts: Vec<&str> = self.image.split('/').collect();
            find(&folder, &parts, None, &mut cases)?;
        } else {
            let images = folder.join(&self.image);
            for name in names_in(&images)? {
                if let Some(case) = without_ending(&name).filter(|_| !name.starts_with('.')) {
                    cases.insert(case.to_owned(), images.join(&name));
                }
            }
        }
        if cases.is_empty() {
            let reason = format!("no file in {} is like `{}`", folder.display(), self.image);
            return Err(DatasetError::malformed(file, reason));
        }
        let entry = |(id, image): (String, PathBuf)| {
            let label = if is_pattern(&self.label) || self.label.contains(LABEL) {
                folder.join(self.label.replace(CASE, &id))
            } else {
                with_ending(&folder.join(&self.label), &id)
            };
            self.entry(file, &id, id.clone(), image, label)
        };
        cases.into_iter().map(entry).collect()
    }

    fn entry(
        &self,
        file: &Path,
        id: &str,
        key: String,
        image: PathBuf,
        label: PathBuf,
    ) -> Result<Entry, DatasetError> {
        check_name(file, id)?;
        let label_text = label.to_string_lossy();
        let (files, organs) = if label_text.contains(LABEL) {
            let of_class = self
                .labels
                .iter()
                .map(|label| PathBuf::from(label_text.replace(LABEL, label.file.as_ref().unwrap_or(&label.name))));
            let organs = self.labels.iter().map(|label| label.code).collect();
            (std::iter::once(image).chain(of_class).collect(), organs)
        } else {
            (vec![image, label], Vec::new())
        };
        Ok(Entry { id: id.to_owned(), key, files, organs, recorded: None })
    }
}

pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(CASE)
}

/// Files like a pattern, by what stands for `{case}`.
fn find(
    folder: &Path,
    parts: &[&str],
    case: Option<&str>,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), DatasetError> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    let mut step = |name: &str, case: Option<&str>| {
        let path = folder.join(name);
        match (rest.is_empty(), case) {
            (true, Some(case)) if path.is_file() => {
                found.insert(case.to_owned(), path);
                Ok(())
            }
            (false, _) if path.is_dir() => find(&path, rest, case, found),
            _ => Ok(()),
        }
    };
    let Some((before, after)) = part.split_once("{case}") else { return step(part, case) };
    for name in names_in(folder)? {
        let middle = name.strip_prefix(before).and_then(|n| n.strip_suffix(after));
        // A second `{case}` in one part: the first one's text decides.
        let candidate = match (case, middle) {
            (Some(case), _) => Some(case.to_owned()),
            (None, Some(middle)) => Some(middle.to_owned()),
            (None, None) => name
                .strip_prefix(before)
                .map(|n| n.split(after.split('{').next().unwrap_or_default()))
                .and_then(|mut n| n.next().map(str::to_owned)),
        };
        if let Some(case) = candidate.filter(|case| !case.is_empty() && part.replace("{case}", case) == name) {
            step(&name, Some(&case))?;
        }
    }
    Ok(())
}
