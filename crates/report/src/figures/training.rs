//! Training curves.

use super::figure;
use crate::canvas::{LegendEntry, Marker, SERIES_COLOURS};
use crate::plots::{Axis, Lines, Panel, Series};
use crate::results::{Results, slug};
use crate::{Figure, ReportError};
use fastersam_records::EpochRow;

/// Losses and validation Dice by epoch, one figure a run.
///
/// # Errors
/// A plot can't be drawn.
pub fn training(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for record in results.trainings.iter().filter(|record| !record.epochs.is_empty()) {
        let curve = |label: &str, index: usize, value: fn(&EpochRow) -> Option<f64>| {
            let places =
                record.epochs.iter().filter_map(|row| Some((f64::from(row.epoch), value(row)?))).collect();
            let entry = LegendEntry {
                label: label.into(),
                colour: SERIES_COLOURS[index],
                // A single epoch makes no line.
                marker: if record.epochs.len() > 1 { Marker::None } else { Marker::Circle },
                line: 2,
            };
            Series { entry, points: places }
        };
        let losses = vec![
            curve("total loss", 0, |row| Some(row.loss)),
            curve("cross-entropy", 1, |row| Some(row.ce)),
            curve("Dice loss", 2, |row| Some(row.dice)),
            curve("pause heads' loss", 3, |row| Some(row.aux)),
        ];
        let epochs = || record.epochs.iter().map(|row| f64::from(row.epoch));
        let x = || Axis { range: 0.0..epochs().fold(1.0, f64::max) * 1.02, ..Axis::from_zero("Epoch", epochs()) };
        let highest = losses.iter().flat_map(|series| &series.points).map(|place| place.1);
        let y = Axis::from_zero("Mean loss", highest);
        let mut panels = vec![Panel { x: x(), y, series: losses }];
        let mut validation = curve("validation Dice", 4, |row| Some(100.0 * row.validation_dice?));
        if !validation.points.is_empty() {
            validation.entry.marker = Marker::Circle;
            let y = Axis { range: 0.0..100.0, ..Axis::from_zero("Mean validation Dice (%)", std::iter::empty()) };
            panels.push(Panel { x: x(), y, series: vec![validation] });
        }
        let title = format!("Training: {} on {} ({})", record.method, record.dataset, record.experiment);
        let id = slug(&format!("training {} {} {}", record.dataset, record.method, record.experiment));
        figures.push(figure(id, format!("{title}. Means over each epoch."), &Lines { title, panels })?);
    }
    Ok(figures)
}
