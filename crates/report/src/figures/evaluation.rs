//! What the sweeps show: Dice against throughput, active tokens, the heads' accuracy.

use plotters::prelude::RGBColor;

use super::figure;
use crate::canvas::{LegendEntry, SERIES_MARKERS, viridis};
use crate::plots::{Axis, Lines, Panel, Series, ring, series};
use crate::results::{Results, scope, slug};
use crate::scores::{Protocol, scores};
use crate::settings::{Sweep, is_never, point, points, setting, sweeps};
use crate::{Figure, ReportError};
use fastersam_records::{EvaluationRecord, PauseRecord, ThroughputRecord};

/// The plots of one data set and split.
///
/// # Errors
/// A plot can't be drawn.
pub fn evaluation(
    dataset: &str,
    split: &str,
    records: &[&EvaluationRecord],
    results: &Results,
) -> Result<Vec<Figure>, ReportError> {
    let sweeps = sweeps(records);
    let mut figures = Vec::new();
    figures.extend(dice_against_throughput(dataset, split, &sweeps, results)?);
    for sweep in &sweeps {
        figures.extend(active_tokens(dataset, split, sweep)?);
        figures.extend(head_accuracy(dataset, split, sweep)?);
    }
    Ok(figures)
}

fn sweep_name(sweep: &Sweep<'_>) -> String {
    format!("{}, {}", sweep.method(), points(sweep.points()))
}

/// Mean Dice in percent.
fn dice_percent(record: &EvaluationRecord) -> Option<f64> {
    scores(record, Protocol::TransUnet).dice.map(|dice| 100.0 * dice)
}

fn dice_against_throughput(
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
    let place =
        |record: &EvaluationRecord| Some((speed(record).filter(comparable)?.slices_per_s, dice_percent(record)?));
    let mut drawn = Vec::new();
    let mut marks = Vec::new();
    for (index, sweep) in sweeps.iter().enumerate() {
        let settings: Vec<(f64, f64)> = sweep.records.iter().filter_map(|record| place(record)).collect();
        if settings.is_empty() {
            continue;
        }
        drawn.push(series(sweep_name(sweep), index, settings));
        for record in sweep.records.iter().filter(|record| record.pause.recommended) {
            if let Some(place) = place(record) {
                marks.push(ring(format!("recommended: {}", setting(&record.pause)), place));
            }
        }
    }
    if drawn.is_empty() {
        return Ok(None);
    }
    drawn.extend(marks);
    let places = || drawn.iter().flat_map(|series| &series.points);
    let x_label = format!("Throughput (slices/s): {}", scope(first.scope, first.batch_size));
    let x = Axis::over(&x_label, places().map(|place| place.0), 1.0);
    let y = Axis::over("Mean Dice (%), protocol transunet", places().map(|place| place.1), 1.0);
    let title = format!("Dice against throughput: {dataset}, {split} split");
    let caption = format!(
        "{title}. Each point is one pause setting of a checkpoint, joined from never to the most MACs saved."
    );
    let id = slug(&format!("dice throughput {dataset} {split}"));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

/// One series a setting; in the order of the sweep, from dark to light.
fn by_setting(sweep: &Sweep<'_>, values: impl Fn(&EvaluationRecord) -> Vec<(f64, f64)>) -> Vec<Series> {
    let entry = |index: usize, pause: &PauseRecord| {
        let colour = if is_never(pause) { RGBColor(120, 124, 130) } else { viridis(index, sweep.records.len()) };
        let recommended = if pause.recommended { " (recommended)" } else { "" };
        let label = format!("{}{recommended}", setting(pause));
        LegendEntry {
            label,
            colour,
            marker: SERIES_MARKERS[index % SERIES_MARKERS.len()],
            line: 2 + 2 * u32::from(pause.recommended),
        }
    };
    let series = sweep
        .records
        .iter()
        .enumerate()
        .map(|(index, record)| Series { entry: entry(index, &record.pause), points: values(record) });
    series.filter(|series| !series.points.is_empty()).collect()
}

fn active_tokens(dataset: &str, split: &str, sweep: &Sweep<'_>) -> Result<Option<Figure>, ReportError> {
    let drawn = by_setting(sweep, |record| {
        let tokens = record.tokens.iter();
        let shares = tokens.flat_map(|tokens| &tokens.active_share_after_stage);
        let places = std::iter::once(&1.0).chain(shares).enumerate();
        places.map(|(stage, share)| (stage as f64, 100.0 * share)).collect()
    });
    let after = sweep.points().iter().map(|at| format!("after {}", point(*at)));
    let names = std::iter::once("input".to_owned()).chain(after);
    let x = Axis::named("Stage", names.collect());
    let y = Axis { label: "Active tokens (% of all)".into(), range: 0.0..104.0, names: None };
    let title = format!("Active tokens by stage: {dataset}, {split} split, pausing at {}", points(sweep.points()));
    let caption = format!(
        "{title}. The share of all tokens that still compute after each pause point of {}.",
        sweep.method()
    );
    let id = slug(&format!("active {dataset} {split} {}", variant(sweep.points())));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

fn head_accuracy(dataset: &str, split: &str, sweep: &Sweep<'_>) -> Result<Option<Figure>, ReportError> {
    let drawn = by_setting(sweep, |record| {
        let tokens = record.tokens.iter();
        let places = tokens.flat_map(|tokens| &tokens.head_accuracy_on_paused).enumerate();
        places.filter_map(|(stage, accuracy)| Some((stage as f64, 100.0 * (*accuracy)?))).collect()
    });
    if drawn.is_empty() {
        return Ok(None);
    }
    let x = Axis::named("Pause point", sweep.points().iter().map(|at| point(*at)).collect());
    let values = drawn.iter().flat_map(|series| &series.points).map(|place| place.1);
    let y = Axis::over("Accuracy on the tokens paused there (%)", values, 1.0);
    let title = format!("Pause heads: {dataset}, {split} split, pausing at {}", points(sweep.points()));
    let caption = format!("{title}. How often a head's class is the majority class of a token that paused there.");
    let id = slug(&format!("heads {dataset} {split} {}", variant(sweep.points())));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

/// `0-2-4`.
fn variant(points: &[usize]) -> String {
    points.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}
