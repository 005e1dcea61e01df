//! The report as files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fastersam_files::{
    AtomicFolder, FileError, parent_folder, read_text, remove_leftovers, sha256, write_atomically,
};
use fastersam_records::{Record, read_records};

use crate::error::ReportError;
use crate::published::Published;
use crate::results::Results;
use crate::section::sections;
use crate::{bench_page, page};

/// Name of the page.
const INDEX: &str = "index.html";

/// SHA-256 of every other file of the report, as `sha256sum --check` reads it: what a later report may replace.
const SUMS: &str = "SHA256SUMS";
/// A report of a thousand files has less.
const MAX_SUMS_BYTES: u64 = 1 << 20;

/// Builds the report of all records in `records` with the published results in the folder `published` (`synapse.csv`,
/// `acdc.csv`, `speed.csv`), or those that are built in, and writes it into `out`; returns the path of its `index.html`. An older report there is
/// replaced as a whole; files of `out` that no report has a part in stay as they are.
///
/// # Errors
/// A record or a file of published results can't be read (the error names it), there are no records, `out` can't be
/// written, or has a file of somebody else's where one of the report belongs.
pub fn build(records: &Path, published: Option<&Path>, out: &Path) -> Result<PathBuf, ReportError> {
    let saved = read_records(records)?;
    if saved.is_empty() {
        return Err(ReportError::Empty { folder: records.to_owned() });
    }
    let published = published.map_or_else(Published::built_in, Published::read)?;
    let files = files(saved, &published)?;
    let folder = parent_folder(out);
    std::fs::create_dir_all(folder).map_err(FileError::at(folder))?;
    remove_leftovers(folder);
    let scratch = AtomicFolder::create(out)?;
    keep_others(out, &files, scratch.path())?;
    let mut sums = String::new();
    for (name, bytes) in &files {
        write(&scratch.path().join(name), bytes)?;
        sums += &format!("{}  {name}\n", sha256([bytes]));
    }
    write(&scratch.path().join(SUMS), sums.as_bytes())?;
    scratch.replace()?;
    Ok(out.join(INDEX))
}

/// Copies what is in `old` beside the report into the new folder.
fn keep_others(old: &Path, files: &BTreeMap<String, Vec<u8>>, new: &Path) -> Result<(), ReportError> {
    let sums = old.join(SUMS);
    let sums = if sums.exists() { read_text(&sums, MAX_SUMS_BYTES)? } else { String::new() };
    let of_report: BTreeSet<&str> = sums.lines().filter_map(|line| Some(line.split_once("  ")?.1)).collect();
    for name in files_in(old, Path::new(""))? {
        let text = name.to_string_lossy();
        if text == SUMS || of_report.contains(text.as_ref()) {
            continue;
        }
        let (from, to) = (old.join(&name), new.join(&name));
        // Reading from a pipe could wait for ever.
        if files.contains_key(text.as_ref()) || !from.is_file() {
            return Err(ReportError::NotOurs { path: from });
        }
        let folder = parent_folder(&to);
        std::fs::create_dir_all(folder).map_err(FileError::at(folder))?;
        std::fs::copy(&from, &to).map_err(FileError::at(&from))?;
    }
    Ok(())
}

/// The files of a folder and the folders in it, relative to it; none where it does not exist.
fn files_in(folder: &Path, inside: &Path) -> Result<Vec<PathBuf>, FileError> {
    let at = folder.join(inside);
    if !at.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&at).map_err(FileError::at(&at))? {
        let entry = entry.map_err(FileError::at(&at))?;
        let name = inside.join(entry.file_name());
        if entry.file_type().map_err(FileError::at(&at))?.is_dir() {
            files.extend(files_in(folder, &name)?);
        } else {
            files.push(name);
        }
    }
    Ok(files)
}

/// Every file of the report by its path inside the report's folder.
///
/// # Errors
/// A figure or a table can't be drawn.
pub fn files(records: Vec<Record>, published: &Published) -> Result<BTreeMap<String, Vec<u8>>, ReportError> {
    let results = Results::new(records);
    let sections = sections(&results, published)?;
    let mut files = BTreeMap::new();
    for section in &sections {
        for table in &section.tables {
            files.insert(format!("tables/{}.csv", table.id), table.to_csv()?.into_bytes());
            files.insert(format!("tables/{}.md", table.id), table.to_markdown().into_bytes());
        }
        for (folder, figures) in [("plots", &section.plots), ("pictures", &section.pictures)] {
            for figure in figures {
                files.insert(format!("{folder}/{}.png", figure.id), figure.png.clone());
                if let Some(svg) = &figure.svg {
                    files.insert(format!("{folder}/{}.svg", figure.id), svg.clone().into_bytes());
                }
            }
        }
        if let Some(bench) = results.benches.first().filter(|_| section.id == bench_page::SECTION) {
            files.insert(
                bench_page::FILE.into(),
                bench_page::markdown(bench, &section.tables, &section.plots).into_bytes(),
            );
        }
    }
    files.insert(INDEX.into(), page::page(&sections, &results).into_bytes());
    Ok(files)
}

/// Copies the bench's Markdown page and the plots that it shows from a report's folder.
///
/// # Errors
/// A file can't be read or written.
pub fn copy_bench_page(report: &Path, to: &Path) -> Result<(), ReportError> {
    // A run of few rows may lack a plot.
    let plots = bench_page::plots().filter(|name| report.join(name).exists());
    for name in plots.chain([bench_page::FILE.to_owned()]) {
        let source = report.join(&name);
        write(&to.join(&name), &std::fs::read(&source).map_err(FileError::at(&source))?)?;
    }
    Ok(())
}

/// Writes a file; makes its folder.
fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = parent_folder(path);
    std::fs::create_dir_all(folder).map_err(FileError::at(folder))?;
    write_atomically(path, bytes)
}
