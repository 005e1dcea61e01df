//! The bench as one Markdown page, for the documentation: machine, versions, tables, the plots that say most.

use std::fmt::Write;
use std::path::Path;

use super::figures::BENCH_SHOWN;
use super::{RECONSTRUCTION, ReportError, Section};
use fastersam_records::BenchRecord;

/// Its name in the report's folder.
pub const FILE: &str = "bench.md";
/// The section of the report with the same tables.
pub const SECTION: &str = "bench";

/// What the times were measured on.
pub fn machine(record: &BenchRecord) -> String {
    let provenance = &record.provenance;
    let peer = record.peer.as_ref().map_or_else(
        || "PyTorch was not measured.".to_owned(),
        |peer| {
            format!(
                "In turn with PyTorch {} (Python {}, segment-anything {}) on {} threads.",
                peer.torch, peer.python, peer.segment_anything, peer.threads
            )
        },
    );
    let others = record.used_by_others.map_or_else(String::new, |share| {
        format!(" Meanwhile, other programs used {:.1} % of the machine.", 100.0 * share)
    });
    let rounds = record.rows.iter().map(|row| row.seconds.len()).max().unwrap_or(0);
    format!(
        "{}, {} of {} cores, {}, f32, device {}; FasterSAM {} at commit {}, burn {}; {rounds} rounds, each of which visits every row once; {}. {peer}{others}",
        provenance.cpu,
        provenance.threads,
        record.cores,
        record.vectors,
        provenance.device,
        provenance.version,
        provenance.commit,
        provenance.burn_version,
        provenance.date,
    )
}

/// The page; its plots lie in `plots/` beside it.
pub fn markdown(record: &BenchRecord, section: &Section) -> String {
    let mut page =
        format!("# Speed\n\nMade by `cargo xtask bench`; do not edit. {}\n\n{RECONSTRUCTION}\n", machine(record));
    let by_id = |id: &str| section.plots.iter().find(|plot| plot.id == id);
    for plot in BENCH_SHOWN.iter().filter_map(|id| by_id(id)) {
        _ = write!(page, "\n![{}](plots/{}.png)\n", plot.caption, plot.id);
    }
    for mut table in section.tables.iter().cloned() {
        // It stands at the top already.
        table.notes.retain(|note| !note.contains(RECONSTRUCTION));
        page.push('\n');
        page.push_str(&table.to_markdown());
    }
    page
}

/// Copies the page and its plots from a report's folder.
///
/// # Errors
/// A file can't be read or written.
pub fn copy(report: &Path, to: &Path) -> Result<(), ReportError> {
    let plots = BENCH_SHOWN.iter().map(|id| format!("plots/{id}.png"));
    // A run of few rows may lack a plot.
    for name in plots.filter(|name| report.join(name).exists()).chain([FILE.to_owned()]) {
        let (source, target) = (report.join(&name), to.join(&name));
        let io = |source| ReportError::Io { path: target.clone(), source };
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        std::fs::copy(&source, &target).map_err(io)?;
    }
    Ok(())
}
