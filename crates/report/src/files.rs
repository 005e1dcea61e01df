//! The report as files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastersam_files::{FileError, parent_folder, write_atomically};
use fastersam_records::{Record, read_records};

use crate::error::ReportError;
use crate::published::Published;
use crate::results::Results;
use crate::section::sections;
use crate::{bench_page, page};

/// Name of the page.
const INDEX: &str = "index.html";

/// Builds the report of all records in `records` with the published results in `published` (`synapse.csv`,
/// `acdc.csv`, `speed.csv`) and writes it into `out`; returns the path of its `index.html`. Files of `out`
/// that the report has no part in stay as they are.
///
/// # Errors
/// A record or a file of published results can't be read (the error names it), there are no records, or
/// `out` can't be written.
pub fn build(records: &Path, published: &Path, out: &Path) -> Result<PathBuf, ReportError> {
    let saved = read_records(records)?;
    if saved.is_empty() {
        return Err(ReportError::Empty { folder: records.to_owned() });
    }
    let files = files(saved, &Published::read(published)?)?;
    // The page last: while it is missing, the report is not complete.
    let (pages, parts): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == INDEX);
    for (name, bytes) in parts.into_iter().chain(pages) {
        write(&out.join(name), bytes)?;
    }
    Ok(out.join(INDEX))
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
