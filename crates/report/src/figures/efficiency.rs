//! Bars of time and memory.

use super::figure;
use crate::plots::{Bar, Bars};
use crate::results::{Results, slug};
use crate::settings::{is_never, points, setting};
use crate::{Figure, ReportError};
use fastersam_records::ThroughputRecord;

/// Time, and memory where it was measured, as bars: one figure a data set and scope. Memory that is the same in every row
/// says nothing about pausing and stays in the table.
///
/// # Errors
/// A plot can't be drawn.
pub fn efficiency(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for group in results.throughputs.chunk_by(|a, b| (&a.dataset, a.scope) == (&b.dataset, b.scope)) {
        let place = format!("{}, {}", group[0].dataset, group[0].scope);
        let one_method = group.iter().all(|record| record.method == group[0].method);
        let name = |record: &ThroughputRecord| {
            let method = if one_method { String::new() } else { format!("{}, ", record.method) };
            let points = points(&record.pause.pause_points);
            let points = if is_never(&record.pause) { String::new() } else { format!("{points}: ") };
            format!("{method}batch {}, {points}{}", record.batch_size, setting(&record.pause))
        };
        let bar = |record: &ThroughputRecord, value, spread| Bar {
            name: name(record),
            value,
            spread,
            recommended: record.pause.recommended,
        };
        // Three digits of the slowest.
        let slowest = group.iter().map(|record| record.ms_per_slice_median).fold(0.0, f64::max);
        let time = Bars {
            title: format!("Time per slice: {place}"),
            subtitle: "Median; black line: 10th to 90th percentile of the runs. Dark: recommended setting.".into(),
            label: "Milliseconds per slice".into(),
            decimals: if slowest < 10.0 { 2 } else { 1 },
            bars: group
                .iter()
                .map(|record| {
                    bar(
                        record,
                        record.ms_per_slice_median,
                        Some((record.ms_per_slice_p10, record.ms_per_slice_p90)),
                    )
                })
                .collect(),
        };
        let caption = format!("{}. {}", time.title, time.subtitle);
        figures.push(figure(slug(&format!("time {place}")), caption, &time)?);
        let memory: Vec<Bar> =
            group.iter().filter_map(|record| Some(bar(record, record.peak_memory_mib?, None))).collect();
        if memory.iter().any(|bar| bar.value != memory[0].value) {
            let title = format!("Peak memory: {place}");
            let subtitle = "Peak resident memory of the process. Dark: recommended setting.".to_owned();
            let caption = format!("{title}. {subtitle}");
            let plot = Bars { title, subtitle, label: "Peak memory (MiB)".into(), decimals: 0, bars: memory };
            figures.push(figure(slug(&format!("memory {place}")), caption, &plot)?);
        }
    }
    Ok(figures)
}
