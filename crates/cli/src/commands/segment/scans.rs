//! Which scans the user means: files, all in a folder, the DICOM series in one, those of a list.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fastersam_dicom::is_dicom;
use fastersam_files::{FileError, read_text};

use super::outputs::is_result;

/// A list of a hundred thousand scans has less.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// The scans that paths stand for, in their order, each once.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut scans = Vec::new();
    for path in paths {
        if path.is_dir() {
            scans.extend(in_folder(path)?);
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("txt")) {
            scans.extend(in_list(path)?);
        } else {
            scans.push(path.clone());
        }
    }
    // `a.nii` and `./a.nii` are one scan; links of different names are not.
    let place = |scan: &PathBuf| -> PathBuf {
        let folder = fastersam_files::parent_folder(scan);
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        folder.join(scan.file_name().unwrap_or_default())
    };
    let mut seen = std::collections::BTreeSet::new();
    scans.retain(|scan| seen.insert(place(scan)));
    Ok(scans)
}

/// Files of other forms, and how they become such that are read.
const OTHER_FORMS: [&str; 7] = [".nrrd", ".nhdr", ".mha", ".mhd", ".mgh", ".mgz", ".img"];

/// The NIfTI files of a folder, by name, without hidden ones and without results of this program. Where there is none, the
/// folder itself, if a DICOM series lies in it.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(FileError::at(folder))?;
    let mut scans = Vec::new();
    let (mut dicom, mut other) = (None, None);
    for entry in entries {
        let path = entry.map_err(FileError::at(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with('.') || is_result(&path) || !path.is_file() {
            continue;
        }
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            scans.push(path);
        } else if name.ends_with(".dcm") {
            dicom = Some(path);
        } else if OTHER_FORMS.iter().any(|ending| name.ends_with(ending)) {
            other = Some(path);
        }
    }
    if let (Some(nifti), Some(dicom)) = (scans.first(), &dicom) {
        // Unless it is a segmentation beside a scan: a result of this program.
        if !is_result(&dicom.with_extension("nii")) {
            bail!(
                "{} holds both NIfTI and DICOM ({}, {}): name the scans, or put them into folders of their own",
                folder.display(),
                nifti.file_name().unwrap_or_default().display(),
                dicom.file_name().unwrap_or_default().display()
            );
        }
    }
    if scans.is_empty() && is_dicom(folder) {
        // By its full name: results are called like it.
        let folder = if folder.file_name().is_none() {
            folder.canonicalize().map_err(FileError::at(folder))?
        } else {
            folder.to_owned()
        };
        return Ok(vec![folder]);
    }
    if scans.is_empty() {
        let other = other.map_or_else(String::new, |path| {
            format!("; convert {} to .nii.gz, for instance with 3D Slicer or SimpleITK", path.display())
        });
        bail!(
            "{} is a folder without scans: it holds no .nii or .nii.gz file and no DICOM series{other}",
            folder.display()
        );
    }
    scans.sort();
    Ok(scans)
}

/// The scans that a text file lists, one a line; empty lines and lines that begin with `#` are passed over. Paths are as the
/// shell would take them, or else relative to the list.
fn in_list(list: &Path) -> Result<Vec<PathBuf>> {
    let text = read_text(list, MAX_LIST_BYTES)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let folder = list.parent().unwrap_or(Path::new(""));
    let scans: Vec<PathBuf> = lines
        .map(|line| {
            let path = Path::new(line);
            if path.exists() { path.to_owned() } else { folder.join(path) }
        })
        .collect();
    if scans.is_empty() {
        bail!("{} lists no scans; write one path a line", list.display());
    }
    Ok(scans)
}
