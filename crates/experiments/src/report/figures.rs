//! Which plots there are, and what each shows.

use plotters::prelude::RGBColor;

use crate::record::{EvaluationRecord, PauseRecord, ThroughputRecord};

use super::canvas::{LegendEntry, Marker, SERIES_COLOURS, SERIES_MARKERS, render, viridis};
use super::plots::{Axis, Bar, Bars, Lines, Panel, Series, ring, series};
use super::results::{Results, is_never, point, points, scope, setting, slug, sweeps};
use super::scores::{Protocol, scores};
use super::{Figure, ReportError};

fn figure(id: String, caption: String, plot: &impl super::canvas::Plot) -> Result<Figure, ReportError> {
    let (svg, png) = render(&id, plot)?;
    Ok(Figure { id, caption, svg: Some(svg), png })
}

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

fn sweep_name(record: &EvaluationRecord) -> String {
    format!("{}, {}", record.method, points(&record.pause))
}

/// Mean Dice in percent.
fn dice_percent(record: &EvaluationRecord) -> Option<f64> {
    scores(record, Protocol::TransUnet).dice.map(|dice| 100.0 * dice)
}

fn dice_against_throughput(
    dataset: &str,
    split: &str,
    sweeps: &[Vec<&EvaluationRecord>],
    results: &Results,
) -> Result<Option<Figure>, ReportError> {
    let speed = |record: &EvaluationRecord| results.throughput_of(record);
    let Some(first) = sweeps.iter().flatten().find_map(|record| speed(record)) else { return Ok(None) };
    let comparable = |speed: &&ThroughputRecord| (speed.scope, speed.batch_size) == (first.scope, first.batch_size);
    let place = |record: &EvaluationRecord| Some((speed(record).filter(comparable)?.slices_per_s, dice_percent(record)?));
    let mut drawn = Vec::new();
    let mut marks = Vec::new();
    for (index, sweep) in sweeps.iter().enumerate() {
        let mut settings: Vec<(f64, f64)> = sweep.iter().filter_map(|record| place(record)).collect();
        settings.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        if settings.is_empty() {
            continue;
        }
        drawn.push(series(sweep_name(sweep[0]), index, settings));
        for record in sweep.iter().filter(|record| record.pause.recommended) {
            if let Some(place) = place(record) {
                marks.push(ring(format!("recommended: {}, {}", points(&record.pause), setting(&record.pause)), place));
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
    let caption = format!("{title}. Each point is one pause setting of the same checkpoint; speeds up from `never` at the left.");
    let id = slug(&format!("dice throughput {dataset} {split}"));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

/// One series a setting; in the order of the sweep, from dark to light.
fn by_setting(sweep: &[&EvaluationRecord], values: impl Fn(&EvaluationRecord) -> Vec<(f64, f64)>) -> Vec<Series> {
    let entry = |index: usize, pause: &PauseRecord| {
        let colour = if is_never(pause) { RGBColor(120, 124, 130) } else { viridis(index, sweep.len()) };
        let recommended = if pause.recommended { " (recommended)" } else { "" };
        let label = format!("{}{recommended}", setting(pause));
        LegendEntry { label, colour, marker: SERIES_MARKERS[index % SERIES_MARKERS.len()], line: 2 + 2 * u32::from(pause.recommended) }
    };
    let series = sweep.iter().enumerate().map(|(index, record)| Series { entry: entry(index, &record.pause), points: values(record) });
    series.filter(|series| !series.points.is_empty()).collect()
}

fn active_tokens(dataset: &str, split: &str, sweep: &[&EvaluationRecord]) -> Result<Option<Figure>, ReportError> {
    let pause = &sweep[0].pause;
    let drawn = by_setting(sweep, |record| {
        let shares = record.tokens.iter().flat_map(|tokens| &tokens.active_share_after_stage);
        let places = std::iter::once(&1.0).chain(shares).enumerate();
        places.map(|(stage, share)| (stage as f64, 100.0 * share)).collect()
    });
    let names = std::iter::once("input".to_owned()).chain(pause.pause_points.iter().map(|at| format!("after {}", point(*at))));
    let x = Axis::named("Stage", names.collect());
    let y = Axis { label: "Active tokens (% of all)".into(), range: 0.0..104.0, names: None };
    let title = format!("Active tokens by stage: {dataset}, {split} split, pausing at {}", points(pause));
    let caption = format!("{title}. The share of all tokens that still compute after each pause point of {}.", sweep[0].method);
    let id = slug(&format!("active {dataset} {split} {}", variant(pause)));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

fn head_accuracy(dataset: &str, split: &str, sweep: &[&EvaluationRecord]) -> Result<Option<Figure>, ReportError> {
    let pause = &sweep[0].pause;
    let drawn = by_setting(sweep, |record| {
        let accuracies = record.tokens.iter().flat_map(|tokens| &tokens.head_accuracy_on_paused).enumerate();
        accuracies.filter_map(|(stage, accuracy)| Some((stage as f64, 100.0 * (*accuracy)?))).collect()
    });
    if drawn.is_empty() {
        return Ok(None);
    }
    let x = Axis::named("Pause point", pause.pause_points.iter().map(|at| point(*at)).collect());
    let values = drawn.iter().flat_map(|series| &series.points).map(|place| place.1);
    let y = Axis::over("Accuracy on the tokens paused there (%)", values, 1.0);
    let title = format!("Pause heads: {dataset}, {split} split, pausing at {}", points(pause));
    let caption = format!("{title}. How often a head's class is the majority class of a token that paused there.");
    let id = slug(&format!("heads {dataset} {split} {}", variant(pause)));
    figure(id, caption, &Lines { title, panels: vec![Panel { x, y, series: drawn }] }).map(Some)
}

/// `0-2-4`.
fn variant(pause: &PauseRecord) -> String {
    pause.pause_points.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}

/// Time, and memory where it was measured, as bars: one figure a data set, scope and batch size.
///
/// # Errors
/// A plot can't be drawn.
pub fn efficiency(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for group in results.throughputs.chunk_by(|a, b| (&a.dataset, a.scope, a.batch_size) == (&b.dataset, b.scope, b.batch_size)) {
        let place = format!("{}, {}", group[0].dataset, scope(group[0].scope, group[0].batch_size));
        let one_method = group.iter().all(|record| record.method == group[0].method);
        let name = |record: &ThroughputRecord| {
            let method = if one_method { String::new() } else { format!("{}, ", record.method) };
            format!("{method}{}: {}", points(&record.pause), setting(&record.pause))
        };
        let bar = |record: &ThroughputRecord, value, spread| Bar { name: name(record), value, spread, recommended: record.pause.recommended };
        let time = Bars {
            title: format!("Time per slice: {place}"),
            subtitle: "Median; black line: 10th to 90th percentile of the runs. Dark: recommended setting.".into(),
            label: "Milliseconds per slice".into(),
            decimals: 1,
            bars: group
                .iter()
                .map(|record| bar(record, record.ms_per_slice_median, Some((record.ms_per_slice_p10, record.ms_per_slice_p90))))
                .collect(),
        };
        let caption = format!("{}. {}", time.title, time.subtitle);
        figures.push(figure(slug(&format!("time {place}")), caption, &time)?);
        let memory: Vec<Bar> =
            group.iter().filter_map(|record| Some(bar(record, record.peak_memory_mib?, None))).collect();
        if !memory.is_empty() {
            let title = format!("Peak memory: {place}");
            let subtitle = "Peak resident memory of the process. Dark: recommended setting.".to_owned();
            let caption = format!("{title}. {subtitle}");
            let plot = Bars { title, subtitle, label: "Peak memory (MiB)".into(), decimals: 0, bars: memory };
            figures.push(figure(slug(&format!("memory {place}")), caption, &plot)?);
        }
    }
    Ok(figures)
}

/// Losses and validation Dice by epoch, one figure a run.
///
/// # Errors
/// A plot can't be drawn.
pub fn training(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for record in results.trainings.iter().filter(|record| !record.epochs.is_empty()) {
        let curve = |label: &str, index: usize, value: fn(&crate::record::EpochRow) -> Option<f64>| {
            let places = record.epochs.iter().filter_map(|row| Some((f64::from(row.epoch), value(row)?))).collect();
            let entry = LegendEntry { label: label.into(), colour: SERIES_COLOURS[index], marker: Marker::None, line: 2 };
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
        let title = format!("Training: {} on {}", record.method, record.dataset);
        let id = slug(&format!("training {} {} {}", record.dataset, record.method, record.experiment));
        figures.push(figure(id, format!("{title}. Means over each epoch."), &Lines { title, panels })?);
    }
    Ok(figures)
}
