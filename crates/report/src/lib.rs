//! Tables, plots, pictures and the page that gathers them: pure functions of saved records.
//!
//! [`build`] reads a folder of records and the published results, and writes a folder whose
//! `index.html` opens from disk. The same records give the same bytes.

mod bench_page;
mod bench_summary;
mod canvas;
mod figures;
mod html;
mod pictures;
mod plots;
mod published;
mod render;
mod results;
mod scores;
mod settings;
mod table;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastersam_records::{Record, RecordError, read_records};

pub use bench_page::copy as copy_bench_page;
pub use bench_summary::bench_summary;
pub use published::{Published, PublishedRow, PublishedScores, PublishedSpeed};
use results::Results;
pub use table::{Cell, Column, Emphasis, Table};

/// Said wherever a result is printed.
pub const RECONSTRUCTION: &str = "Only the abstract of the FasterSAM paper (Medical Physics 53(1), e70193, 2026) \
     is public, and its repository holds no code. What the abstract leaves open was decided by this project, so none of these \
     are the paper's own results.";

/// Why a report could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A record can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is nothing to report.
    #[error("{} holds no records; run an experiment first", folder.display())]
    Empty {
        /// The folder of records.
        folder: PathBuf,
    },
    /// A file of published results is not such a table.
    #[error("{}: {reason}", path.display())]
    Published {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A figure or a table could not be drawn.
    #[error("{figure} could not be drawn: {reason}")]
    Draw {
        /// Its file name without ending.
        figure: String,
        /// What the drawing library said.
        reason: String,
    },
}

/// A plot or a picture of the page.
#[derive(Clone, Debug)]
struct Figure {
    /// File name without ending.
    id: String,
    /// What it shows, for the caption and for readers who can't see it.
    caption: String,
    /// SVG text; pictures have none.
    svg: Option<String>,
    /// PNG file.
    png: Vec<u8>,
}

/// A heading of the page with what stands below it.
#[derive(Clone, Debug)]
struct Section {
    id: String,
    title: String,
    /// A paragraph below the heading.
    lead: String,
    tables: Vec<Table>,
    plots: Vec<Figure>,
    pictures: Vec<Figure>,
}

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
    // The page last: while it is missing, the report is not done.
    let (pages, parts): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| !name.contains('/'));
    for (name, bytes) in parts.into_iter().chain(pages) {
        let path = out.join(name);
        let io = |source| ReportError::Io { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        std::fs::write(&path, bytes).map_err(io)?;
    }
    Ok(out.join("index.html"))
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
            let csv = table
                .to_csv()
                .map_err(|error| ReportError::Draw { figure: table.id.clone(), reason: error.to_string() })?;
            files.insert(format!("tables/{}.csv", table.id), csv.into_bytes());
            files.insert(format!("tables/{}.md", table.id), table.to_markdown().into_bytes());
        }
        for plot in &section.plots {
            files.insert(format!("plots/{}.png", plot.id), plot.png.clone());
            if let Some(svg) = &plot.svg {
                files.insert(format!("plots/{}.svg", plot.id), svg.clone().into_bytes());
            }
        }
        for picture in &section.pictures {
            files.insert(format!("pictures/{}.png", picture.id), picture.png.clone());
        }
    }
    if let (Some(bench), Some(section)) =
        (results.benches.first(), sections.iter().find(|section| section.id == bench_page::SECTION))
    {
        files.insert(bench_page::FILE.into(), bench_page::markdown(bench, section).into_bytes());
    }
    files.insert("index.html".into(), html::page(&sections, &results).into_bytes());
    Ok(files)
}

/// The summary, one section a data set and split, then speed, then training.
fn sections(results: &Results, published: &Published) -> Result<Vec<Section>, ReportError> {
    let mut sections = Vec::new();
    if let Some(summary) = tables::summary(results) {
        sections.push(Section {
            id: "summary".into(),
            title: "In short".into(),
            lead: "One checkpoint a row. What pauses was chosen at run time, without training again.".into(),
            tables: vec![summary],
            plots: Vec::new(),
            pictures: Vec::new(),
        });
    }
    for (dataset, split) in results.evaluated() {
        let of_set = results.evaluations_on(&dataset, &split);
        sections.push(Section {
            id: results::slug(&format!("{dataset} {split}")),
            title: format!("{dataset}, {split} split"),
            lead: results.describe(&of_set),
            tables: [
                tables::comparison(&dataset, &split, &of_set, published),
                tables::pausing(&dataset, &split, &of_set, results),
            ]
            .into_iter()
            .flatten()
            .collect(),
            plots: figures::evaluation(&dataset, &split, &of_set, results)?,
            pictures: if results.is_main_split(&dataset, &split) {
                pictures::pictures(&dataset, &results.slices)?
            } else {
                Vec::new()
            },
        });
    }
    if !results.throughputs.is_empty() {
        sections.push(Section {
            id: "efficiency".into(),
            title: "Efficiency".into(),
            lead: "Time and memory were measured on the machine that the provenance names; published speeds come from other \
                   machines and are no comparison."
                .into(),
            tables: vec![tables::efficiency(results), tables::published_speed(&published.speed)],
            plots: figures::efficiency(results)?,
            pictures: Vec::new(),
        });
    }
    if let Some(bench) = results.benches.first() {
        sections.push(Section {
            id: bench_page::SECTION.into(),
            title: "Bench".into(),
            lead: bench_page::machine(bench),
            tables: tables::bench(bench),
            plots: figures::bench(bench)?,
            pictures: Vec::new(),
        });
    }
    if !results.trainings.is_empty() {
        sections.push(Section {
            id: "training".into(),
            title: "Training".into(),
            lead: "Losses and validation Dice by epoch.".into(),
            tables: Vec::new(),
            plots: figures::training(results)?,
            pictures: Vec::new(),
        });
    }
    Ok(sections)
}
