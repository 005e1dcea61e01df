//! The scores of each case.

use fastersam_records::{EvaluationRecord, slug};

use crate::draw::axis::Axis;
use crate::draw::dots::Dots;
use crate::error::ReportError;
use crate::figure::Figure;
use crate::names::place;
use crate::scores::{Protocol, case_means, scores};

/// The most cases of a plot: those with the lowest scores.
const MAX_CASES: usize = 40;
/// The most records that a plot compares.
const MAX_SERIES: usize = 6;
/// Records with a smaller share of the best one's Dice would press all else together.
const LEAST: f64 = 0.5;

/// The mean Dice of each case, the worst case first, for each of the records that have cases; none where none has.
///
/// # Errors
/// The plot can't be drawn.
pub fn cases(dataset: &str, split: &str, records: &[&EvaluationRecord]) -> Result<Option<Figure>, ReportError> {
    let mut with_cases: Vec<&EvaluationRecord> =
        records.iter().rev().take(MAX_SERIES).rev().copied().filter(|record| !record.cases.is_empty()).collect();
    // The last one is the best, or the recommended setting of the best.
    let Some(lead) = with_cases.last().copied() else { return Ok(None) };
    let dice = |record: &EvaluationRecord| scores(record, Protocol::Strict).dice.unwrap_or(0.0);
    let n_before = with_cases.len();
    with_cases.retain(|record| dice(record) >= LEAST * dice(lead));
    let left_out =
        if with_cases.len() < n_before { " Methods with less than half of its Dice are left out." } else { "" };
    let mut sorted: Vec<(String, f64)> = case_means(lead, Protocol::Strict).into_iter().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    let n_cases = sorted.len();
    sorted.truncate(MAX_CASES);
    let rows: Vec<String> = sorted.into_iter().map(|(case, _)| case).collect();
    let series: Vec<(String, Vec<Option<f64>>)> = with_cases
        .iter()
        .map(|record| {
            let means = case_means(record, Protocol::Strict);
            let values = rows.iter().map(|case| means.get(case).map(|mean| 100.0 * mean)).collect();
            let setting = match record.pause.pause_points[..] {
                [] => String::new(),
                _ => format!(", {}", record.pause.label()),
            };
            (format!("{}{setting}", record.method), values)
        })
        .collect();
    let values = series.iter().flat_map(|(_, values)| values.iter().copied().flatten());
    let title = format!("Dice of each case: {}", place(dataset, split));
    let shown =
        if n_cases > rows.len() { format!("The {} worst of {n_cases} cases", rows.len()) } else { "Cases".into() };
    let (last, _) = &series[series.len() - 1];
    let subtitle = format!(
        "{shown}, from the worst to the best of {last}. Mean over the classes, strict protocol.{left_out}"
    );
    let caption = format!("{title}. {subtitle}");
    let x = Axis::over("Mean Dice (%), strict protocol", values, 1.0);
    let id = slug(&format!("cases {dataset} {split}"));
    Figure::of_plot(id, caption, &Dots { title, subtitle, x, rows, series }).map(Some)
}
