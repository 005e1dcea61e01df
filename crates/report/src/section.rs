//! What stands on the page, in order.

use fastersam_records::slug;

use crate::bench_page;
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::place;
use crate::published::Published;
use crate::results::Results;
use crate::settings::sweeps;
use crate::table::Table;
use crate::{figures, pictures, tables};

/// A heading of the page with what stands below it.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its place in links.
    pub id: String,
    /// The heading.
    pub title: String,
    /// A paragraph below the heading.
    pub lead: String,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its plots.
    pub plots: Vec<Figure>,
    /// Its pictures of slices.
    pub pictures: Vec<Figure>,
}

/// The summary, one section for each data set and split, then speed, then training.
///
/// # Errors
/// A figure can't be drawn.
pub fn sections(results: &Results, published: &Published) -> Result<Vec<Section>, ReportError> {
    let mut sections: Vec<Section> = tables::summary(results).map(summary).into_iter().collect();
    for (dataset, split) in results.evaluated() {
        sections.push(evaluation(&dataset, &split, results, published)?);
    }
    if !results.throughputs.is_empty() {
        sections.push(Section {
            id: "efficiency".into(),
            title: "Efficiency".into(),
            lead: "Time and memory were measured on the machine named under Provenance. Published speeds were measured on \
                   other machines and can't be compared directly."
                .into(),
            tables: vec![tables::efficiency(results), tables::published_speed(&published.speed)],
            plots: figures::efficiency(&results.throughputs)?,
            ..Section::default()
        });
    }
    if let Some(record) = results.benches.first() {
        sections.push(Section {
            id: bench_page::SECTION.into(),
            title: "Benchmark".into(),
            lead: bench_page::machine(record),
            tables: tables::bench(record),
            plots: figures::bench(record)?,
            ..Section::default()
        });
    }
    if !results.trainings.is_empty() {
        sections.push(Section {
            id: "training".into(),
            title: "Training".into(),
            lead: "Losses and validation Dice by epoch.".into(),
            plots: figures::training(&results.trainings)?,
            ..Section::default()
        });
    }
    Ok(sections)
}

fn summary(table: Table) -> Section {
    Section {
        id: "summary".into(),
        title: "Summary".into(),
        lead: "One checkpoint per row. What pauses is chosen at run time, without retraining.".into(),
        tables: vec![table],
        ..Section::default()
    }
}

fn evaluation(
    dataset: &str,
    split: &str,
    results: &Results,
    published: &Published,
) -> Result<Section, ReportError> {
    let records = results.evaluations_on(dataset, split);
    let sweeps = sweeps(&records);
    let shown = tables::shown(&records);
    let mut plots: Vec<Figure> = figures::trade_offs(dataset, split, &sweeps, results)?;
    plots.extend(figures::cases(dataset, split, &shown)?);
    for sweep in &sweeps {
        plots.extend(figures::tokens(dataset, split, sweep)?);
    }
    let of_set = [
        tables::comparison(dataset, split, &records, published),
        shown.last().and_then(|record| tables::worst(dataset, split, record)),
        tables::pausing(dataset, split, &records, results),
    ];
    let has_pictures = results.is_main_split(dataset, split);
    Ok(Section {
        id: slug(&format!("{dataset} {split}")),
        title: place(dataset, split),
        lead: results.describe(&records),
        tables: of_set.into_iter().flatten().collect(),
        plots,
        pictures: if has_pictures { pictures::pictures(dataset, &results.slices)? } else { Vec::new() },
    })
}
