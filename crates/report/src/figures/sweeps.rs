//! What a sweep of pause settings trades: Dice against throughput.

use fastersam_records::{EvaluationRecord, ThroughputRecord, slug};

use crate::draw::axis::Axis;
use crate::draw::lines::{Lines, Panel, Series};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::{place, points, timed};
use crate::results::Results;
use crate::scores::{Protocol, scores};
use crate::settings::Sweep;

/// Dice against throughput, one line for each sweep; none where speed was not measured.
///
/// # Errors
/// The plot can't be drawn.
pub fn dice_against_throughput(
    dataset: &str,
    split: &str,
    sweeps: &[Sweep<'_>],
    results: &Results,
) -> Result<Option<Figure>, ReportError> {
    let speed = |record: &EvaluationRecord| results.throughput_of(record);
    let Some(first) = sweeps.iter().flat_map(|sweep| &sweep.records).find_map(|record| speed(record)) else {
        return Ok(None);
    };
    let comparable =
        |speed: &&ThroughputRecord| (speed.scope, speed.batch_size) == (first.scope, first.batch_size);
    let point = |record: &EvaluationRecord| {
        let dice = scores(record, Protocol::TransUnet).dice?;
        Some((speed(record).filter(comparable)?.slices_per_s, 100.0 * dice))
    };
    let mut series = Vec::new();
    let mut rings = Vec::new();
    for (index, sweep) in sweeps.iter().enumerate() {
        let settings: Vec<(f64, f64)> = sweep.records.iter().filter_map(|record| point(record)).collect();
        if settings.is_empty() {
            continue;
        }
        series.push(Series::new(format!("{}, {}", sweep.method(), points(sweep.points())), index, settings));
        for record in sweep.records.iter().filter(|record| record.pause.recommended.is_some()) {
            if let Some(point) = point(record) {
                rings.push(Series::ring(format!("recommended: {}", record.pause.label()), point));
            }
        }
    }
    if series.is_empty() {
        return Ok(None);
    }
    series.extend(rings);
    let all = || series.iter().flat_map(|series| &series.points);
    let x_label = format!("Throughput (slices/s): {}", timed(first.scope, first.batch_size));
    let x = Axis::over(&x_label, all().map(|point| point.0), 1.0);
    let y = Axis::over("Mean Dice (%), transunet protocol", all().map(|point| point.1), 1.0);
    let title = format!("Dice vs. throughput: {}", place(dataset, split));
    let caption = format!(
        "{title}. Each point is one pause setting of the same checkpoint; the line runs from no pausing to the most MACs \
         saved."
    );
    let id = slug(&format!("dice throughput {dataset} {split}"));
    Figure::of_plot(id, caption, &Lines { title, panels: vec![Panel { x, y, series }] }).map(Some)
}
