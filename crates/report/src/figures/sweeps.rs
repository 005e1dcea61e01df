//! What a sweep of pause settings trades: Dice against multiply-accumulates, and against time.

use fastersam_metrics::compare_paired;
use fastersam_records::{EvaluationRecord, ThroughputRecord, slug};

use crate::draw::axis::Axis;
use crate::draw::lines::{Detail, Lines, Panel, Series};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::{place, points, timed};
use crate::results::Results;
use crate::scores::{Protocol, case_means, scores};
use crate::settings::{Sweep, never_of};

/// Draws behind an error bar.
const RESAMPLES: usize = 2000;
const ERROR_BARS: &str = "Error bars: 95% interval of the change against no pausing, over the same cases.";

/// A value on the horizontal axis, and its error bar.
type Across = (f64, Option<(f64, f64)>);

/// Dice against the share of MACs saved and against time, one line for each sweep; only what was measured.
///
/// # Errors
/// A plot can't be drawn.
pub fn trade_offs(
    dataset: &str,
    split: &str,
    sweeps: &[Sweep<'_>],
    results: &Results,
) -> Result<Vec<Figure>, ReportError> {
    let saved = |record: &EvaluationRecord| Some((100.0 * record.cost.as_ref()?.encoder_macs_saved, None));
    let title = format!("Dice vs. MACs saved: {}", place(dataset, split));
    let id = slug(&format!("dice macs {dataset} {split}"));
    let of_macs = Words { id, title, x: "Encoder MACs saved (%)".to_owned(), subtitle: ERROR_BARS.to_owned() };
    let mut figures: Vec<Figure> = of_macs.figure(sweeps, saved)?.into_iter().collect();
    let speed = |record: &EvaluationRecord| results.throughput_of(record);
    if let Some(first) = sweeps.iter().flat_map(|sweep| &sweep.records).find_map(|record| speed(record)) {
        let key = |speed: &ThroughputRecord| (speed.scope, speed.batch_size, speed.input_size);
        let time = |record: &EvaluationRecord| {
            let speed = speed(record).filter(|speed| key(speed) == key(first))?;
            Some((speed.ms_per_slice_median, Some((speed.ms_per_slice_p10, speed.ms_per_slice_p90))))
        };
        let of_time = Words {
            id: slug(&format!("dice time {dataset} {split}")),
            title: format!("Dice vs. time: {}", place(dataset, split)),
            x: format!("ms/slice, median: {}", timed(first.scope, first.batch_size)),
            subtitle: format!("{ERROR_BARS} Of time: 10th to 90th percentile of the runs."),
        };
        figures.extend(of_time.figure(sweeps, time)?);
    }
    Ok(figures)
}

/// What a plot says.
struct Words {
    id: String,
    title: String,
    x: String,
    subtitle: String,
}

impl Words {
    fn figure(
        self,
        sweeps: &[Sweep<'_>],
        across: impl Fn(&EvaluationRecord) -> Option<Across>,
    ) -> Result<Option<Figure>, ReportError> {
        let mut series = Vec::new();
        let mut rings = Vec::new();
        for (index, sweep) in sweeps.iter().enumerate() {
            let mut of_sweep =
                Series::new(format!("{}, {}", sweep.method(), points(sweep.points())), index, Vec::new());
            for record in &sweep.records {
                let (Some((x, x_spread)), Some(dice)) = (across(record), scores(record, Protocol::TransUnet).dice)
                else {
                    continue;
                };
                let point = (x, 100.0 * dice);
                // `never` is the same point in all lines: one label is enough.
                let is_labeled = index == 0 || !record.pause.is_never();
                let label = if is_labeled { record.pause.label() } else { String::new() };
                let label = label.trim_start_matches("threshold ").to_owned();
                of_sweep.details.push(Detail { x_spread, y_spread: spread(record, &sweep.records), label });
                of_sweep.points.push(point);
                if record.pause.recommended.is_some() {
                    rings.push(Series::ring(format!("recommended: {}", record.pause.label()), point));
                }
            }
            series.extend((!of_sweep.points.is_empty()).then_some(of_sweep));
        }
        if series.is_empty() {
            return Ok(None);
        }
        series.extend(rings);
        let x = Axis::over(&self.x, series.iter().flat_map(Series::widths), 1.0);
        let y = Axis::over("Mean Dice (%), transunet protocol", series.iter().flat_map(Series::heights), 1.0);
        let caption = format!(
            "{}. Each point is one pause setting of the same checkpoint, with its threshold beside it; the line runs from no \
             pausing to the most MACs saved. {}",
            self.title, self.subtitle
        );
        let lines = Lines { title: self.title, subtitle: self.subtitle, panels: vec![Panel { x, y, series }] };
        Figure::of_plot(self.id, caption, &lines).map(Some)
    }
}

/// Where the mean Dice of a setting may lie, in percent, given that of `never`: by the interval of the cases' differences.
fn spread(record: &EvaluationRecord, among: &[&EvaluationRecord]) -> Option<(f64, f64)> {
    let never = never_of(record, among).filter(|_| !record.pause.is_never())?;
    let (before, after) = (case_means(never, Protocol::TransUnet), case_means(record, Protocol::TransUnet));
    let pairs = before.iter().map(|(case, before)| Some((*before, *after.get(case)?)));
    let (before, after): (Vec<f64>, Vec<f64>) = pairs.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let (low, high) = compare_paired(&before, &after, RESAMPLES, 0).ok()?.interval?;
    let dice = scores(never, Protocol::TransUnet).dice?;
    Some((100.0 * (dice + low), 100.0 * (dice + high)))
}
