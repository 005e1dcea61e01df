//! Training curves.

use fastersam_records::{EpochRow, TrainingRecord, slug};

use crate::draw::axis::Axis;
use crate::draw::lines::{Lines, Panel, Series};
use crate::error::ReportError;
use crate::figure::Figure;

/// Losses and validation Dice by epoch, one figure for each run.
///
/// # Errors
/// A plot can't be drawn.
pub fn training(records: &[TrainingRecord]) -> Result<Vec<Figure>, ReportError> {
    records.iter().filter(|record| !record.epochs.is_empty()).map(of_run).collect()
}

fn of_run(record: &TrainingRecord) -> Result<Figure, ReportError> {
    let curve = |label: &str, index: usize, value: fn(&EpochRow) -> Option<f64>| {
        let point = |row: &EpochRow| Some((f64::from(row.epoch), value(row)?));
        Series::new(label.into(), index, record.epochs.iter().filter_map(point).collect())
    };
    let losses = vec![
        curve("total loss", 0, |row| Some(row.loss)),
        curve("cross-entropy", 1, |row| Some(row.ce)),
        curve("Dice loss", 2, |row| Some(row.dice)),
        curve("pause-head loss", 3, |row| Some(row.aux)),
    ];
    let last = record.epochs.iter().map(|row| f64::from(row.epoch)).fold(1.0, f64::max);
    let x = Axis::new("Epoch", 0.0..1.02 * last);
    let highest = losses.iter().flat_map(|series| &series.points).map(|place| place.1);
    let y = Axis::from_zero("Mean loss", highest);
    let mut panels = vec![Panel { x: x.clone(), y, series: losses }];
    let validation = curve("validation Dice", 4, |row| Some(100.0 * row.validation_dice?));
    if !validation.points.is_empty() {
        let y = Axis::new("Mean validation Dice (%)", 0.0..100.0);
        panels.push(Panel { x, y, series: vec![validation] });
    }
    let title = format!("Training: {} on {} ({})", record.method, record.dataset, record.experiment);
    let id = slug(&format!("training {} {} {}", record.dataset, record.method, record.experiment));
    Figure::of_plot(
        id,
        format!("{title}. Means over each epoch."),
        &Lines { title, subtitle: String::new(), panels },
    )
}
