//! The bench in pictures: bars, and time against input size and cost.

use fastersam_records::{BenchRecord, BenchRow, BenchScope, Program};

use super::bench_bars::{at_224, bars};
use crate::draw::axis::Axis;
use crate::draw::lines::{Lines, Panel, Series};
use crate::error::ReportError;
use crate::figure::Figure;

/// The figures that the Markdown page shows.
pub const SHOWN: [&str; 2] = ["bench-waterfall", "bench-inputs"];

/// All figures of a run; those without data are left out.
///
/// # Errors
/// A plot can't be drawn.
pub fn bench(record: &BenchRecord) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for (id, bars) in bars(record).filter(|(_, bars)| !bars.bars.is_empty()) {
        let caption = format!("{}. {}", bars.title, bars.subtitle);
        figures.push(Figure::of_plot(id.into(), caption, &bars)?);
    }
    for (id, lines) in [("bench-inputs", inputs(record)), ("bench-costs", costs(record))] {
        if lines.panels.iter().any(|panel| !panel.series.is_empty()) {
            figures.push(Figure::of_plot(id.into(), format!("{}.", lines.title), &lines)?);
        }
    }
    Ok(figures)
}

/// What a label says of weights that are not `f32`.
fn precision(row: &BenchRow) -> String {
    if row.precision == "f32" { String::new() } else { format!(", {}", row.precision) }
}

/// Time against the input size, one slice at a time.
fn inputs(record: &BenchRecord) -> Lines {
    let is_shown = |row: &&BenchRow| {
        let scope = matches!(row.scope, BenchScope::Encoder | BenchScope::Model);
        row.preset == "vit_b" && row.batch_size == 1 && scope
    };
    let rows: Vec<&BenchRow> = record.rows.iter().filter(is_shown).collect();
    let label = |row: &BenchRow| match row.program {
        Program::FasterSam => format!("{}: {}, {}{}", row.program, row.scope, row.pause, precision(row)),
        program => format!("{program}: SAM encoder"),
    };
    let lines = lines(rows.iter().map(|row| (label(row), (row.input_size as f64, row.ms_per_slice(0.5)))));
    let all = || lines.iter().flat_map(|series| &series.points);
    let mut sizes: Vec<usize> = all().map(|point| point.0 as usize).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let x = Axis::logarithmic_at("Input size (px, logarithmic)", &sizes);
    let y = Axis::logarithmic("ms/slice (logarithmic)", all().map(|point| point.1));
    let title = "Time per slice vs. input size (ViT-B, batch size 1)".into();
    Lines { title, subtitle: String::new(), panels: vec![Panel { x, y, series: lines }] }
}

/// Time against cost at 224 px, where tokens pause more and more.
fn costs(record: &BenchRecord) -> Lines {
    let is_shown = |row: &&BenchRow| {
        row.program == Program::FasterSam && matches!(row.scope, BenchScope::Encoder | BenchScope::Model)
    };
    let rows = at_224(record).filter(is_shown);
    let lines = lines(rows.filter_map(|row| {
        let label = format!("{}, batch size {}{}", row.scope, row.batch_size, precision(row));
        Some((label, (row.gmacs?, row.ms_per_slice(0.5))))
    }));
    let all = || lines.iter().flat_map(|series| &series.points);
    let x = Axis::from_zero("GMACs/slice", all().map(|point| point.0));
    let y = Axis::from_zero("ms/slice", all().map(|point| point.1));
    let title = "Time vs. computation as more tokens pause (ViT-B, 224 px)".into();
    Lines { title, subtitle: String::new(), panels: vec![Panel { x, y, series: lines }] }
}

/// A series for each label with more than one point, in the order of the labels; its points from left to right.
fn lines(points: impl Iterator<Item = (String, (f64, f64))>) -> Vec<Series> {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (label, point) in points {
        match lines.iter_mut().find(|(name, _)| *name == label) {
            Some((_, points)) => points.push(point),
            None => lines.push((label, vec![point])),
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    for (_, points) in &mut lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines.into_iter().enumerate().map(|(index, (label, points))| Series::new(label, index, points)).collect()
}
