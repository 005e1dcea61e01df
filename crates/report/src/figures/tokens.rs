//! What happens to the tokens of a sweep: how many stay active, and how right the pause heads are.

use fastersam_records::{EvaluationRecord, PauseRecord, slug};

use crate::draw::axis::Axis;
use crate::draw::color::{NEUTRAL, viridis};
use crate::draw::lines::{Detail, Lines, Panel, Series};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::{place, point, points};
use crate::settings::{Sweep, at_points};

/// The plots of one sweep.
///
/// # Errors
/// A plot can't be drawn.
pub fn tokens(dataset: &str, split: &str, sweep: &Sweep<'_>) -> Result<Vec<Figure>, ReportError> {
    let mut figures = vec![active_tokens(dataset, split, sweep)?];
    figures.extend(head_accuracy(dataset, split, sweep)?);
    Ok(figures)
}

fn active_tokens(dataset: &str, split: &str, sweep: &Sweep<'_>) -> Result<Figure, ReportError> {
    let series = by_setting(sweep, |record| {
        let shares = record
            .tokens
            .iter()
            .flat_map(|tokens| at_points(&record.pause, &tokens.active_share_after_stage, sweep.points()));
        let stages = std::iter::once(1.0).chain(shares).enumerate();
        stages.map(|(stage, share)| (stage as f64, 100.0 * share)).collect()
    });
    let after = sweep.points().iter().map(|at| format!("after {}", point(*at)));
    let x = Axis::named("Stage", std::iter::once("input".to_owned()).chain(after).collect());
    let y = Axis::new("Active tokens (% of all tokens)", 0.0..104.0);
    let title =
        format!("Active tokens by stage: {}, pausing at {}", place(dataset, split), points(sweep.points()));
    let caption =
        format!("{title}. Share of all tokens still active after each pause point of {}.", sweep.method());
    let id = slug(&format!("active {dataset} {split} {}", variant(sweep.points())));
    Figure::of_plot(id, caption, &Lines { title, subtitle: String::new(), panels: vec![Panel { x, y, series }] })
}

fn head_accuracy(dataset: &str, split: &str, sweep: &Sweep<'_>) -> Result<Option<Figure>, ReportError> {
    let mut series = by_setting(sweep, |record| {
        let heads = heads(record, sweep.points()).into_iter().enumerate();
        heads.filter_map(|(stage, (accuracy, _))| Some((stage as f64, 100.0 * accuracy?))).collect()
    });
    let with_points =
        sweep.records.iter().filter(|record| heads(record, sweep.points()).iter().any(|head| head.0.is_some()));
    for (series, record) in series.iter_mut().zip(with_points) {
        let heads = heads(record, sweep.points()).into_iter().filter(|(accuracy, _)| accuracy.is_some());
        let detail = |(_, n): (Option<f64>, f64)| Detail { label: count(n), ..Detail::default() };
        series.details = heads.map(detail).collect();
    }
    if series.is_empty() {
        return Ok(None);
    }
    let x = Axis::named("Pause point", sweep.points().iter().map(|at| point(*at)).collect());
    let values = series.iter().flat_map(|series| &series.points).map(|place| place.1);
    let y = Axis::over("Accuracy on tokens paused there (%)", values, 1.0);
    let title = format!("Pause-head accuracy: {}, pausing at {}", place(dataset, split), points(sweep.points()));
    let n_tokens = sweep.records.iter().find_map(|record| Some(record.tokens.as_ref()?.n_tokens)).unwrap_or(0);
    let subtitle = format!("Beside each point: tokens that paused there, mean of a slice's {n_tokens}.");
    let caption = format!(
        "{title}. How often the class predicted by the pause head is the majority class of a token that paused there. \
         {subtitle}"
    );
    let id = slug(&format!("heads {dataset} {split} {}", variant(sweep.points())));
    Figure::of_plot(id, caption, &Lines { title, subtitle, panels: vec![Panel { x, y, series }] }).map(Some)
}

/// At each of the pause points, how right the head is and how many tokens of a slice paused, on average.
fn heads(record: &EvaluationRecord, points: &[usize]) -> Vec<(Option<f64>, f64)> {
    let Some(tokens) = &record.tokens else { return Vec::new() };
    let mut before = 1.0;
    let paused: Vec<f64> = tokens
        .active_share_after_stage
        .iter()
        .map(|&share| (std::mem::replace(&mut before, share) - share) * tokens.n_tokens as f64)
        .collect();
    let accuracies = at_points(&record.pause, &tokens.head_accuracy_on_paused, points);
    accuracies.into_iter().zip(at_points(&record.pause, &paused, points)).collect()
}

/// Two digits or more.
fn count(n: f64) -> String {
    if n < 10.0 { format!("{n:.1}") } else { format!("{n:.0}") }
}

/// One series for each setting that has points, in the order of the sweep, from dark to light.
fn by_setting(sweep: &Sweep<'_>, values: impl Fn(&EvaluationRecord) -> Vec<(f64, f64)>) -> Vec<Series> {
    let entry = |index: usize, pause: &PauseRecord| {
        let color = if pause.is_never() { NEUTRAL } else { viridis(index, sweep.records.len()) };
        let recommended = if pause.recommended.is_some() { " (recommended)" } else { "" };
        let mut entry = Series::entry(format!("{}{recommended}", pause.label()), index, color);
        entry.line += 2 * u32::from(pause.recommended.is_some());
        entry
    };
    let series = sweep.records.iter().enumerate().map(|(index, record)| Series {
        entry: entry(index, &record.pause),
        points: values(record),
        details: Vec::new(),
    });
    series.filter(|series| !series.points.is_empty()).collect()
}

/// `0-2-4`.
fn variant(points: &[usize]) -> String {
    points.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}
