//! Bars of time and memory.

use fastersam_records::{ThroughputRecord, slug};

use crate::draw::bars::{Bar, Bars};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::points;

/// Time, and memory where it was measured, as bars: one figure for each data set and scope. Memory that is the
/// same in every row says nothing about pausing and stays in the table.
///
/// # Errors
/// A plot can't be drawn.
pub fn efficiency(throughputs: &[ThroughputRecord]) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for group in throughputs.chunk_by(|a, b| (&a.dataset, a.scope) == (&b.dataset, b.scope)) {
        let id = format!("{}, {}", group[0].dataset, group[0].scope);
        let one_batch_size = group.iter().all(|record| record.batch_size == group[0].batch_size);
        let batch = if one_batch_size { format!(", batch size {}", group[0].batch_size) } else { String::new() };
        let place = format!("{id}{batch}");
        let time = time(&place, group);
        let caption = format!("{}. {}", time.title, time.subtitle);
        figures.push(Figure::of_plot(slug(&format!("time {id}")), caption, &time)?);
        let memory = memory(&place, group);
        if memory.bars.iter().any(|bar| bar.value != memory.bars[0].value) {
            let caption = format!("{}. {}", memory.title, memory.subtitle);
            figures.push(Figure::of_plot(slug(&format!("memory {id}")), caption, &memory)?);
        }
    }
    Ok(figures)
}

fn time(place: &str, group: &[ThroughputRecord]) -> Bars {
    let bar = |record: &ThroughputRecord| {
        let spread = (record.ms_per_slice_p10, record.ms_per_slice_p90);
        bar(record, group, record.ms_per_slice_median, Some(spread))
    };
    // Three digits of the slowest.
    let slowest = group.iter().map(|record| record.ms_per_slice_median).fold(0.0, f64::max);
    Bars {
        title: format!("Time per slice: {place}"),
        subtitle: "Bars: median; black lines: 10th to 90th percentile of the runs. Dark: recommended setting."
            .into(),
        label: "ms/slice".into(),
        decimals: if slowest < 10.0 { 2 } else { 1 },
        bars: group.iter().map(bar).collect(),
    }
}

fn memory(place: &str, group: &[ThroughputRecord]) -> Bars {
    let bar = |record: &ThroughputRecord| Some(bar(record, group, record.peak_memory_mib?, None));
    Bars {
        title: format!("Peak memory: {place}"),
        subtitle: "Peak resident memory of the process. Dark: recommended setting.".into(),
        label: "Peak memory (MiB)".into(),
        decimals: 0,
        bars: group.iter().filter_map(bar).collect(),
    }
}

fn bar(record: &ThroughputRecord, group: &[ThroughputRecord], value: f64, spread: Option<(f64, f64)>) -> Bar {
    let differs = |differs: &dyn Fn(&ThroughputRecord) -> bool| group.iter().any(differs);
    let mut name = Vec::new();
    if differs(&|other| other.method != record.method) {
        name.push(record.method.clone());
    }
    if differs(&|other| other.batch_size != record.batch_size) {
        name.push(format!("batch size {}", record.batch_size));
    }
    if differs(&|other| other.provenance.device != record.provenance.device) {
        name.push(record.provenance.device.clone());
    }
    name.push(match &record.pause.used_points()[..] {
        [] => record.pause.label(),
        at => format!("{}: {}", points(at), record.pause.label()),
    });
    Bar { name: name.join(", "), value, spread, is_highlighted: record.pause.recommended.is_some() }
}
