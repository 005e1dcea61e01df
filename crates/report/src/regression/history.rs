//! The history of all figures on one page.

use std::collections::BTreeMap;

use fastersam_records::regression::{Baseline, RegressionRecord, Value, part};
use maud::{DOCTYPE, PreEscaped, html};

use crate::draw::axis::Axis;
use crate::draw::canvas::{LegendEntry, Marker, to_svg};
use crate::draw::color::NEUTRAL;
use crate::draw::lines::{Detail, Lines, Panel, Series};
use crate::error::ReportError;
use crate::notice::RECONSTRUCTION;

const STYLE: &str = include_str!("../page.css");
/// Two plots beside each other where there is room.
const PLOTS: &str = ".plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(34rem, 1fr)); gap: 1rem; }
.plots svg { display: block; width: 100%; height: auto; }
@media (max-width: 40rem) { .plots { grid-template-columns: 1fr; overflow-x: auto; } .plots svg { min-width: 34rem; } }";
/// Commits are named by so many letters.
const SHORT: usize = 7;
/// Names below the horizontal axis, at most.
const MAX_NAMES: usize = 8;

/// A page from disk: a line a figure and machine, with the band that the baseline allows, and the commits at which a figure
/// left what was allowed around the run before.
///
/// # Errors
/// A plot can't be drawn.
pub fn page(runs: &[RegressionRecord], baseline: &Baseline) -> Result<String, ReportError> {
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut names: Vec<&String> = runs.iter().flat_map(|run| run.values.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        if let Some(plot) = plot(name, runs, baseline) {
            let svg = to_svg(&plot, false).map_err(|reason| ReportError::Draw { name: name.clone(), reason })?;
            parts.entry(part(name)).or_default().push(svg);
        }
    }
    let checksums = checksums(runs);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "FasterSAM: regression suite" }
                style { (PreEscaped(STYLE)) (PreEscaped(PLOTS)) }
            }
            body {
                header {
                    h1 { "FasterSAM: regression suite" }
                    p.warning { strong { "Reconstruction." } " " (RECONSTRUCTION) }
                    p {
                        (runs.len()) @if runs.len() == 1 { " run. " } @else { " runs. " } "Gray lines: what the baseline allows on the machine that it was measured on. A commit is \
                         named where a figure left what is allowed around the run before, on the same machine."
                    }
                }
                nav { ul {
                    @for part in parts.keys() { li { a href={ "#" (part) } { (part) } } }
                    @if !checksums.is_empty() { li { a href="#checksums" { "checksums" } } }
                    li { a href="#changes" { "changes of the baseline" } }
                } }
                main {
                    @for (part, plots) in &parts {
                        section id=(part) {
                            h2 { (part) }
                            div.plots { @for plot in plots { figure { (PreEscaped(plot)) } } }
                        }
                    }
                    @if !checksums.is_empty() {
                        section id="checksums" {
                            h2 { "checksums" }
                            div.wide { table {
                                thead { tr { th { "Figure" } th { "Machine" } th { "From commit" } th { "Value" } } }
                                tbody { @for row in &checksums { tr { @for cell in row { td { (cell) } } } } }
                            } }
                        }
                    }
                    section id="changes" {
                        h2 { "changes of the baseline" }
                        div.wide { table {
                            thead { tr { th { "Date" } th { "Commit" } th { "Machine" } th { "Reason" } } }
                            tbody {
                                @for change in &baseline.changes {
                                    tr {
                                        td { (change.date) } td { (short(&change.commit)) } td { (change.machine) }
                                        td { (change.reason) }
                                    }
                                }
                            }
                        } }
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}

fn short(commit: &str) -> String {
    commit.chars().take(SHORT).collect()
}

/// What a machine is called: its kind, and its processor.
fn machine(run: &RegressionRecord) -> String {
    format!("{} ({})", run.machine.kind, run.machine.cpu)
}

/// The plot of a figure; none where it is no number.
fn plot(name: &str, runs: &[RegressionRecord], baseline: &Baseline) -> Option<Lines> {
    let numbers: Vec<(usize, f64)> =
        runs.iter().enumerate().filter_map(|(at, run)| Some((at, run.values.get(name)?.number()?))).collect();
    let metric = baseline.metrics.get(name);
    let mut series: Vec<Series> = Vec::new();
    for (index, of_machine) in machines(&numbers, runs).into_iter().enumerate() {
        let (label, points) = of_machine;
        let mut before: Option<f64> = None;
        let details = points.iter().map(|&(at, value)| {
            let allowed = before.zip(metric).map(|(before, metric)| metric.within.around(before));
            before = Some(value);
            let moved = allowed.is_some_and(|(least, most)| !(least..=most).contains(&value));
            Detail { label: if moved { short(&runs[at].commit) } else { String::new() }, ..Detail::default() }
        });
        let details = details.collect();
        let points = points.iter().map(|&(at, value)| (at as f64, value)).collect();
        series.push(Series { details, ..Series::new(label, index, points) });
    }
    let last = runs.len().saturating_sub(1) as f64;
    for (kind, figures) in &baseline.machines {
        let (Some(metric), Some(before)) = (metric, figures.values.get(name).and_then(Value::number)) else {
            continue;
        };
        let (least, most) = metric.within.around(before);
        for (limit, is_named) in [(least, true), (most, false)] {
            // One entry of the legend for both limits.
            let label = if is_named { format!("allowed on {kind}") } else { String::new() };
            let entry = LegendEntry { label, color: NEUTRAL, marker: Marker::None, line: 1 };
            series.insert(
                0,
                Series { entry, points: vec![(0.0, limit), (last.max(0.5), limit)], details: Vec::new() },
            );
        }
    }
    let heights: Vec<f64> = series.iter().flat_map(Series::heights).collect();
    let least = heights.iter().fold(0.0, |most: f64, height| most.max(height.abs())) * 1e-3;
    let unit = metric.map(|metric| metric.unit.as_str()).filter(|unit| !unit.is_empty());
    let step = runs.len().div_ceil(MAX_NAMES).max(1);
    let names =
        runs.iter().enumerate().map(|(at, run)| if at % step == 0 { short(&run.commit) } else { String::new() });
    let x = Axis::named("commit, one run after the other", names.collect());
    let y = Axis::over("", heights.into_iter(), least.max(1e-9));
    (!numbers.is_empty()).then(|| Lines {
        title: unit.map_or_else(|| name.to_owned(), |unit| format!("{name} ({unit})")),
        subtitle: String::new(),
        panels: vec![Panel { x, y, series }],
    })
}

/// The points of each machine.
fn machines(numbers: &[(usize, f64)], runs: &[RegressionRecord]) -> Vec<(String, Vec<(usize, f64)>)> {
    let mut machines: Vec<(String, Vec<(usize, f64)>)> = Vec::new();
    for &(at, value) in numbers {
        let name = machine(&runs[at]);
        match machines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((at, value)),
            None => machines.push((name, vec![(at, value)])),
        }
    }
    machines
}

/// Figure, machine, first commit and value, where a checksum became another.
fn checksums(runs: &[RegressionRecord]) -> Vec<[String; 4]> {
    let mut last: BTreeMap<(&str, String), &str> = BTreeMap::new();
    let mut rows = Vec::new();
    for run in runs {
        for (name, value) in &run.values {
            let Value::Text(text) = value else { continue };
            if last.insert((name, machine(run)), text) != Some(text) {
                rows.push([name.clone(), machine(run), short(&run.commit), text.clone()]);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use fastersam_records::regression::{Better, Machine, MachineBaseline, Metric, Tolerance};

    use super::*;

    fn run(at: usize, kind: &str, dice: f64) -> RegressionRecord {
        let values =
            [("accuracy.dice", Value::Number(dice)), ("logits.sha256", Value::Text(format!("sum {dice}")))];
        RegressionRecord {
            commit: format!("commit{at:02}-and-more"),
            date: format!("2026-01-{:02}T00:00:00Z", at + 1),
            machine: Machine { kind: kind.into(), cpu: "a processor".into(), threads: 2 },
            values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn a_figure_that_moves_is_marked_with_its_commit_and_machines_stand_apart() {
        let runs: Vec<RegressionRecord> = (0..20)
            .map(|at| run(at, if at % 2 == 0 { "avx2" } else { "avx512" }, if at < 10 { 0.9 } else { 0.7 }))
            .collect();
        let metric =
            Metric { unit: String::new(), better: Better::Higher, within: Tolerance::Absolute(0.0), across: None };
        let values = BTreeMap::from([("accuracy.dice".to_owned(), Value::Number(0.9))]);
        let machine = MachineBaseline { cpu: "a processor".into(), threads: 2, values };
        let baseline = Baseline {
            changes: Vec::new(),
            machines: BTreeMap::from([("avx2".to_owned(), machine)]),
            metrics: BTreeMap::from([("accuracy.dice".to_owned(), metric)]),
        };
        let page = page(&runs, &baseline).unwrap_or_default();
        for expected in [
            "accuracy.dice",
            "avx2 (a processor)",
            "avx512 (a processor)",
            "allowed on avx2",
            "commit10",
            "commit11",
        ] {
            let expected = expected.get(..7).filter(|_| expected.starts_with("commit")).unwrap_or(expected);
            assert!(page.contains(expected), "{expected}");
        }
        assert!(page.contains("<svg") && !page.contains("http://localhost"), "one file");
        // Two machines, two values each.
        assert_eq!(checksums(&runs).len(), 4);
    }
}
